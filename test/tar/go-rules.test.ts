/**
 * Rules of Go's archive/tar that decide about a name: podman extracts by them.
 */
import { expect, test } from "vitest";
import { concat, entry, sparse, tar, tarHeader } from "../support/mod.ts";
import { readOne } from "./read.ts";

const gnuHeader = (atime: string, ctime: Uint8Array) =>
  tarHeader({
    name: "passwd",
    magic: "gnu",
    raw(header) {
      header.set(new TextEncoder().encode(atime), 345);
      header.set(ctime, 357);
    },
  });

test("times in a GNU header that do not fit 64 bits are a prefix", () => {
  const fits = Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const overflows = Uint8Array.of(0x81, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
  expect(readOne(concat(gnuHeader("0000\0", fits))).name).toBe("passwd");
  // A byte above 127 lies behind the NUL that ends the prefix, so the prefix is ASCII.
  expect(readOne(concat(gnuHeader("0000\0", overflows))).name).toBe("0000/passwd");
});

test("an empty GNU.sparse.name leaves the header's name", () => {
  const member = sparse({ name: "f", realSize: 10, regions: [] }, "pax-0.1");
  expect(readOne(tar([member])).name).toBe("f");
  const unnamed = entry({
    name: "f",
    pax: {
      "GNU.sparse.major": "0",
      "GNU.sparse.minor": "1",
      "GNU.sparse.name": "",
      "GNU.sparse.size": "10",
      "GNU.sparse.map": "",
    },
  });
  expect(readOne(tar([unnamed])).name).toBe("f");
});

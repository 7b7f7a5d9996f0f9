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

test("GNU headers have times of access and change; PAX records win over them", () => {
  const times = (bytes: Uint8Array) => {
    const { atime, ctime } = readOne(bytes);
    return [atime, ctime];
  };
  // 0o17 and, in base 256, -2.
  const minusTwo = new Uint8Array(12).fill(255);
  minusTwo[11] = 254;
  expect(times(concat(gnuHeader("00000000017\0", minusTwo)))).toEqual([
    { seconds: 15, nanoseconds: 0 },
    { seconds: -2, nanoseconds: 0 },
  ]);
  expect(times(concat(gnuHeader("\0", new Uint8Array(12))))).toEqual([null, null]);
  const [atime, ctime] = times(tar([{ name: "a", data: "", pax: { atime: "1.5", ctime: "-0.25" } }]));
  expect(atime).toEqual({ seconds: 1, nanoseconds: 500_000_000 });
  expect(ctime).toEqual({ seconds: -1, nanoseconds: 750_000_000 });
});

/** What `tar-split disasm` wrote for the tars of real writers, byte for byte. */
import { describe, expect, test } from "vitest";
import { fixture, text, unzstd } from "../support/fixtures.ts";
import { sha256 } from "../support/mod.ts";
import { disassemble, disassembledLines, errorOf, sources, tarOf } from "./splitting.ts";

const golden = sources.filter((source) => source.tarSplit);
/** Pieces of one byte take long. */
const SMALL = 400_000;

test("the goldens are those that these tests were written for", () => {
  expect(sources.length).toBe(47);
  expect(golden.length).toBe(45);
  expect(golden.filter((source) => source.tarSplitRoundTrip === false).map(({ name }) => name)).toEqual([
    "sparse-gnu",
    "sparse-pax-0.0",
    "sparse-pax-1.0",
  ]);
});

describe("as the reference writes it, however the tar is cut into pieces", () => {
  for (const source of golden) {
    test(source.name, async () => {
      const tar = tarOf(source);
      const expected = unzstd(fixture(source.tarSplit!));
      expect([sha256(expected).slice(7), expected.length]).toEqual([
        source.tarSplitSHA256!.replace("sha256:", ""),
        source.tarSplitSize,
      ]);
      const sizes = [511, 512, 513, 65_536, tar.length];
      if (tar.length < SMALL) sizes.push(1);
      for (const size of sizes) {
        const split = await disassemble(tar, { sparse: "reference" }, size);
        expect(text(split) === text(expected), `pieces of ${size} bytes`).toBe(true);
      }
    });
  }
});

describe("by default it differs only where the reference loses the payload", () => {
  for (const source of golden) {
    test(source.name, async () => {
      const split = await disassemble(tarOf(source));
      const same = text(split) === text(unzstd(fixture(source.tarSplit!)));
      expect(same).toBe(source.tarSplitRoundTrip !== false);
      const lines = await disassembledLines(tarOf(source));
      let size = 0;
      for (const line of lines) {
        size += line["type"] === 1
          ? Number(line["size"] ?? 0)
          : Buffer.from(String(line["payload"]), "base64").length;
      }
      expect(size).toBe(source.size);
    });
  }
});

test("what the reference refuses is refused: two entries with one path", async () => {
  const refused = sources.find((source) => source.name === "dups")!;
  expect(refused.tarSplit).toBeUndefined();
  const error = await errorOf(() => disassemble(tarOf(refused)));
  expect(error.code).toBe("tarsplit-duplicate-path");
  // The third entry: "d/", "d/f", and "d/f" again, behind one header, one header and one block of data.
  expect(error.details).toMatchObject({ entry: "d/f" });
});

test("a file of no bytes has no lines", async () => {
  expect(await disassemble(new Uint8Array(0))).toEqual(new Uint8Array(0));
});

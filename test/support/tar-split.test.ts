/** The tar-split builder, against what the real disassembler wrote for the fixtures. */
import { describe, expect, test } from "vitest";
import { bytes, concat, hex, sha256 } from "./bytes.ts";
import { crc64 } from "./crc64.ts";
import { decode, fixture, ITEMS, readChunked, sourceEntries, text, unzstd } from "./fixtures.ts";
import { type Entry, tar, type TarOptions, tarParts } from "./tar.ts";
import { tarSplit, type TarSplitLine } from "./tar-split.ts";

const SMALL_OPTIONS: Readonly<Record<string, TarOptions>> = {
  small: {},
  "small-noeof": { noEnd: true },
  "small-zeros": { zeroBlocks: 10 },
  "small-junk": { trailing: "trailing bytes after the end of the archive" },
};

describe("tar-split", () => {
  for (const [name, options] of Object.entries(SMALL_OPTIONS)) {
    test(`is the real one's, byte for byte: ${name}`, () => {
      const { content } = readChunked("layers/small.zstdchunked");
      const entries = sourceEntries("small", content);
      expect(sha256(tar(entries, options))).toBe(sha256(fixture(`src/${name}.tar`)));
      const { parts, tail } = tarParts(entries, options);
      expect(text(tarSplit(parts, tail))).toBe(text(unzstd(fixture(`src/${name}.tar-split.json.zst`))));
    });
  }

  test("names and checksums of a large tree are the real one's", () => {
    const { content } = readChunked("layers/tree.zstdchunked");
    const { parts, tail } = tarParts(sourceEntries("tree", content));
    const files = (lines: string) => lines.split("\n").filter((line) => line.startsWith('{"type":1,'));
    const expected = files(text(unzstd(fixture("src/tree.tar-split.json.zst"))));
    expect(expected.length).toBeGreaterThan(100);
    expect(files(text(tarSplit(parts, tail)))).toEqual(expected);
  });

  test("gives the archive back, with raw names and a long tail in pieces", () => {
    const items: Entry[] = [...ITEMS, { name: Uint8Array.of(0x63, 0xe9), data: "x" }];
    const options: TarOptions = { zeroBlocks: 5000, trailing: "junk" };
    const { parts, tail } = tarParts(items, options);
    const lines = text(tarSplit(parts, tail)).trimEnd().split("\n").map((line) =>
      JSON.parse(line) as TarSplitLine
    );
    expect(lines.find((line) => line.name_raw)?.name_raw).toBe("Y+k=");
    expect(Math.max(...lines.map((line) => line.type === 2 ? decode(line.payload!).length : 0))).toBe(
      2 ** 20,
    );
    const payloads = parts.filter((part) => part.entry !== undefined).map((part) => part.data).values();
    const pieces = lines.map((line) => line.type === 2 ? decode(line.payload!) : payloads.next().value!);
    expect(sha256(concat(...pieces))).toBe(sha256(tar(items, options)));
  });

  test("CRC-64 of nothing is zero, and of 123456789 the check value of CRC-64/GO-ISO", () => {
    expect(hex(crc64(new Uint8Array(0)))).toBe("0000000000000000");
    expect(hex(crc64(bytes("123456789")))).toBe("b90956c775a41001");
  });
});

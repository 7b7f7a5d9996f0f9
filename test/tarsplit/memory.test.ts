/** What the disassembler keeps, and what it copies. */
import { describe, expect, test } from "vitest";
import { TarReader } from "../../src/tar/reader.ts";
import { Disassembler } from "../../src/tarsplit/disassemble.ts";
import { randomBytes, tar, tarStream } from "../support/mod.ts";
import { LIMITS } from "../tar/read.ts";

describe("memory", () => {
  test("payloads are hashed where they are, and in no other pieces", () => {
    const seen: Uint8Array[] = [];
    const crc = { update: (data: Uint8Array) => void seen.push(data), finish: () => 1n };
    const split = new Disassembler(() => {}, { crc64: crc });
    const reader = new TarReader(split, LIMITS);
    const archive = tar([{ name: "a", data: randomBytes(3000) }, { name: "b", data: "x" }]);
    split.piece(archive);
    reader.push(archive);
    split.pieceEnd();
    expect(seen.map((data) => [data.buffer === archive.buffer, data.byteOffset, data.length])).toEqual([
      [true, 512, 3000],
      [true, 512 + 3072 + 512, 1],
    ]);
  });

  test("lines leave in batches of at most 64 KiB, before their segment has ended", async () => {
    let out = 0;
    let largest = 0;
    const split = await Disassembler.create((lines) => {
      out += lines.length;
      largest = Math.max(largest, lines.length);
    });
    const reader = new TarReader(split, LIMITS);
    let size = 0;
    for (const piece of tarStream([{ name: "a" }], { zeroBlocks: 2 ** 17 })) {
      split.piece(piece);
      reader.push(piece);
      split.pieceEnd();
      size += piece.length;
      expect(size * 4 / 3 - out).toBeLessThan(100_000);
    }
    split.end();
    expect(size).toBeGreaterThan(2 ** 26);
    expect(largest).toBeLessThanOrEqual(65_536);
  });
});

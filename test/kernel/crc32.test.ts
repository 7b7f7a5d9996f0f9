import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { STAGING_BYTES } from "../../src/kernel/staging.ts";
import { kernelCrc32 } from "../../src/kernel/crc32.ts";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { randomPieces } from "../digest/pieces.ts";
import { random, randomBytes } from "../support/random.ts";

describe("CRC-32", () => {
  test("gives the published values", async () => {
    const crc = await kernelCrc32();
    expect(crc.finish()).toBe(0);
    crc.update(new TextEncoder().encode("123456789"));
    expect(crc.finish()).toBe(0xcbf43926);
    crc.update(new TextEncoder().encode("The quick brown fox jumps over the lazy dog"));
    expect(crc.finish()).toBe(0x414fa339);
  });

  test("every length from 0 to 300, whole, in pieces and at any offset", async () => {
    const crc = await kernelCrc32();
    const data = randomBytes(320);
    const source = random(3);
    for (let length = 0; length <= 300; length++) {
      const message = data.subarray(length % 17, length % 17 + length);
      crc.update(message);
      expect(crc.finish()).toBe(crc32(message));
      for (const piece of randomPieces(message, 100, source)) crc.update(piece);
      expect(crc.finish()).toBe(crc32(message));
    }
  });

  test("every length around where long data begins and its buffers end", async () => {
    const crc = await kernelCrc32();
    const data = randomBytes(140_000);
    for (const near of [600, 1200, 4096, 4696, 8192, 8792, 65_536, 131_072]) {
      for (let length = near - 70; length <= near + 70; length++) {
        const message = data.subarray(0, length);
        crc.update(message);
        expect(crc.finish()).toBe(crc32(message));
      }
    }
  });

  test("random lengths in pieces, from two at a time", async () => {
    const [a, b] = [await kernelCrc32(), await kernelCrc32()];
    const data = randomBytes(200_000);
    const source = random(5);
    for (let round = 0; round < 50; round++) {
      const message = data.subarray(source.below(100), source.below(data.length - 100) + 100);
      for (const piece of randomPieces(message, source.pick([3000, 70_000, 200_000]), source)) {
        a.update(piece);
        b.update(piece.subarray(1));
        b.update(piece.subarray(0, 1));
      }
      expect(a.finish()).toBe(crc32(message));
      b.finish();
    }
  });

  test("a single bit is found wherever it is, and zeros and ones count", async () => {
    const crc = await kernelCrc32();
    for (const fill of [0, 0xff]) {
      const data = new Uint8Array(5000).fill(fill);
      for (let at = 0; at < data.length; at += 7) {
        data[at]! ^= 1 << at % 8;
        crc.update(data);
        expect(crc.finish()).toBe(crc32(data));
        data[at] = fill;
      }
    }
  });

  test("data in the kernel's own memory is taken in place, also after it has grown", async () => {
    const memory = kernelMemory(STAGING_BYTES + 200_000);
    const crc = await kernelCrc32({ memory, staging: IO_BASE });
    const data = randomBytes(150_001);
    for (let grown = 0; grown < 2; grown++) {
      const from = IO_BASE + STAGING_BYTES + 5;
      new Uint8Array(memory.buffer).set(data, from);
      crc.update(data.subarray(0, 10));
      crc.update(new Uint8Array(memory.buffer, from + 10, data.length - 10));
      expect(crc.finish()).toBe(crc32(data));
      memory.grow(1);
    }
  });
});

import { describe, expect, test } from "vitest";
import { STAGING_BYTES } from "../../src/kernel/staging.ts";
import { kernelCrc64 } from "../../src/kernel/crc64.ts";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { randomPieces } from "../digest/pieces.ts";
import { crc64 as oracle } from "../support/crc64.ts";
import { random, randomBytes } from "../support/random.ts";

const crc64 = (data: Uint8Array): bigint => new DataView(oracle(data).buffer).getBigUint64(0);

describe("CRC-64 (ISO 3309)", () => {
  /** From the CRC catalogue (CRC-64/GO-ISO) and Go's `hash/crc64` tests. */
  test.each([
    ["", 0n],
    ["a", 0x3420000000000000n],
    ["ab", 0x36c4200000000000n],
    ["abc", 0x3776c42000000000n],
    ["abcdefghij", 0x7f5b6e21b002d367n],
    ["123456789", 0xb90956c775a41001n],
  ])("gives Go's value of %j", async (message, value) => {
    const crc = await kernelCrc64();
    crc.update(new TextEncoder().encode(message));
    expect(crc.finish()).toBe(value);
  });

  test("every length from 0 to 300, whole, in pieces and at any offset", async () => {
    const crc = await kernelCrc64();
    const data = randomBytes(320);
    const source = random(3);
    for (let length = 0; length <= 300; length++) {
      const message = data.subarray(length % 17, length % 17 + length);
      crc.update(message);
      expect(crc.finish()).toBe(crc64(message));
      for (const piece of randomPieces(message, 100, source)) crc.update(piece);
      expect(crc.finish()).toBe(crc64(message));
    }
  });

  test("every length around where long data begins and its buffers end", async () => {
    const crc = await kernelCrc64();
    const data = randomBytes(140_000);
    for (const near of [512, 2048, 2560, 8192, 8704, 16_384, 65_536, 131_072]) {
      for (let length = near - 70; length <= near + 70; length++) {
        const message = data.subarray(0, length);
        crc.update(message);
        expect(crc.finish()).toBe(crc64(message));
      }
    }
  });

  test("random lengths in pieces, from two at a time", async () => {
    const [a, b] = [await kernelCrc64(), await kernelCrc64()];
    const data = randomBytes(200_000);
    const source = random(5);
    for (let round = 0; round < 50; round++) {
      const message = data.subarray(source.below(100), source.below(data.length - 100) + 100);
      for (const piece of randomPieces(message, source.pick([3000, 70_000, 200_000]), source)) {
        a.update(piece);
        b.update(piece.subarray(1));
      }
      expect(a.finish()).toBe(crc64(message));
      b.finish();
    }
  });

  test("data in the kernel's own memory is taken in place, also after it has grown", async () => {
    const memory = kernelMemory(STAGING_BYTES + 200_000);
    const crc = await kernelCrc64({ memory, staging: IO_BASE });
    const data = randomBytes(150_001);
    for (let grown = 0; grown < 2; grown++) {
      const from = IO_BASE + STAGING_BYTES + 5;
      new Uint8Array(memory.buffer).set(data, from);
      crc.update(data.subarray(0, 10));
      crc.update(new Uint8Array(memory.buffer, from + 10, data.length - 10));
      expect(crc.finish()).toBe(crc64(data));
      memory.grow(1);
    }
  });
});

import { describe, expect, test } from "vitest";
import { kernelCrc64 } from "../../src/kernel/crc64.ts";
import { IO_BASE, sharedKernelMemory } from "../../src/kernel/load.ts";
import { STAGING_BYTES } from "../../src/kernel/staging.ts";
import { randomBytes } from "../support/mod.ts";
import { crc64 as oracle } from "../support/crc64.ts";
import { checksumCases } from "./checksum-cases.ts";

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

  test("takes data where it lies in any of its places, also in a shared memory that has grown", async () => {
    const places = [1, 2].map(() => {
      const memory = sharedKernelMemory(STAGING_BYTES + 100_000);
      const buffer = memory.buffer as unknown as SharedArrayBuffer;
      memory.grow(1);
      return { memory, buffer, staging: IO_BASE };
    });
    const crc = await kernelCrc64(undefined, ...places);
    const data = randomBytes(150_000, 1);
    const staged = places.map(({ buffer }) =>
      new Uint8Array(buffer, IO_BASE + 64, STAGING_BYTES - 64).fill(0xa5)
    );
    const inPlace = places.map(({ buffer }, index) => {
      const view = new Uint8Array(buffer, IO_BASE + STAGING_BYTES, 50_000);
      view.set(data.subarray(50_000 * index, 50_000 * (index + 1)));
      return view;
    });
    for (const piece of [...inPlace, data.subarray(100_000)]) crc.update(piece);
    expect(crc.finish()).toBe(crc64(data));
    // What is copied goes there.
    for (const bytes of staged) expect(bytes.every((byte) => byte === 0xa5)).toBe(true);
  });

  checksumCases(kernelCrc64, crc64, [512, 2048, 2560, 8192, 8704, 16_384, 65_536, 131_072]);
});

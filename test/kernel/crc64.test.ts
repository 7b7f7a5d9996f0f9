import { describe, expect, test } from "vitest";
import { kernelCrc64 } from "../../src/kernel/crc64.ts";
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

  checksumCases(kernelCrc64, crc64, [512, 2048, 2560, 8192, 8704, 16_384, 65_536, 131_072]);
});

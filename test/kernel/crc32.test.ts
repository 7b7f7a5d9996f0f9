import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { kernelCrc32 } from "../../src/kernel/crc32.ts";
import { checksumCases } from "./checksum-cases.ts";

describe("CRC-32", () => {
  test("gives the published values", async () => {
    const crc = await kernelCrc32();
    expect(crc.finish()).toBe(0);
    crc.update(new TextEncoder().encode("123456789"));
    expect(crc.finish()).toBe(0xcbf43926);
    crc.update(new TextEncoder().encode("The quick brown fox jumps over the lazy dog"));
    expect(crc.finish()).toBe(0x414fa339);
  });

  checksumCases(kernelCrc32, (data) => crc32(data), [600, 1200, 4096, 4696, 8192, 8792, 65_536, 131_072]);
});

import { createXXHash64 } from "hash-wasm";
import { describe, expect, test } from "vitest";
import { STAGING_BYTES } from "../../src/kernel/staging.ts";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { kernelXxh64 } from "../../src/kernel/xxh64.ts";
import { randomPieces } from "../digest/pieces.ts";
import { random, randomBytes } from "../support/random.ts";
import { xxh64 } from "../support/xxh64.ts";

describe("XXH64", () => {
  test.each([
    ["", 0xef46db3751d8e999n],
    ["a", 0xd24ec4f1a98c6e5bn],
    ["abc", 0x44bc2cf5ad770999n],
    ["Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1n],
  ])("gives the published hash of %j", async (message, value) => {
    const hash = await kernelXxh64();
    hash.update(new TextEncoder().encode(message));
    expect(hash.digest()).toBe(value);
    expect(hash.digestLow32()).toBe(Number(value & 0xffffffffn));
  });

  test("every length from 0 to 300, whole, in pieces and at any offset", async () => {
    const hash = await kernelXxh64();
    const peer = await createXXHash64();
    const data = randomBytes(320);
    const source = random(3);
    for (let length = 0; length <= 300; length++) {
      const message = data.subarray(length % 17, length % 17 + length);
      const want = xxh64(message);
      expect(peer.init().update(message).digest("hex")).toBe(want.toString(16).padStart(16, "0"));
      hash.init();
      hash.update(message);
      expect(hash.digest()).toBe(want);
      for (const most of [1, 32, 100]) {
        hash.init();
        for (const piece of randomPieces(message, most, source)) hash.update(piece);
        expect(hash.digest()).toBe(want);
      }
    }
  });

  test("long messages in pieces give what hash-wasm gives", async () => {
    const hash = await kernelXxh64();
    const peer = await createXXHash64();
    const data = randomBytes(1_000_003);
    const source = random(8);
    const want = BigInt(`0x${peer.init().update(data).digest("hex")}`);
    for (const most of [4097, 65_536, 300_000, 1_000_003]) {
      hash.init();
      for (const piece of randomPieces(data, most, source)) hash.update(piece);
      expect(hash.digest()).toBe(want);
    }
  });

  test("a digest does not end the message, init does", async () => {
    const hash = await kernelXxh64();
    const data = randomBytes(100);
    hash.update(data.subarray(0, 70));
    expect([hash.digest(), hash.digest()]).toEqual([
      xxh64(data.subarray(0, 70)),
      xxh64(data.subarray(0, 70)),
    ]);
    hash.update(data.subarray(70));
    expect(hash.digest()).toBe(xxh64(data));
    hash.init();
    expect(hash.digest()).toBe(xxh64(new Uint8Array(0)));
  });

  test("hashers in one place, in turn, and data in place", async () => {
    const memory = kernelMemory(STAGING_BYTES + 100_000);
    const place = { memory, staging: IO_BASE };
    const [a, b] = [await kernelXxh64(place), await kernelXxh64(place)];
    const data = randomBytes(90_001);
    const from = IO_BASE + STAGING_BYTES + 1;
    new Uint8Array(memory.buffer).set(data, from);
    for (let at = 0; at < data.length; at += 1000) {
      a.update(new Uint8Array(memory.buffer, from + at, Math.min(1000, data.length - at)));
      b.update(data.subarray(at, at + 1000).toReversed());
      memory.grow(at % 10_000 === 0 ? 1 : 0);
    }
    expect(a.digest()).toBe(xxh64(data));
    expect(b.digest()).not.toBe(xxh64(data));
  });

  test("over 2^32 bytes the length still counts", async () => {
    const memory = kernelMemory(STAGING_BYTES + 2 ** 24);
    const hash = await kernelXxh64({ memory, staging: IO_BASE });
    const peer = (await createXXHash64()).init();
    const zeros = new Uint8Array(memory.buffer, IO_BASE + STAGING_BYTES, 2 ** 24);
    for (let count = 0; count < 257; count++) {
      hash.update(zeros);
      peer.update(zeros);
    }
    expect(hash.digest()).toBe(BigInt(`0x${peer.digest("hex")}`));
  });
});

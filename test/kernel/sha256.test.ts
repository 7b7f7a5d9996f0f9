import { createHash } from "node:crypto";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { STAGING_BYTES } from "../../src/kernel/staging.ts";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { kernelSha256 } from "../../src/kernel/sha256.ts";
import { random, randomBytes } from "../support/random.ts";
import { randomPieces } from "../digest/pieces.ts";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe("SHA-256 of one message", () => {
  /** FIPS 180-2 appendix B and the NIST examples for FIPS 180-4. */
  test.each([
    ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
    [
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ],
    [
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrst" +
      "nopqrstu",
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ],
  ])("gives the published digest of %j", async (message, digest) => {
    const hash = await kernelSha256();
    hash.update(text(message));
    expect(hash.finish()).toBe(digest);
  });

  test("gives the published digest of a million times a, in pieces of any size", async () => {
    const hash = await kernelSha256();
    const message = new Uint8Array(1_000_000).fill(0x61);
    for (const size of [1_000_000, 65_536, 65_537, 1000]) {
      for (let at = 0; at < message.length; at += size) hash.update(message.subarray(at, at + size));
      expect(hash.finish()).toBe("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
  });

  test("every length from 0 to 300, whole, in pieces and at any offset", async () => {
    const hash = await kernelSha256();
    const data = randomBytes(320);
    const source = random(3);
    for (let length = 0; length <= 300; length++) {
      const message = data.subarray(length % 17, length % 17 + length);
      const digest = sha256(message);
      hash.update(message);
      expect(hash.finish()).toBe(digest);
      for (const most of [1, 7, 64, 100]) {
        for (const piece of randomPieces(message, most, source)) hash.update(piece);
        expect(hash.finish()).toBe(digest);
      }
    }
  });

  test("lengths around a staged piece, with something held or not", async () => {
    const hash = await kernelSha256();
    const data = randomBytes(3 * 65_536);
    for (const first of [0, 1, 63, 64, 65]) {
      for (const next of [65_535, 65_536, 65_537, 2 * 65_536 - 1, 2 * 65_536]) {
        hash.update(data.subarray(0, first));
        hash.update(data.subarray(first, first + next));
        expect(hash.finish()).toBe(sha256(data.subarray(0, first + next)));
      }
    }
  });

  test("many hashers in one place, in turn, do not disturb one another", async () => {
    const hashers = await Promise.all(Array.from({ length: 20 }, () => kernelSha256()));
    const messages = hashers.map((_, i) => randomBytes(3000 + 100 * i, i + 1));
    const at = hashers.map(() => 0);
    const source = random(9);
    while (at.some((done, i) => done < messages[i]!.length)) {
      const i = source.below(hashers.length);
      const size = source.below(300);
      hashers[i]!.update(messages[i]!.subarray(at[i]!, at[i]! + size));
      at[i]! += Math.min(size, messages[i]!.length - at[i]!);
    }
    expect(hashers.map((hash) => hash.finish())).toEqual(messages.map(sha256));
  });

  test("data in the kernel's own memory is hashed in place, also after the memory has grown", async () => {
    const memory = kernelMemory(STAGING_BYTES + 200_000);
    const hash = await kernelSha256({ memory, staging: IO_BASE });
    const data = randomBytes(150_001);
    for (let grown = 0; grown < 2; grown++) {
      const from = IO_BASE + STAGING_BYTES + 3;
      new Uint8Array(memory.buffer).set(data, from);
      hash.update(data.subarray(0, 10));
      hash.update(new Uint8Array(memory.buffer, from + 10, 50));
      hash.update(new Uint8Array(memory.buffer, from + 60, 40));
      memory.grow(1);
      hash.update(new Uint8Array(memory.buffer, from + 100, data.length - 100));
      expect(hash.finish()).toBe(sha256(data));
      expect(sha256(new Uint8Array(memory.buffer, from, data.length))).toBe(sha256(data));
    }
  });

  // 2^29 bytes: the length in bits needs more than 32.
  const nightly = process.env.LAYERPROOF_NIGHTLY === "1";
  test.skipIf(!nightly)("600 MiB of zeros (set LAYERPROOF_NIGHTLY=1)", async () => {
    const hash = await kernelSha256();
    const want = createHash("sha256");
    const piece = new Uint8Array(2 ** 20);
    for (let count = 0; count < 600; count++) {
      hash.update(piece);
      want.update(piece);
    }
    expect(hash.finish()).toBe(want.digest("hex"));
  });
});

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { defaultHashes } from "../../src/digest/default.ts";
import { portableHashes } from "../../src/digest/hasher.ts";
import { kernelHashes } from "../../src/digest/kernel.ts";
import { nativeHashes } from "../../src/digest/native.ts";
import { randomBytes, slices, xxh64 } from "../support/mod.ts";

/** FIPS 180-2 appendix B and the NIST example of an empty message; CRC-32 of "123456789" from the CRC catalogue. */
const SHA256_VECTORS: [string, string][] = [
  ["", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
  ["abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"],
  [
    "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
  ],
];

for (const backend of [portableHashes, kernelHashes, nativeHashes]) {
  describe(backend.name, () => {
    test("SHA-256 and CRC-32 give the published values", async () => {
      const hash = await backend.sha256();
      for (const [message, digest] of SHA256_VECTORS) {
        hash.update(new TextEncoder().encode(message));
        expect(hash.finish()).toBe(digest);
      }
      hash.update(new Uint8Array(1_000_000).fill(0x61));
      expect(hash.finish()).toBe("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
      const crc = await backend.crc32();
      crc.update(new TextEncoder().encode("123456789"));
      expect(crc.finish()).toBe(0xcbf43926);
      expect(crc.finish()).toBe(0);
    });

    test("every length from 0 to 300, in pieces of 1, 63, 64 and 65 bytes", async () => {
      const hash = await backend.sha256();
      const crc = await backend.crc32();
      const data = randomBytes(300);
      for (let length = 0; length <= data.length; length++) {
        const message = data.subarray(0, length);
        const digest = createHash("sha256").update(message).digest("hex");
        for (const size of [1, 63, 64, 65]) {
          for (const piece of slices(message, size)) {
            hash.update(piece);
            crc.update(piece);
          }
          expect(hash.finish()).toBe(digest);
          expect(crc.finish()).toBe(crc32(message));
        }
      }
    });

    test("two hashers do not share anything, and empty pieces change nothing", async () => {
      const [a, b] = [await backend.sha256(), await backend.sha256()];
      a.update(new TextEncoder().encode("a"));
      b.update(new Uint8Array(0));
      b.update(new TextEncoder().encode("abc"));
      a.update(new TextEncoder().encode("bc"));
      expect([a.finish(), b.finish()]).toEqual([SHA256_VECTORS[1]![1], SHA256_VECTORS[1]![1]]);
    });

    test("XXH64 gives the low half of the digest", async () => {
      const hash = await backend.xxh64();
      const data = randomBytes(1000);
      for (const length of [0, 31, 32, 33, 1000]) {
        hash.init();
        hash.update(data.subarray(0, length));
        expect(hash.digestLow32()).toBe(Number(xxh64(data.subarray(0, length)) & 0xffffffffn));
      }
    });

    test("a batch gives the digest of each message, in their order", async () => {
      const batch = await backend.batch();
      const data = randomBytes(100_000);
      const messages = [3, 100_000, 0, 64, 5000, 3].map((length) => data.subarray(0, length));
      expect(batch.digestAll(messages)).toEqual(
        messages.map((it) => createHash("sha256").update(it).digest("hex")),
      );
      expect(batch.digestAll([])).toEqual([]);
    });
  });
}

test("this engine's default are the kernels", () => {
  expect(defaultHashes()).toBe(kernelHashes);
});

test("over 2^29 bytes the portable hash agrees with the platform's (A65)", async () => {
  const piece = randomBytes(2 ** 20);
  const hash = await portableHashes.sha256();
  const want = createHash("sha256");
  // 513 MiB: the length in bits no longer fits in 32.
  for (let count = 0; count < 513; count++) {
    hash.update(piece);
    want.update(piece);
  }
  expect(hash.finish()).toBe(want.digest("hex"));
});

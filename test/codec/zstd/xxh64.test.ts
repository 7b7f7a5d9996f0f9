import { createXXHash64 } from "hash-wasm";
import { expect, test } from "vitest";
import { createXxh64 } from "../../../src/digest/xxh64.ts";
import { randomBytes } from "../../support/random.ts";
import { slices } from "../../support/bytes.ts";

function portable(bytes: Uint8Array, pieceSize = Math.max(bytes.length, 1)): number {
  const hash = createXxh64();
  for (const piece of slices(bytes, pieceSize)) hash.update(piece);
  return hash.digestLow32();
}

// Low halves of well-known digests; the full ones are ef46db37…, d24ec4f1…, 44bc2cf5… and fbcea83c….
test.each([
  ["", 0x51d8e999],
  ["a", 0xa98c6e5b],
  ["abc", 0xad770999],
  ["Nobody inspects the spammish repetition", 0x8a378bf1],
])("known vector %j", (text, expected) => {
  expect(portable(new TextEncoder().encode(text))).toBe(expected);
});

test("all lengths from 0 to 300 give what hash-wasm gives, in pieces of any size", async () => {
  const wasm = await createXXHash64();
  for (let length = 0; length <= 300; length++) {
    const bytes = randomBytes(length, length + 1);
    const expected = parseInt(wasm.init().update(bytes).digest("hex").slice(8), 16);
    for (const pieceSize of [1, 7, 31, 32, 33, 301]) expect(portable(bytes, pieceSize)).toBe(expected);
  }
});

test("numbers at the edges of 16 and 32 bits give what hash-wasm gives", async () => {
  const wasm = await createXXHash64();
  for (const fill of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
    for (const length of [4, 8, 31, 32, 64, 100, 4096]) {
      const bytes = new Uint8Array(length).fill(fill);
      expect(portable(bytes)).toBe(parseInt(wasm.init().update(bytes).digest("hex").slice(8), 16));
    }
  }
  const large = randomBytes(1_000_003, 4);
  expect(portable(large, 4097)).toBe(parseInt(wasm.init().update(large).digest("hex").slice(8), 16));
});

test("init starts anew, and a view at an odd offset is hashed as it is", () => {
  const bytes = randomBytes(1000, 2);
  const hash = createXxh64();
  hash.update(bytes.subarray(0, 77));
  hash.init();
  hash.update(bytes.subarray(3));
  expect(hash.digestLow32()).toBe(portable(bytes.slice(3)));
});

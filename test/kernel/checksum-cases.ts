/** What every streaming checksum of a kernel promises, declared as tests. */
import { expect, test } from "vitest";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { type HashPlace, STAGING_BYTES } from "../../src/kernel/staging.ts";
import { randomPieces } from "../digest/pieces.ts";
import { random, randomBytes } from "../support/random.ts";

interface Checksum<T> {
  update(bytes: Uint8Array): void;
  finish(): T;
}

/**
 * @param create makes the checksum under test
 * @param oracle gives the right value
 * @param lengths around which the kernel changes its way of working
 */
export function checksumCases<T>(
  create: (place?: HashPlace) => Promise<Checksum<T>>,
  oracle: (data: Uint8Array) => T,
  lengths: readonly number[],
): void {
  test("every length from 0 to 300, whole, in pieces and at any offset", async () => {
    const sum = await create();
    const data = randomBytes(320);
    const source = random(3);
    for (let length = 0; length <= 300; length++) {
      const message = data.subarray(length % 17, length % 17 + length);
      sum.update(message);
      expect(sum.finish()).toBe(oracle(message));
      for (const piece of randomPieces(message, 100, source)) sum.update(piece);
      expect(sum.finish()).toBe(oracle(message));
    }
  });

  test("every length around where long data begins and its buffers end", async () => {
    const sum = await create();
    const data = randomBytes(140_000);
    for (const near of lengths) {
      for (let length = near - 70; length <= near + 70; length++) {
        const message = data.subarray(0, length);
        sum.update(message);
        expect(sum.finish()).toBe(oracle(message));
      }
    }
  });

  test("random lengths in pieces, two at a time", async () => {
    const [a, b] = [await create(), await create()];
    const data = randomBytes(200_000);
    const source = random(5);
    for (let round = 0; round < 50; round++) {
      const message = data.subarray(source.below(100), source.below(data.length - 100) + 100);
      const reversed = message.slice().reverse();
      let end = message.length;
      for (const piece of randomPieces(message, source.pick([3000, 70_000, 200_000]), source)) {
        a.update(piece);
        end -= piece.length;
        b.update(reversed.subarray(message.length - end - piece.length, message.length - end));
      }
      expect(a.finish()).toBe(oracle(message));
      expect(b.finish()).toBe(oracle(reversed));
    }
  });

  test("a single bit is found wherever it is, and zeros and ones count", async () => {
    const sum = await create();
    for (const fill of [0, 0xff]) {
      const data = new Uint8Array(5000).fill(fill);
      for (let at = 0; at < data.length; at += 7) {
        data[at]! ^= 1 << at % 8;
        sum.update(data);
        expect(sum.finish()).toBe(oracle(data));
        data[at] = fill;
      }
    }
  });

  test("data in the kernel's own memory is taken in place, also after it has grown", async () => {
    const memory = kernelMemory(STAGING_BYTES + 200_000);
    const sum = await create({ memory, staging: IO_BASE });
    const data = randomBytes(150_001);
    for (let grown = 0; grown < 2; grown++) {
      const from = IO_BASE + STAGING_BYTES + 5;
      new Uint8Array(memory.buffer).set(data, from);
      sum.update(data.subarray(0, 10));
      sum.update(new Uint8Array(memory.buffer, from + 10, data.length - 10));
      expect(sum.finish()).toBe(oracle(data));
      memory.grow(1);
    }
  });
}

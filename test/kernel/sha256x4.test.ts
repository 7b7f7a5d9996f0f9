import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { BATCH_STAGING_BYTES } from "../../src/kernel/staging.ts";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { kernelSha256 } from "../../src/kernel/sha256.ts";
import { kernelBatch } from "../../src/kernel/sha256x4.ts";
import { random, randomBytes } from "../support/random.ts";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

describe("SHA-256 of batches", () => {
  test("an empty batch, and empty messages", async () => {
    const batch = await kernelBatch();
    expect(batch.digestAll([])).toEqual([]);
    const empty = new Uint8Array(0);
    for (let count = 1; count < 10; count++) {
      expect(batch.digestAll(Array(count).fill(empty))).toEqual(Array(count).fill(sha256(empty)));
    }
  });

  test("all lengths from 0 to 300, in one batch, up, down and twice", async () => {
    const batch = await kernelBatch();
    const data = randomBytes(320);
    const up = Array.from({ length: 301 }, (_, length) => data.subarray(length % 17, length % 17 + length));
    const digests = up.map(sha256);
    expect(batch.digestAll(up)).toEqual(digests);
    expect(batch.digestAll(up.toReversed())).toEqual(digests.toReversed());
    expect(batch.digestAll([...up, ...up])).toEqual([...digests, ...digests]);
  });

  test("one to nine messages of every length from 0 to 300", async () => {
    const batch = await kernelBatch();
    const data = randomBytes(400);
    const digests = Array.from({ length: 301 }, (_, length) => sha256(data.subarray(0, length)));
    for (let length = 0; length <= 300; length++) {
      const count = 1 + length % 9;
      // Equal lengths, and lengths that differ from lane to lane.
      const spread = Array.from({ length: count }, (_, i) => (length + 37 * i) % 301);
      for (const lengths of [Array(count).fill(length) as number[], spread]) {
        expect(batch.digestAll(lengths.map((size) => data.subarray(0, size)))).toEqual(
          lengths.map((size) => digests[size]),
        );
      }
    }
  });

  test("random lengths up to some hundred KiB, more messages than a queue holds", async () => {
    const batch = await kernelBatch();
    const data = randomBytes(300_000);
    const { below, pick } = random(4);
    for (let round = 0; round < 40; round++) {
      const most = pick([70, 500, 5000, 40_000, 250_000]);
      const messages = Array.from({ length: below(Math.min(3000, 2e6 / most)) }, () => {
        const from = below(1000);
        return data.subarray(from, from + below(most));
      });
      expect(batch.digestAll(messages)).toEqual(messages.map(sha256));
    }
  });

  test("lengths around what a queue holds, alone and among tiny ones", async () => {
    const batch = await kernelBatch();
    const data = randomBytes(200_000);
    for (const size of [32_767, 32_768, 32_769, 65_536, 65_599, 98_304, 200_000]) {
      const long = data.subarray(0, size);
      const tiny = [data.subarray(0, 1), data.subarray(0, 64), data.subarray(0, 0)];
      for (
        const messages of [[long], [long, ...tiny], [...tiny, long, ...tiny, long], [
          long,
          long,
          long,
          long,
          long,
        ]]
      ) {
        expect(batch.digestAll(messages)).toEqual(messages.map(sha256));
      }
    }
  });

  test("messages in the kernel's own memory are hashed in place, also after it has grown", async () => {
    const memory = kernelMemory(BATCH_STAGING_BYTES + 300_000);
    const place = { memory, staging: IO_BASE };
    const batch = await kernelBatch(place);
    const data = randomBytes(300_000);
    for (let grown = 0; grown < 2; grown++) {
      const from = IO_BASE + BATCH_STAGING_BYTES;
      new Uint8Array(memory.buffer).set(data, from);
      const messages = [7, 64, 100_000, 0, 5000, 130_001].map((size) =>
        new Uint8Array(memory.buffer, from + size, size)
      );
      messages.push(data.subarray(5, 70_000));
      expect(batch.digestAll(messages)).toEqual(messages.map(sha256));
      memory.grow(1);
    }
  });

  test("a message that ends with the memory is not read beyond", async () => {
    const memory = kernelMemory(BATCH_STAGING_BYTES);
    const batch = await kernelBatch({ memory, staging: IO_BASE });
    const end = memory.buffer.byteLength;
    const messages = Array.from(
      { length: 130 },
      (_, size) => new Uint8Array(memory.buffer, end - size, size),
    );
    expect(batch.digestAll(messages)).toEqual(messages.map(sha256));
  });

  test("a batch between the updates of a hasher in the same place does not disturb it", async () => {
    const [batch, hash] = [await kernelBatch(), await kernelSha256()];
    const data = randomBytes(100_000);
    hash.update(data.subarray(0, 50_001));
    expect(batch.digestAll([data])).toEqual([sha256(data)]);
    hash.update(data.subarray(50_001));
    expect(hash.finish()).toBe(sha256(data));
  });
});

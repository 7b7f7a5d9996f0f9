/** The cache in memory: bounded, and what was used last stays. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryChunkCache } from "../../src/mod.ts";
import { randomBytes, sha256 } from "../support/mod.ts";

test("what was put is got, until others need the room; what was used last stays", async () => {
  const cache = new MemoryChunkCache(3500);
  const content = [1, 2, 3, 4].map((seed) => randomBytes(1000, seed));
  const [a, b, c, d] = content.map(sha256) as [string, string, string, string];
  for (const bytes of content.slice(0, 2)) await cache.put(sha256(bytes), bytes);
  expect(await cache.get(a)).toBe(content[0]);
  expect(await cache.get(c)).toBe(null);
  await cache.put(c, content[2]!);
  expect([await cache.get(a), await cache.get(b)].map((bytes) => bytes === null)).toEqual([false, true]);
  await cache.put(d, new Uint8Array(10_000));
  expect(await cache.get(d)).toBe(null);
  expect(await cache.get(c)).toBe(content[2]);
});

test("any calls: never more than the limit, and only what was put", async () => {
  const call = fc.record({ key: fc.nat(20), length: fc.nat(900), put: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 200 }), fc.nat(4000), async (calls, limit) => {
      const cache = new MemoryChunkCache(limit);
      const put = new Map<string, number>();
      for (const { key, length, put: puts } of calls) {
        const digest = `sha256:${key}`;
        // A digest has one length.
        const own = put.get(digest) ?? length;
        if (puts) {
          put.set(digest, own);
          await cache.put(digest, new Uint8Array(own));
        } else {
          const bytes = await cache.get(digest);
          if (bytes) expect(bytes.length).toBe(put.get(digest));
        }
        expect(cache.size).toBeLessThanOrEqual(limit);
      }
    }),
  );
});

/** Neighbouring ranges become one request, and every reader gets exactly its own bytes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { coalesced } from "../../src/registry/coalesce.ts";
import { blobSetting, pattern } from "./support/blob.ts";

const BYTES = pattern(2000);

test("whatever is asked together, everyone gets their bytes, in requests that are in bounds", async () => {
  const range = fc.tuple(fc.nat(1900), fc.integer({ min: 1, max: 100 }));
  await fc.assert(
    fc.asyncProperty(fc.array(range, { maxLength: 30 }), fc.nat(50), async (ranges, gap) => {
      const requests: [number, number][] = [];
      const read = coalesced((offset, length) => {
        requests.push([offset, length]);
        return Promise.resolve(BYTES.slice(offset, offset + length));
      }, { gap, most: 300 });
      const found = await Promise.all(ranges.map(([offset, length]) => read(offset, length)));
      expect(found).toEqual(ranges.map(([offset, length]) => BYTES.slice(offset, offset + length)));
      for (const [, length] of requests) expect(length).toBeLessThanOrEqual(300);
      expect(requests.length).toBeLessThanOrEqual(ranges.length);
      // Two requests whose union would be in bounds lie further apart than the gap.
      const sorted = requests.toSorted(([a], [b]) => a - b);
      for (let i = 1; i < sorted.length; i++) {
        const [start, length] = sorted[i - 1]!, [next, nextLength] = sorted[i]!;
        const far = next > start + length + gap;
        // The next request's first range may be what did not fit any more.
        const full = Math.max(start + length, next + nextLength) - start > 300;
        const first = ranges.filter(([offset]) => offset === next).map(([, size]) => next + size - start);
        expect(far || full || first.some((size) => size > 300)).toBe(true);
      }
    }),
  );
});

test("a failed request fails those who asked for it, and nobody else", async () => {
  const read = coalesced(
    (offset, length) =>
      offset === 0
        ? Promise.reject(new Error("broken"))
        : Promise.resolve(BYTES.slice(offset, offset + length)),
    { gap: 10, most: 300 },
  );
  const found = await Promise.allSettled([read(0, 5), read(8, 5), read(1000, 5)]);
  expect(found.map(({ status }) => status)).toEqual(["rejected", "rejected", "fulfilled"]);
  expect(await read(8, 5)).toEqual(BYTES.slice(8, 13));
});

test("neighbouring chunks of a blob are one request to the registry", async () => {
  const { open, registry, bytes } = await blobSetting({ size: 200_000 });
  const source = open();
  const offsets = [150_000, 100, 1100, 2100];
  const read = await Promise.all(offsets.map((offset) => source.read!(offset, 1000)));
  expect(read).toEqual(offsets.map((offset) => bytes.slice(offset, offset + 1000)));
  expect(registry.log.map(({ headers }) => headers.range)).toEqual(["bytes=100-3099", "bytes=150000-150999"]);
});

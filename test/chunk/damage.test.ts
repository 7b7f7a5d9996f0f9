/** Whatever is done to a blob: what is read is right, or there is a typed error. Never a wrong byte. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import { type Layer, MemoryChunkCache } from "../../src/mod.ts";
import { sha256 } from "../support/mod.ts";
import { mutate } from "../support/damage.ts";
import { random } from "../support/mod.ts";
import { open, readAll, RIGHT, type Sample, SAMPLES } from "./support.ts";

describe.each(SAMPLES.map((sample) => [sample.name, sample] as const))("%s", (_, sample) => {
  test("undamaged", async () => {
    const layer = await open(sample.blob, sample);
    expect(layer.facts.trust).toBe("verified");
    expect([...await readAll(layer)].sort()).toEqual([...RIGHT].sort());
  });

  test("any one byte changed: right bytes, or a typed error of the file that is hit", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(sample.blob.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const blob = sample.blob.slice();
          blob[at]! ^= bits;
          await rightOrRefused(blob, sample, at);
        },
      ),
      { numRuns: 150 },
    );
  });

  test("bytes changed, lost, added, moved", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        await rightOrRefused(mutate(sample.blob, random(seed)), sample, null);
      }),
      { numRuns: 80 },
    );
  });
});

async function rightOrRefused(blob: Uint8Array, sample: Sample, at: number | null): Promise<void> {
  const cache = new MemoryChunkCache(1 << 20);
  let layer: Layer;
  try {
    layer = await open(blob, sample, { cache });
  } catch (error) {
    if (!(error instanceof LayerproofError)) throw error;
    return;
  }
  const found = await readAll(layer);
  expect([...found.keys()].sort()).toEqual([...RIGHT.keys()].sort());
  const failed = [...found].filter(([path, result]) => result !== RIGHT.get(path));
  for (const [, code] of failed) {
    expect(code).toMatch(
      /^(chunk-(damaged|length|digest-mismatch|position)|file-digest-mismatch|zstd-window-limit)$/,
    );
  }
  // One byte hits one unit; files that share it fall together.
  if (at !== null && !sample.name.includes("shared")) expect(failed.length).toBeLessThanOrEqual(1);
  // A second look finds the same, but for content that is elsewhere too and was read there.
  for (const [path, result] of await readAll(layer)) {
    const wanted = path === "same" || path === "etc/motd"
      ? [found.get(path), RIGHT.get(path)]
      : [found.get(path)];
    expect(wanted).toContain(result);
  }
  // The cache has what is right.
  const contents = new Map([...RIGHT].filter(([path]) => found.get(path) === RIGHT.get(path)));
  for (const digest of contents.values()) {
    const kept = await cache.get(digest);
    if (kept) expect(sha256(kept)).toBe(digest);
  }
}

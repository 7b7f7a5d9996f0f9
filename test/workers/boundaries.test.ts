import { describe, expect, test } from "vitest";
import { findUnit } from "../../src/workers/boundaries.ts";
import { concat, gzipMember, random, randomBytes, zstdFrame } from "../support/mod.ts";

describe.each([["gzip", gzipMember], ["zstd", zstdFrame]] as const)("%s", (container, compress) => {
  test("finds every unit of a stream, from anywhere", () => {
    const { below } = random(5);
    const units = Array.from({ length: 30 }, (_, i) => compress(randomBytes(below(300), i)));
    const starts = new Set<number>();
    let size = 0;
    for (const unit of units) {
      starts.add(size);
      size += unit.length;
    }
    const blob = concat(...units);
    for (let from = 0; from < blob.length; from++) {
      const next = [...starts].find((start) => start >= from);
      if (next === undefined) continue;
      const found = findUnit(container, blob, from);
      // What looks like one is told as well, but none is passed over.
      expect(found).toBeGreaterThanOrEqual(from);
      expect(found).toBeLessThanOrEqual(next);
    }
  });

  test("a header that is cut off is none", () => {
    const header = compress(new Uint8Array(10)).subarray(0, container === "gzip" ? 10 : 5);
    expect(findUnit(container, header, 0)).toBe(0);
    for (let size = 0; size < header.length; size++) {
      expect(findUnit(container, header.subarray(0, size), 0)).toBe(-1);
    }
    expect(findUnit(container, new Uint8Array(0), 0)).toBe(-1);
  });
});

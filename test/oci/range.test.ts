import { mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openFile } from "../../src/source/file.ts";
import { rangeSource } from "../../src/source/range.ts";
import { memorySource } from "../../src/source/source.ts";
import { collect, randomBytes, sha256 } from "../support/mod.ts";

/** A source in memory that tells how often it was closed, and what was read. */
function watched(bytes: Uint8Array) {
  const source = memorySource(bytes, "whole");
  const seen = { closed: 0, reads: [] as [number, number][] };
  const whole = {
    ...source,
    read(offset: number, length: number) {
      seen.reads.push([offset, length]);
      return source.read!(offset, length);
    },
    close() {
      seen.closed++;
      return Promise.resolve();
    },
  };
  return { whole, seen };
}

async function gathered(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece.slice());
  return collect(pieces);
}

describe("a stretch of a source", () => {
  test("reads like the slice that it is, and nothing around it", async () => {
    const bytes = randomBytes(3000, 1);
    await fc.assert(
      fc.asyncProperty(fc.nat(3000), fc.nat(3000), fc.nat(3000), fc.nat(3000), async (a, b, c, d) => {
        const start = Math.min(a, b), end = Math.max(a, b), length = end - start;
        const { whole, seen } = watched(bytes);
        const range = rangeSource(whole, start, length, "part");
        expect([range.name, range.size]).toEqual(["part", length]);
        expect(sha256(await gathered(range.stream()))).toBe(sha256(bytes.subarray(start, end)));
        const read = range.read!(c, d);
        if (c + d > length) {
          await expect(read).rejects.toMatchObject({
            code: "source-short-read",
            details: { source: "part" },
          });
        } else expect(await read).toEqual(bytes.slice(start + c, start + c + d));
        for (const [offset, count] of seen.reads) {
          expect(offset).toBeGreaterThanOrEqual(start);
          expect(offset + count).toBeLessThanOrEqual(end);
        }
        await range.close();
        expect(seen.closed).toBe(1);
      }),
    );
  });

  test("over several pieces, also when the reader stops early", async () => {
    const bytes = randomBytes(3 * 2 ** 20 + 7, 2);
    const { whole } = watched(bytes);
    expect(sha256(await gathered(rangeSource(whole, 5, bytes.length - 6, "part").stream())))
      .toBe(sha256(bytes.subarray(5, -1)));
    for await (const piece of rangeSource(whole, 5, bytes.length - 6, "part").stream()) {
      expect(piece[0]).toBe(bytes[5]);
      break;
    }
  });

  test.each([[-1, 5], [0, 11], [10, 1], [5, -1], [NaN, 1], [2 ** 53, 2 ** 53]])(
    "from %d, %d bytes long, out of ten is refused",
    (start, length) => {
      const { whole } = watched(new Uint8Array(10));
      expect(() => rangeSource(whole, start, length, "part")).toThrow(/Cannot read/);
    },
  );

  test("of a file that became shorter is an error, not less data", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "layerproof-")), "file");
    writeFileSync(path, randomBytes(3 * 2 ** 20, 3));
    const file = await openFile(path);
    const range = rangeSource({ ...file, read: file.read! }, 100, 2 ** 21, "part");
    truncateSync(path, 2 ** 20);
    await expect(gathered(range.stream())).rejects.toMatchObject({ code: "source-changed" });
    await range.close();
  });
});

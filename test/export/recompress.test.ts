/** A tar compressed anew: bytes that every reader takes, digests of both sides, and the same every time. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Compression, recompress, verifyRecompressed } from "../../src/export/recompress.ts";
import { memorySource } from "../../src/source/source.ts";
import { concat, randomBytes, randomText, sha256, slices, tar } from "../support/mod.ts";
import { run, testWith } from "../support/programs.ts";

const TAR = tar([
  { name: "random", data: randomBytes(300_000) },
  { name: "text", data: randomText(900_000) },
  { name: "zeros", data: new Uint8Array(2_000_000) },
]);
const KINDS = ["gzip", "zstd", "none"] as const;

async function recompressed(
  pieces: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>,
  to: Compression,
  options = {},
) {
  const out: Uint8Array[] = [];
  const write = (bytes: Uint8Array) => Promise.resolve(void out.push(bytes));
  const made = await recompress(pieces, to, write, options);
  return { made, bytes: concat(...out) };
}

/** Pieces whose memory is used again. */
async function* cut(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (const piece of slices(bytes, size)) {
    const lent = piece.slice();
    yield lent;
    lent.fill(0xa5);
  }
}

const PROGRAMS = { gzip: ["gzip", "-dc"], zstd: ["zstd", "-dc"], none: ["cat"] } as const;

/** What the real program makes of it. From a file: it may write before it has read all. */
function unpacked(to: Compression, bytes: Uint8Array): Uint8Array {
  const file = join(mkdtempSync(join(tmpdir(), "recompress-")), "layer");
  writeFileSync(file, bytes);
  const [program, ...args] = PROGRAMS[to];
  return run(program, [...args, file]).stdout;
}

describe.each(KINDS)("%s", (to) => {
  testWith(
    ["gzip", "zstd"],
    "the real program gives the tar again; digests and sizes of both sides are true",
    async () => {
      const { made, bytes } = await recompressed(cut(TAR, 70_000), to);
      expect(made).toEqual({
        digest: sha256(bytes),
        size: bytes.length,
        diffID: sha256(TAR),
        uncompressedSize: TAR.length,
      });
      expect(sha256(unpacked(to, bytes))).toBe(made.diffID);
      if (to !== "none") expect(bytes.length).toBeLessThan(TAR.length / 2);
    },
  );

  test("what was written is read back and verified; one bit of it changed is seen", async () => {
    const { made, bytes } = await recompressed(cut(TAR, 200_000), to);
    const report = await verifyRecompressed(memorySource(bytes), made);
    expect([report.result, report.digest, report.diffID]).toEqual(["verified", made.digest, made.diffID]);
    bytes[bytes.length >> 1]! ^= 1;
    await expect(verifyRecompressed(memorySource(bytes), made)).rejects.toMatchObject({
      name: "DigestMismatch",
      code: "output-changed",
    });
  });

  testWith(["gzip", "zstd"], "a tar of no bytes", async () => {
    const { made, bytes } = await recompressed(cut(new Uint8Array(0), 1), to);
    expect([made.diffID, made.uncompressedSize]).toEqual([sha256(""), 0]);
    expect(unpacked(to, bytes).length).toBe(0);
  });

  test("the same bytes, wherever the pieces are cut", async () => {
    const { made } = await recompressed(cut(TAR, TAR.length), to);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 500, max: 2_000_000 }), async (size) => {
        expect((await recompressed(cut(TAR, size), to)).made).toEqual(made);
      }),
      { numRuns: 8 },
    );
  });

  test("a Web stream, and the tar's failure, which is handed on", async () => {
    const { made } = await recompressed(new Blob([TAR]).stream(), to);
    expect(made.diffID).toBe(sha256(TAR));
    const broken = async function* () {
      yield TAR.subarray(0, 100_000);
      await Promise.resolve();
      throw new Error("no more");
    };
    await expect(recompressed(broken(), to)).rejects.toThrow("no more");
  });

  test("an output that fails ends it, and the tar is released", async () => {
    for (const failsAt of [1, 2, 3]) {
      let [released, writes] = [false, 0];
      const endless = async function* () {
        try {
          while (true) yield await Promise.resolve(randomBytes(100_000));
        } finally {
          released = true;
        }
      };
      const work = recompress(endless(), to, async () => {
        await Promise.resolve();
        if (++writes === failsAt) throw new Error("disk full");
      });
      await expect(work).rejects.toThrow("disk full");
      expect([released, writes]).toEqual([true, failsAt]);
    }
  });

  test("an abort ends it, and the stream is cancelled", async () => {
    const controller = new AbortController();
    let [cancelled, pieces] = [false, 0];
    const endless = new ReadableStream<Uint8Array>({
      pull(stream) {
        if (++pieces === 30) controller.abort(new Error("enough"));
        stream.enqueue(randomBytes(100_000));
      },
      cancel: () => void (cancelled = true),
    });
    await expect(recompressed(endless, to, { signal: controller.signal })).rejects.toThrow("enough");
    expect(cancelled).toBe(true);
  });

  test("no more is read than is taken", async () => {
    let [read, written] = [0, 0];
    const endless = async function* () {
      while (true) {
        // What waits: a megabyte in front of the compressor, one behind it, and what it holds itself.
        if (read - written > 8_000_000) throw new Error("piles up");
        yield await Promise.resolve(randomBytes(100_000, read));
        read += 100_000;
        if (read > 30_000_000) return;
      }
    };
    const made = await recompress(endless(), to, async (bytes) => {
      for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
      written += bytes.length;
    });
    expect([made.uncompressedSize, made.size]).toEqual([read, written]);
  });
});

test("a gzip header says nothing of time, level and machine (RFC 1952 section 2.3.1)", async () => {
  for (const level of [1, 6, 9]) {
    const { bytes } = await recompressed(cut(TAR, 100_000), "gzip", { level });
    expect([...bytes.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    expect(sha256(gunzipSync(bytes))).toBe(sha256(TAR));
  }
});

test("levels", async () => {
  const size = async (to: Compression, level: number) =>
    (await recompressed(cut(TAR, 100_000), to, { level })).made.size;
  expect(await size("gzip", 9)).toBeLessThan(await size("gzip", 1));
  expect(await size("zstd", 15)).toBeLessThan(await size("zstd", 1));
});

test("zstd: one frame with a checksum (RFC 8878 section 3.1.1.1)", async () => {
  const { bytes } = await recompressed(cut(TAR, 100_000), "zstd");
  expect([...bytes.subarray(0, 4)]).toEqual([0x28, 0xb5, 0x2f, 0xfd]);
  expect(bytes[4]! & 4).toBe(4);
  expect(sha256(zstdDecompressSync(bytes))).toBe(sha256(TAR));
});

/** What is fetched for a read: what is needed, once, for all who want it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ChunkCache, type Layer, MemoryChunkCache } from "../../src/mod.ts";
import { SourceError } from "../../src/errors.ts";
import { concat, estargz, randomBytes, randomText, sha256, zstdChunked } from "../support/mod.ts";
import { contentOf, errorOf, HOLES, ITEMS, open, SAMPLES, watched } from "./support.ts";

const chunkSize = 4000;
const big = randomBytes(400_000, 3);
const MANY = [...ITEMS, { name: "large", data: big }];
const zst = zstdChunked(MANY, { chunkSize });
const esgz = estargz(MANY, { chunkSize });
const shared = estargz(MANY, { chunkSize, minChunkSize: 20_000 });
const by = ({ tocDigest }: { readonly tocDigest: string }) => ({ tocDigest });

function file(layer: Layer, path: string) {
  return layer.open(layer.lookup(path)!);
}

describe("opening", () => {
  test.each(SAMPLES.map((sample) => [sample.name, sample] as const))(
    "%s: one round trip",
    async (_, sample) => {
      const { source, reads } = watched(sample.blob);
      await open(source, sample);
      // Small enough for one range: the beginning is in it.
      expect(reads).toEqual([[0, sample.blob.length]]);
    },
  );

  test("a long layer: its first and its last bytes, at once; more only where the tail is too short", async () => {
    const long = zstdChunked([{ name: "a", data: randomBytes(600_000) }, ...ITEMS]);
    const metadata = long.blob.length - long.positions.toc.offset + 8;
    const guessed = watched(long.blob);
    await open(guessed.source, by(long));
    expect(guessed.reads).toEqual([[0, 512], [long.blob.length - 262_144, 262_144]]);
    const short = watched(long.blob);
    await open(short.source, by(long), { tail: 100 });
    expect(short.reads.length).toBe(3);
    expect(short.reads[2]).toEqual([long.blob.length - metadata, metadata - 100]);
    const told = watched(long.blob);
    await open(told.source, {}, { descriptor: { annotations: long.annotations } });
    expect(told.reads).toEqual([[0, 512], [long.blob.length - metadata, metadata]]);
  });

  test("a pipe", async () => {
    const { source } = watched(zst.blob);
    const pipe = { name: "pipe", size: null, stream: source.stream };
    await expect(open(pipe, by(zst))).rejects.toMatchObject({
      name: "UsageError",
      code: "layer-needs-ranges",
    });
  });

  test("an aborted one", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(open(zst.blob, by(zst), { signal })).rejects.toThrow("enough");
  });
});

describe("what is fetched", () => {
  test.each([["zstd:chunked", zst], ["eStargz", esgz]] as const)(
    "%s: only the chunks of a range, at once",
    async (_, layer) => {
      const { source, reads } = watched(layer.blob);
      const opened = await open(source, by(layer));
      reads.length = 0;
      const part = await file(opened, "large").read(9000, 10_000);
      expect(sha256(part)).toBe(sha256(big.subarray(9000, 19_000)));
      expect(reads.length).toBe(1);
      const chunks = layer.toc.entries.filter(({ name }) => name === "large");
      expect(reads[0]![0]).toBe(chunks[2]!.offset);
      expect(reads[0]![0] + reads[0]![1]).toBeLessThanOrEqual(chunks[5]!.offset!);
      // Again, and parts of it: out of the cache.
      await file(opened, "large").read(8000, 12_000);
      expect(reads.length).toBe(1);
    },
  );

  test("a whole file of many chunks: one range", async () => {
    const { source, reads } = watched(zst.blob);
    const opened = await open(source, by(zst));
    reads.length = 0;
    expect(await contentOf(opened, opened.lookup("large")!)).toBe(sha256(big));
    expect(reads.length).toBe(1);
  });

  test("a run of zeros: nothing", async () => {
    const { source, reads } = watched(zst.blob);
    const opened = await open(source, by(zst));
    reads.length = 0;
    expect([...await file(opened, "holes").read(3000, 5000)].every((byte) => byte === 0)).toBe(true);
    expect(reads.length).toBe(0);
    expect(sha256(await file(opened, "holes").read(2990, 5020))).toBe(sha256(HOLES.subarray(2990, 8010)));
  });

  test("empty files, and ranges behind the end: nothing", async () => {
    const { source, reads } = watched(zst.blob);
    const opened = await open(source, by(zst));
    reads.length = 0;
    expect((await file(opened, "etc/empty").read(0, 100)).length).toBe(0);
    expect((await file(opened, "last").read(1500, 100)).length).toBe(0);
    expect((await file(opened, "last").read(2 ** 50, 100)).length).toBe(0);
    expect((await file(opened, "last").read(0, 0)).length).toBe(0);
    expect(reads.length).toBe(0);
  });

  test("a shared member: once for all files in it", async () => {
    const { source, reads } = watched(shared.blob);
    const opened = await open(source, by(shared), { cache: nothing });
    reads.length = 0;
    const first = ["etc/motd", "big", "holes", "same"];
    const offsets = new Set(
      shared.toc.entries.filter(({ name }) => first.includes(name!)).map(({ offset }) => offset ?? 0),
    );
    for (const path of first) await contentOf(opened, opened.lookup(path)!);
    expect(reads.length).toBe(offsets.size);
    for (const path of first) await contentOf(opened, opened.lookup(path)!);
    expect(reads.length).toBe(offsets.size);
  });

  test("files of one content: once", async () => {
    const { source, reads } = watched(zst.blob);
    const opened = await open(source, by(zst));
    await contentOf(opened, opened.lookup("etc/motd")!);
    const before = reads.length;
    await contentOf(opened, opened.lookup("same")!);
    expect(reads.length).toBe(before);
  });

  test("a chunk that another layer has fetched: nothing", async () => {
    const cache = new MemoryChunkCache(1 << 22);
    const first = await open(esgz.blob, by(esgz), { cache });
    const { source, reads } = watched(zst.blob);
    const second = await open(source, by(zst), { cache });
    reads.length = 0;
    // Both are cut alike.
    for (const layer of [first, second]) {
      expect(await contentOf(layer, layer.lookup("large")!)).toBe(sha256(big));
    }
    expect(reads.length).toBe(0);
  });
});

/** A cache that keeps nothing. */
const nothing: ChunkCache = { get: () => Promise.resolve(null), put: () => Promise.resolve() };

describe("many readers", () => {
  test.each([
    ["zstd:chunked", zst.blob, zst.tocDigest],
    ["eStargz", esgz.blob, esgz.tocDigest],
    ["shared members", shared.blob, shared.tocDigest],
  ])("%s: one fetch for each chunk under way, whoever asks", async (_, blob, tocDigest) => {
    const { source, reads } = watched(blob, true);
    const opened = await open(source, { tocDigest }, { cache: nothing });
    reads.length = 0;
    const content = await Promise.all(
      Array.from({ length: 64 }, () => file(opened, "large").read(100, 7000)),
    );
    for (const part of content) expect(sha256(part)).toBe(sha256(big.subarray(100, 7100)));
    expect(reads.length).toBe(1);
    // What each got is its own.
    content[0]!.fill(0);
    expect(sha256(content[1]!)).toBe(sha256(big.subarray(100, 7100)));
  });

  test("who want much at once wait for each other, and all get it", async () => {
    const data = (seed: number) => concat(new Uint8Array(6_000_000).fill(seed), randomBytes(2_000_000, seed));
    const items = Array.from({ length: 12 }, (_, at) => ({ name: `f${at}`, data: data(at + 1) }));
    const layer = estargz(items, { chunkSize: 2 ** 30 });
    const source = watched(layer.blob, true).source;
    let [now, most] = [0, 0];
    const counting = {
      ...source,
      async read(offset: number, length: number) {
        most = Math.max(most, now += length);
        try {
          return await source.read!(offset, length);
        } finally {
          now -= length;
        }
      },
    };
    const opened = await open(counting, by(layer), { cache: nothing });
    most = 0;
    // Each takes 8 MB decoded and 2 MB of the blob; 64 MiB are for all.
    const digests = await Promise.all(items.map(({ name }) => contentOf(opened, opened.lookup(name)!)));
    expect(digests).toEqual(items.map((item) => sha256(item.data)));
    expect(most).toBeGreaterThan(4_000_000);
    expect(most).toBeLessThanOrEqual(6 * 2_050_000);
  });

  test("any ranges of any files at once, with a cache that is too small", async () => {
    const expected = new Map(
      MANY.flatMap(({ name, data }) => data instanceof Uint8Array ? [[name as string, data]] : []),
    );
    const range = fc.record({
      path: fc.constantFrom(...expected.keys()),
      offset: fc.nat(410_000),
      length: fc.nat(20_000),
    });
    const layers = [zst, esgz, shared];
    await fc.assert(
      fc.asyncProperty(fc.array(range, { maxLength: 40 }), fc.nat(2), async (ranges, which) => {
        const layer = layers[which]!;
        const cache = new MemoryChunkCache(20_000);
        const opened = await open(watched(layer.blob, true).source, by(layer), { cache });
        await Promise.all(ranges.map(async ({ path, offset, length }) => {
          const part = await file(opened, path).read(offset, length);
          expect(sha256(part)).toBe(sha256(expected.get(path)!.subarray(offset, offset + length)));
        }));
        expect(cache.size).toBeLessThanOrEqual(20_000);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a source that fails", () => {
  /** Fails, or gives wrong bytes, when `bad` says so. */
  function faulty(blob: Uint8Array, bad: () => "fail" | "wrong" | "short" | null) {
    const { source, reads } = watched(blob);
    return {
      reads,
      source: {
        ...source,
        async read(offset: number, length: number) {
          const bytes = await source.read!(offset, length);
          switch (bad()) {
            case "fail":
              throw new SourceError("source-read-failed", "gone");
            case "wrong":
              return bytes.map((byte) => byte ^ 0x55);
            case "short":
              return bytes.subarray(1);
            default:
              return bytes;
          }
        },
      },
    };
  }

  test.each(
    [
      ["fail", "source-read-failed"],
      ["wrong", "chunk-(damaged|digest-mismatch)"],
      ["short", "source-short-read"],
    ] as const,
  )("%s: told to all who wait, not kept, and not tried again by itself", async (fault, code) => {
    for (const layer of [zst, esgz, shared]) {
      let bad: typeof fault | null = null;
      const { source, reads } = faulty(layer.blob, () => bad);
      const cache = new MemoryChunkCache(1 << 20);
      const opened = await open(source, by(layer), { cache });
      reads.length = 0;
      bad = fault;
      const errors = await Promise.all(
        Array.from({ length: 5 }, () => errorOf(file(opened, "last").read(0, 100))),
      );
      for (const error of errors) expect(error.code).toMatch(new RegExp(`^${code}$`));
      expect([reads.length, cache.size]).toEqual([1, 0]);
      bad = null;
      expect(await contentOf(opened, opened.lookup("last")!)).toBe(sha256(randomBytes(1500, 9)));
      expect(reads.length).toBe(2);
    }
  });

  test("a mismatch tells entry, place, expected and actual", async () => {
    const blob = zst.blob.slice();
    const chunk = zst.toc.entries.filter(({ name }) => name === "large")[1]!;
    // Incompressible, so the frame has the bytes as they are.
    blob[chunk.offset! + 100]! ^= 1;
    const opened = await open(blob, by(zst));
    const error = await errorOf(file(opened, "large").read(5000, 1));
    expect(error).toMatchObject({
      name: "DigestMismatch",
      code: "chunk-digest-mismatch",
      details: { entry: "large", blobOffset: chunk.offset, expected: chunk.chunkDigest },
    });
    expect(error.message).toContain("chunk of large at 4000 (4000 bytes)");
    expect(error.details.actual).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(sha256(await file(opened, "large").read(0, 4000))).toBe(sha256(big.subarray(0, 4000)));
  });

  test("a cache that fails costs nothing but time", async () => {
    const broken: ChunkCache = {
      get: () => Promise.reject(new Error("no")),
      put: () => Promise.reject(new Error("no")),
    };
    const opened = await open(zst.blob, by(zst), { cache: broken });
    expect(await contentOf(opened, opened.lookup("large")!)).toBe(sha256(big));
  });

  test("a cache that has another length for a digest is not believed", async () => {
    const lying: ChunkCache = { get: () => Promise.resolve(new Uint8Array(3)), put: () => Promise.resolve() };
    const opened = await open(zst.blob, by(zst), { cache: lying });
    expect(await contentOf(opened, opened.lookup("large")!)).toBe(sha256(big));
  });
});

describe("what does not fit into memory", () => {
  const content = concat(randomText(20_000_000, 4), randomBytes(15_000_000, 4));
  const whole = (data: Uint8Array) => [{ offset: 0, size: data.length, zeros: false }];
  const layers = [
    ["zstd:chunked", zstdChunked([{ name: "long", data: content }, ...ITEMS], { chunk: whole })],
    ["eStargz", estargz([{ name: "long", data: content }, ...ITEMS], { chunkSize: 2 ** 30 })],
    ["digests of files only", estargz([{ name: "long", data: content }, ...ITEMS], { digests: "file" })],
  ] as const;

  test.each(layers)("%s: any part of it, checked as a whole", async (_, layer) => {
    const cache = new MemoryChunkCache(1 << 30);
    const opened = await open(layer.blob, by(layer), { cache });
    for (const [offset, length] of [[0, 10], [17_000_000, 100_000], [34_999_990, 100]] as const) {
      const part = await file(opened, "long").read(offset, length);
      expect(sha256(part)).toBe(sha256(content.subarray(offset, offset + length)));
    }
    expect(cache.size).toBe(0);
    const blob = layer.blob.slice();
    // In the incompressible end, far behind what is read.
    const { offset = 0 } = layer.toc.entries.find(({ name }) => name === "etc/motd")!;
    blob[offset - 1_000_000]! ^= 1;
    const damaged = await open(blob, by(layer), { cache });
    expect((await errorOf(file(damaged, "long").read(0, 10))).code).toMatch(
      /^(chunk-digest-mismatch|file-digest-mismatch|chunk-damaged)$/,
    );
    expect(await contentOf(damaged, damaged.lookup("last")!)).toBe(sha256(randomBytes(1500, 9)));
  });
});

test("a TOC without any digest: nothing can be read", async () => {
  const layer = estargz(ITEMS, { digests: "none" });
  const opened = await open(layer.blob, by(layer));
  await expect(file(opened, "last").read(0, 1)).rejects.toMatchObject({
    name: "FormatError",
    code: "chunk-no-digest",
    details: { entry: "last" },
  });
});

test("wrong ranges and wrong nodes", async () => {
  const opened = await open(zst.blob, by(zst));
  const last = file(opened, "last");
  for (
    const [offset, length] of [[-1, 1], [0, -1], [0.5, 1], [0, NaN], [0, 2 ** 31], [Infinity, 1]] as const
  ) {
    await expect(last.read(offset, length)).rejects.toMatchObject({ name: "UsageError", code: "read-range" });
  }
  const usage = (code: string) => expect.objectContaining({ name: "UsageError", code });
  expect(() => opened.open(opened.lookup("etc")!)).toThrow(usage("not-a-file"));
  expect(() => opened.readdir(last.node)).toThrow(usage("not-a-directory"));
  expect(() => opened.readlink(last.node)).toThrow(usage("not-a-symlink"));
  for (const node of [-1, 1.5, opened.nodes, NaN]) {
    expect(() => opened.stat(node)).toThrow(usage("no-such-node"));
  }
});

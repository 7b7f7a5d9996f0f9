/** A tar out of a zstd:chunked blob's chunks and tar-split: the exact one, or an error that names the file. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import { type ChunkedLayerOptions, openChunkedLayer } from "../../src/export/chunked-layer.ts";
import { chunkFiles } from "../../src/export/chunks.ts";
import { type LayerSource, memorySource, streamSource } from "../../src/source/source.ts";
import { assembleTar } from "../../src/tarsplit/assemble.ts";
import type { TocChunk, TocFile } from "../../src/toc/model.ts";
import { concat, randomBytes, sha256, type Toc, zstdChunked, zstdFrame } from "../support/mod.ts";
import { fixture, ITEMS, text } from "../support/fixtures.ts";

interface Layer {
  readonly path: string;
  readonly digest: string;
  readonly size: number;
  readonly diffID: string;
  readonly tocDigest: string;
  readonly annotations?: Record<string, string>;
}

const { layers } = JSON.parse(text(fixture("index.json"))) as { layers: readonly Layer[] };
const CHUNKED = layers.filter(({ path }) => path.endsWith(".zstdchunked"));
const hasTarSplit = ({ annotations }: Layer) =>
  Object.keys(annotations ?? {}).some((key) => key.endsWith("tarsplit-position"));
/** Their tar-split is of another tar, as the real writer left them. */
const SPARSE = CHUNKED.filter(({ path }) => path.includes("sparse"));
const SOUND = CHUNKED.filter((layer) => hasTarSplit(layer) && !SPARSE.includes(layer));

/** The descriptor in a manifest, which vouches for all that it names. */
function described({ digest, size, annotations = {} }: Pick<Layer, "digest" | "size" | "annotations">) {
  return { descriptor: { value: { digest, size, annotations }, from: ["descriptor"] } };
}

async function rebuilt(blob: Uint8Array | LayerSource, options: ChunkedLayerOptions = {}) {
  const source = blob instanceof Uint8Array ? memorySource(blob) : blob;
  const { report, parts } = await openChunkedLayer(source, options);
  if (!parts) return { report, parts, tar: null };
  return { report, parts, tar: await drain(assembleTar(parts.records, parts.getFile)) };
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream as unknown as AsyncIterable<Uint8Array>) pieces.push(piece.slice());
  return concat(...pieces);
}

describe("fixtures", () => {
  test("there are some of each kind", () => {
    expect([SOUND.length, SPARSE.length]).toEqual([46, 2]);
  });

  test.each(SOUND.map((layer) => [layer.path, layer] as const))("%s: the diffID", async (path, layer) => {
    const diffID = { value: layer.diffID, from: ["config"] };
    const { report, parts, tar } = await rebuilt(fixture(path), { expect: { ...described(layer), diffID } });
    expect(report.result).toBe("verified");
    expect(sha256(tar!)).toBe(layer.diffID);
    // Before 1.54 the TOC did not name the tar-split.
    const named = !/cs-1\.(48|50)/.test(path);
    expect(parts!.chain.slice(-2)).toEqual(named ? ["TOC", "tar-split"] : []);
  });

  test.each(CHUNKED.filter((layer) => !hasTarSplit(layer)).map((layer) => [layer.path, layer] as const))(
    "%s has no tar-split",
    async (path, layer) => {
      const work = rebuilt(fixture(path), { expect: described(layer) });
      await expect(work).rejects.toMatchObject({ name: "UnsupportedError", code: "chunks-no-tar-split" });
    },
  );

  test.each(SPARSE.map(({ path }) => path))("%s contradicts itself", async (path) => {
    const { report, tar } = await rebuilt(fixture(path));
    expect([report.result, tar]).toEqual(["mismatch", null]);
  });

  test("eStargz has no tar-split, plain zstd no TOC", async () => {
    await expect(rebuilt(fixture("layers/tree.esgz"))).rejects.toMatchObject({ code: "chunks-no-tar-split" });
    await expect(rebuilt(fixture("layers/tree.tar.zst"))).rejects.toMatchObject({ code: "chunks-no-toc" });
  });
});

describe("what vouches", () => {
  const layer = zstdChunked(ITEMS);
  const tocDigest = { value: layer.tocDigest, from: ["--toc-digest"] };

  test("a TOC digest, and with it the tar-split that the TOC names", async () => {
    const { report, parts } = await rebuilt(layer.blob, { expect: { tocDigest } });
    expect(report.result).toBe("verified");
    expect(parts!.chain).toEqual(["--toc-digest", "TOC", "tar-split"]);
  });

  test("nothing: consistent only", async () => {
    const { report, parts, tar } = await rebuilt(layer.blob);
    expect([report.result, parts!.chain, sha256(tar!)]).toEqual(["consistent", [], layer.diffID]);
  });

  test("another TOC digest: no parts", async () => {
    const other = { value: sha256("other"), from: ["--toc-digest"] };
    const { report, parts } = await rebuilt(layer.blob, { expect: { tocDigest: other } });
    expect([report.result, parts]).toEqual(["mismatch", null]);
  });

  test("a tar-split that is not the one which the TOC names: no parts", async () => {
    const blob = layer.blob.slice();
    const at = layer.positions.tarSplit!.offset + 20;
    blob[at]! ^= 1;
    const { report, parts } = await rebuilt(blob, { expect: { tocDigest } });
    expect(report.claims.find(({ claim }) => claim === "tarSplitDigest")?.status).toBe("mismatch");
    expect(parts).toBe(null);
  });

  test("a TOC that does not name the tar-split vouches for nothing but itself", async () => {
    const old = zstdChunked(ITEMS, { dialect: "cs-1.50" });
    const toc = { value: old.tocDigest, from: ["--toc-digest"] };
    await expect(rebuilt(old.blob, { expect: { tocDigest: toc } })).rejects.toMatchObject({
      name: "FormatError",
      code: "tar-split-unnamed",
    });
    const diffID = { value: old.diffID, from: ["--diff-id"] };
    const { tar } = await rebuilt(old.blob, { expect: { tocDigest: toc, diffID } });
    expect(sha256(tar!)).toBe(old.diffID);
  });

  test("a digest of the blob cannot be checked, which is not passed over", async () => {
    const digest = { value: layer.digest, from: ["--digest"] };
    const expected = { name: "UsageError", code: "chunks-prove-no-digest" };
    await expect(rebuilt(layer.blob, { expect: { digest } })).rejects.toMatchObject(expected);
  });

  test("a pipe", async () => {
    const pipe = () => streamSource(new Blob([layer.blob]).stream());
    await expect(rebuilt(pipe())).rejects.toMatchObject({
      name: "UsageError",
      code: "metadata-needs-ranges",
    });
    expect(() => chunkFiles(pipe(), { files: [] })).toThrow(
      expect.objectContaining({ code: "chunks-need-ranges" }),
    );
  });
});

describe("what is read", () => {
  /** A source that tells which bytes were read of it. */
  function watched(blob: Uint8Array) {
    const reads: [start: number, end: number][] = [];
    const source = memorySource(blob);
    return {
      reads,
      source: {
        ...source,
        stream: () => {
          throw new Error("not the whole");
        },
        read(offset: number, length: number) {
          reads.push([offset, offset + length]);
          return source.read!(offset, length);
        },
      },
    };
  }

  /** Where a TOC has the files' frames, runs of zeros not counted. */
  function frames(toc: Toc): [number, number][] {
    const found: [number, number][] = [];
    toc.entries.forEach((entry, index) => {
      if (entry.offset === undefined || entry.chunkType === "zeros") return;
      const next = toc.entries[index + 1];
      const first = toc.entries.slice(0, index + 1).findLast(({ type }) => type !== "chunk")!;
      found.push([entry.offset, next?.type === "chunk" ? next.offset! : first.endOffset!]);
    });
    return found;
  }

  const zeros = concat(randomBytes(3000), new Uint8Array(50_000), randomBytes(3000));
  const large = randomBytes(3_000_000);
  const layer = zstdChunked([...ITEMS, { name: "holes", data: zeros }, { name: "large", data: large }], {
    chunkSize: 40_000,
  });

  test("chunks, TOC and tar-split, and nothing of the frames between; each once, neighbours at once", async () => {
    const { reads, source } = watched(layer.blob);
    const { tar } = await rebuilt(source);
    expect(sha256(tar!)).toBe(layer.diffID);
    const { toc, tarSplit } = layer.positions;
    const metadata = reads.filter(([start]) => start === 0 || start >= toc.offset - 8);
    // The magic number of the first frame, footer, TOC and tar-split.
    expect(metadata).toEqual([
      [0, 512],
      [layer.blob.length - 72, layer.blob.length],
      [toc.offset - 8, toc.offset + toc.length],
      [tarSplit!.offset - 8, tarSplit!.offset + tarSplit!.length],
    ]);
    const ranges = reads.filter((read) => !metadata.includes(read)).sort(([a], [b]) => a - b);
    const wanted = frames(layer.toc).sort(([a], [b]) => a - b);
    for (const [start, end] of ranges) {
      // Each begins and ends with a chunk, or after a megabyte, and what lies in it are chunks.
      const inside = wanted.filter(([from, to]) => to > start && from < end);
      let at = start;
      for (const [from, to] of inside) {
        expect(from).toBeLessThanOrEqual(at);
        at = to;
      }
      expect(at).toBeGreaterThanOrEqual(end);
    }
    ranges.slice(1).forEach(([start], index) => expect(start).toBeGreaterThanOrEqual(ranges[index]![1]));
    expect(wanted.length).toBeGreaterThan(75);
    expect(ranges.length).toBeLessThan(15);
  });

  test("a run of zeros is not fetched: what the blob holds there does not matter", async () => {
    const blob = layer.blob.slice();
    const at = layer.toc.entries.findIndex(({ name, chunkType }) =>
      name === "holes" && chunkType === "zeros"
    );
    const [zero, next] = [layer.toc.entries[at]!, layer.toc.entries[at + 1]!];
    expect(next.offset! - zero.offset!).toBeGreaterThan(5);
    blob.fill(0xee, zero.offset!, next.offset!);
    const { tar } = await rebuilt(blob);
    expect(sha256(tar!)).toBe(layer.diffID);
  });
});

test("any files in any chunks", async () => {
  const content = fc.tuple(fc.nat(20_000), fc.nat(5000), fc.nat(3000), fc.integer()).map(
    ([a, b, c, seed]) => concat(randomBytes(a, seed), new Uint8Array(b), randomBytes(c, seed + 1)),
  );
  const items = fc.array(fc.record({ name: fc.stringMatching(/^[a-z]{1,3}$/), data: content }), {
    maxLength: 5,
  }).map((list) => list.map(({ name, data }, index) => ({ name: `${index}/${name}`, data })));
  await fc.assert(
    fc.asyncProperty(items, fc.integer({ min: 100, max: 9000 }), async (list, chunkSize) => {
      const layer = zstdChunked(list, { chunkSize });
      const { tar } = await rebuilt(layer.blob, {
        expect: { tocDigest: { value: layer.tocDigest, from: ["test"] } },
      });
      expect(sha256(tar!)).toBe(layer.diffID);
    }),
    { numRuns: 60 },
  );
});

test("any one byte changed: the exact tar, or an error; in a chunk, one that names the file", async () => {
  const layer = zstdChunked(ITEMS, { chunkSize: 4000 });
  const owners = layer.toc.entries.filter(({ type, offset }) => type === "reg" && offset !== undefined);
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.nat(layer.blob.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
      const blob = layer.blob.slice();
      blob[at]! ^= bits;
      const owner = owners.find(({ offset, endOffset }) => at >= offset! && at < endOffset!);
      try {
        const { tar } = await rebuilt(blob, {
          expect: { tocDigest: { value: layer.tocDigest, from: ["test"] } },
        });
        // Frames between, checksums of frames, runs of zeros: nobody needs them here.
        if (tar) expect(sha256(tar)).toBe(layer.diffID);
      } catch (error) {
        if (!(error instanceof LayerproofError)) throw error;
        seen.add(error.code);
        if (owner) expect(error.details.entry).toBe(owner.name);
        // A TOC that is not to be found where the footer was changed.
        else expect(["chunks-no-toc", "chunks-no-tar-split", "not-a-layer"]).toContain(error.code);
      }
    }),
    { numRuns: 600 },
  );
  expect([...seen]).toEqual(expect.arrayContaining(["chunk-digest-mismatch", "chunk-damaged"]));
});

describe("a TOC that lies", () => {
  const content = randomBytes(5000);
  const frame = zstdFrame(content);
  const blob = concat(new Uint8Array(100), frame, new Uint8Array(100));
  const end = 100 + frame.length;
  const chunk: TocChunk = {
    chunkOffset: 0,
    length: 5000,
    offset: 100,
    innerOffset: 0,
    digest: sha256(content),
    zeros: false,
  };

  function toc(changes: Partial<TocFile>, chunks: readonly Partial<TocChunk>[] = [{}]): TocFile {
    return {
      name: "etc/a\u202eb",
      kind: "file",
      size: 5000,
      mode: 0o644,
      uid: 0,
      gid: 0,
      userName: "",
      groupName: "",
      namesUser: false,
      namesGroup: false,
      mtime: null,
      atime: null,
      ctime: null,
      linkName: "",
      devMajor: 0,
      devMinor: 0,
      xattrs: null,
      digest: sha256(content),
      endOffset: end,
      chunks: chunks.map((one) => ({ ...chunk, ...one })),
      ...changes,
    };
  }

  async function read(
    file: TocFile,
    name = file.name,
    size = file.size,
    files = [file],
  ): Promise<Uint8Array> {
    const getFile = chunkFiles(memorySource(blob), { files });
    const found = await getFile(name, { kind: "file", name, size, crc64: 0n, position: 0 });
    const pieces: Uint8Array[] = [];
    for await (const piece of found as AsyncIterable<Uint8Array>) pieces.push(piece.slice());
    return concat(...pieces);
  }

  test("one that does not", async () => {
    expect(sha256(await read(toc({})))).toBe(sha256(content));
    expect(sha256(await read(toc({}), "./etc//a\u202eb"))).toBe(sha256(content));
  });

  const zero = { zeros: true, digest: null };
  test.each<[what: string, code: string, file: TocFile]>([
    ["outside of the blob", "chunk-position", toc({ endOffset: blob.length + 1 })],
    ["an end before the beginning", "chunk-position", toc({ endOffset: 50 })],
    ["no end", "chunk-position", toc({ endOffset: null })],
    ["places beyond what can be counted", "chunk-position", toc({}, [{ offset: Number.MAX_SAFE_INTEGER }])],
    ["inside of another chunk's frame", "chunk-position", toc({}, [{ innerOffset: 1 }])],
    ["chunks in no order", "chunk-position", toc({}, [{ length: 4000, offset: 150 }, { offset: 100 }])],
    ["no digest", "chunk-no-digest", toc({}, [{ digest: null }])],
    ["more than the frame has", "chunk-length", toc({ size: 5001 }, [{ length: 5001 }])],
    ["less than the frame has", "chunk-length", toc({ size: 4999 }, [{ length: 4999 }])],
    ["much more", "chunk-length", toc({ size: 2 ** 50 }, [{ length: 2 ** 50 }])],
    ["where no frame begins", "chunk-damaged", toc({}, [{ offset: 101 }])],
    ["the middle of a frame as its end", "chunk-damaged", toc({ endOffset: end - 50 })],
    ["another chunk digest", "chunk-digest-mismatch", toc({}, [{ digest: sha256("") }])],
    ["another file digest", "file-digest-mismatch", toc({ digest: sha256("") })],
    ["zeros with another digest", "chunk-digest-mismatch", toc({}, [{ zeros: true }])],
    ["zeros with another file digest", "file-digest-mismatch", toc({}, [zero])],
  ])("%s: %s", async (_, code, file) => {
    await expect(read(file)).rejects.toMatchObject({ code, details: { entry: "etc/a\\xE2\\x80\\xAEb" } });
  });

  test("two files of one name, and another size than the tar-split has", async () => {
    const file = toc({});
    await expect(read(file, file.name, 5000, [file, toc({})])).rejects.toMatchObject({
      code: "toc-duplicate-entry",
    });
    await expect(read(file, file.name, 4000)).rejects.toMatchObject({ code: "toc-tar-split-size" });
  });

  test("a name that it does not have", () => {
    const getFile = chunkFiles(memorySource(blob), { files: [toc({})] });
    expect(getFile("etc/b", { kind: "file", name: "etc/b", size: 1, crc64: 0n, position: 0 })).toBe(null);
  });

  test("no byte of a bad chunk, and not the last of a file whose digest is another", async () => {
    const two = concat(zstdFrame(content), zstdFrame(randomBytes(70)));
    const cut = frame.length;
    const file = toc({ size: 5070, endOffset: two.length, digest: sha256("other") }, [
      { offset: 0 },
      { chunkOffset: 5000, length: 70, offset: cut, digest: sha256(randomBytes(70)) },
    ]);
    const getFile = chunkFiles(memorySource(two), { files: [file] });
    const got: number[] = [];
    const reading = async () => {
      const found = getFile(file.name, { kind: "file", name: "", size: 5070, crc64: 0n, position: 0 });
      for await (const piece of found as AsyncIterable<Uint8Array>) got.push(piece.length);
    };
    await expect(reading()).rejects.toMatchObject({ code: "file-digest-mismatch" });
    expect(got).toEqual([5000]);
  });

  test("two files at once do not disturb each other, nor does one that nobody reads on", async () => {
    const getFile = chunkFiles(memorySource(blob), { files: [toc({})] });
    const open = async () => {
      const record = { kind: "file", name: "etc/a\u202eb", size: 5000, crc64: 0n, position: 0 } as const;
      const found = await getFile(record.name, record) as AsyncIterable<Uint8Array>;
      return found[Symbol.asyncIterator]();
    };
    const [a, b, c] = [await open(), await open(), await open()];
    const results = await Promise.all([a.next(), b.next()]);
    for (const { value } of results) expect(sha256(value!)).toBe(sha256(content));
    await a.return!();
    expect(sha256((await c.next()).value!)).toBe(sha256(content));
    expect((await b.next()).done).toBe(true);
  });
});

describe("a chunk that is too long to be kept", () => {
  const content = concat(new Uint8Array(7_000_000).fill(7), randomBytes(3_000_000));
  const layer = zstdChunked([{ name: "long", data: content }], { chunk: whole });

  function whole(data: Uint8Array) {
    return [{ offset: 0, size: data.length, zeros: false }];
  }

  test("is decoded twice, and is the same", async () => {
    const { tar } = await rebuilt(layer.blob);
    expect(sha256(tar!)).toBe(layer.diffID);
  });

  test("is checked before any of it is handed on", async () => {
    const blob = layer.blob.slice();
    const { offset, endOffset } = layer.toc.entries[0]!;
    blob[endOffset! - 100]! ^= 1;
    expect(endOffset! - offset!).toBeGreaterThan(3_000_000);
    const { parts } = await openChunkedLayer(memorySource(blob));
    let given = 0;
    const reading = async () => {
      const found = await parts!.getFile("long", {
        kind: "file",
        name: "long",
        size: content.length,
        crc64: 0n,
        position: 0,
      });
      for await (const piece of found as AsyncIterable<Uint8Array>) given += piece.length;
    };
    await expect(reading()).rejects.toMatchObject({
      code: "chunk-digest-mismatch",
      details: { entry: "long" },
    });
    expect(given).toBe(0);
  });

  test("a blob that changes between the two", async () => {
    const blob = layer.blob.slice();
    const { offset, endOffset } = layer.toc.entries[0]!;
    const source = memorySource(blob);
    let reads = 0;
    const changing = {
      ...source,
      read(from: number, length: number) {
        if (from === offset && ++reads === 2) blob[endOffset! - 100]! ^= 1;
        return source.read!(from, length);
      },
    };
    await expect(rebuilt(changing)).rejects.toMatchObject({
      name: "SourceError",
      code: "source-changed",
      details: { entry: "long" },
    });
  });
});

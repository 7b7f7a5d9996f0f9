/** A pipe tells the same as a file, and a source that fails or changes never gives a verified layer. */
import { describe, expect, test } from "vitest";
import type { LayerReport, LayerSource, VerifyOptions } from "../../src/mod.ts";
import { blobSource, memorySource, SourceError, streamSource, verifyLayer } from "../../src/mod.ts";
import { nativeHashes } from "../../src/digest/native.ts";
import { ITEMS } from "../support/fixtures.ts";
import {
  type Dialect,
  type Entry,
  estargz,
  gzipMember,
  gzipMembers,
  LAYOUTS,
  randomBytes,
  randomText,
  sha256,
  skippable,
  slices,
  tar,
  type Toc,
  zstdChunked,
  zstdFrame,
  zstdFrames,
} from "../support/mod.ts";
import {
  annotated,
  claimOf,
  codesOf,
  expecting,
  pipe,
  randomPieces,
  statuses,
  verifyMemory,
  verifyPipe,
  WRONG,
} from "./verifying.ts";

const SMALL: readonly Entry[] = [
  { name: "d/", uid: 1, uname: "one" },
  { name: "d/f", data: randomText(900) },
  { name: "l", linkname: "d/f" },
];
const MANY: readonly Entry[] = Array.from(
  { length: 40 },
  (_, i) => ({ name: `f${i}`, data: randomText(10 + 97 * i, i + 1), mtime: i }),
);
const DIALECTS = Object.keys(LAYOUTS) as Dialect[];

interface Built {
  readonly blob: Uint8Array;
  readonly digest: string;
  readonly annotations?: Record<string, string>;
  readonly tocDigest?: string;
}
type Build = (items: readonly Entry[]) => Built;

const plain = (compress: (data: Uint8Array) => Uint8Array): Build => (items) => {
  const blob = compress(tar(items));
  return { blob, digest: sha256(blob) };
};
const wrongMode = (toc: Toc) => void (toc.entries[0]!.mode = 0o123);
const wrongDigest = (toc: Toc) =>
  void (toc.entries.find(({ digest }) => digest !== undefined)!.digest = WRONG);

const BUILDERS: Readonly<Record<string, Build>> = {
  "tar": plain((data) => data),
  "tar without its end": plain((data) => data.subarray(0, -1024)),
  "tar cut in the middle": plain((data) => data.subarray(0, 1300)),
  "gzip": plain((data) => gzipMember(data)),
  "gzip, many members": plain((data) => gzipMembers(slices(data, 700))),
  "gzip, wrong CRC": plain((data) => gzipMember(data, { badCrc: true })),
  "gzip, cut": plain((data) => gzipMember(data).subarray(0, -5)),
  "zstd": plain((data) => zstdFrame(data)),
  "zstd, many frames": plain((data) => zstdFrames(slices(data, 700))),
  "zstd behind a skippable frame": plain((data) =>
    Uint8Array.from([...skippable(randomBytes(9)), ...zstdFrame(data)])
  ),
  "zstd, cut": plain((data) => zstdFrame(data).subarray(0, -5)),
  "eStargz": (items) => estargz(items),
  "eStargz, chunked": (items) => estargz(items, { chunkSize: 512 }),
  "eStargz, legacy": (items) => estargz(items, { footer: "legacy" }),
  "eStargz, lossless": (items) => estargz(items, { lossless: true }),
  "eStargz, external": (items) => estargz(items, { footer: "external" }),
  "eStargz, shared members": (items) => estargz(items, { minChunkSize: 2000 }),
  "eStargz, landmark": (items) => estargz(items, { landmark: "prefetch", prioritized: 1 }),
  "eStargz, file digests only": (items) => estargz(items, { digests: "file" }),
  "eStargz, no digests": (items) => estargz(items, { digests: "none" }),
  "eStargz, wrong mode": (items) => estargz(items, { mutateToc: wrongMode }),
  "eStargz, wrong digest": (items) => estargz(items, { mutateToc: wrongDigest }),
  "eStargz, broken JSON": (items) => estargz(items, { mutateTocJson: (json) => json.slice(1) }),
  "eStargz, no TOC entries": (items) => estargz(items, { mutateToc: (toc) => void (toc.entries = []) }),
  ...Object.fromEntries(
    DIALECTS.map((dialect) => [dialect, (items: readonly Entry[]) => zstdChunked(items, { dialect })]),
  ),
  "zstd:chunked, chunked": (items) => zstdChunked(items, { chunkSize: 512 }),
  "zstd:chunked, stargz lossless": (items) => zstdChunked(items, { dialect: "stargz", lossless: true }),
  "zstd:chunked, wrong mode": (items) => zstdChunked(items, { mutateToc: wrongMode }),
  "zstd:chunked, wrong digest": (items) => zstdChunked(items, { mutateToc: wrongDigest }),
  "zstd:chunked, broken JSON": (items) => zstdChunked(items, { mutateTocJson: (json) => json.slice(1) }),
  "zstd:chunked, no tar-split": (items) =>
    zstdChunked(items, { mutatePositions: (at) => void (at.tarSplit = null) }),
  "zstd:chunked, wrong claim": (items) =>
    zstdChunked(items, { mutatePositions: ({ toc }) => void toc.uncompressed++ }),
};

/** A report without what a pipe cannot know or says in other words. */
function comparable(report: LayerReport): unknown {
  return {
    ...report,
    claims: report.claims.map((claim) =>
      ["toc", "tocDigest"].includes(claim.claim) ? { ...claim, where: null } : claim
    ),
    // A pipe learns of the TOC at the end, so its findings come last; and it does not know the blob's size.
    findings: report.findings.map((finding) =>
      JSON.stringify(
        ["zstd-chunked-footer-broken", "gzip-truncated"].includes(finding.code)
          ? { ...finding, offset: null }
          : finding,
      )
    ).sort(),
  };
}

describe("a pipe's report is that of the same bytes in memory", () => {
  for (const [name, build] of Object.entries(BUILDERS)) {
    test(name, async () => {
      for (const items of [SMALL, ITEMS, MANY, []]) {
        const wrong = /wrong (mode|digest)/.test(name);
        if (wrong && items.length === 0) continue;
        const { blob, digest, annotations, tocDigest } = build(items);
        const options: VerifyOptions[] = [
          {},
          expecting({ digest }),
          expecting({ digest: WRONG, ...(tocDigest === undefined ? {} : { tocDigest }) }),
          annotated(annotations ?? {}),
        ];
        for (const given of options) {
          const memory = comparable(await verifyMemory(blob, given));
          expect(comparable(await verifyPipe(blob, given))).toEqual(memory);
        }
        if (items !== SMALL) continue;
        const byte = await verifyPipe(blob, options[1]!, [...slices(blob, 1)]);
        expect(comparable(byte)).toEqual(comparable(await verifyMemory(blob, options[1]!)));
      }
    });
  }

  test("also for a Blob, which is seekable", async () => {
    for (const { blob, digest } of [estargz(ITEMS), zstdChunked(ITEMS)]) {
      const given = { hashes: nativeHashes, ...expecting({ digest }) };
      const report = await verifyLayer(blobSource(new Blob([blob.slice()]), "layer"), given);
      expect(report).toEqual(await verifyMemory(blob, given));
    }
  });

  test("but for several chunks of one file in one member, which it calls not checked; the file still is", async () => {
    const layer = estargz(ITEMS, { minChunkSize: 9000, chunkSize: 1000 });
    const given = expecting({ tocDigest: layer.tocDigest });
    const memory = await verifyMemory(layer.blob, given);
    expect(memory.chunks.verified).toBe(memory.chunks.total);
    const piped = await verifyPipe(layer.blob, given);
    expect(piped.result).toBe("verified");
    expect(claimOf(piped, "chunks").status).toBe("not checked");
    expect(piped.chunks.verified).toBeLessThan(piped.chunks.total);
    expect(statuses(piped)).toMatchObject({ files: "verified", tocMatchesTar: "verified" });
  });

  test("a wrong byte in such a shared member is still found, by the file's digest", async () => {
    const layer = estargz(ITEMS, {
      minChunkSize: 9000,
      chunkSize: 1000,
      mutateToc: (toc) => void (toc.entries.find(({ name }) => name === "big")!.digest = WRONG),
    });
    const piped = await verifyPipe(layer.blob, expecting({ tocDigest: layer.tocDigest }));
    expect(piped.result).toBe("mismatch");
    expect(codesOf(piped)).toContain("file-digest-mismatch");
  });

  test("content without a file digest in such a member is not verified by a TOC digest", async () => {
    const layer = estargz(ITEMS, {
      minChunkSize: 9000,
      chunkSize: 1000,
      mutateToc: (toc) => toc.entries.forEach((entry) => delete entry.digest),
    });
    const given = expecting({ tocDigest: layer.tocDigest });
    expect((await verifyMemory(layer.blob, given)).result).toBe("verified");
    const piped = await verifyPipe(layer.blob, given);
    expect(piped).toMatchObject({ result: "error", error: { code: "expectation-not-checked" } });
  });
});

/**
 * A seekable source whose random access gives `read` and whose stream gives `streamed`; its size is that of the stream,
 * and it was read from its true end.
 */
function changing(read: Uint8Array, streamed: Uint8Array, size = streamed.length): LayerSource {
  const before = memorySource(read, "changing");
  const shift = read.length - size;
  return {
    ...before,
    size,
    read: (offset, length) =>
      before.read!(offset === 0 ? 0 : Math.max(0, offset + shift), Math.min(length, read.length)),
    stream: () => memorySource(streamed).stream(),
  };
}

/** A plain gzip layer of `length` bytes: a file name in its header fills it up. */
function sameLength(length: number): Built {
  const shorter = gzipMember(tar(ITEMS)).length;
  const blob = gzipMember(tar(ITEMS), { name: "n".repeat(length - shorter - 1) });
  return { blob, digest: sha256(blob) };
}

describe("a source that changes between the TOC and the stream", () => {
  const other = [...ITEMS.slice(0, -1), { name: "last", data: randomBytes(1024, 5) }];
  const pairs: Readonly<Record<string, readonly [Built, Built]>> = {
    "eStargz with another TOC of the same length": [
      estargz(ITEMS, { gzip: { stored: true } }),
      estargz(ITEMS, {
        gzip: { stored: true },
        mutateTocJson: (json) => json.replace("etc/motd", "etc/mote"),
      }),
    ],
    "eStargz, lossless": [
      estargz(ITEMS, { lossless: true, gzip: { stored: true } }),
      estargz(ITEMS, {
        lossless: true,
        gzip: { stored: true },
        mutateTocJson: (json) => json.replace("etc/motd", "etc/mote"),
      }),
    ],
    "zstd:chunked with another TOC of the same length": [
      zstdChunked(ITEMS),
      zstdChunked(ITEMS, {
        compressToc: (json) => {
          const frame = zstdFrame(json);
          frame[frame.length - 1]! ^= 1;
          return frame;
        },
      }),
    ],
    "a plain layer in place of eStargz": [estargz(ITEMS), BUILDERS["gzip"]!(ITEMS)],
    "a plain layer of the same length in place of eStargz": [
      estargz(ITEMS),
      sameLength(estargz(ITEMS).blob.length),
    ],
    "another layer": [zstdChunked(ITEMS), zstdChunked(other)],
  };
  for (const [name, [before, after]] of Object.entries(pairs)) {
    for (const [way, read, streamed] of [["forth", before, after], ["back", after, before]] as const) {
      const equal = read.blob.length === streamed.blob.length;
      test(`${name}, ${way}: ${equal ? "told as source-changed" : "never verified"}`, async () => {
        for (
          const options of [{}, expecting({ digest: read.digest }), expecting({ digest: streamed.digest })]
        ) {
          const source = changing(read.blob, streamed.blob);
          const report = await verifyLayer(source, { hashes: nativeHashes, ...options });
          // With other lengths, what random access gives is no layer at all.
          if (!equal) expect(["error", "mismatch"]).toContain(report.result);
          else {
            expect(report).toMatchObject({
              result: "error",
              error: { code: "source-changed", kind: "source" },
            });
            expect(report.claims).toEqual([]);
          }
        }
      });
    }
  }

  test("contents that change while the TOC stays are a mismatch of the file", async () => {
    const stored = { gzip: { stored: true } };
    const [a, b] = [
      estargz(ITEMS, stored),
      estargz(other, { ...stored, mutateToc: () => estargz(ITEMS, stored).toc }),
    ];
    expect(a.blob.length).toBe(b.blob.length);
    const report = await verifyLayer(changing(a.blob, b.blob), {
      hashes: nativeHashes,
      ...expecting({ tocDigest: a.tocDigest }),
    });
    expect(report.result).toBe("mismatch");
    expect(report.findings.find(({ code }) => code === "file-digest-mismatch")?.entry).toBe("last");
  });
});

describe("a source that fails", () => {
  const layers = [["tar", tar(ITEMS)], ["eStargz", estargz(ITEMS).blob], [
    "zstd:chunked",
    zstdChunked(ITEMS).blob,
  ]] as const;
  for (const [name, blob] of layers) {
    test(`${name}: a stream that breaks off with an error, anywhere`, async () => {
      for (const at of [0, 1, 600, blob.length >> 1, blob.length]) {
        const stream = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(blob.slice(0, at)),
          pull: (controller) => controller.error(new Error("connection lost")),
        });
        const report = await verifyLayer(streamSource(stream, "net"), expecting({ digest: sha256(blob) }));
        expect(report).toMatchObject({
          layer: "net",
          result: "error",
          digest: null,
          error: { code: "source-read-failed", kind: "source" },
          claims: [],
        });
        expect(report.error?.message).toContain("connection lost");
      }
    });

    test(`${name}: random access that fails`, async () => {
      const failed = new SourceError("source-read-failed", "Cannot read layer: disk");
      for (const failing of [0, 1, 2]) {
        let calls = 0;
        const source: LayerSource = {
          ...memorySource(blob),
          read: (offset, length) => {
            return calls++ === failing ? Promise.reject(failed) : memorySource(blob).read!(offset, length);
          },
        };
        const report = await verifyLayer(source, expecting({ digest: sha256(blob) }));
        if (calls <= failing) expect(report.result).toBe("verified");
        else {expect(report).toMatchObject({
            result: "error",
            error: { code: "source-read-failed", kind: "source" },
          });}
      }
    });

    test(`${name}: a stream shorter or longer than the size`, async () => {
      const longer = new Uint8Array(blob.length + 10);
      longer.set(blob);
      for (const streamed of [blob.subarray(0, -1), blob.subarray(0, 700), blob.subarray(0, 0), longer]) {
        for (const digest of [sha256(blob), sha256(streamed)]) {
          const report = await verifyLayer(changing(blob, streamed, blob.length), expecting({ digest }));
          expect(report).toMatchObject({
            result: "error",
            error: { code: "source-changed", kind: "source" },
          });
          expect(report.error?.message).toContain(`${blob.length} bytes`);
        }
      }
    });

    test(`${name}: a pipe that ends early is another blob`, async () => {
      for (const cut of [1, 52, 73, blob.length >> 1]) {
        const short = blob.subarray(0, blob.length - cut);
        const report = await verifyPipe(short, expecting({ digest: sha256(blob) }));
        expect(report.result).toBe("mismatch");
        expect(report.digest).toBe(sha256(short));
      }
    });
  }

  test("a stream is released when verification stops", async () => {
    let cancelled = false;
    const stream = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(1000)),
      cancel: () => void (cancelled = true),
    });
    const abort = new AbortController();
    const work = verifyLayer(streamSource(stream), {
      signal: abort.signal,
      onProgress: ({ bytes }) => bytes > 100_000 && abort.abort(new Error("enough")),
    });
    await expect(work).rejects.toThrow("enough");
    expect(cancelled).toBe(true);
  });

  test("an empty pipe is an empty layer, with the digest of nothing", async () => {
    const report = await verifyLayer(pipe([]), expecting({ digest: sha256("") }));
    expect(report).toMatchObject({ result: "verified", size: 0, diffID: sha256(""), format: "tar" });
  });

  test("empty pieces change nothing", async () => {
    const { blob, digest } = zstdChunked(ITEMS);
    const pieces = [...randomPieces(blob)].flatMap((piece) => [new Uint8Array(0), piece]);
    const report = await verifyPipe(blob, expecting({ digest }), pieces);
    expect(report).toEqual(await verifyPipe(blob, expecting({ digest })));
  });
});

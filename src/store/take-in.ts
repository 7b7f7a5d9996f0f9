/**
 * Takes a layer into the pool: verified, extracted and taken apart in one pass.
 *
 * @module
 */
import { constants } from "node:fs";
import { copyFile, link, lstat, mkdir, realpath, rename, utimes } from "node:fs/promises";
import process from "node:process";
import { FormatError, LayerproofError, SourceError } from "../errors.ts";
import type { Extraction } from "../extract/extract.ts";
import { extractLayer } from "../extract/extract.ts";
import { writing } from "../output/file.ts";
import { type ClosableSource, openFile } from "../source/file.ts";
import type { LayerSource } from "../source/source.ts";
import { parseTocDigests } from "../toc/annotations.ts";
import type { Expectations, Progress, VerifyOptions } from "../verify/options.ts";
import type { LayerReport } from "../verify/report.ts";
import { VERSION } from "../version.ts";
import { FileSink } from "./file-sink.ts";
import { BLOB, DIFF, flush, isDirectory, type Pool, RECORD, removeTree, TAR_SPLIT } from "./pool.ts";
import { layerPath } from "./paths.ts";
import { sha256OfFile } from "./rebuild.ts";
import { COMPRESSION, encodeRecord, type LayerRecord } from "./record.ts";

/** A layer that is to be taken in, and what is expected of it. */
export interface IncomingLayer {
  readonly name: string;
  readonly expect: Expectations;
  /** The blob as a file of its own; null inside an archive and for a pipe. */
  readonly path: string | null;
  open(): Promise<ClosableSource>;
}

/** Verifies a layer; `verifyLayer` with hashes and threads. */
export type Verify = (source: LayerSource, options: VerifyOptions) => Promise<LayerReport>;

export interface TakeInOptions {
  readonly verify: Verify;
  /** Never a hard link: the blob is to have nothing in common with the file that it came from. */
  readonly copy?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** How it went: `refused` where something contradicts or cannot be read, and then the pool is as it was. */
export type TakenIn =
  | { readonly outcome: "stored"; readonly record: LayerRecord; readonly report: LayerReport }
  | { readonly outcome: "present"; readonly record: LayerRecord; readonly report: null }
  | { readonly outcome: "refused"; readonly record: null; readonly report: LayerReport };

/**
 * Verifies and extracts a layer. A layer that is in the pool already, and is what is expected, is not read again.
 * @throws {LayerproofError} `SourceError`, `OutputError`, and what `extractLayer` refuses
 */
export async function takeIn(pool: Pool, layer: IncomingLayer, options: TakeInOptions): Promise<TakenIn> {
  const known = await presentLayer(pool, layer.expect);
  if (known) return { outcome: "present", record: known, report: null };
  const work = await pool.temporary();
  try {
    return await new TakeIn(pool, layer, options, work).run();
  } finally {
    await removeTree(work);
  }
}

/** The layer in the pool that is all that is expected, as far as that can be told without reading it. */
async function presentLayer(pool: Pool, expect: Expectations): Promise<LayerRecord | null> {
  const digest = expect.digest?.value ?? expect.descriptor?.value.digest;
  if (digest === undefined) return null;
  const record = await wholeLayer(pool, digest);
  if (!record || !isAsExpected(record, expect)) return null;
  // So that garbage collection takes it for young until it has its place.
  await touch(pool.path(layerPath(digest)));
  return record;
}

/** The layer with this blob digest, if as much of it is there as can be told without reading it; else it is made anew. */
export async function wholeLayer(pool: Pool, digest: string): Promise<LayerRecord | null> {
  const record = await pool.layer(digest).catch((error) => {
    if (!(error instanceof FormatError)) throw error;
    return null;
  });
  if (!record) return null;
  const directory = pool.path(layerPath(digest));
  const blob = await lstat(`${directory}/${BLOB}`).catch(() => null);
  const whole = blob?.isFile() && blob.size === record.size && await isDirectory(`${directory}/${DIFF}`);
  return whole ? record : null;
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await writing(path, () => utimes(path, now, now));
}

function isAsExpected(
  record: LayerRecord,
  { size, diffID, uncompressedSize, tocDigest, descriptor }: Expectations,
): boolean {
  const annotations = descriptor?.value.annotations ?? {};
  let tocs: (string | null | undefined)[];
  try {
    const { compressedDigest, jsonDigest } = parseTocDigests(annotations);
    tocs = [compressedDigest, jsonDigest, tocDigest?.value];
  } catch {
    return false;
  }
  const hint = annotations["io.containers.estargz.uncompressed-size"];
  return same(size?.value, record.size) && same(descriptor?.value.size, record.size) &&
    same(diffID?.value, record.diffID) && same(uncompressedSize?.value, record.uncompressedSize) &&
    same(hint, String(record.uncompressedSize)) &&
    tocs.every((toc) => typeof toc !== "string" || record.tocDigests.includes(toc));
}

function same<T>(expected: T | undefined, actual: T): boolean {
  return expected === undefined || expected === actual;
}

/** One layer on its way. */
class TakeIn {
  readonly #pool: Pool;
  readonly #layer: IncomingLayer;
  readonly #options: TakeInOptions;
  /** Gets the layer's name when all is well. */
  readonly #directory: string;

  constructor(pool: Pool, layer: IncomingLayer, options: TakeInOptions, work: string) {
    this.#pool = pool;
    this.#layer = layer;
    this.#options = options;
    this.#directory = `${work}/layer`;
  }

  async run(): Promise<TakenIn> {
    const { signal } = this.#options;
    await writing(
      this.#directory,
      () => mkdir(`${this.#directory}/${DIFF}`, { recursive: true, mode: 0o755 }),
    );
    const { source, blob } = await this.#source();
    let extraction: Extraction | null = null;
    let split: FileSink | null = null;
    // A pipe that delivers nothing must not hold the cleaning up.
    const stop = () => void source.close().catch(() => {});
    signal?.addEventListener("abort", stop, { once: true });
    try {
      extraction = await extractLayer(`${this.#directory}/${DIFF}`, { ...signal && { signal } });
      split = await FileSink.create(`${this.#directory}/${TAR_SPLIT}`, "zstd");
      let noSplit: LayerproofError | null = null;
      const report = await this.#options.verify(source, {
        expect: this.#layer.expect,
        tar: extraction,
        tarSplit: {
          write: (bytes) => split!.write(bytes),
          ready: () => split!.ready(),
          failed: (error) => void (noSplit = error),
          duplicates: "keep",
        },
        ...blob && { blob },
        ...signal && { signal },
        ...this.#options.onProgress && { onProgress: this.#options.onProgress },
      });
      if (report.size === 0 && report.result !== "verified") throw emptyBlob(this.#layer.name);
      if (!canBeStored(report)) {
        return { outcome: "refused", record: null, report };
      }
      const { notSet } = await extraction.finish();
      extraction = null;
      if (noSplit) await split.abort();
      else await split.commit();
      await blob?.commit();
      const record: LayerRecord = {
        digest: report.digest!,
        size: report.size!,
        mediaType: report.mediaType!,
        format: report.format!,
        compression: compressionOf(report),
        diffID: report.diffID!,
        uncompressedSize: report.uncompressedSize!,
        tocDigests: tocDigestsOf(report),
        tarSplit: noSplit ? null : await sha256OfFile(`${this.#directory}/${TAR_SPLIT}`),
        notSet: notSet.map(({ detail, ...rest }) => ({ ...rest, detail: detail ?? null })),
        by: `layerproof ${VERSION}`,
      };
      return { outcome: "stored", record: await this.#settle(record), report };
    } finally {
      signal?.removeEventListener("abort", stop);
      stop();
      // What has been ended takes no harm.
      await Promise.all([extraction?.abort(), split?.abort(), blob?.abort()]);
    }
  }

  /** Where the bytes come from; `blob` writes them down, unless the blob is in its place already. */
  async #source(): Promise<{ source: ClosableSource; blob: FileSink | null }> {
    const { path, name } = this.#layer;
    const place = `${this.#directory}/${BLOB}`;
    if (path !== null && await linkOrCopy(path, place, this.#options.copy ?? false)) {
      // What is read is what stays, also if somebody else changes the other file's name meanwhile.
      await requireOwnFile(place, name);
      return { source: await openFile(place, name), blob: null };
    }
    return { source: await this.#layer.open(), blob: await FileSink.create(place, null) };
  }

  /** The layer gets its place in the pool. */
  async #settle(record: LayerRecord): Promise<LayerRecord> {
    await this.#pool.writeFile(
      `${this.#directory.slice(this.#pool.directory.length + 1)}/${RECORD}`,
      encodeRecord(record),
    );
    await flush(this.#directory);
    const place = this.#pool.path(layerPath(record.digest));
    const merged = await writing(place, async () => {
      while (true) {
        try {
          await rename(this.#directory, place);
          return null;
        } catch (cause) {
          const { code } = cause as { code?: unknown };
          if (code !== "ENOTEMPTY" && code !== "EEXIST") throw cause;
          // Somebody else was faster, and may have it in use already.
          const other = await wholeLayer(this.#pool, record.digest);
          if (other) return await this.#merge(other, record);
          await this.#pool.discard(place);
        }
      }
    });
    await flush(place);
    return merged ?? record;
  }

  /** The same blob with other annotations may have proved another TOC digest. */
  async #merge(known: LayerRecord, found: LayerRecord): Promise<LayerRecord> {
    const tocDigests = [...new Set([...known.tocDigests, ...found.tocDigests])];
    const merged = { ...known, tocDigests };
    if (tocDigests.length > known.tocDigests.length) {
      await this.#pool.writeFile(`${layerPath(known.digest)}/${RECORD}`, encodeRecord(merged));
    }
    return merged;
  }
}

/**
 * A link where nobody else can write to the file, else a copy. What is no regular file (a FIFO, whose "copy" would be
 * empty) goes through the reader.
 * @returns whether the file is in its place now
 */
async function linkOrCopy(path: string, to: string, copy: boolean): Promise<boolean> {
  // A link in the pool to a file somewhere else would be none of ours.
  const from = await realpath(path).catch(() => path);
  const found = await lstat(from).catch(() => null);
  if (!found?.isFile()) return false;
  const own = (found.uid === process.getuid?.() || found.uid === 0) && (found.mode & 0o022) === 0;
  if (!copy && own) {
    try {
      await link(from, to);
      return true;
    } catch {
      // Another file system, or not ours to link.
    }
  }
  try {
    // A reflink where the file system can do it.
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    return true;
  } catch {
    // What is no file (a FIFO), or cannot be read: opening it tells better.
    return false;
  }
}

/** Nobody makes an empty blob: it is a pipe that was closed, or a file that was cut. */
function emptyBlob(name: string): FormatError {
  return new FormatError("store-empty-blob", `${name} is empty`, {
    source: name,
    advice: "If it is meant to be, say so by --digest.",
  });
}

/** Somebody may have put something else in the file's place before it was linked or copied. */
async function requireOwnFile(place: string, name: string): Promise<void> {
  if ((await lstat(place)).isFile()) return;
  throw new SourceError("source-not-a-file", `${name} is no regular file any more`, {
    source: name,
    advice: "Something changes the image while it is read.",
  });
}

/** A blob whose descriptor has the annotations of another one is served by its own digest, as a plain layer. */
function canBeStored(report: LayerReport): boolean {
  if (report.digest === null || report.diffID === null || report.error) return false;
  if (report.result === "verified" || report.result === "consistent") return true;
  return report.findings.some(({ code }) => code === "stale-annotations") &&
    report.claims.every(({ claim, status }) => status !== "mismatch" || claim === "tocDigest");
}

function compressionOf({ format }: LayerReport): number {
  if (format === "tar") return COMPRESSION.none;
  return format === "gzip" || format === "estargz" ? COMPRESSION.gzip : COMPRESSION.zstd;
}

/**
 * Only of a TOC that was read, whose every entry agrees with the tar, and which names a digest of every chunk: else two
 * layers of other contents could have the same TOC.
 */
function tocDigestsOf({ claims, tocDigest }: LayerReport): string[] {
  const holds = (name: string): boolean => {
    const found = claims.filter(({ claim }) => claim === name);
    return found.length > 0 && found.every(({ status }) => status === "verified" || status === "consistent");
  };
  const bound = claims.every(({ claim, status }) =>
    claim !== "chunks" || ["verified", "consistent", "absent"].includes(status)
  );
  if (tocDigest === null || !holds("toc") || !holds("tocMatchesTar") || !bound) return [];
  const proved = claims.filter(({ claim, status }) => claim === "tocDigest" && status === "verified");
  return [...new Set([tocDigest, ...proved.map(({ expected }) => expected!)])];
}

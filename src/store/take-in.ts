/**
 * Takes a layer into the pool: verified, extracted and taken apart in one pass.
 *
 * @module
 */
import { constants } from "node:fs";
import { copyFile, link, mkdir, rename } from "node:fs/promises";
import { LayerproofError } from "../errors.ts";
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
import { BLOB, DIFF, exists, flush, isDirectory, type Pool, RECORD, removeTree, TAR_SPLIT } from "./pool.ts";
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
  const record = await pool.layer(digest);
  return record && isAsExpected(record, expect) && await isWhole(pool, digest) ? record : null;
}

/** A user may have deleted a blob to save room. */
async function isWhole(pool: Pool, digest: string): Promise<boolean> {
  const directory = pool.path(layerPath(digest));
  return await isDirectory(`${directory}/${DIFF}`) && await exists(`${directory}/${BLOB}`);
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
      await this.#settle(record);
      return { outcome: "stored", record, report };
    } finally {
      source.close().catch(() => {});
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
      return { source: await openFile(place, name), blob: null };
    }
    return { source: await this.#layer.open(), blob: await FileSink.create(place, null) };
  }

  /** The layer gets its place in the pool. */
  async #settle(record: LayerRecord): Promise<void> {
    await this.#pool.writeFile(
      `${this.#directory.slice(this.#pool.directory.length + 1)}/${RECORD}`,
      encodeRecord(record),
    );
    await flush(this.#directory);
    const place = this.#pool.path(layerPath(record.digest));
    await writing(place, async () => {
      while (true) {
        try {
          return await rename(this.#directory, place);
        } catch (cause) {
          const { code } = cause as { code?: unknown };
          if (code !== "ENOTEMPTY" && code !== "EEXIST") throw cause;
          // Somebody else was faster, and may have it in use already.
          if (await isWhole(this.#pool, record.digest)) return;
          await this.#pool.discard(place);
        }
      }
    });
    await flush(this.#pool.path(layerPath(record.digest)));
  }
}

/** @returns whether the file is in its place now */
async function linkOrCopy(from: string, to: string, copy: boolean): Promise<boolean> {
  if (!copy) {
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

/** Only of a TOC that was read, and whose every entry and chunk agrees with the tar. */
function tocDigestsOf({ claims, tocDigest }: LayerReport): string[] {
  const holds = (name: string): boolean => {
    const found = claims.filter(({ claim }) => claim === name);
    return found.length > 0 && found.every(({ status }) => status === "verified" || status === "consistent");
  };
  if (tocDigest === null || !holds("toc") || !holds("tocMatchesTar")) return [];
  const proved = claims.filter(({ claim, status }) => claim === "tocDigest" && status === "verified");
  return [...new Set([tocDigest, ...proved.map(({ expected }) => expected!)])];
}

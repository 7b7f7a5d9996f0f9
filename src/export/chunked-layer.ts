/**
 * What it takes to make a layer's tar from a zstd:chunked blob without decoding the whole: TOC, tar-split and chunks.
 *
 * @module
 */
import { defaultHashes } from "../digest/default.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { FormatError, UnsupportedError, UsageError } from "../errors.ts";
import { type LayerSource, memorySource } from "../source/source.ts";
import type { GetFile } from "../tarsplit/assemble.ts";
import type { TarSplitRecord } from "../tarsplit/record.ts";
import { gatherExpectations } from "../verify/expect.ts";
import { Findings } from "../verify/findings.ts";
import { readMetadata } from "../verify/metadata.ts";
import { type Expectations, type Limits, limitsWith } from "../verify/options.ts";
import type { LayerReport } from "../verify/report.ts";
import { chunkFiles } from "./chunks.ts";
import { tarSplitRecords } from "./tar-split-file.ts";

export interface ChunkedLayerOptions {
  /** TOC digests and sizes are checked here; a `diffID` is for `assembleTar`. */
  readonly expect?: Expectations;
  readonly limits?: Partial<Limits>;
  readonly hashes?: HashBackend;
  readonly signal?: AbortSignal;
}

/** A layer's parts, for `assembleTar`. */
export interface ChunkedParts {
  /** Those of the tar-split. May be read once. */
  readonly records: AsyncIterable<TarSplitRecord>;
  readonly getFile: GetFile;
  /** From an outside digest to the tar-split: then the tar that comes of it is proved, but not by its diffID. */
  readonly chain: readonly string[];
}

/**
 * Reads TOC and tar-split of a zstd:chunked layer and checks them: with the digests that are expected, and with each other.
 * @returns what was found, and the parts, unless anything contradicts
 * @throws {UsageError} `metadata-needs-ranges`: a pipe; `chunks-prove-no-digest`: a digest of the blob is expected, and
 * nothing that can be checked without reading all of it; what is wrong with the expectations
 * @throws {UnsupportedError} `chunks-no-tar-split`
 * @throws {FormatError} `chunks-no-toc`; `tar-split-unnamed`: only the TOC is vouched for, and it does not name the tar-split
 * @throws {SourceError}
 */
export async function openChunkedLayer(
  source: LayerSource,
  options: ChunkedLayerOptions = {},
): Promise<{ readonly report: LayerReport; readonly parts: ChunkedParts | null }> {
  const expecting = gatherExpectations(options.expect ?? {});
  if (expecting.digest && !expecting.diffID && expecting.toc.length === 0) {
    throw new UsageError(
      "chunks-prove-no-digest",
      "The blob's digest cannot be checked: only its TOC, tar-split and chunks are read",
      { advice: "Give a TOC digest or a diffID, or have the tar made from the whole blob." },
    );
  }
  const hashes = options.hashes ?? defaultHashes();
  const limits = limitsWith(options.limits);
  const subject = {
    source,
    expecting,
    annotations: expecting.annotations,
    external: null,
    limits,
    hashes,
    findings: new Findings(),
  };
  const { report, toc, tarSplit } = await readMetadata(subject, options.signal ?? null);
  options.signal?.throwIfAborted();
  if (report.error?.code === "metadata-missing") {
    throw new FormatError("chunks-no-toc", `${source.name} has no TOC`, {
      source: source.name,
      advice: "Only TOCs of zstd:chunked tell where chunks are: have the tar made from the whole blob.",
    });
  }
  if (report.result === "mismatch") return { report, parts: null };
  // Whatever else could not be checked for want of one.
  if (toc?.toc && (toc.family !== "zstd:chunked" || !toc.tarSplit)) {
    throw new UnsupportedError("chunks-no-tar-split", `${source.name} has no tar-split (${toc.dialect})`, {
      source: source.name,
      advice: "Its chunks alone do not give the tar's headers: have the tar made from the whole blob.",
    });
  }
  if (report.result === "error" || !toc?.toc || !tarSplit) return { report, parts: null };
  const named = report.claims.find(({ claim }) => claim === "tarSplitDigest");
  const chain = named?.status === "verified" ? [...named.chain, "tar-split"] : [];
  if (report.result === "verified" && chain.length === 0 && !expecting.diffID) {
    throw new FormatError(
      "tar-split-unnamed",
      `The TOC of ${source.name} does not name the tar-split, for which nothing vouches then`,
      { source: source.name, advice: "Give the diffID, which proves the whole." },
    );
  }
  const parts = {
    records: tarSplitRecords(memorySource(tarSplit, `the tar-split of ${source.name}`)),
    getFile: chunkFiles(source, toc.toc, { limits, hashes }),
    chain,
  };
  return { report, parts };
}

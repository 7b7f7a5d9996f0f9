/**
 * A layer by its TOC and tar-split alone: a few small ranges of the blob say what is in it, and how large it is unpacked.
 *
 * @module
 */
import type { Container } from "../codec/detect.ts";
import { FormatError, LimitExceeded, UsageError } from "../errors.ts";
import type { StreamFacts } from "./claims.ts";
import { failedReport } from "./failed.ts";
import { containerOf, isSeekable, loadToc, locateToc, type Subject } from "./load-toc.ts";
import type { SeekableSource } from "../source/tail.ts";
import { readFrame } from "./locate.ts";
import { makeReport } from "./make-report.ts";
import type { LayerReport } from "./report.ts";
import { examineTarSplit, type TarSplitFacts, tarSplitLimit, unreadTarSplit } from "./tar-split.ts";
import { TAR_SPLIT, TocCheck } from "./toc-check.ts";
import type { TocFacts } from "./toc-facts.ts";

/** A layer's metadata as it was read, and what was proved of it: without a good report, TOC and tar-split are nobody's. */
export interface LayerMetadata {
  readonly report: LayerReport;
  /** null where the blob has none */
  readonly toc: TocFacts | null;
  /** The compressed bytes that the report speaks of; null where they are not there or were not read. */
  readonly tarSplit: Uint8Array | null;
}

/** The report of `readMetadata`, which says what is thrown. */
export async function verifyMetadata(subject: Subject, signal: AbortSignal | null): Promise<LayerReport> {
  return (await readMetadata(subject, signal)).report;
}

/**
 * Compares TOC and tar-split with what is expected and with each other. Where the TOC's digest comes from outside and the
 * TOC names that of the tar-split (containers/storage since 1.54), the size of the tar is proved, although nothing of it
 * was read; contents are not.
 * @throws {UsageError} `metadata-needs-ranges`: a pipe
 * @throws {SourceError}
 */
export async function readMetadata(subject: Subject, signal: AbortSignal | null): Promise<LayerMetadata> {
  const { source, hashes, findings, expecting } = subject;
  if (!isSeekable(source)) {
    throw new UsageError(
      "metadata-needs-ranges",
      `${source.name} is a pipe, of which only the whole can be read`,
      {
        advice: "Give a file, or leave --metadata-only out.",
      },
    );
  }
  const container = await containerOf(subject);
  const located = await locateToc(container, subject);
  const check = new TocCheck(findings, await hashes.sha256(), false, TAR_SPLIT);
  const toc = await loadToc(located, check, subject);
  if (!toc) {
    const problem = new FormatError("metadata-missing", `The blob (${container}) has no TOC`, {
      advice: "Only reading the whole layer can tell what it is: leave --metadata-only out.",
    });
    return { report: failedReport(source.name, problem, "format"), toc, tarSplit: null };
  }
  const { facts: tarSplit, compressed } = await tarSplitOf(source, toc, check, subject, signal);
  const input = {
    expecting,
    read: false,
    pass: unread(container, source.size, toc, tarSplit),
    toc,
    tocInBlob: false,
    check,
    positions: located.positions,
    tarSplitDigest: tarSplit?.digest ?? null,
    tarSplit,
  };
  const report = makeReport(source.name, input, findings, subject.external !== null);
  return { report, toc, tarSplit: compressed };
}

/** The tar-split that footer or annotation announce, examined. @throws {SourceError} */
export async function tarSplitOf(
  source: SeekableSource,
  { toc, tarSplit: range, form }: TocFacts,
  check: TocCheck,
  { hashes, limits, annotations }: Subject,
  signal: AbortSignal | null,
): Promise<{ readonly facts: TarSplitFacts | null; readonly compressed: Uint8Array | null }> {
  if (!range || !toc) return { facts: null, compressed: null };
  try {
    // One that cannot be there is wrong, whatever the limit is.
    const fits = range.offset + range.length <= source.size;
    if (fits && range.length > limits.toc) throw tarSplitLimit(range.length, limits.toc);
    const from = annotations?.tarSplitPosition ? "the annotation tarsplit-position" : `the ${form} footer`;
    const compressed = await readFrame(source, range, "tar-split", from);
    const sha256 = await hashes.sha256();
    sha256.update(compressed);
    const found = { range, compressed, digest: `sha256:${sha256.finish()}` };
    const context = { hashes, limits, signal, tarSize: null };
    return { facts: await examineTarSplit(found, toc.tarSplitDigest, check, context), compressed };
  } catch (error) {
    if (!(error instanceof FormatError || error instanceof LimitExceeded)) throw error;
    return { facts: unreadTarSplit(range, null, check, error), compressed: null };
  }
}

/** What is known of a stream that was not read. A tar-split that the TOC does not name is nobody's word: no size then. */
function unread(
  container: Container,
  size: number,
  { toc }: TocFacts,
  tarSplit: TarSplitFacts | null,
): StreamFacts {
  const named = tarSplit !== null && toc?.tarSplitDigest === tarSplit.digest;
  return {
    container,
    size,
    digest: null,
    diffID: null,
    uncompressedSize: named ? tarSplit.shape?.size ?? null : null,
    codecError: null,
    tarError: null,
    entries: tarSplit?.entries ?? 0,
    flavours: new Set(),
    units: { total: 0, withChecksum: 0, mismatched: 0, first: null },
    shape: null,
  };
}

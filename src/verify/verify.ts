/**
 * The main job: one layer in, one report out.
 *
 * @module
 */
import { defaultHashes } from "../digest/default.ts";
import type { HashBackend } from "../digest/hasher.ts";
import {
  FormatError,
  LayerproofError,
  SourceError,
  UnsupportedError,
  UsageError,
  WorkerFailed,
} from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { findEstargzFooter } from "../toc/footer-estargz.ts";
import { findZstdChunkedFooter, ZSTD_FOOTER_MAX } from "../toc/footer-zstdchunked.ts";
import type { ClaimInput } from "./claims.ts";
import { type Expecting, gatherExpectations } from "./expect.ts";
import { failedReport } from "./failed.ts";
import { isShared } from "./feed.ts";
import { Findings } from "./findings.ts";
import { containerOf, isSeekable, loadToc, locateToc, type Subject } from "./load-toc.ts";
import { eStargzFromTail, type Located, zstdChunkedFromFrames } from "./locate.ts";
import { makeReport } from "./make-report.ts";
import { verifyMetadata } from "./metadata.ts";
import { type Limits, limitsWith, type VerifyOptions } from "./options.ts";
import { LayerPass, type PassResult } from "./pass.ts";
import type { LayerReport } from "./report.ts";
import { examineTarSplit, tarSplitLimit, unreadTarSplit } from "./tar-split.ts";
import { SinkFailed, toSink } from "./taps.ts";
import { TAR_SPLIT, TocCheck } from "./toc-check.ts";
import type { TocFacts } from "./toc-facts.ts";

/**
 * Reads a layer once and says what it is, and whether it is what digests from outside say.
 *
 * Contradictions, unreadable layers and sources that fail are in the report, not thrown.
 *
 * @example
 * ```ts
 * import { memorySource, verifyLayer } from "layerproof";
 * const report = await verifyLayer(memorySource(bytes), { expect: { digest: { value: "sha256:…", from: ["manifest"] } } });
 * if (report.result !== "verified") throw new Error(JSON.stringify(report.claims));
 * ```
 * @throws {UsageError | UnsupportedError} for expectations that cannot be used (malformed, contradicting each other)
 * @throws the reason of `options.signal`, when it is aborted
 */
export async function verifyLayer(source: LayerSource, options: VerifyOptions = {}): Promise<LayerReport> {
  let expecting: Expecting;
  try {
    expecting = gatherExpectations(options.expect ?? {});
  } catch (error) {
    if (
      !(error instanceof LayerproofError) || error instanceof UsageError || error instanceof UnsupportedError
    ) throw error;
    return failedReport(source.name, error, "refused");
  }
  try {
    const subject = {
      source,
      expecting,
      annotations: expecting.annotations,
      external: options.toc ?? null,
      limits: limitsWith(options.limits),
      hashes: options.hashes ?? defaultHashes(),
      findings: new Findings(),
    };
    if (options.metadataOnly) {
      const report = await verifyMetadata(subject, options.signal ?? null);
      options.signal?.throwIfAborted();
      return report;
    }
    return await new Verification(subject, options).run();
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof SinkFailed) throw error.cause;
    if (error instanceof SourceError || error instanceof WorkerFailed) {
      return failedReport(source.name, error);
    }
    throw error;
  }
}

class Verification {
  readonly #source: LayerSource;
  readonly #options: VerifyOptions;
  readonly #subject: Subject;
  readonly #limits: Limits;
  readonly #hashes: HashBackend;
  readonly #findings: Findings;

  constructor(subject: Subject, options: VerifyOptions) {
    this.#subject = subject;
    this.#source = subject.source;
    this.#options = options;
    this.#limits = subject.limits;
    this.#hashes = subject.hashes;
    this.#findings = subject.findings;
  }

  async run(): Promise<LayerReport> {
    const pipe = !isSeekable(this.#source);
    const pass = await LayerPass.create({
      limits: this.#limits,
      hashes: this.#hashes,
      findings: this.#findings,
      size: pipe ? null : this.#source.size,
      workers: this.#options.workers,
      onEntry: this.#options.onEntry,
      tarSplit: this.#options.tarSplit,
      tar: this.#options.tar,
    });
    try {
      return await this.#examine(pass, pipe);
    } finally {
      pass.close();
    }
  }

  async #examine(pass: LayerPass, pipe: boolean): Promise<LayerReport> {
    let located = pipe ? null : await this.#locateBefore();
    let toc = located && await loadToc(located, pass.check, this.#subject);
    if (pipe || toc?.tarSplit) pass.watchShape();
    const end = await this.#stream(pass);
    const result = await pass.end();
    this.#options.signal?.throwIfAborted();
    if (pipe) {
      located = await this.#locateAfter(end, pass, result);
      toc = await loadToc(located, pass.check, this.#subject);
    } else if (!located?.found && this.#footerOffset(end, result) !== null) throw this.#changed(null);
    const tocInBlob = toc !== null && this.#streamed(end, pass, toc, result);
    if (toc?.toc && !tocInBlob && toc.offset !== null && !result.codecError && !result.tarError) {
      toc = this.#misplaced(toc);
    }
    if (toc?.toc && !result.codecError && !result.tarError) pass.check.end();
    return this.#report({
      expecting: this.#subject.expecting,
      read: true,
      pass: result,
      toc,
      tocInBlob,
      check: pass.check,
      positions: located?.positions ?? null,
      ...await this.#readTarSplit(pass, toc, result),
    });
  }

  #report(input: ClaimInput): LayerReport {
    return makeReport(this.#source.name, input, this.#findings, this.#subject.external !== null);
  }

  /** Pushes the whole source through, and returns its last bytes: enough for any footer. */
  async #stream(pass: LayerPass): Promise<Uint8Array> {
    const { signal, onProgress, blob } = this.#options;
    let bytes = 0;
    let end: Uint8Array = new Uint8Array(0);
    for await (const piece of this.#source.stream()) {
      signal?.throwIfAborted();
      if (blob) toSink(() => blob.write(piece));
      await pass.push(piece);
      if (blob) await toSink(() => blob.ready?.());
      bytes += piece.length;
      end = lastBytes(end, piece);
      onProgress?.({ bytes, total: this.#source.size });
    }
    signal?.throwIfAborted();
    const { name, size } = this.#source;
    if (size !== null && bytes !== size) {
      throw new SourceError(
        "source-changed",
        `${name} had ${size} bytes when it was opened, and ${bytes} were read`,
        {
          source: name,
          advice: "Something writes to it: try again when it is complete.",
        },
      );
    }
    return end;
  }

  async #locateBefore(): Promise<Located> {
    const container = await containerOf(this.#subject);
    // They come up while the TOC is read.
    const { workers } = this.#options;
    if (isShared(container, this.#source.size!, { workers, limits: this.#limits })) workers!.start();
    return await locateToc(container, this.#subject);
  }

  async #locateAfter(
    end: Uint8Array,
    pass: LayerPass,
    { container, codecError }: PassResult,
  ): Promise<Located> {
    if (!codecError && container === "gzip") return await eStargzFromTail(end, pass.estargz, this.#subject);
    if (!codecError && container === "zstd") {
      return await zstdChunkedFromFrames(end, pass.trailing, this.#subject);
    }
    return { found: null, positions: null };
  }

  /**
   * Whether the TOC is in the bytes that streamed by and were hashed. What was read beforehand need not be: a file can
   * change between the two, or the footer can point to where the stream has no TOC.
   * @throws {SourceError} `source-changed`
   */
  #streamed(end: Uint8Array, pass: LayerPass, toc: TocFacts, result: PassResult): boolean {
    const { codecError, tarError } = result;
    const read = toc.family === "estargz" ? toc.jsonDigest : toc.compressedDigest;
    if (toc.offset === null || read === null || codecError) return false;
    const { entry } = pass.estargz;
    const seen = toc.family === "estargz"
      ? (entry?.unitOffset === toc.offset ? entry.digest : null)
      : pass.trailing.frames.find(({ offset }) => offset === toc.offset)?.digest ?? null;
    if (seen === read) return true;
    if (tarError && toc.family === "estargz") return false;
    const announced = this.#footerOffset(end, result) === toc.offset ||
      this.#subject.expecting.annotations?.tocPosition?.offset === toc.offset;
    if (seen === null && announced) return false;
    throw this.#changed(toc.offset);
  }

  /** Where the bytes that streamed by say that the TOC is; -1 for another blob, null for nowhere. */
  #footerOffset(end: Uint8Array, { container, codecError }: PassResult): number | null {
    if (codecError) return null;
    if (container === "zstd") return findZstdChunkedFooter(end)?.toc.offset ?? null;
    const footer = container === "gzip" ? findEstargzFooter(end) : null;
    return footer && (footer.kind === "external" ? -1 : footer.tocOffset);
  }

  #changed(blobOffset: number | null): SourceError {
    const { name } = this.#source;
    const advice = "Something writes to it: try again when it is complete.";
    return new SourceError("source-changed", `The TOC of ${name} changed while the layer was read`, {
      source: name,
      ...(blobOffset !== null && { blobOffset }),
      advice,
    });
  }

  /** A TOC that random access finds and the stream does not have at its end: two readers would see two layers. */
  #misplaced(toc: TocFacts): TocFacts {
    const problem = new FormatError(
      "toc-position",
      `The blob places the TOC at ${toc.offset}, where its stream has no TOC at its end`,
      { blobOffset: toc.offset! },
    );
    this.#findings.add(problem.code, "error", problem.message, null, toc.offset);
    return { ...toc, toc: null, problem };
  }

  /** Reads the tar-split that the footer or an annotation announces, if it is among the bytes that streamed by. */
  async #readTarSplit(
    pass: LayerPass,
    toc: TocFacts | null,
    result: PassResult,
  ): Promise<Pick<ClaimInput, "tarSplitDigest" | "tarSplit">> {
    if (!toc?.tarSplit) return { tarSplitDigest: null, tarSplit: null };
    const { offset, length } = toc.tarSplit;
    const frame = pass.trailing.frames.find((one) => one.offset === offset && one.length === length);
    if (!frame || !toc.toc) return { tarSplitDigest: frame?.digest ?? null, tarSplit: null };
    const check = await this.#tarSplitCheck(toc);
    const range = toc.tarSplit;
    const { digest } = frame;
    if (length > this.#limits.toc || (frame.bytes === null && !isSeekable(this.#source))) {
      const problem = tarSplitLimit(length, this.#limits.toc);
      return { tarSplitDigest: digest, tarSplit: unreadTarSplit(range, digest, check, problem) };
    }
    const compressed = frame.bytes ?? await this.#readAgain(offset, length, digest);
    const tarSplit = await examineTarSplit({ range, compressed, digest }, toc.toc.tarSplitDigest, check, {
      hashes: this.#hashes,
      limits: this.#limits,
      signal: this.#options.signal ?? null,
      tarSize: result.uncompressedSize,
    });
    return { tarSplitDigest: digest, tarSplit };
  }

  /** Bytes that have streamed by. @throws {SourceError} `source-changed` where they are others now */
  async #readAgain(offset: number, length: number, digest: string): Promise<Uint8Array> {
    const bytes = await this.#source.read!(offset, length);
    const sha256 = await this.#hashes.sha256();
    sha256.update(bytes);
    if (`sha256:${sha256.finish()}` !== digest) throw this.#changed(offset);
    return bytes;
  }

  async #tarSplitCheck(toc: TocFacts): Promise<TocCheck> {
    const check = new TocCheck(this.#findings, await this.#hashes.sha256(), false, TAR_SPLIT);
    check.load(toc, false);
    return check;
  }
}

/** The last bytes of what came so far; a copy, for the piece may be overwritten. */
function lastBytes(before: Uint8Array, piece: Uint8Array): Uint8Array {
  if (piece.length >= ZSTD_FOOTER_MAX) return piece.slice(-ZSTD_FOOTER_MAX);
  const both = new Uint8Array(before.length + piece.length);
  both.set(before);
  both.set(piece, before.length);
  return both.slice(-ZSTD_FOOTER_MAX);
}

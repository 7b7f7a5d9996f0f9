/**
 * The main job: one layer in, one report out.
 *
 * @module
 */
import { DETECT_BYTES, detectContainer } from "../codec/detect.ts";
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
import { type ClaimInput, makeClaims } from "./claims.ts";
import { type Expecting, gatherExpectations } from "./expect.ts";
import { describeError, failedReport } from "./failed.ts";
import { Findings } from "./findings.ts";
import {
  eStargzFromTail,
  type Located,
  locateEstargz,
  locateZstdChunked,
  zstdChunkedFromFrames,
} from "./locate.ts";
import { mediaTypeOf } from "./media-type.ts";
import { type Limits, limitsWith, type VerifyOptions } from "./options.ts";
import { isShared } from "./feed.ts";
import { LayerPass, type PassResult } from "./pass.ts";
import type { Claim, LayerFormat, LayerReport, ReportError, Result } from "./report.ts";
import { examineToc, type TocFacts } from "./toc-facts.ts";

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
    return await new Verification(source, options, expecting).run();
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof SourceError || error instanceof WorkerFailed) {
      return failedReport(source.name, error);
    }
    throw error;
  }
}

class Verification {
  readonly #source: LayerSource;
  readonly #options: VerifyOptions;
  readonly #expecting: Expecting;
  readonly #limits: Limits;
  readonly #hashes: HashBackend;
  readonly #findings = new Findings();

  constructor(source: LayerSource, options: VerifyOptions, expecting: Expecting) {
    this.#source = source;
    this.#options = options;
    this.#expecting = expecting;
    this.#limits = limitsWith(options.limits);
    this.#hashes = options.hashes ?? defaultHashes();
  }

  async run(): Promise<LayerReport> {
    const pipe = this.#source.read === undefined || this.#source.size === null;
    const pass = await LayerPass.create({
      limits: this.#limits,
      hashes: this.#hashes,
      findings: this.#findings,
      size: pipe ? null : this.#source.size,
      workers: this.#options.workers,
      onEntry: this.#options.onEntry,
    });
    try {
      return await this.#examine(pass, pipe);
    } finally {
      pass.close();
    }
  }

  async #examine(pass: LayerPass, pipe: boolean): Promise<LayerReport> {
    let located = pipe ? null : await this.#locateBefore();
    let toc = located && await this.#load(located, pass);
    const end = await this.#stream(pass);
    const result = await pass.end();
    this.#options.signal?.throwIfAborted();
    if (pipe) {
      located = await this.#locateAfter(end, pass, result);
      toc = await this.#load(located, pass);
    } else if (!located?.found && this.#footerOffset(end, result) !== null) throw this.#changed(null);
    const tocInBlob = toc !== null && this.#streamed(end, pass, toc, result);
    if (toc?.toc && !tocInBlob && toc.offset !== null && !result.codecError && !result.tarError) {
      toc = this.#misplaced(toc);
    }
    if (toc?.toc && !result.codecError && !result.tarError) pass.check.end();
    return this.#report({
      expecting: this.#expecting,
      pass: result,
      toc,
      tocInBlob,
      check: pass.check,
      positions: located?.positions ?? null,
      tarSplitDigest: this.#tarSplitDigest(pass, toc),
    });
  }

  /** Pushes the whole source through, and returns its last bytes: enough for any footer. */
  async #stream(pass: LayerPass): Promise<Uint8Array> {
    const { signal, onProgress } = this.#options;
    let bytes = 0;
    let end: Uint8Array = new Uint8Array(0);
    for await (const piece of this.#source.stream()) {
      signal?.throwIfAborted();
      await pass.push(piece);
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
    const source = this.#source as LayerSource & { size: number };
    const head = await source.read!(0, Math.min(DETECT_BYTES, source.size));
    const context = this.#context();
    const container = detectContainer(head);
    // They come up while the TOC is read.
    const { workers } = this.#options;
    if (isShared(container, source.size, { workers, limits: this.#limits })) workers!.start();
    switch (container) {
      case "gzip":
        return await locateEstargz(source, context);
      case "zstd":
        return await locateZstdChunked(source, context);
      default:
        return { found: null, positions: null };
    }
  }

  async #locateAfter(
    end: Uint8Array,
    pass: LayerPass,
    { container, codecError }: PassResult,
  ): Promise<Located> {
    if (!codecError && container === "gzip") return await eStargzFromTail(end, pass.estargz, this.#context());
    if (!codecError && container === "zstd") {
      return await zstdChunkedFromFrames(end, pass.trailing, this.#context());
    }
    return { found: null, positions: null };
  }

  #context() {
    const { annotations } = this.#expecting;
    return { limits: this.#limits, hashes: this.#hashes, annotations, external: this.#options.toc ?? null };
  }

  /** Examines a TOC that was found, tells what is wrong with it, and hands it to the comparison. */
  async #load({ found }: Located, pass: LayerPass): Promise<TocFacts | null> {
    if (!found) return null;
    const toc = await examineToc(found, {
      hashes: this.#hashes,
      expected: this.#expecting.toc,
      limits: this.#limits,
    });
    if (toc.problem) {
      const { code, message, details } = toc.problem;
      const severity = code === "external-toc-missing" ? "info" : "error";
      const entry = details.entry ?? null;
      this.#findings.addEscaped(code, severity, message, entry, details.blobOffset ?? toc.offset);
    }
    if (toc.form === "56-byte") {
      const what =
        "the 56-byte footer of containers/storage 1.47 to 1.49 is broken: tools that have no annotations cannot find the tar-split";
      this.#findings.add(
        "zstd-chunked-footer-broken",
        "warning",
        what,
        null,
        this.#source.size === null ? null : this.#source.size - 64,
      );
    }
    pass.check.load(toc);
    return toc;
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
      this.#expecting.annotations?.tocPosition?.offset === toc.offset;
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

  #tarSplitDigest(pass: LayerPass, toc: TocFacts | null): string | null {
    if (!toc?.tarSplit) return null;
    const { offset, length } = toc.tarSplit;
    return pass.trailing.frames.find((frame) => frame.offset === offset && frame.length === length)?.digest ??
      null;
  }

  #report(input: ClaimInput): LayerReport {
    const { pass, toc, check } = input;
    const claims = makeClaims(input);
    this.#explain(claims, input);
    const error = this.#error(pass);
    return {
      layer: this.#source.name,
      format: formatOf(pass, toc),
      dialect: toc?.dialect ?? (pass.flavours.size > 0 ? [...pass.flavours].sort().join(", ") : null),
      mediaType: mediaTypeOf(pass.container),
      size: pass.size,
      digest: pass.digest,
      diffID: pass.diffID,
      uncompressedSize: pass.uncompressedSize,
      tocDigest: toc?.tocDigest ?? null,
      tarSplitDigest: input.tarSplitDigest,
      entries: error ? null : pass.entries,
      chunks: { total: toc?.toc?.chunks ?? 0, verified: check.chunks.matched },
      claims,
      findings: this.#findings.finish(),
      ...conclude(claims, input, error),
    };
  }

  /** Findings that say in words what some claims say in digests. */
  #explain(claims: readonly Claim[], { expecting, toc, pass }: ClaimInput): void {
    const add = this.#findings.add.bind(this.#findings);
    const annotated = expecting.annotations?.compressedDigest ?? expecting.annotations?.jsonDigest ??
      expecting.annotations?.tocPosition;
    const wrong = claims.some(({ claim, status }) =>
      (claim === "tocDigest" || claim === "tocPosition") && status === "mismatch"
    );
    if (annotated && (wrong || !toc)) {
      const what = toc
        ? "do not match the TOC in the blob"
        : `announce a TOC that the blob (${pass.container}) does not have`;
      add(
        "stale-annotations",
        "error",
        `the annotations of the descriptor ${what}: they belong to another blob`,
      );
    }
    if (this.#options.toc && toc?.form !== "external") {
      add(
        "external-toc-unused",
        "warning",
        "a TOC was given, but the blob does not say that its TOC is elsewhere",
      );
    }
    if (expecting.badAnnotation) add(expecting.badAnnotation.code, "error", expecting.badAnnotation.message);
    for (const { claim, status, expected, actual } of claims) {
      if (status !== "mismatch") continue;
      if (claim === "mediaType") {
        add(
          "media-type-mismatch",
          "warning",
          `the descriptor calls the layer ${expected}, the content is ${actual}`,
        );
      }
      if (claim === "uncompressedSize") {
        add("uncompressed-size-wrong", "error", `${expected} bytes are announced, ${actual} were counted`);
      }
    }
    for (const error of [pass.codecError, pass.tarError]) {
      if (error) {
        this.#findings.addEscaped(
          error.code,
          "error",
          error.message,
          error.details.entry ?? null,
          error.details.blobOffset ?? error.details.tarOffset ?? null,
        );
      }
    }
    const unnamed = toc?.toc && !toc.toc.tarSplitDigest && toc.tarSplit;
    if (unnamed) {
      add(
        "tar-split-not-authenticated",
        "warning",
        "the TOC does not name the digest of the tar-split: it must not be trusted",
      );
    }
    if (toc?.toc?.files.some((file) => file.chunks.some((chunk) => !chunk.digest && !chunk.zeros))) {
      add(
        "chunks-without-digest",
        "warning",
        "the TOC has chunks without a digest: a lazy reader cannot check them one by one",
      );
    }
  }

  #error(pass: PassResult): ReportError | null {
    const error = pass.codecError ?? pass.tarError;
    return error && describeError(error);
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

function formatOf(pass: PassResult, toc: TocFacts | null): LayerFormat | null {
  if (toc) return toc.family;
  switch (pass.container) {
    case "empty":
      return "tar";
    case "tar":
    case "gzip":
    case "zstd":
      return pass.container;
    default:
      return null;
  }
}

/** Fails closed: what was expected and could not be checked is not verified. */
function conclude(
  claims: readonly Claim[],
  input: ClaimInput,
  error: ReportError | null,
): { error: ReportError | null; result: Result } {
  const { digest, diffID, toc, badAnnotation } = input.expecting;
  if (badAnnotation || claims.some(({ status }) => status === "mismatch")) {
    return { error, result: "mismatch" };
  }
  if (error) return { error, result: "error" };
  const byTocOnly = digest === null && diffID === null && toc.length > 0;
  const unmet = claims.find(({ claim, status }) =>
    status === "not checked" &&
    (OUTSIDE.has(claim) || (byTocOnly && (claim === "chunks" ? !filesProve(input) : TREE.has(claim))))
  );
  if (unmet) {
    const message = `The ${unmet.claim} that was expected could not be checked: ${unmet.where}`;
    return {
      error: { code: "expectation-not-checked", message, advice: null, kind: "format" },
      result: "error",
    };
  }
  const given = digest !== null || diffID !== null || toc.length > 0;
  return { error: null, result: given ? "verified" : "consistent" };
}

/** Claims that a layer's TOC digest proves, if that is all that is known of it. */
const TREE: ReadonlySet<string> = new Set(["toc", "files", "tocMatchesTar"]);

/** Whether each content has a digest of its own, so that no chunk's is needed. */
function filesProve({ toc, check }: ClaimInput): boolean {
  const named = toc?.toc?.files.every(({ kind, size, digest }) =>
    kind !== "file" || size === 0 || digest !== null
  );
  return named === true && check.files.matched === check.files.total;
}

/** Claims that compare with a digest or number from outside. */
const OUTSIDE: ReadonlySet<string> = new Set(["digest", "size", "diffID", "uncompressedSize", "tocDigest"]);

/**
 * The main job: one layer in, one report out.
 *
 * @module
 */
import { DETECT_BYTES, detectContainer } from "../codec/detect.ts";
import { type HashBackend, portableHashes } from "../digest/hasher.ts";
import { LayerproofError, SourceError, UnsupportedError, UsageError } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { messageOf } from "../source/source.ts";
import { type ClaimInput, makeClaims } from "./claims.ts";
import { type Expecting, gatherExpectations } from "./expect.ts";
import { Findings } from "./findings.ts";
import {
  eStargzFromTail,
  type Located,
  locateEstargz,
  locateZstdChunked,
  zstdChunkedFromFrames,
} from "./locate.ts";
import { mediaTypeOf } from "./media-type.ts";
import { DEFAULT_LIMITS, type Limits, type VerifyOptions } from "./options.ts";
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
    return emptyReport(source.name, { ...describe(error), kind: "refused" });
  }
  try {
    return await new Verification(source, options, expecting).run();
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof SourceError) return emptyReport(source.name, { ...describe(error), kind: "source" });
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
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#hashes = options.hashes ?? portableHashes;
  }

  async run(): Promise<LayerReport> {
    const pipe = this.#source.read === undefined || this.#source.size === null;
    const pass = await LayerPass.create({
      limits: this.#limits,
      hashes: this.#hashes,
      findings: this.#findings,
      pipe,
      onEntry: this.#options.onEntry,
    });
    let located = pipe ? null : await this.#locateBefore();
    let toc = located && await this.#load(located, pass);
    await this.#stream(pass);
    const result = pass.end();
    if (pipe) {
      located = await this.#locateAfter(pass, result);
      toc = await this.#load(located, pass);
    } else this.#checkUnchanged(pass, toc, result);
    if (toc?.toc && !result.codecError && !result.tarError) pass.check.end();
    return this.#report({
      expecting: this.#expecting,
      pass: result,
      toc,
      check: pass.check,
      positions: located?.positions ?? null,
      tarSplitDigest: this.#tarSplitDigest(pass, toc),
    });
  }

  async #stream(pass: LayerPass): Promise<void> {
    const { signal, onProgress } = this.#options;
    let bytes = 0;
    for await (const piece of this.#source.stream()) {
      signal?.throwIfAborted();
      pass.push(piece);
      bytes += piece.length;
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
  }

  async #locateBefore(): Promise<Located> {
    const source = this.#source as LayerSource & { size: number };
    const head = await source.read!(0, Math.min(DETECT_BYTES, source.size));
    const context = this.#context();
    switch (detectContainer(head)) {
      case "gzip":
        return await locateEstargz(source, context);
      case "zstd":
        return await locateZstdChunked(source, context);
      default:
        return { found: null, positions: null };
    }
  }

  async #locateAfter(pass: LayerPass, { container, codecError }: PassResult): Promise<Located> {
    if (!codecError && container === "gzip") return await eStargzFromTail(pass.estargz, this.#context());
    if (!codecError && container === "zstd") {
      return await zstdChunkedFromFrames(pass.trailing, this.#context());
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
    const toc = examineToc(found, {
      sha256: await this.#hashes.sha256(),
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

  /** What was read beforehand must be what streamed by: a file can change between the two. */
  #checkUnchanged(pass: LayerPass, toc: TocFacts | null, { codecError, tarError }: PassResult): void {
    if (!toc || toc.offset === null || codecError || tarError) return;
    const changed = toc.family === "estargz"
      ? toc.jsonDigest !== null && pass.estargz.entry?.digest !== toc.jsonDigest
      : toc.compressedDigest !== null &&
        !pass.trailing.frames.some(({ offset, digest }) =>
          offset === toc.offset && digest === toc.compressedDigest
        );
    if (!changed) return;
    throw new SourceError(
      "source-changed",
      `The TOC of ${this.#source.name} changed while the layer was read`,
      {
        source: this.#source.name,
        blobOffset: toc.offset,
      },
    );
  }

  #tarSplitDigest(pass: LayerPass, toc: TocFacts | null): string | null {
    if (!toc?.tarSplit) return null;
    const { offset, length } = toc.tarSplit;
    return pass.trailing.frames.find((frame) => frame.offset === offset && frame.length === length)?.digest ??
      null;
  }

  #report(input: ClaimInput): LayerReport {
    const { pass, toc, check, expecting } = input;
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
      ...conclude(claims, expecting, error),
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
    if (!error) return null;
    return { ...describe(error), kind: error instanceof UnsupportedError ? "refused" : "format" };
  }
}

function describe(error: LayerproofError): Omit<ReportError, "kind"> {
  return { code: error.code, message: messageOf(error), advice: error.details.advice ?? null };
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
  { digest, diffID, toc }: Expecting,
  error: ReportError | null,
): { error: ReportError | null; result: Result } {
  if (claims.some(({ status }) => status === "mismatch")) return { error, result: "mismatch" };
  if (error) return { error, result: "error" };
  const unmet = claims.find(({ claim, status }) => status === "not checked" && OUTSIDE.has(claim));
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

/** Claims that compare with a digest or number from outside. */
const OUTSIDE: ReadonlySet<string> = new Set(["digest", "size", "diffID", "uncompressedSize", "tocDigest"]);

function emptyReport(layer: string, error: ReportError): LayerReport {
  return {
    layer,
    format: null,
    dialect: null,
    mediaType: null,
    size: null,
    digest: null,
    diffID: null,
    uncompressedSize: null,
    tocDigest: null,
    tarSplitDigest: null,
    entries: null,
    chunks: { total: 0, verified: 0 },
    claims: [],
    findings: [],
    error,
    result: "error",
  };
}

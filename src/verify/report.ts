/**
 * What one verification says about one layer. The JSON form is published as
 * `schema/layer-report.schema.json`; the printer, the exit status and any embedding program read the same object.
 *
 * @module
 */

/** Formats as named in reports; found by content, never by name or media type. */
export type LayerFormat = "tar" | "gzip" | "zstd" | "estargz" | "zstd:chunked";

/**
 * - `verified`: matched a digest that came from outside the blob, directly or through the named chain
 * - `consistent`: agrees with the blob's own word only
 * - `mismatch`: contradicts what was expected
 * - `absent`: nothing was given and the blob claims nothing; `actual` may still hold the computed value
 * - `not checked`: there is a claim, but it could not be checked; `where` says why
 */
export type ClaimStatus = "verified" | "consistent" | "mismatch" | "absent" | "not checked";

/** Names of the claims, stable for programs. */
export type ClaimName =
  | "digest"
  | "size"
  | "mediaType"
  | "diffID"
  | "uncompressedSize"
  | "tocDigest"
  | "tocPosition"
  | "toc"
  | "tarSplitDigest"
  | "tarSplit"
  | "tarSplitMatchesToc"
  | "tarSplitMatchesTar"
  | "chunks"
  | "files"
  | "chunkPositions"
  | "tocMatchesTar"
  | "compressionChecksums"
  | "tar";

/** One statement about the layer, with its proof or its contradiction. */
export interface Claim {
  readonly claim: ClaimName;
  readonly status: ClaimStatus;
  readonly expected: string | null;
  readonly actual: string | null;
  /** Byte range, entry, option or reason that the claim is about. */
  readonly where: string | null;
  /** From the outside digest to this claim, outermost first; empty when there is no outside digest. */
  readonly chain: readonly string[];
}

export type Severity = "error" | "warning" | "info";

/** Something that makes real tools fail or users unsafe, or a single difference behind a mismatch. */
export interface Finding {
  /** Stable code, kebab-case. */
  readonly code: string;
  readonly severity: Severity;
  /** Entry name, escaped by `escapeName` (so that it is printable and can be read back), or null. */
  readonly entry: string | null;
  /** Offset in bytes: in the tar stream for tar findings, in the blob for codec and TOC findings; or null. */
  readonly offset: number | null;
  readonly message: string;
}

/**
 * - `verified`: at least one outside digest was given, and all that was expected holds
 * - `consistent`: no outside digest was given and nothing contradicts
 * - `mismatch`: something contradicts
 * - `error`: the bytes could not be had or could not be read as a layer
 */
export type Result = "verified" | "consistent" | "mismatch" | "error";

/** Why `result` is `error`. */
export interface ReportError {
  readonly code: string;
  readonly message: string;
  readonly advice: string | null;
  /** `source`: the bytes could not be had; `format`: they are not a readable layer; `refused`: ambiguous or unsupported. */
  readonly kind: "source" | "format" | "refused" | "internal";
}

/** Result of `verifyLayer`. Sizes and offsets in bytes; digests as `sha256:` and 64 lower-case hex digits. */
export interface LayerReport {
  readonly layer: string;
  readonly format: LayerFormat | null;
  /** Writer family of a TOC, e.g. `estargz`, `estargz legacy`, `containers/storage 64-byte footer`; tar flavour otherwise. */
  readonly dialect: string | null;
  /** OCI media type by content. */
  readonly mediaType: string | null;
  readonly size: number | null;
  readonly digest: string | null;
  readonly diffID: string | null;
  readonly uncompressedSize: number | null;
  readonly tocDigest: string | null;
  readonly tarSplitDigest: string | null;
  /** Entries of the tar stream. */
  readonly entries: number | null;
  readonly chunks: { readonly total: number; readonly verified: number };
  readonly claims: readonly Claim[];
  readonly findings: readonly Finding[];
  readonly error: ReportError | null;
  readonly result: Result;
}

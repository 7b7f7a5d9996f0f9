/**
 * The errors of the whole program: one class per kind, each with a stable code, a place and advice.
 *
 * Nothing that a layer can contain may surface as a `TypeError` or `RangeError`: parsers and decoders
 * throw one of these, so that a daemon can turn them into an errno and a person can act on the sentence.
 *
 * @module
 */

/** Where something was found. All offsets are in bytes from the start of the stream they name. */
export interface Place {
  /** Name of the file, image layer or URL, as the caller gave it. */
  readonly source?: string;
  /** Tar or TOC entry, escaped by `escapeName` where it came from a layer. */
  readonly entry?: string;
  /** Offset in the blob (the compressed bytes). */
  readonly blobOffset?: number;
  /** Offset in the uncompressed tar stream. */
  readonly tarOffset?: number;
}

/** Extra facts that an error may carry. */
export interface ErrorDetails extends Place {
  readonly expected?: string;
  readonly actual?: string;
  /** What the reader of the message can do about it: one sentence. */
  readonly advice?: string;
  readonly cause?: unknown;
}

/** Base of all errors that this package throws. `code` is stable and may be matched by programs. */
export abstract class LayerproofError extends Error {
  abstract override readonly name: string;
  readonly code: string;
  readonly details: ErrorDetails;

  constructor(code: string, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.details = details;
  }
}

/** The bytes are not what the format allows (truncated, corrupt, contradictory). */
export class FormatError extends LayerproofError {
  override readonly name = "FormatError";
}

/** Bytes were hashed and the digest is not the expected one. */
export class DigestMismatch extends LayerproofError {
  override readonly name = "DigestMismatch";
}

/** A number in the input, or the amount of output, is over a configured limit. */
export class LimitExceeded extends LayerproofError {
  override readonly name = "LimitExceeded";
}

/** The bytes could not be had: file missing, no permission, short read, read error. */
export class SourceError extends LayerproofError {
  override readonly name = "SourceError";
}

/** What was made could not be put where it belongs: no permission, disk full. */
export class OutputError extends LayerproofError {
  override readonly name = "OutputError";
}

/** Well-formed as far as known, but of a kind that this package does not read (bzip2, zstd dictionaries). */
export class UnsupportedError extends LayerproofError {
  override readonly name = "UnsupportedError";
}

/** A thread that shared the work is gone (killed, out of memory, a bug); the layer may be in order. */
export class WorkerFailed extends LayerproofError {
  override readonly name = "WorkerFailed";
}

/** Wrong options or arguments; nothing was read. */
export class UsageError extends LayerproofError {
  override readonly name = "UsageError";
}

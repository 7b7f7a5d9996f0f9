/**
 * The seam for raw DEFLATE (RFC 1951).
 *
 * @module
 */

/** Decodes one deflate stream after the other. */
export interface Inflater {
  /** Starts a new stream, whatever became of the one before. */
  reset(): void;
  /**
   * Inflates from `bytes[at]` on, to the end of the piece or of the stream, and hands the output out in views that are
   * valid only during the call.
   * @returns how many bytes were used
   * @throws {InflateFailure} where the stream breaks a rule; what came before has been handed out
   */
  inflate(bytes: Uint8Array, at: number, emit: (bytes: Uint8Array) => void): number;
  /** Whether the end of the stream was met. */
  readonly done: boolean;
}

/** The stream is not what RFC 1951 allows. Told by its name: each inflater has a class of its own. */
export interface InflateFailure extends Error {
  readonly name: "InflateError";
  /** Bytes of the input of the call up to where the rule is broken, the last one included, where that is known. */
  readonly used?: number;
}

export function isInflateError(error: unknown): error is InflateFailure {
  return error instanceof Error && error.name === "InflateError";
}

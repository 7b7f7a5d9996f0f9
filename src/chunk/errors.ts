/**
 * What can be wrong with a chunk, said with the name of the file and the place.
 *
 * @module
 */
import { DigestMismatch, FormatError, LayerproofError, LimitExceeded } from "../errors.ts";
import { escapeName } from "../tar/names.ts";

const ADVICE = "The blob is damaged, or is not the one that the TOC is of: fetch it again.";

/** A chunk for those who read messages. Bytes. */
export interface ChunkName {
  /** Of the file, lossless. */
  readonly name: string;
  /** Whether it is all of the file. */
  readonly whole: boolean;
  /** In the file. */
  readonly chunkOffset: number;
  readonly length: number;
  /** In the blob, of the member or frame that holds it. */
  readonly offset: number;
}

/** A chunk in a message. */
export function what({ name, whole, chunkOffset, length }: ChunkName): string {
  const entry = escapeName(name);
  return whole ? `content of ${entry}` : `chunk of ${entry} at ${chunkOffset} (${length} bytes)`;
}

/** @returns `chunk-position`: it cannot lie where the TOC has it */
export function wrongPlace(chunk: ChunkName, end: number): FormatError {
  const where = `bytes ${chunk.offset} to ${end}`;
  return new FormatError(
    "chunk-position",
    `The TOC places the ${what(chunk)} at ${where}, where it cannot be`,
    {
      entry: escapeName(chunk.name),
      blobOffset: chunk.offset,
      advice: "The TOC is damaged, or is not of this blob.",
    },
  );
}

/** @returns `chunk-no-digest` */
export function noDigest(chunk: ChunkName): FormatError {
  return new FormatError("chunk-no-digest", `The TOC has no digest of the ${what(chunk)}`, {
    entry: escapeName(chunk.name),
    advice: "It cannot be checked by itself: read the layer as a whole.",
  });
}

/** @returns `chunk-digest-mismatch` */
export function wrongDigest(chunk: ChunkName, expected: string, actual: string): DigestMismatch {
  return new DigestMismatch(
    "chunk-digest-mismatch",
    `The SHA-256 of the ${what(chunk)} is ${actual}, the TOC says ${expected}`,
    { entry: escapeName(chunk.name), blobOffset: chunk.offset, expected, actual, advice: ADVICE },
  );
}

/** @param actual the length in words @returns `chunk-length` */
export function wrongLength(chunk: ChunkName, actual: string): FormatError {
  return new FormatError(
    "chunk-length",
    `The ${what(chunk)} has ${actual} bytes, the TOC says ${chunk.length}`,
    {
      entry: escapeName(chunk.name),
      blobOffset: chunk.offset,
      expected: `${chunk.length}`,
      actual,
      advice: ADVICE,
    },
  );
}

/** What a decoder threw, with the name of the file: `chunk-damaged`, or the limit that was exceeded. */
export function named(chunk: ChunkName, error: unknown): unknown {
  if (!(error instanceof LayerproofError) || error.code === "chunk-length") return error;
  const message = `Cannot decode the ${what(chunk)}: ${error.message}`;
  const details = { entry: escapeName(chunk.name), blobOffset: chunk.offset, cause: error };
  if (error instanceof LimitExceeded) {
    return new LimitExceeded(error.code, message, { ...error.details, ...details });
  }
  return new FormatError("chunk-damaged", message, { ...details, advice: ADVICE });
}

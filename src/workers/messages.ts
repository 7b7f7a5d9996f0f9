/**
 * What threads say to each other. Bytes never travel in messages: they lie in a `Ring`.
 *
 * @module
 */
import type { Container } from "../codec/detect.ts";
import {
  type ErrorDetails,
  FormatError,
  type LayerproofError,
  LimitExceeded,
  UnsupportedError,
} from "../errors.ts";

/** Of what a decoding worker is to compute the SHA-256: all input, whatever becomes of the task; or all that it decodes. */
export type WantedDigest = "input" | "output";

/** To a worker. Tasks are numbered upwards; the messages of a task come in the order of this list. */
export type Request =
  /** Asks for the memory that both sides are to have; once. */
  | { readonly kind: "ring" }
  /** A decoder is to begin at `blobOffset`, where a unit begins. */
  | {
    readonly kind: "start";
    readonly task: number;
    readonly container: Container;
    readonly blobOffset: number;
    readonly zstdWindow: number;
    readonly digest: WantedDigest | null;
  }
  /** The bytes in an input slot are next. */
  | { readonly kind: "input"; readonly task: number; readonly slot: number; readonly length: number }
  /** Asks whether what was pushed ends with a whole unit. */
  | { readonly kind: "mark"; readonly task: number }
  /** There are no more bytes. */
  | { readonly kind: "end"; readonly task: number }
  /** There is no more work at all: the worker ends. */
  | { readonly kind: "close" }
  /** A queue of digests begins, of bytes in these rings. */
  | {
    readonly kind: "queue";
    readonly queue: number;
    readonly lanes: number;
    readonly rings: readonly SharedArrayBuffer[];
  }
  /** What is to be hashed (`RemoteQueue`), and the slots (ring and slot) to be released when it is. */
  | {
    readonly kind: "hash";
    readonly queue: number;
    readonly work: readonly number[];
    readonly held: readonly (readonly [number, number])[];
  };

/** From a worker. */
export type Reply =
  | { readonly kind: "ring"; readonly buffer: SharedArrayBuffer; readonly memory: WebAssembly.Memory }
  /** The input slot is free. */
  | { readonly kind: "taken"; readonly slot: number }
  /** The task's next bytes, from an address on, and the numbers of their events, from an index on. */
  | {
    readonly kind: "output";
    readonly task: number;
    readonly slot: number;
    readonly address: number;
    readonly bytes: number;
    readonly first: number;
    readonly numbers: number;
  }
  | { readonly kind: "marked"; readonly task: number; readonly atBoundary: boolean }
  /**
   * The digest that was wanted, lower-case hex. That of the input comes behind `wrong`, and for cancelled tasks too; that of
   * the output is null where not all was decoded.
   */
  | { readonly kind: "ended"; readonly task: number; readonly digest: string | null }
  /** The decoder found the blob wrong. */
  | { readonly kind: "wrong"; readonly task: number; readonly error: ErrorText }
  /** In the order in which messages were finished. */
  | { readonly kind: "digests"; readonly queue: number; readonly digests: readonly string[] }
  /** The worker itself failed, and is of no more use. */
  | { readonly kind: "broken"; readonly reason: string };

/** An error of this package as plain data. */
export interface ErrorText {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails;
}

/** Those that decoders throw. */
const CLASSES = { FormatError, LimitExceeded, UnsupportedError };

export function errorText({ name, code, message, details }: LayerproofError): ErrorText {
  const { cause: _, ...plain } = details;
  return { name, code, message, details: plain };
}

export function errorOf({ name, code, message, details }: ErrorText): LayerproofError {
  const Class = CLASSES[name as keyof typeof CLASSES] ?? FormatError;
  return new Class(code, message, details);
}

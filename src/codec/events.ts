/**
 * What a decoder tells: independent units (gzip members, zstd frames) and the bytes between their edges.
 *
 * @module
 */

/** How the checksum that a unit carries compared; a mismatch is told, not thrown, so that digests still come out. */
export type UnitChecksum = "ok" | "absent" | { readonly expected: number; readonly actual: number };

/** One gzip member or zstd frame. Offsets in bytes: `blob…` in the compressed stream, `out…` in the uncompressed one. */
export interface UnitStart {
  readonly blobOffset: number;
  readonly outOffset: number;
  /** gzip only: the extra field, where it is no longer than a TOC footer's. */
  readonly extra?: Uint8Array | null;
}

export interface UnitEnd {
  readonly blobOffset: number;
  /** First byte behind the unit. */
  readonly endOffset: number;
  readonly outOffset: number;
  readonly outEnd: number;
  readonly checksum: UnitChecksum;
}

/** A zstd skippable frame; `length` is of its payload, `blobOffset` of its magic number. */
export interface SkippableStart {
  readonly blobOffset: number;
  readonly length: number;
  readonly variant: number;
}

/** Views given to `data` and `skippableData` are valid only during the call, unless the decoder says that they last. */
export interface CodecEvents {
  unitStart(unit: UnitStart): void;
  data(bytes: Uint8Array): void;
  unitEnd(unit: UnitEnd): void;
  skippableStart(frame: SkippableStart): void;
  skippableData(bytes: Uint8Array): void;
  skippableEnd(): void;
  /** gzip only: zero bytes lie behind the last member. */
  zeroPadding(blobOffset: number): void;
  /** Views that were given since the last such call will be overwritten, if nobody holds the memory. */
  dataEnd?(): void;
  /** Awaited before much more is told, where what comes of the events must not pile up. */
  ready?(): Promise<void>;
}

/** Pushed with compressed bytes in pieces of any size; the events do not depend on where the pieces are cut. */
export interface StreamDecoder {
  /** @throws {FormatError | LimitExceeded | UnsupportedError} and again on every later call */
  push(bytes: Uint8Array): void;
  /** Whether what was pushed ends with a whole unit, so that another decoder could go on from here. */
  readonly atBoundary: boolean;
  /** Tells that there are no more bytes. @throws {FormatError} when the stream ends inside a unit */
  end(): void;
}

/** A decoder that may have others do its work: a step that is not done on return is done when its promise resolves. */
export interface BlobDecoder {
  /** Whether views given to `data` last until `dataEnd`. */
  readonly dataLasts?: boolean;
  /** Throws, or rejects with, what a `StreamDecoder` throws; events are told during calls only. */
  push(bytes: Uint8Array): void | Promise<void>;
  end(): void | Promise<void>;
  /** Gives back what it holds; at any time. */
  close?(): void;
}

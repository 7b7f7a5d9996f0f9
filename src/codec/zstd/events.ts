/**
 * What a `ZstdDecoder` tells, and what it can be told.
 *
 * @module
 */

import type { Xxh64 } from "../../digest/xxh64.ts";
import type { BlockEngine } from "./engine.ts";

/** Where a frame begins and what its header declares; offsets and sizes in bytes. */
export interface ZstdFrameStart {
  /** Offset of the magic number in the compressed stream. */
  readonly blobOffset: number;
  /** Uncompressed bytes emitted before the frame. */
  readonly outOffset: number;
  readonly windowSize: number;
  readonly contentSize: number | null;
  readonly hasChecksum: boolean;
}

/** The result of a content checksum. */
export type ZstdChecksum = "ok" | "absent" | { readonly expected: number; readonly actual: number };

/** Where a frame was, and whether its checksum holds. */
export interface ZstdFrameEnd {
  readonly blobOffset: number;
  /** Offset behind the last byte of the frame. */
  readonly endOffset: number;
  readonly outOffset: number;
  readonly outEnd: number;
  readonly checksum: ZstdChecksum;
}

/** A skippable frame (RFC 8878, 3.1.2). */
export interface ZstdSkippableStart {
  /** Offset of the magic number in the compressed stream. */
  readonly blobOffset: number;
  /** Bytes of payload. */
  readonly length: number;
  /** Low four bits of the magic number. */
  readonly variant: number;
}

/** What a decoder calls while it reads, in the order of the stream. An exception of a handler ends the decoding. */
export interface ZstdEvents {
  /** A Zstandard frame begins; its header is accepted. */
  frameStart(frame: ZstdFrameStart): void;
  /** Decompressed bytes in order, one call per block that holds any; the view is valid only during the call. */
  data(bytes: Uint8Array): void;
  /** The frame is complete. A wrong checksum is told here and not thrown; decoding goes on. */
  frameEnd(frame: ZstdFrameEnd): void;
  /** A skippable frame begins. */
  skippableStart(frame: ZstdSkippableStart): void;
  /** A piece of its payload; the view is valid only during the call. */
  skippableData(bytes: Uint8Array): void;
  /** The skippable frame is complete. */
  skippableEnd(): void;
}

/** Options of a `ZstdDecoder`. */
export interface ZstdDecoderOptions {
  /** Largest window accepted, in bytes: 128 MiB unless set, at most 1 GiB. About twice as much memory may be used. */
  readonly windowLimit?: number;
  /** Offset of the first pushed byte in the blob, for events and errors; 0 unless set. */
  readonly blobOffset?: number;
  /** For content checksums; no other decoder may be using it. */
  readonly xxh64: Xxh64;
  /** Decodes the blocks; no other decoder may be using it. */
  readonly engine: BlockEngine;
}

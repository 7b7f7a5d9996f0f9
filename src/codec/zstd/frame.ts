/**
 * Frame headers (RFC 8878, 3.1.1.1 and 3.1.2).
 *
 * @module
 */

import { FormatError, LimitExceeded, UnsupportedError } from "../../errors.ts";
import { MAX_BLOCK_SIZE } from "./limits.ts";

/** Magic number of a Zstandard frame. */
export const ZSTD_MAGIC = 0xfd2fb528;

/** Magic number of a skippable frame; the low four bits are free. */
export const SKIPPABLE_MAGIC = 0x184d2a50;

/** Longest frame header: magic, descriptor, window, 4 bytes of dictionary ID, 8 bytes of content size. */
export const MAX_HEADER_SIZE = 18;

/** What a frame header declares. */
export interface FrameHeader {
  /** Bytes, at most the window limit. */
  readonly windowSize: number;
  /** Bytes of the whole content, null when not declared. */
  readonly contentSize: number | null;
  readonly hasChecksum: boolean;
  /** Block_Maximum_Size: most bytes that a block may hold or regenerate (RFC 8878, 3.1.1.2.4). */
  readonly blockMax: number;
}

const DICTIONARY_ID_SIZES = [0, 1, 2, 4] as const;

/** Bytes of the frame header with this descriptor, the magic number included. */
export function frameHeaderSize(descriptor: number): number {
  const singleSegment = (descriptor & 0x20) !== 0;
  return 5 + (singleSegment ? 0 : 1) + DICTIONARY_ID_SIZES[descriptor & 3]! + contentSizeBytes(descriptor);
}

function contentSizeBytes(descriptor: number): number {
  const flag = descriptor >>> 6;
  return flag === 0 ? ((descriptor & 0x20) !== 0 ? 1 : 0) : 1 << flag;
}

/**
 * Reads the frame header in `bytes[0, frameHeaderSize(bytes[4]))`. Bit 4 of the descriptor is unused and ignored, as
 * the RFC demands.
 *
 * @param blobOffset where the frame is, for errors
 * @throws FormatError for a reserved bit or an impossible content size
 * @throws UnsupportedError when the frame needs a dictionary
 * @throws LimitExceeded when the window is over `windowLimit` bytes
 */
export function parseFrameHeader(bytes: Uint8Array, blobOffset: number, windowLimit: number): FrameHeader {
  const descriptor = bytes[4]!;
  if ((descriptor & 8) !== 0) {
    throw new FormatError(
      "zstd-reserved-bit",
      `Cannot decode Zstandard frame at byte ${blobOffset}: the reserved bit of its frame header descriptor is set`,
      { blobOffset },
    );
  }
  let at = 5;
  const singleSegment = (descriptor & 0x20) !== 0;
  const windowDescriptor = singleSegment ? 0 : bytes[at++]!;
  const dictionarySize = DICTIONARY_ID_SIZES[descriptor & 3]!;
  const dictionary = littleEndian(bytes, at, dictionarySize);
  if (dictionary !== 0) {
    throw new UnsupportedError(
      "zstd-dictionary",
      `Cannot decode Zstandard frame at byte ${blobOffset}: it needs dictionary ${dictionary}`,
      { blobOffset, advice: "Container layers are compressed without a dictionary; recompress the layer." },
    );
  }
  at += dictionarySize;
  const sizeBytes = contentSizeBytes(descriptor);
  let contentSize: number | null = null;
  if (sizeBytes > 0) {
    contentSize = littleEndian(bytes, at, sizeBytes) + (sizeBytes === 2 ? 256 : 0);
    // Sums of 8 bytes are rounded, but never from above 2^53 to below it.
    if (contentSize > Number.MAX_SAFE_INTEGER) {
      throw new FormatError(
        "zstd-content-size",
        `Cannot decode Zstandard frame at byte ${blobOffset}: it declares more than 2^53 - 1 bytes of content`,
        { blobOffset },
      );
    }
  }
  const windowSize = singleSegment ? contentSize! : windowOf(windowDescriptor);
  if (windowSize > windowLimit) {
    throw new LimitExceeded(
      "zstd-window-limit",
      `Cannot decode Zstandard frame at byte ${blobOffset}: it needs a window of ${windowSize} bytes, ` +
        `${windowLimit} are allowed`,
      {
        blobOffset,
        expected: `at most ${windowLimit}`,
        actual: String(windowSize),
        advice:
          "Raise the window limit if the memory may be used, or recompress the layer with a smaller window.",
      },
    );
  }
  return {
    windowSize,
    contentSize,
    hasChecksum: (descriptor & 4) !== 0,
    blockMax: Math.min(windowSize, MAX_BLOCK_SIZE),
  };
}

/** Window_Descriptor: 5 bits of exponent over 1 KiB, 3 bits of eighths (RFC 8878, 3.1.1.1.2). */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}

function littleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!;
  return value;
}

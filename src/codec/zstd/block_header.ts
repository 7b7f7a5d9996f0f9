/**
 * Block headers (RFC 8878, 3.1.1.2).
 *
 * @module
 */

import { FormatError } from "../../errors.ts";

/** Bytes of a block header. */
export const BLOCK_HEADER_SIZE = 3;

/** Block_Type values (RFC 8878, 3.1.1.2.2). */
export const RAW_BLOCK = 0;
export const RLE_BLOCK = 1;
export const COMPRESSED_BLOCK = 2;
const RESERVED_BLOCK = 3;

/** What a block header says. */
export interface BlockHeader {
  readonly type: typeof RAW_BLOCK | typeof RLE_BLOCK | typeof COMPRESSED_BLOCK;
  /** Block_Size: bytes that follow, or length of the run of an RLE block. At most the block maximum. */
  readonly size: number;
  readonly last: boolean;
}

/**
 * Reads a block header from `bytes[0, 3)`: one bit "last", two bits of type, 21 bits of size.
 *
 * @param blobOffset where the block is, for errors
 * @param blockMax the block maximum of the frame; what is larger is refused whatever its type, because each type would
 * regenerate too much (RFC 8878, 3.1.1.2.3 and 3.1.1.2.4)
 */
export function parseBlockHeader(bytes: Uint8Array, blobOffset: number, blockMax: number): BlockHeader {
  const header = bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16);
  const type = ((header >>> 1) & 3) as BlockHeader["type"] | typeof RESERVED_BLOCK;
  const size = header >>> 3;
  if (type === RESERVED_BLOCK) {
    throw new FormatError(
      "zstd-corrupt",
      `Cannot decode Zstandard block at byte ${blobOffset}: its type is reserved`,
      { blobOffset },
    );
  }
  if (size > blockMax) {
    throw new FormatError(
      "zstd-block-too-large",
      `Cannot decode Zstandard block at byte ${blobOffset}: it has ${size} bytes, at most ${blockMax} are allowed ` +
        `in this frame`,
      { blobOffset, expected: `at most ${blockMax}`, actual: String(size) },
    );
  }
  return { type, size, last: (header & 1) !== 0 };
}

/**
 * The content of one compressed block, held in a buffer of fixed identity with padding on both sides.
 *
 * @module
 */

import { FormatError } from "../../errors.ts";
import { MAX_BLOCK_SIZE, PADDING } from "./limits.ts";

/**
 * Collects one compressed block and knows where it is in the blob, so that every parser of its parts can name the
 * place of an error. Blocks are copied here although they may lie whole in the pushed piece: the bit readers then load
 * 32 bits anywhere without a bounds test of their own, and V8 sees one buffer for ever; the copy takes about 1 % of the
 * decoding time.
 */
export class BlockInput {
  readonly bytes: Uint8Array = new Uint8Array(PADDING + MAX_BLOCK_SIZE + PADDING);
  readonly view: DataView = new DataView(this.bytes.buffer);
  /** Index of the first byte of the block in `bytes`. */
  readonly start = PADDING;
  /** Index behind the last byte collected so far. */
  end: number = PADDING;
  /** Offset of the block header in the blob. */
  blobOffset = 0;

  /** Starts the collection of a new block. */
  reset(blobOffset: number): void {
    this.end = this.start;
    this.blobOffset = blobOffset;
  }

  /** Appends a piece of the block; the caller keeps the sum below `MAX_BLOCK_SIZE`. */
  append(piece: Uint8Array): void {
    this.bytes.set(piece, this.end);
    this.end += piece.length;
  }

  /** The error for a block whose content is not what RFC 8878 allows. `what` completes the sentence. */
  corrupt(what: string): FormatError {
    return new FormatError(
      "zstd-corrupt",
      `Cannot decode Zstandard block at byte ${this.blobOffset}: ${what}`,
      {
        blobOffset: this.blobOffset,
      },
    );
  }
}

/**
 * The seam between the format of frames, which `ZstdDecoder` reads, and the content of blocks.
 *
 * @module
 */

/** What blocks depend on, from the frame header. */
export interface EngineFrame {
  /** How far a match may reach back, in bytes. */
  readonly windowSize: number;
  /** Most bytes that a block may hold or regenerate: at most 128 KiB. */
  readonly blockMax: number;
}

/**
 * Decodes blocks and holds the history that later blocks of a frame refer to. One engine serves one stream at a time.
 *
 * A block is told by the calls of one of the three groups, in this order, and becomes part of the history with `take`:
 *
 * - raw: `reserve`, `raw` for each piece, `take`
 * - RLE: `reserve`, `rle`, `take`
 * - compressed: `startCompressed`, `append` for each piece, `decode`, `take`
 */
export interface BlockEngine {
  /** Starts a frame: nothing of an earlier one is left. Costs the same whatever the windows are. */
  resetFrame(frame: EngineFrame): void;

  /**
   * Makes room for a block of `size` bytes, at most `blockMax`.
   *
   * @param blobOffset offset of the block header in the blob, for errors
   * @throws LimitExceeded `zstd-memory`
   */
  reserve(size: number, blobOffset: number): void;

  /** Puts a piece of a raw block `at` bytes behind the start of the block. */
  raw(piece: Uint8Array, at: number): void;

  /** Fills a block with `size` times the same byte. */
  rle(byte: number, size: number): void;

  /** Starts the collection of a compressed block, whose header is at `blobOffset` in the blob. */
  startCompressed(blobOffset: number): void;

  /**
   * Takes the next piece of the block; all together have at most `blockMax` bytes.
   * @param last whether the block ends with it: then it stays as it is until `decode`, which is called next
   */
  append(piece: Uint8Array, last: boolean): void;

  /**
   * Decodes the block that was collected (RFC 8878, 3.1.1.3).
   *
   * @returns number of bytes that it regenerates, at most `blockMax`
   * @throws FormatError `zstd-corrupt` when it is not what the RFC allows; nothing of it counts then
   * @throws LimitExceeded `zstd-memory`
   */
  decode(): number;

  /**
   * Adds the `size` bytes of the block to the history.
   *
   * @returns a view of them, valid until the next call of any method
   */
  take(size: number): Uint8Array;
}

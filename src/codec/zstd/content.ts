/**
 * The content of one frame as a whole: its size and its checksum against what the frame declares.
 *
 * @module
 */

import { FormatError } from "../../errors.ts";
import type { Xxh64 } from "../../digest/xxh64.ts";
import type { ZstdChecksum } from "./events.ts";
import type { FrameHeader } from "./frame.ts";

/** Follows the content of the current frame; one object for the whole stream. */
export class FrameContent {
  /** Bytes of content so far. */
  size = 0;

  readonly #hash: Xxh64;
  #declaredSize: number | null = null;
  #hasChecksum = false;
  #frameOffset = 0;

  constructor(hash: Xxh64) {
    this.#hash = hash;
  }

  /** Starts the frame at `frameOffset` in the blob. */
  reset(header: FrameHeader, frameOffset: number): void {
    this.size = 0;
    this.#declaredSize = header.contentSize;
    this.#hasChecksum = header.hasChecksum;
    this.#frameOffset = frameOffset;
    if (header.hasChecksum) this.#hash.init();
  }

  /**
   * Called before `size` more bytes are handed out.
   *
   * @throws FormatError when they bring the content over its declared size
   */
  admit(size: number, blockOffset: number): void {
    if (this.#declaredSize !== null && this.size + size > this.#declaredSize) {
      throw this.#wrongSize(blockOffset, this.#declaredSize, `at least ${this.size + size}`);
    }
  }

  /** Takes the next bytes, which were admitted. */
  add(bytes: Uint8Array): void {
    this.size += bytes.length;
    if (this.#hasChecksum) this.#hash.update(bytes);
  }

  /**
   * Called behind the last block.
   *
   * @throws FormatError when there is less content than declared
   */
  close(): void {
    if (this.#declaredSize !== null && this.size !== this.#declaredSize) {
      throw this.#wrongSize(this.#frameOffset, this.#declaredSize, String(this.size));
    }
  }

  /** Compares with Content_Checksum: the low 32 bits of XXH64 of the content, seed 0 (RFC 8878, 3.1.1). */
  compareChecksum(expected: number): ZstdChecksum {
    const actual = this.#hash.digestLow32() >>> 0;
    return expected === actual ? "ok" : { expected, actual };
  }

  #wrongSize(blobOffset: number, declared: number, actual: string): FormatError {
    return new FormatError(
      "zstd-content-size",
      `Cannot decode Zstandard frame at byte ${this.#frameOffset}: it declares ${declared} bytes of content ` +
        `and holds ${actual}`,
      { blobOffset, expected: String(declared), actual },
    );
  }
}

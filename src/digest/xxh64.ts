/**
 * XXH64 as Zstandard uses it, for the content checksums of frames (RFC 8878, 3.1.1).
 *
 * @module
 */

/** A hash of one content at a time, with seed 0; `init` starts the next one. */
export interface Xxh64 {
  init(): void;
  update(bytes: Uint8Array): void;
  /** Low 32 bits of the digest of what was updated since `init`, 0 to 2^32 - 1. */
  digestLow32(): number;
}

/**
 * Where verified bytes are kept: one cache for any number of layers, as a digest means the same in all of them.
 *
 * @module
 */

/**
 * Keeps bytes by their SHA-256. What is put has been checked. A cache that fails costs time and nothing else: a `get` that
 * rejects counts as "not there".
 */
export interface ChunkCache {
  /**
   * The bytes of that digest, or null. Bytes that somebody else could have changed (a disk) are checked before they are
   * given. The caller does not write to them.
   * @param digest `sha256:…`
   */
  get(digest: string): Promise<Uint8Array | null>;
  /** @param bytes nobody writes to them any more */
  put(digest: string, bytes: Uint8Array): Promise<void>;
}

/** Memory that a cached entry takes on top of its bytes, about. */
const OVERHEAD = 200;

/** Keeps what was used last, up to a number of bytes. */
export class MemoryChunkCache implements ChunkCache {
  readonly #limit: number;
  /** From the longest unused to the last used. */
  readonly #entries = new Map<string, Uint8Array>();
  #size = 0;

  /** @param limit bytes of all entries together, with what the entries themselves take */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes that are held. */
  get size(): number {
    return this.#size;
  }

  get(digest: string): Promise<Uint8Array | null> {
    const bytes = this.#entries.get(digest);
    if (!bytes) return Promise.resolve(null);
    this.#entries.delete(digest);
    this.#entries.set(digest, bytes);
    return Promise.resolve(bytes);
  }

  put(digest: string, bytes: Uint8Array): Promise<void> {
    const cost = bytes.length + OVERHEAD;
    if (cost <= this.#limit && !this.#entries.has(digest)) {
      this.#entries.set(digest, bytes);
      this.#size += cost;
      for (const [oldest, { length }] of this.#entries) {
        if (this.#size <= this.#limit) break;
        this.#entries.delete(oldest);
        this.#size -= length + OVERHEAD;
      }
    }
    return Promise.resolve();
  }
}

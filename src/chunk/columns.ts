/**
 * Numbers and bytes in few large arrays: a layer's tree of many small objects would fill the memory, and the garbage
 * collector's time.
 *
 * @module
 */

/** A longer copy of a typed array, or a shorter one. */
export function resized<N extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(
  values: N,
  length: number,
): N {
  const next = new (values.constructor as new (length: number) => N)(length);
  next.set(values.subarray(0, Math.min(length, values.length)) as never);
  return next;
}

/** Bytes behind one another. */
export class BytePool {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity: number) {
    this.bytes = new Uint8Array(capacity);
  }

  /** Makes room for `more` bytes behind what there is. */
  reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    this.#resize(Math.max(2 * this.bytes.length, this.length + more));
  }

  trim(): void {
    if (this.length < this.bytes.length) this.#resize(this.length);
  }

  #resize(length: number): void {
    this.bytes = resized(this.bytes, length);
  }
}

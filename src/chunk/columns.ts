/**
 * Numbers and bytes in few large arrays: a layer's tree of many small objects would fill the memory, and the garbage
 * collector's time.
 *
 * @module
 */

/** The typed arrays that columns are made of. */
type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** Adds one number after the other. `N` bounds what fits; nobody checks it here. */
export class Column<N extends Numbers> {
  values: N;
  length = 0;

  /** @param values empty, of the length that will probably do */
  constructor(values: N) {
    this.values = values;
  }

  push(value: number): void {
    if (this.length === this.values.length) this.#resize(2 * this.length + 16);
    this.values[this.length++] = value;
  }

  /** Gives back what was taken beyond what is used. */
  trim(): N {
    if (this.length < this.values.length) this.#resize(this.length);
    return this.values;
  }

  #resize(length: number): void {
    const next = new (this.values.constructor as new (length: number) => N)(length);
    next.set(this.values.subarray(0, Math.min(length, this.length)) as never);
    this.values = next;
  }
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
    const next = new Uint8Array(length);
    next.set(this.bytes.subarray(0, this.length));
    this.bytes = next;
  }
}

/**
 * Sparse members on their way to GNU tar: whatever form the layer has, they leave as PAX sparse 1.0 (GNU tar manual,
 * appendix "Storing Sparse Files"), with a map that was read, checked and written anew.
 *
 * @module
 */
import type { SparseExtent, SparseInfo } from "../tar/entry.ts";
import { BLOCK_SIZE } from "../tar/header.ts";
import { checkExtents, sparseMalformed } from "../tar/sparse.ts";
import { paddingOf } from "../tar/write.ts";
import { LimitExceeded } from "../errors.ts";

const NEWLINE = 0x0a;

/** Gathers the map that a 1.0 member has at the start of its payload. */
export class SparseMap {
  readonly #offset: number;
  readonly #limit: number;
  readonly #numbers: number[] = [];
  #digits = "";
  #length = 0;
  #extents: readonly SparseExtent[] | null;

  /**
   * @param offset of the member in the tar stream, for errors
   * @param limit most bytes that the map may have
   */
  constructor(sparse: SparseInfo, offset: number, limit: number) {
    this.#extents = sparse.extents;
    this.#offset = offset;
    this.#limit = limit;
  }

  /** Null until the map is whole. */
  get extents(): readonly SparseExtent[] | null {
    const padded = this.#length % BLOCK_SIZE === 0;
    return padded ? this.#extents : null;
  }

  /** Bytes of the payload that are the map. */
  get length(): number {
    return this.#length;
  }

  /** Returns how many of the bytes belong to the map. @throws {FormatError | LimitExceeded} */
  push(bytes: Uint8Array): number {
    let at = 0;
    while (at < bytes.length && this.extents === null) {
      const byte = bytes[at++]!;
      if (++this.#length > this.#limit) throw this.#tooLong();
      if (this.#extents !== null) continue;
      if (byte === NEWLINE) this.#line();
      else if (byte < 0x30 || byte > 0x39 || this.#digits.length >= 16) {
        throw sparseMalformed("its map holds something that is not a number", this.#offset);
      } else this.#digits += String.fromCharCode(byte);
    }
    return at;
  }

  #line(): void {
    const value = Number(this.#digits);
    if (this.#digits === "" || !Number.isSafeInteger(value)) {
      throw sparseMalformed("its map holds something that is not a number", this.#offset);
    }
    this.#digits = "";
    this.#numbers.push(value);
    if (this.#numbers.length !== 2 * this.#numbers[0]! + 1) return;
    const extents: SparseExtent[] = [];
    for (let i = 1; i < this.#numbers.length; i += 2) {
      extents.push({ offset: this.#numbers[i]!, length: this.#numbers[i + 1]! });
    }
    this.#extents = extents;
  }

  #tooLong(): LimitExceeded {
    return new LimitExceeded(
      "sparse-map-limit",
      `The sparse map at offset ${this.#offset} is over ${this.#limit} bytes`,
      { tarOffset: this.#offset },
    );
  }
}

/**
 * The map as it goes to GNU tar, padded to whole blocks. It ends with an empty extent at the end of the file: GNU tar
 * gives a file the length at which its last extent ends.
 * @param stored bytes of data that the layer has behind its map
 * @throws {FormatError} `sparse-malformed` where map, size and data do not agree
 */
export function sparsePrefix(
  extents: readonly SparseExtent[],
  size: number,
  { stored, offset }: { stored: number; offset: number },
): Uint8Array {
  checkExtents(extents, size, offset);
  const data = extents.reduce((total, { length }) => total + length, 0);
  if (data > stored) throw sparseMalformed("it stores less data than its map announces", offset);
  if (data < stored) throw sparseMalformed("it stores more data than its map has room for", offset);
  const pieces = [...extents.filter(({ length }) => length > 0), { offset: size, length: 0 }];
  const lines = [pieces.length, ...pieces.flatMap((extent) => [extent.offset, extent.length])];
  const text = new TextEncoder().encode(lines.join("\n") + "\n");
  const out = new Uint8Array(text.length + paddingOf(text.length).length);
  out.set(text);
  return out;
}

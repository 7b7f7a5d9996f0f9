/**
 * What a tar-split says of a tar stream: where contents of files lie and what their CRC-64 is, and all bytes around them.
 * Gathered from the stream itself and from a tar-split, so that the two can be compared whichever comes first.
 *
 * @module
 */
import type { Hasher } from "../digest/hasher.ts";
import { FormatError } from "../errors.ts";
import type { Crc64 } from "../kernel/crc64.ts";

/** One content: offset and size in bytes, and its CRC-64 in halves. */
const NUMBERS = 4;
const FIRST_CONTENTS = 1024;

export class StreamShape {
  readonly #hash: Hasher;
  readonly #crc: Crc64 | null;
  #numbers = new Float64Array(NUMBERS * FIRST_CONTENTS);
  #contents = 0;
  #offset = 0;
  /** Bytes of the content that is under way. */
  #size = 0;
  #digest: string | null = null;

  /**
   * @param hash for all that is no content
   * @param crc for contents that are given as bytes
   */
  constructor(hash: Hasher, crc: Crc64 | null = null) {
    this.#hash = hash;
    this.#crc = crc;
  }

  /** Bytes so far: at the end, the size of the tar. */
  get size(): number {
    return this.#offset;
  }

  /** Headers, padding, and what is behind the end. */
  around(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#advance(bytes.length);
  }

  /** The next bytes of a content. */
  content(bytes: Uint8Array): void {
    this.#crc!.update(bytes);
    this.#size += bytes.length;
  }

  /** The content that was given is complete; where it was empty there is none. */
  contentEnd(): void {
    if (this.#size === 0) return;
    this.skipped(this.#size, this.#crc!.finish());
    this.#size = 0;
  }

  /** A content of `size` bytes that is known by its CRC-64 only. */
  skipped(size: number, crc: bigint): void {
    const at = NUMBERS * this.#contents++;
    if (at === this.#numbers.length) {
      const larger = new Float64Array(2 * at);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[at] = this.#offset;
    this.#numbers[at + 1] = size;
    this.#numbers[at + 2] = Number(crc >> 32n);
    this.#numbers[at + 3] = Number(crc & 0xffff_ffffn);
    this.#advance(size);
  }

  /** @throws {FormatError} `tarsplit-size-overflow`: no exact number, no proof */
  #advance(bytes: number): void {
    this.#offset += bytes;
    if (Number.isSafeInteger(this.#offset)) return;
    throw new FormatError(
      "tarsplit-size-overflow",
      "The tar-split describes more bytes than can be counted",
      {
        expected: `<= ${Number.MAX_SAFE_INTEGER}`,
      },
    );
  }

  /** To be called once, when all has been told. */
  finish(): this {
    this.#digest = this.#hash.finish();
    return this;
  }

  /** How `other`, of a tar-split, differs from this one, of the stream; null where it does not. */
  difference(other: StreamShape): { readonly where: string; readonly tarOffset: number } | null {
    const count = Math.max(this.#contents, other.#contents);
    for (let i = 0; i < count; i++) {
      const [here, there] = [this.#numberAt(i), other.#numberAt(i)];
      const wrong = ["place", "size", "CRC-64", "CRC-64"].find((_, k) => here[k] !== there[k]);
      if (wrong === undefined) continue;
      const tarOffset = Math.min(here[0] ?? Infinity, there[0] ?? Infinity);
      return { where: `the ${wrong} of the content at offset ${tarOffset} of the tar`, tarOffset };
    }
    if (this.#offset !== other.#offset) {
      const tarOffset = Math.min(this.#offset, other.#offset);
      return {
        where: `the size: the tar has ${this.#offset} bytes, the tar-split ${other.#offset}`,
        tarOffset,
      };
    }
    return this.#digest === other.#digest
      ? null
      : { where: "headers, padding, or what is behind the end", tarOffset: 0 };
  }

  #numberAt(index: number): Float64Array {
    return this.#numbers.subarray(NUMBERS * index, NUMBERS * (index < this.#contents ? index + 1 : index));
  }
}

/**
 * Sparse members: the map of their extents, and the file they stand for.
 *
 * Old GNU keeps the map in header blocks, PAX 0.0 and 0.1 in records, PAX 1.0 in decimal lines at the start of the
 * payload (GNU tar manual, appendix "Storing Sparse Files").
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import type { SparseExtent, SparseInfo } from "./entry.ts";
import { BLOCK_SIZE } from "./header.ts";
import { latin1, paxInteger, type PaxRecords } from "./pax.ts";

/** What PAX records say of a sparse member. */
export interface PaxSparse {
  readonly info: SparseInfo;
  readonly name: Uint8Array | null;
  readonly size: number | null;
}

/** Reads the `GNU.sparse.` records, or null if they describe no sparse member. */
export function paxSparse(records: PaxRecords, offset: number): PaxSparse | null {
  const text = (key: string) => {
    const value = records.get(`GNU.sparse.${key}`);
    return value === undefined ? null : latin1(value);
  };
  const version = `${text("major") ?? ""}.${text("minor") ?? ""}`;
  const map = text("map");
  const old = version === "0.0" || version === "0.1" || (version === "." && map !== null && map !== "");
  if (!old && version !== "1.0") return null;
  const size = records.get("GNU.sparse.size") ?? records.get("GNU.sparse.realsize");
  const real = size === undefined ? null : paxInteger(size);
  if (size !== undefined && (real === null || real < 0)) {
    throw sparseMalformed("its real size is not a number", offset);
  }
  return {
    info: {
      form: old ? "0.x" : "1.0",
      extents: old ? parsePaxMap(map ?? "", text("numblocks"), offset) : null,
    },
    name: records.get("GNU.sparse.name") ?? null,
    size: real,
  };
}

function parsePaxMap(map: string, count: string | null, offset: number): SparseExtent[] {
  const numbers = map === "" ? [] : map.split(",").map((part) => decimal(part, offset));
  if (numbers.length % 2 !== 0) throw sparseMalformed("its map has an odd number of fields", offset);
  if (count !== null && numbers.length !== 2 * decimal(count, offset)) {
    throw sparseMalformed("its map does not have the announced number of extents", offset);
  }
  return pairs(numbers);
}

function decimal(text: string, offset: number): number {
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw sparseMalformed("its map holds something that is not a number", offset);
  }
  return value;
}

function pairs(numbers: readonly number[]): SparseExtent[] {
  const extents: SparseExtent[] = [];
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    extents.push({ offset: numbers[i]!, length: numbers[i + 1]! });
  }
  return extents;
}

/** Refuses maps whose extents are out of order, overlap or leave the file. */
export function checkExtents(extents: readonly SparseExtent[], size: number, offset: number): void {
  let end = 0;
  for (const extent of extents) {
    if (extent.offset < end || extent.length < 0) {
      throw sparseMalformed("the extents of its map overlap or are out of order", offset);
    }
    end = extent.offset + extent.length;
    if (end > size) throw sparseMalformed("its map reaches past the end of the file", offset);
  }
}

/** A sparse member that readers refuse or read differently. */
export function sparseMalformed(what: string, offset: number): FormatError {
  return new FormatError("sparse-malformed", `Cannot read the sparse member at offset ${offset}: ${what}`, {
    tarOffset: offset,
    advice: "Build the layer again without sparse members (no --sparse).",
  });
}

/** Zeros of holes are handed out in pieces of this size. */
const ZEROS = new Uint8Array(64 * 1024);

/** Turns the stored payload of a sparse member into the bytes of the file, pushed to `sink` in order. */
export class SparseExpander {
  readonly #size: number;
  readonly #sink: ((bytes: Uint8Array) => void) | null;
  readonly #offset: number;
  readonly #mapLimit: number;
  #extents: readonly SparseExtent[] | null;
  #map: MapReader | null;
  #index = 0;
  /** Bytes of the file that were handed out. */
  #position = 0;

  /**
   * @param sink null where only the map is to be checked: holes, which may be exabytes, then cost nothing
   * @param mapLimit most bytes that a map inside the payload may have
   * @param offset of the member in the tar stream, for errors
   */
  constructor(
    sparse: SparseInfo,
    size: number,
    options: { sink: ((bytes: Uint8Array) => void) | null; offset: number; mapLimit: number },
  ) {
    this.#size = size;
    this.#sink = options.sink;
    this.#offset = options.offset;
    this.#mapLimit = options.mapLimit;
    this.#extents = sparse.extents;
    this.#map = sparse.extents === null ? new MapReader() : null;
    if (sparse.extents) checkExtents(sparse.extents, size, options.offset);
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    if (this.#map) {
      at = this.#readMap(this.#map, bytes);
      if (this.#map) return;
    }
    while (at < bytes.length) {
      const extent = this.#nextExtent();
      if (!extent) throw sparseMalformed("it stores more data than its map has room for", this.#offset);
      this.#zerosTo(extent.offset);
      const take = Math.min(bytes.length - at, extent.offset + extent.length - this.#position);
      this.#sink?.(bytes.subarray(at, at + take));
      this.#position += take;
      at += take;
    }
  }

  /** Hands out the last hole. @throws {FormatError} if stored data is missing */
  end(): void {
    if (this.#map || this.#nextExtent()) {
      throw sparseMalformed("it stores less data than its map announces", this.#offset);
    }
    this.#zerosTo(this.#size);
  }

  #nextExtent(): SparseExtent | null {
    const extents = this.#extents!;
    while (this.#index < extents.length) {
      const extent = extents[this.#index]!;
      if (extent.length > 0 && this.#position < extent.offset + extent.length) return extent;
      this.#index++;
    }
    return null;
  }

  #zerosTo(offset: number): void {
    if (!this.#sink) this.#position = Math.max(this.#position, offset);
    while (this.#position < offset) {
      const piece = Math.min(ZEROS.length, offset - this.#position);
      this.#sink!(ZEROS.subarray(0, piece));
      this.#position += piece;
    }
  }

  #readMap(map: MapReader, bytes: Uint8Array): number {
    const used = map.push(bytes, this.#offset);
    if (map.length > this.#mapLimit) {
      throw new LimitExceeded(
        "sparse-map-limit",
        `The sparse map at offset ${this.#offset} is over ${this.#mapLimit} bytes`,
        {
          tarOffset: this.#offset,
        },
      );
    }
    if (map.done) {
      this.#extents = pairs(map.numbers);
      checkExtents(this.#extents, this.#size, this.#offset);
      this.#map = null;
    }
    return used;
  }
}

/** Decimal lines: the number of extents, then offset and length of each; padded to whole blocks. */
class MapReader {
  readonly numbers: number[] = [];
  length = 0;
  done = false;
  #count: number | null = null;
  #digits = "";

  /** Returns how many bytes belong to the map. */
  push(bytes: Uint8Array, offset: number): number {
    let at = 0;
    while (at < bytes.length && !this.#complete()) {
      const byte = bytes[at++]!;
      this.length++;
      if (byte !== 0x0a) this.#digits += String.fromCharCode(byte);
      else this.#line(offset);
      if (this.#digits.length > 16) {
        throw sparseMalformed("its map holds something that is not a number", offset);
      }
    }
    if (!this.#complete()) return at;
    const padding = (BLOCK_SIZE - (this.length % BLOCK_SIZE)) % BLOCK_SIZE;
    const skipped = Math.min(padding, bytes.length - at);
    this.length += skipped;
    this.done = this.length % BLOCK_SIZE === 0;
    return at + skipped;
  }

  #line(offset: number): void {
    const value = decimal(this.#digits, offset);
    this.#digits = "";
    if (this.#count === null) this.#count = value;
    else this.numbers.push(value);
  }

  #complete(): boolean {
    return this.#count !== null && this.numbers.length >= 2 * this.#count;
  }
}

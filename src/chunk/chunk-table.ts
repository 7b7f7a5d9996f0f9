/**
 * Where all chunks of a layer lie and what their digests are, in a few large arrays.
 *
 * @module
 */
import type { TocFile } from "../toc/model.ts";
import { toHex } from "../digest/digest.ts";
import { resized } from "./columns.ts";

/** Bytes of a SHA-256. */
const DIGEST = 32;
const ZEROS = 1;
const HAS_DIGEST = 2;

/** What a gzip member or zstd frame holds of chunks. Offsets in bytes. */
export interface Unit {
  /** In the blob. */
  readonly offset: number;
  /** First byte in the blob that is not part of it, or of what lies between it and the next one. */
  readonly end: number;
  /** Bytes of its output up to the end of the last chunk in it. */
  readonly extent: number;
  /** Whether more than one chunk lies in it. */
  readonly shared: boolean;
  /** Whether it holds nothing else: a frame of containers/storage. */
  readonly exact: boolean;
}

export class ChunkTable {
  #length = 0;
  /** Offset in the file. */
  #starts: Float64Array;
  #offsets: Float64Array;
  #inner: Float64Array;
  #ends: Float64Array;
  #flags: Uint8Array;
  #digests: Uint8Array;
  /** Output up to the last chunk's end, of units that several chunks share, by offset. */
  readonly #extents = new Map<number, number>();
  #exact = false;

  /** @param chunks that will probably be added */
  constructor(chunks: number) {
    this.#starts = new Float64Array(chunks);
    this.#offsets = new Float64Array(chunks);
    this.#inner = new Float64Array(chunks);
    this.#ends = new Float64Array(chunks);
    this.#flags = new Uint8Array(chunks);
    this.#digests = new Uint8Array(DIGEST * chunks);
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a file's chunks; the number of the first. */
  add({ chunks, endOffset }: TocFile): number {
    const first = this.#length;
    if (first + chunks.length > this.#flags.length) this.#resize(2 * first + chunks.length);
    for (let index = 0; index < chunks.length; index++) {
      const { chunkOffset, offset, innerOffset, zeros, digest } = chunks[index]!;
      const at = this.#length++;
      this.#starts[at] = chunkOffset;
      this.#offsets[at] = offset;
      this.#inner[at] = innerOffset;
      this.#ends[at] = chunks[index + 1]?.offset ?? endOffset ?? 0;
      this.#flags[at] = (zeros ? ZEROS : 0) | (digest === null ? 0 : HAS_DIGEST);
      if (digest !== null) this.#setDigest(at, digest);
    }
    return first;
  }

  /**
   * Ends the table.
   * @param exact whether the TOC says where units end; else each ends where the next one of the layer begins
   * @param end of the last one
   * @param sizeOf length of a chunk by number
   */
  finish(exact: boolean, end: number, sizeOf: (chunk: number) => number): void {
    this.#exact = exact;
    if (this.#length < this.#flags.length) this.#resize(this.#length);
    if (!exact) this.#findEnds(end, sizeOf);
  }

  #resize(chunks: number): void {
    this.#starts = resized(this.#starts, chunks);
    this.#offsets = resized(this.#offsets, chunks);
    this.#inner = resized(this.#inner, chunks);
    this.#ends = resized(this.#ends, chunks);
    this.#flags = resized(this.#flags, chunks);
    this.#digests = resized(this.#digests, DIGEST * chunks);
  }

  #findEnds(end: number, sizeOf: (chunk: number) => number): void {
    const offsets = this.#offsets;
    const sorted = offsets.slice().sort();
    const ends = this.#ends;
    for (let chunk = 0; chunk < ends.length; chunk++) {
      // Places behind the end are nobody's, and must not spoil those in front.
      ends[chunk] = Math.min(end, nextAbove(sorted, offsets[chunk]!) ?? end);
    }
    // Which are shared: twice in the list, or not from the beginning.
    const twice = new Set<number>();
    for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) twice.add(sorted[i]!);
    for (let chunk = 0; chunk < ends.length; chunk++) {
      const offset = offsets[chunk]!;
      if (!twice.has(offset)) continue;
      const extent = this.#inner[chunk]! + sizeOf(chunk);
      this.#extents.set(offset, Math.max(extent, this.#extents.get(offset) ?? 0));
    }
  }

  /** The unit that holds a chunk of `length` bytes. */
  unit(chunk: number, length: number): Unit {
    const offset = this.offset(chunk);
    const shared = this.#extents.get(offset);
    return {
      offset,
      end: this.#ends[chunk]!,
      extent: shared ?? this.inner(chunk) + length,
      shared: shared !== undefined,
      exact: this.#exact,
    };
  }

  /** Offset in the file. */
  start(chunk: number): number {
    return this.#starts[chunk]!;
  }

  /** Offset in the blob of the unit that holds it. */
  offset(chunk: number): number {
    return this.#offsets[chunk]!;
  }

  /** Offset in the unit's output. */
  inner(chunk: number): number {
    return this.#inner[chunk]!;
  }

  zeros(chunk: number): boolean {
    return (this.#flags[chunk]! & ZEROS) !== 0;
  }

  /** `sha256:…`, or null where the TOC has none. */
  digest(chunk: number): string | null {
    if ((this.#flags[chunk]! & HAS_DIGEST) === 0) return null;
    return `sha256:${toHex(this.#digests.subarray(DIGEST * chunk, DIGEST * (chunk + 1)))}`;
  }

  #setDigest(chunk: number, digest: string): void {
    const bytes = this.#digests;
    for (let i = 0, at = DIGEST * chunk; i < DIGEST; i++, at++) bytes[at] = byteAt(digest, 7 + 2 * i);
  }
}

/** The byte that two lower-case hex digits stand for. */
function byteAt(text: string, at: number): number {
  return 16 * digitOf(text.charCodeAt(at)) + digitOf(text.charCodeAt(at + 1));
}

function digitOf(code: number): number {
  return code < 0x60 ? code - 0x30 : code - 0x57;
}

/** The first number of an ascending list that is greater, or undefined. */
function nextAbove(sorted: Float64Array, value: number): number | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return sorted[low];
}

/**
 * Where all chunks of a layer lie and what their digests are, in a few large arrays.
 *
 * @module
 */
import type { TocFile } from "../toc/model.ts";
import { toHex } from "../digest/digest.ts";
import { BytePool, Column } from "./columns.ts";

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
  /** Offset in the file. */
  readonly #starts: Column<Float64Array>;
  readonly #offsets: Column<Float64Array>;
  readonly #inner: Column<Float64Array>;
  readonly #ends: Column<Float64Array>;
  readonly #flags: Column<Uint8Array>;
  readonly #digests: BytePool;
  /** Output up to the last chunk's end, of units that several chunks share, by offset. */
  readonly #extents = new Map<number, number>();
  #exact = false;

  /** @param chunks that will probably be added */
  constructor(chunks: number) {
    const numbers = () => new Column(new Float64Array(chunks));
    this.#starts = numbers();
    this.#offsets = numbers();
    this.#inner = numbers();
    this.#ends = numbers();
    this.#flags = new Column(new Uint8Array(chunks));
    this.#digests = new BytePool(DIGEST * chunks);
  }

  get length(): number {
    return this.#starts.length;
  }

  /** Adds a file's chunks; the number of the first. */
  add({ chunks, endOffset }: TocFile): number {
    const first = this.length;
    chunks.forEach((chunk, index) => {
      this.#starts.push(chunk.chunkOffset);
      this.#offsets.push(chunk.offset);
      this.#inner.push(chunk.innerOffset);
      this.#ends.push(chunks[index + 1]?.offset ?? endOffset ?? 0);
      this.#flags.push((chunk.zeros ? ZEROS : 0) | (chunk.digest === null ? 0 : HAS_DIGEST));
      this.#addDigest(chunk.digest);
    });
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
    this.#starts.trim();
    this.#offsets.trim();
    this.#inner.trim();
    this.#ends.trim();
    this.#flags.trim();
    this.#digests.trim();
    if (!exact) this.#findEnds(end, sizeOf);
  }

  #findEnds(end: number, sizeOf: (chunk: number) => number): void {
    const offsets = this.#offsets.values;
    const sorted = offsets.slice().sort();
    const ends = this.#ends.values;
    for (let chunk = 0; chunk < ends.length; chunk++) ends[chunk] = nextAbove(sorted, offsets[chunk]!) ?? end;
    // Which are shared: twice in the list, or not from the beginning.
    const twice = new Set<number>();
    for (let i = 1; i < sorted.length; i++) if (sorted[i] === sorted[i - 1]) twice.add(sorted[i]!);
    for (let chunk = 0; chunk < ends.length; chunk++) {
      const offset = offsets[chunk]!;
      if (!twice.has(offset)) continue;
      const extent = this.#inner.values[chunk]! + sizeOf(chunk);
      this.#extents.set(offset, Math.max(extent, this.#extents.get(offset) ?? 0));
    }
  }

  /** The unit that holds a chunk of `length` bytes. */
  unit(chunk: number, length: number): Unit {
    const offset = this.offset(chunk);
    const shared = this.#extents.get(offset);
    return {
      offset,
      end: this.#ends.values[chunk]!,
      extent: shared ?? this.inner(chunk) + length,
      shared: shared !== undefined,
      exact: this.#exact,
    };
  }

  /** Offset in the file. */
  start(chunk: number): number {
    return this.#starts.values[chunk]!;
  }

  /** Offset in the blob of the unit that holds it. */
  offset(chunk: number): number {
    return this.#offsets.values[chunk]!;
  }

  /** Offset in the unit's output. */
  inner(chunk: number): number {
    return this.#inner.values[chunk]!;
  }

  zeros(chunk: number): boolean {
    return (this.#flags.values[chunk]! & ZEROS) !== 0;
  }

  /** `sha256:…`, or null where the TOC has none. */
  digest(chunk: number): string | null {
    if ((this.#flags.values[chunk]! & HAS_DIGEST) === 0) return null;
    return `sha256:${toHex(this.#digests.bytes.subarray(DIGEST * chunk, DIGEST * (chunk + 1)))}`;
  }

  #addDigest(digest: string | null): void {
    const pool = this.#digests;
    pool.reserve(DIGEST);
    if (digest !== null) {
      for (let i = 0; i < DIGEST; i++) pool.bytes[pool.length + i] = byteAt(digest, 7 + 2 * i);
    }
    pool.length += DIGEST;
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

/**
 * Gzip members and zstd frames, fetched and decoded: neighbours by one range, each once for all who want it at a time.
 * Nothing here is checked against a digest yet.
 *
 * @module
 */
import type { CodecTools } from "../codec/open.ts";
import { LayerproofError } from "../errors.ts";
import { readExactly, type SeekableSource } from "../source/tail.ts";
import { Budget } from "./budget.ts";
import type { Unit } from "./chunk-table.ts";
import { stretchDecoder } from "./decode.ts";

/** What came of a unit: its output as far as chunks lie in it, or up to where it is damaged. */
export interface DecodedUnit {
  readonly bytes: Uint8Array;
  readonly problem: LayerproofError | typeof TOO_LONG | typeof TOO_SHORT | null;
}

/** A unit that must hold one chunk and nothing else has more output. */
export const TOO_LONG = Symbol("too long");
/** A sound unit has less output than the TOC says. */
export const TOO_SHORT = Symbol("too short");

/** Bytes of the blob that are read at once at most, unless one unit alone is longer. */
const MAX_RANGE = 8 * 2 ** 20;
/** Bytes between two units that are read rather than left out: another request costs more. */
const GAP = 16 * 2 ** 10;
/** Bytes of what is fetched and decoded at a time, for all readers together. */
const AT_ONCE = 64 * 2 ** 20;
/** Bytes of decoded units that are kept for the other chunks in them. */
const KEPT = 32 * 2 ** 20;

export class UnitReader {
  readonly #source: SeekableSource;
  readonly #tools: CodecTools;
  readonly #zstdWindow: number;
  readonly #budget = new Budget(AT_ONCE);
  /** By offset in the blob. */
  readonly #pending = new Map<number, Promise<DecodedUnit>>();
  /** Units with several chunks, from the longest unused to the last used. */
  readonly #kept = new Map<number, DecodedUnit>();
  #keptSize = 0;

  constructor(source: SeekableSource, tools: CodecTools, zstdWindow: number) {
    this.#source = source;
    this.#tools = tools;
    this.#zstdWindow = zstdWindow;
  }

  /**
   * Starts to read units; each promise rejects with what the source throws.
   * @param units in the blob, with an extent that can be kept in memory
   */
  read(units: readonly Unit[]): Map<number, Promise<DecodedUnit>> {
    const results = new Map<number, Promise<DecodedUnit>>();
    const wanted: Unit[] = [];
    for (const unit of units) {
      if (results.has(unit.offset)) continue;
      const there = this.#pending.get(unit.offset) ?? this.#keptUnit(unit.offset);
      if (!there) wanted.push(unit);
      results.set(unit.offset, there ?? WANTED);
    }
    wanted.sort((a, b) => a.offset - b.offset);
    for (let first = 0, next; first < wanted.length; first = next) {
      next = first + 1;
      while (next < wanted.length && follows(wanted[first]!, wanted[next - 1]!, wanted[next]!)) next++;
      const run = wanted.slice(first, next);
      const cost = run.reduce((sum, { extent }) => sum + extent, lengthOf(run));
      const fetched = this.#budget.take(cost).then(() => this.#fetch(run));
      const decoded = run.map((unit) => this.#start(unit, fetched));
      run.forEach((unit, index) => results.set(unit.offset, decoded[index]!));
      void Promise.allSettled(decoded).then(() => this.#budget.give(cost));
    }
    return results;
  }

  /** Something in the unit is not what its digest says: nobody shall have it from memory. */
  forget(offset: number): void {
    const unit = this.#kept.get(offset);
    if (!unit) return;
    this.#kept.delete(offset);
    this.#keptSize -= unit.bytes.length;
  }

  #keptUnit(offset: number): Promise<DecodedUnit> | undefined {
    const unit = this.#kept.get(offset);
    if (!unit) return undefined;
    this.#kept.delete(offset);
    this.#kept.set(offset, unit);
    return Promise.resolve(unit);
  }

  #start(unit: Unit, fetched: Promise<Fetched>): Promise<DecodedUnit> {
    const work = async () => {
      try {
        const { at, bytes } = await fetched;
        const decoded = await this.#decode(unit, bytes.subarray(unit.offset - at));
        if (unit.shared && !decoded.problem) this.#keep(unit.offset, decoded);
        return decoded;
      } finally {
        this.#pending.delete(unit.offset);
      }
    };
    const promise = work();
    this.#pending.set(unit.offset, promise);
    return promise;
  }

  #keep(offset: number, unit: DecodedUnit): void {
    this.forget(offset);
    this.#kept.set(offset, unit);
    this.#keptSize += unit.bytes.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#keptSize <= KEPT) break;
      this.forget(oldest);
    }
  }

  async #fetch(run: readonly Unit[]): Promise<Fetched> {
    const at = run[0]!.offset;
    return { at, bytes: await readExactly(this.#source, at, lengthOf(run)) };
  }

  /** @param bytes of the blob from the unit's beginning on; perhaps not up to its end */
  async #decode(unit: Unit, bytes: Uint8Array): Promise<DecodedUnit> {
    // Nobody compresses so badly; more than this is nobody's chunk.
    const most = Math.min(unit.end - unit.offset, atMost(unit.extent));
    const first = this.#decoded(unit, bytes.subarray(0, most));
    if (!first.ended || bytes.length >= most) return first;
    const rest = await readExactly(this.#source, unit.offset + bytes.length, most - bytes.length);
    const all = new Uint8Array(most);
    all.set(bytes);
    all.set(rest, bytes.length);
    return this.#decoded(unit, all);
  }

  #decoded(unit: Unit, bytes: Uint8Array): DecodedUnit & { readonly ended: boolean } {
    const output = new Uint8Array(unit.extent);
    let length = 0;
    const tooLong = unit.exact ? () => TOO_LONG : null;
    const stretch = { blobOffset: unit.offset, skip: 0, length: unit.extent, tooLong };
    const decoder = stretchDecoder(this.#tools, this.#zstdWindow, stretch, (piece) => {
      output.set(piece, length);
      length += piece.length;
    });
    let problem: DecodedUnit["problem"] = null;
    let ended = false;
    try {
      decoder.push(bytes);
      ended = !decoder.done;
      decoder.end();
    } catch (error) {
      if (error !== TOO_LONG && !(error instanceof LayerproofError)) throw error;
      problem = error as DecodedUnit["problem"];
    }
    if (length < unit.extent) problem ??= TOO_SHORT;
    return { bytes: output.subarray(0, length), problem, ended };
  }
}

interface Fetched {
  /** Offset in the blob. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Stands for a promise that is made in the same call. */
const WANTED: Promise<DecodedUnit> = new Promise(() => {});

/** Bytes of the blob that are read for units that follow each other. */
function lengthOf(run: readonly Unit[]): number {
  const last = run.at(-1)!;
  return Math.min(last.end, last.offset + probably(last)) - run[0]!.offset;
}

function follows(first: Unit, { end }: Unit, next: Unit): boolean {
  return next.offset >= end && next.offset - end <= GAP && next.end - first.offset <= MAX_RANGE;
}

/**
 * Compressed bytes that are enough for a unit's chunks, if it was made by a usual writer: incompressible data grows by five
 * bytes in 16 KiB at most. Behind them lie padding and headers of other files.
 */
function probably({ extent, exact, end, offset }: Unit): number {
  return exact ? end - offset : extent + 5 * Math.ceil(extent / 16_383) + 1024;
}

/** Compressed bytes that a unit may have at most. */
export function atMost(extent: number): number {
  return 4 * extent + 2 ** 20;
}

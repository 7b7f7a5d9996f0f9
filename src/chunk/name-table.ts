/**
 * Names of directory entries: their bytes in one pool, and a table that finds an entry by directory and name.
 *
 * @module
 */
import { encodeName, isUtf8Name } from "../tar/names.ts";
import { BytePool, resized } from "./columns.ts";

const encoder = new TextEncoder();

/** One entry per number, from 0; what an entry leads to is another's business. */
export class NameTable {
  readonly #pool: BytePool;
  /** Where each entry's name begins in the pool; it ends where the next one begins. */
  #starts: Uint32Array;
  #parents: Uint32Array;
  #length = 0;
  /** Entry + 1 by hash, open addressing; never more than half full. */
  #slots: Int32Array;
  /** Of the last `find`: the slot where the name belongs, and how long it is. */
  #slot = 0;
  #found = 0;

  /** @param entries that will probably be added */
  constructor(entries: number) {
    this.#pool = new BytePool(16 * entries + 64);
    this.#starts = new Uint32Array(entries + 1);
    this.#parents = new Uint32Array(entries);
    this.#slots = new Int32Array(slotsFor(entries));
  }

  get length(): number {
    return this.#length;
  }

  /** Bytes of all names. */
  get size(): number {
    return this.#pool.length;
  }

  /** The entry of that name in that directory, or -1. */
  find(parent: number, name: string | Uint8Array): number {
    this.#found = this.#write(name);
    this.#slot = this.#slotOf(parent, this.#found);
    return this.#slots[this.#slot]! - 1;
  }

  /** Adds the name that was not found in the call before, to that directory; the entry. */
  addMissing(parent: number): number {
    const entry = this.#length++;
    if (entry === this.#parents.length) {
      this.#parents = resized(this.#parents, 2 * entry + 16);
      this.#starts = resized(this.#starts, 2 * entry + 17);
    }
    this.#pool.length += this.#found;
    this.#starts[entry + 1] = this.#pool.length;
    this.#parents[entry] = parent;
    this.#slots[this.#slot] = entry + 1;
    if (2 * (entry + 1) > this.#slots.length) this.#rehash();
    return entry;
  }

  /** A view of the name's bytes. */
  bytes(entry: number): Uint8Array {
    return this.#pool.bytes.subarray(this.#starts[entry]!, this.#starts[entry + 1]!);
  }

  parent(entry: number): number {
    return this.#parents[entry]!;
  }

  /** No entry will be added any more. */
  trim(): void {
    this.#pool.trim();
    if (this.#length === this.#parents.length) return;
    this.#parents = resized(this.#parents, this.#length);
    this.#starts = resized(this.#starts, this.#length + 1);
  }

  /** Puts the name behind the pool's end, where it stays if it is added; its length. */
  #write(name: string | Uint8Array): number {
    const pool = this.#pool;
    if (typeof name === "string") {
      // UTF-8 has three bytes at most for each unit of UTF-16.
      pool.reserve(3 * name.length);
      if (wroteAscii(name, pool.bytes, pool.length)) return name.length;
      if (isUtf8Name(name)) return encoder.encodeInto(name, pool.bytes.subarray(pool.length)).written;
    }
    const bytes = typeof name === "string" ? encodeName(name) : name;
    pool.reserve(bytes.length);
    pool.bytes.set(bytes, pool.length);
    return bytes.length;
  }

  /** The slot of the name that was written, or the free one where it belongs. */
  #slotOf(parent: number, length: number): number {
    const { bytes, length: start } = this.#pool;
    const mask = this.#slots.length - 1;
    let slot = hashOf(parent, bytes, start, start + length) & mask;
    for (let entry; (entry = this.#slots[slot]!) !== 0; slot = (slot + 1) & mask) {
      if (this.#parents[entry - 1] === parent && this.#same(entry - 1, start, length)) return slot;
    }
    return slot;
  }

  #same(entry: number, start: number, length: number): boolean {
    const { bytes } = this.#pool;
    const own = this.#starts[entry]!;
    if (this.#starts[entry + 1]! - own !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[own + i] !== bytes[start + i]) return false;
    return true;
  }

  #rehash(): void {
    const slots = new Int32Array(2 * this.#slots.length);
    const mask = slots.length - 1;
    for (let entry = 0; entry < this.#length; entry++) {
      const starts = this.#starts;
      let slot = hashOf(this.parent(entry), this.#pool.bytes, starts[entry]!, starts[entry + 1]!) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = entry + 1;
    }
    this.#slots = slots;
  }
}

/** Writes a name as long as it is ASCII; whether all of it was. Most names are short, and the platform's encoder is not. */
function wroteAscii(name: string, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code >= 0x80) return false;
    bytes[at + i] = code;
  }
  return true;
}

/** A power of two that is not half full then. */
function slotsFor(entries: number): number {
  return 2 ** Math.ceil(Math.log2(2 * entries + 16));
}

/** Differs from table to table, so that nobody can make names that all fall into one slot. */
const SEED = Math.floor(Math.random() * 2 ** 32) | 0;

/** FNV-1a over the bytes, with the murmur3 finalizer, as its low bits are what counts. */
function hashOf(parent: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = Math.imul(parent ^ SEED, 0x85ebca6b) ^ SEED;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

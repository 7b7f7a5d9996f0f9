/**
 * What SHA-256 and XXH64 have in common: a state of eight 32-bit words that a kernel takes whole blocks into.
 *
 * @module
 */
import { type HashPlace, MemoryView, PIECE_BYTES } from "./staging.ts";

/** A kernel, as both export it. Addresses and lengths are in bytes. */
export interface BlockKernel {
  /** Takes `blocks` blocks at `data` into the state. */
  compress(state: number, data: number, blocks: number): void;
  /** Writes the result over the state, given the less than one block at `data` that the message ends with. */
  finish(state: number, data: number, length: number, total: bigint): void;
}

/** The staging area: the state, for results up to 64 bytes; the data behind it. */
const DATA = 64;

/** One message at a time. The state stays here, so that any number of these use one kernel in one place. */
export class BlockHash {
  readonly #kernel: BlockKernel;
  readonly #view: MemoryView;
  readonly #state: number;
  readonly #data: number;
  readonly #initial: Uint32Array;
  readonly #words: Uint32Array;
  /** The begin of a block. */
  readonly #held: Uint8Array;
  #heldSize = 0;
  #total = 0;

  /**
   * @param initial the eight words of an empty message's state
   * @param blockSize in bytes; a power of two
   */
  constructor(kernel: BlockKernel, place: HashPlace, initial: Uint32Array, blockSize: 32 | 64) {
    this.#kernel = kernel;
    this.#view = new MemoryView(place.memory);
    this.#state = place.staging;
    this.#data = place.staging + DATA;
    this.#initial = initial;
    this.#words = initial.slice();
    this.#held = new Uint8Array(blockSize);
  }

  update(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#total += length;
    if (this.#heldSize + length < this.#held.length) {
      this.#hold(bytes, 0);
      return;
    }
    const memory = this.#view.bytes;
    this.#putState();
    const rest = this.#view.holds(bytes) ? this.#takeInPlace(bytes, memory) : this.#takeCopies(bytes, memory);
    this.#getState();
    this.#hold(bytes, rest);
  }

  /** Writes the result for what came since the last `reset` and returns its address. */
  result(): number {
    const memory = this.#view.bytes;
    this.#putState();
    this.#copyHeld(memory);
    this.#kernel.finish(this.#state, this.#data, this.#heldSize, BigInt(this.#total));
    return this.#state;
  }

  /** Starts the next message. */
  reset(): void {
    this.#words.set(this.#initial);
    this.#heldSize = 0;
    this.#total = 0;
  }

  /** Takes all whole blocks, in pieces that are copied behind what is held. Returns how many bytes were taken. */
  #takeCopies(bytes: Uint8Array, memory: Uint8Array): number {
    const block = this.#held.length;
    let at = 0;
    while (this.#heldSize + bytes.length - at >= block) {
      const held = this.#heldSize;
      const size = Math.min(bytes.length - at, PIECE_BYTES - held);
      const whole = (held + size) - (held + size) % block;
      if (held > 0) this.#copyHeld(memory);
      const end = at + whole - held;
      memory.set(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end), this.#data + held);
      this.#kernel.compress(this.#state, this.#data, whole / block);
      this.#heldSize = 0;
      at = end;
    }
    return at;
  }

  /** Takes all whole blocks from where they are. Returns how many bytes were taken. */
  #takeInPlace(bytes: Uint8Array, memory: Uint8Array): number {
    const block = this.#held.length;
    let at = 0;
    if (this.#heldSize > 0) {
      at = block - this.#heldSize;
      this.#copyHeld(memory);
      memory.set(bytes.subarray(0, at), this.#data + this.#heldSize);
      this.#kernel.compress(this.#state, this.#data, 1);
      this.#heldSize = 0;
    }
    const blocks = Math.floor((bytes.length - at) / block);
    if (blocks > 0) this.#kernel.compress(this.#state, bytes.byteOffset + at, blocks);
    return at + blocks * block;
  }

  /** Holds what follows `at`, less than what a block lacks. */
  #hold(bytes: Uint8Array, at: number): void {
    const held = this.#held;
    let to = this.#heldSize;
    for (; at < bytes.length; at++) held[to++] = bytes[at]!;
    this.#heldSize = to;
  }

  // Loops: for so few bytes `set` of a view takes longer.

  #copyHeld(memory: Uint8Array): void {
    for (let at = 0; at < this.#heldSize; at++) memory[this.#data + at] = this.#held[at]!;
  }

  #putState(): void {
    const words = this.#view.words;
    for (let i = 0; i < 8; i++) words[this.#state / 4 + i] = this.#words[i]!;
  }

  #getState(): void {
    const words = this.#view.words;
    for (let i = 0; i < 8; i++) this.#words[i] = words[this.#state / 4 + i]!;
  }
}

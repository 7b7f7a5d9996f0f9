/**
 * Shared memory between a decoding thread and the one that reads what it decodes.
 *
 * Two rings of slots: compressed bytes go in, decoded bytes and events come out. Which slot holds what is told by
 * messages; the memory itself only says whether an output slot is free, because the decoding thread, in the middle of a
 * block, can wait for nothing else.
 *
 * An output slot is free while its word is 0. The decoder takes it (the word is 1), fills it, and tells of the parts that
 * are ready, each of which has a reader more (the word grows before the message is sent). Parts that were told of do not
 * change until all readers and the decoder itself have let go of the slot.
 *
 * The output slots lie behind one another in the memory of the kernels. That of inflate writes right into them, and finds
 * its window in front of where it writes; that of zstd has a history of its own behind the rings. Kernel tables and what
 * kernels copy of input lie in front of the rings.
 *
 * The buffer itself is posted once, never views of it: Deno 2.9 takes 150 ms to clone one MiB of a typed array.
 *
 * @module
 */

import { CODEC_MEMORY } from "../codec/gzip-tools.ts";
import { WINDOW } from "../kernel/inflate.ts";
import { IO_BASE, sharedKernelMemory } from "../kernel/load.ts";
import { type HashPlace, STAGING_BYTES } from "../kernel/staging.ts";

/** Compressed bytes on their way to the decoder. */
export const INPUT_SLOTS = 3;
export const INPUT_SIZE = 1024 * 1024;

export const OUTPUT_SLOTS = 6;
/** Bytes of decoded data in one slot. */
export const OUTPUT_SIZE = 512 * 1024;
/** 64-bit numbers of events in one slot. */
export const EVENT_NUMBERS = 8192;

/** Words: tasks below this number are cancelled ... */
const CANCELLED_BELOW = 0;
/** ... but for this one. */
const ALIVE = 1;
/** How many requests the decoder has not begun on. */
const REQUESTS = 2;
/** One for each output slot: 0 while it is the decoder's, else the number of its readers. */
const READERS = 3;

const WORDS_SIZE = 256;
const WORDS_AT = Math.ceil((IO_BASE + CODEC_MEMORY) / 64) * 64;
/** Where the reading thread may run kernels of its own; they meet no others, for each has tables of its own. */
const STAGING_AT = WORDS_AT + WORDS_SIZE;
const EVENTS_AT = Math.ceil((STAGING_AT + STAGING_BYTES) / 64) * 64;
const INPUT_AT = EVENTS_AT + OUTPUT_SLOTS * EVENT_NUMBERS * 8;
/** The window of what is written to the first slot ends here. */
const OUTPUT_AT = INPUT_AT + INPUT_SLOTS * INPUT_SIZE + WINDOW;
const END = OUTPUT_AT + OUTPUT_SLOTS * OUTPUT_SIZE;
/** Behind the rings: zstd's history, which only the decoder knows, and for which the memory may grow. */
export const HISTORY_AT = Math.ceil(END / 64) * 64;

/** A memory for one decoding thread, its kernels and its rings. @throws where there is no shared memory */
export function ringMemory(): WebAssembly.Memory {
  return sharedKernelMemory(HISTORY_AT - IO_BASE);
}

/** Thrown out of a decoder whose task was cancelled while it waited. */
export class TaskCancelled extends Error {}

/** Either side's view of the memory. */
export class Ring {
  readonly buffer: SharedArrayBuffer;
  /** For what the reading thread hashes of the output, where it has the memory. Kernels of the decoding thread are taboo. */
  readonly place: HashPlace | null;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #inputs: readonly Uint8Array[];
  readonly #events: readonly Float64Array[];

  /** @param buffer of a `ringMemory`, as it was before it has grown */
  constructor(buffer: SharedArrayBuffer, memory: WebAssembly.Memory | null = null) {
    this.buffer = buffer;
    this.place = memory && { memory, buffer, staging: STAGING_AT };
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer, WORDS_AT, WORDS_SIZE / 4);
    const each = <T>(count: number, make: (index: number) => T) =>
      Array.from({ length: count }, (_, i) => make(i));
    this.#inputs = each(INPUT_SLOTS, (i) => new Uint8Array(buffer, INPUT_AT + i * INPUT_SIZE, INPUT_SIZE));
    this.#events = each(
      OUTPUT_SLOTS,
      (i) => new Float64Array(buffer, EVENTS_AT + i * EVENT_NUMBERS * 8, EVENT_NUMBERS),
    );
  }

  input(slot: number): Uint8Array {
    return this.#inputs[slot]!;
  }

  /** Bytes of output slots, from this address on. */
  output(address: number, length: number): Uint8Array {
    return this.#bytes.subarray(address, address + length);
  }

  /** Address of the first byte of an output slot. */
  outputAt(slot: number): number {
    return OUTPUT_AT + slot * OUTPUT_SIZE;
  }

  /** Puts the end of the last output slot in front of the first one. */
  wrapWindow(): void {
    this.#bytes.copyWithin(OUTPUT_AT - WINDOW, END - WINDOW, END);
  }

  /** The output slot that a view lies in. */
  slotOf(bytes: Uint8Array): number {
    return Math.floor((bytes.byteOffset - OUTPUT_AT) / OUTPUT_SIZE);
  }

  events(slot: number): Float64Array {
    return this.#events[slot]!;
  }

  /**
   * The decoder waits until the slot is free, and takes it. Blocks the thread.
   * @throws {TaskCancelled} when `task` is cancelled meanwhile
   */
  acquire(slot: number, task: number): void {
    while (true) {
      if (this.isCancelled(task)) throw new TaskCancelled();
      const readers = Atomics.load(this.#words, READERS + slot);
      if (readers === 0) break;
      // Not for ever: a cancellation may come between the two lines above and this one.
      Atomics.wait(this.#words, READERS + slot, readers, 250);
    }
    Atomics.store(this.#words, READERS + slot, 1);
  }

  /** One reader more of an output slot, which somebody must hold already. */
  retain(slot: number): void {
    Atomics.add(this.#words, READERS + slot, 1);
  }

  /** One reader less, or the decoder lets go; the last of them makes the slot free. */
  release(slot: number): void {
    if (Atomics.sub(this.#words, READERS + slot, 1) === 1) Atomics.notify(this.#words, READERS + slot);
  }

  /** Cancels all tasks below `below` but `alive` (-1 for none), and wakes the decoder up. */
  cancel(below: number, alive: number): void {
    Atomics.store(this.#words, ALIVE, alive);
    Atomics.store(this.#words, CANCELLED_BELOW, below);
    for (let slot = 0; slot < OUTPUT_SLOTS; slot++) Atomics.notify(this.#words, READERS + slot);
  }

  /** Cancels all tasks that there are, and all that come. */
  cancelAll(): void {
    // The words have 32 bits.
    this.cancel(0x7fff_ffff, -1);
  }

  /** Called before a request is sent. */
  announce(): void {
    Atomics.add(this.#words, REQUESTS, 1);
  }

  /** Called when work on a request begins. */
  begin(): void {
    Atomics.sub(this.#words, REQUESTS, 1);
  }

  /** Whether more requests are on their way: then a slot that is not full can wait for them. */
  get isAsked(): boolean {
    return Atomics.load(this.#words, REQUESTS) > 0;
  }

  isCancelled(task: number): boolean {
    return task < Atomics.load(this.#words, CANCELLED_BELOW) && task !== Atomics.load(this.#words, ALIVE);
  }
}

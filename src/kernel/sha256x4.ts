/**
 * SHA-256 (FIPS 180-4) of many messages, four at a time, by the WebAssembly kernel `wasm/sha256x4.ts`.
 *
 * Each of the four lanes has a queue of messages, or of pieces of one long message. The kernel works until a queue runs
 * dry; what it holds is bounded, however long and many the messages are.
 *
 * @module
 */
import type { BatchHasher } from "../digest/hasher.ts";
import { type HashPlace, kernelOn, MemoryView, sharedPlace } from "./staging.ts";

interface Kernel {
  start(): void;
  feed(lane: number, pieces: number, count: number, digests: number): void;
  /** Returns a bit for each lane that has run dry and is not closed; 0 is the end of the batch. */
  run(): number;
}

const LANES = 4;
/** Pieces in a queue. */
const QUEUE = 256;
const PIECE_BYTES = 16;
const DIGEST_BYTES = 64;
/** Bytes of messages in a queue. 128 KiB for all lanes stay in a second-level cache. */
const DATA_BYTES = 32_768;
const BLOCK = 64;

/**
 * SHA-256 of batches of messages.
 * @param place where the messages are, or are copied to (`BATCH_STAGING_BYTES`); by default one that all hashes share
 * @throws {WebAssembly.CompileError} where the engine has no WebAssembly with vectors
 */
export async function kernelBatch(place: HashPlace = sharedPlace()): Promise<BatchHasher> {
  const kernel = await kernelOn("sha256x4", place.memory) as unknown as Kernel;
  const view = new MemoryView(place.memory);
  return {
    name: "wasm",
    digestAll(messages) {
      if (messages.length === 0) return [];
      const batch = new Batch(messages);
      const lanes = Array.from({ length: LANES }, (_, index) => new Lane(index, kernel, view, place.staging));
      kernel.start();
      for (const lane of lanes) lane.feed(batch);
      for (let dry = kernel.run(); dry !== 0; dry = kernel.run()) {
        for (const lane of lanes) {
          if (dry & (1 << lane.index)) lane.feed(batch);
        }
      }
      return batch.digests;
    },
  };
}

/** The messages, and how far they are handed out. */
class Batch {
  readonly messages: readonly Uint8Array[];
  readonly digests: string[];
  /** Indices of the messages, in the order in which they are handed out; null for their own order. */
  readonly #order: Uint32Array | null;
  #next = 0;
  /** Bytes that are not handed out. */
  #left = 0;

  constructor(messages: readonly Uint8Array[]) {
    this.messages = messages;
    this.digests = new Array(messages.length);
    let long = false;
    for (const { length } of messages) {
      this.#left += length;
      if (length > DATA_BYTES) long = true;
    }
    this.#order = long ? longestFirst(messages) : null;
  }

  /** Index of the next message; -1 at the end. */
  peek(): number {
    if (this.#next === this.messages.length) return -1;
    return this.#order ? this.#order[this.#next]! : this.#next;
  }

  take(): void {
    this.#next++;
  }

  /** Counts bytes as handed out. */
  use(bytes: number): void {
    this.#left -= bytes;
  }

  /** How many bytes a lane should get: less towards the end, so that all lanes end at about the same time. */
  share(): number {
    return Math.min(DATA_BYTES, this.#left / (2 * LANES));
  }
}

/** A long message that begins last would keep three lanes waiting. */
function longestFirst(messages: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(messages.keys()).sort((a, b) => messages[b]!.length - messages[a]!.length);
}

/** One of the kernel's lanes, with its part of the staging area: the queue, the digests and the data. */
class Lane {
  readonly index: number;
  readonly #kernel: Kernel;
  readonly #view: MemoryView;
  readonly #pieces: number;
  readonly #digests: number;
  readonly #data: number;
  /** The messages that end in the queue. */
  #ending: number[] = [];
  /** A message that goes on in the next queue, and how much of it was handed out. */
  #message = -1;
  #at = 0;
  // The queue while it is filled.
  #count = 0;
  #used = 0;

  constructor(index: number, kernel: Kernel, view: MemoryView, staging: number) {
    this.index = index;
    this.#kernel = kernel;
    this.#view = view;
    this.#pieces = staging + index * QUEUE * PIECE_BYTES;
    this.#digests = staging + LANES * QUEUE * PIECE_BYTES + index * QUEUE * DIGEST_BYTES;
    this.#data = staging + LANES * QUEUE * (PIECE_BYTES + DIGEST_BYTES) + index * DATA_BYTES;
  }

  /** Takes the digests of the queue that has run dry, and fills it again. */
  feed(batch: Batch): void {
    this.#takeDigests(batch.digests);
    this.#count = 0;
    this.#used = 0;
    const share = batch.share();
    while (this.#count < QUEUE) {
      const next = this.#message < 0 ? batch.peek() : this.#message;
      if (next < 0) break;
      const message = batch.messages[next]!;
      // At least one, and no more than the share.
      if (this.#count > 0 && this.#used + message.length - this.#at > share) break;
      if (this.#message < 0) batch.take();
      this.#message = next;
      this.#put(message, batch);
    }
    this.#kernel.feed(this.index, this.#pieces, this.#count, this.#digests);
  }

  /** Puts the rest of a message into the queue, or as much of it as there is room for. */
  #put(message: Uint8Array, batch: Batch): void {
    const left = message.length - this.#at;
    let data = message.byteOffset;
    let size = left;
    if (!this.#view.holds(message)) {
      data = this.#data + this.#used;
      size = Math.min(left, DATA_BYTES - this.#used);
      const whole = size === message.length;
      this.#view.bytes.set(whole ? message : message.subarray(this.#at, this.#at + size), data);
    }
    this.#used += Math.ceil(size / BLOCK) * BLOCK;
    batch.use(size);
    const words = this.#view.words;
    const piece = (this.#pieces + this.#count++ * PIECE_BYTES) / 4;
    words[piece] = data;
    words[piece + 1] = size;
    if (size < left) {
      words[piece + 2] = words[piece + 3] = 0xffffffff;
      this.#at += size;
      return;
    }
    const bits = message.length * 8;
    words[piece + 2] = bits % 2 ** 32;
    words[piece + 3] = Math.floor(bits / 2 ** 32);
    this.#ending.push(this.#message);
    this.#message = -1;
    this.#at = 0;
  }

  #takeDigests(digests: string[]): void {
    const ending = this.#ending;
    if (ending.length === 0) return;
    const text = ascii.decode(
      this.#view.bytes.subarray(this.#digests, this.#digests + ending.length * DIGEST_BYTES),
    );
    for (let i = 0; i < ending.length; i++) {
      digests[ending[i]!] = text.slice(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
    }
    this.#ending = [];
  }
}

const ascii = new TextDecoder();

/**
 * Where the WebAssembly hashes work: a memory, and the addresses in it that are theirs.
 *
 * @module
 */
import { IO_BASE, kernelMemory, type KernelName, loadKernel } from "./load.ts";

/**
 * A place for hashes in a kernel's memory. Hashes may share one: no call leaves anything in it that matters later.
 * Data that lies in this memory already is hashed where it is.
 */
export interface HashPlace {
  readonly memory: WebAssembly.Memory;
  /** What views of the data are on, where it is not the memory's buffer any more: a shared memory has grown. */
  readonly buffer?: SharedArrayBuffer;
  /** First of `STAGING_BYTES` bytes (`BATCH_STAGING_BYTES` for batches) that nothing else uses; a multiple of 16. */
  readonly staging: number;
}

/** Bytes at `staging`: state, what was held back, and a piece of the data. */
export const STAGING_BYTES = 65_536 + 256;

/** Bytes of data that are copied at a time. More is not faster, and leaves the processor's second-level cache. */
export const PIECE_BYTES = 65_536;

/** Bytes at `staging` for a batch: the queues, the digests and the data of four lanes. */
export const BATCH_STAGING_BYTES = 4 * (32_768 + 256 * 80);

let shared: HashPlace | null = null;

/** The place of all hashes that are not given one. */
export function sharedPlace(): HashPlace {
  shared ??= { memory: kernelMemory(BATCH_STAGING_BYTES), staging: IO_BASE };
  return shared;
}

const instances = new WeakMap<WebAssembly.Memory, Map<KernelName, Promise<WebAssembly.Exports>>>();

/** The one instance of a kernel on `memory`, its tables filled. */
export function kernelOn(name: KernelName, memory: WebAssembly.Memory): Promise<WebAssembly.Exports> {
  let kernels = instances.get(memory);
  if (!kernels) instances.set(memory, kernels = new Map());
  let instance = kernels.get(name);
  if (!instance) {
    instance = loadKernel(name, memory).then((exports) => {
      (exports.init as () => void)();
      return exports;
    });
    kernels.set(name, instance);
  }
  return instance;
}

/** Views of a memory that follow it when it grows, which detaches its buffer. */
export class MemoryView {
  readonly #memory: WebAssembly.Memory;
  readonly #before: SharedArrayBuffer | null;
  #bytes: Uint8Array;
  #words: Uint32Array;

  /** @param before its buffer before it has grown, if it is shared */
  constructor(memory: WebAssembly.Memory, before: SharedArrayBuffer | null = null) {
    this.#memory = memory;
    this.#before = before;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Uint32Array(memory.buffer);
  }

  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.#memory.buffer) this.#renew();
    return this.#bytes;
  }

  get words(): Uint32Array {
    if (this.#words.buffer !== this.#memory.buffer) this.#renew();
    return this.#words;
  }

  /** Whether `bytes` lies in this memory. What was the buffer of a shared one before it has grown goes on being its beginning. */
  holds(bytes: Uint8Array): boolean {
    return bytes.buffer === this.#before || bytes.buffer === this.#memory.buffer;
  }

  #renew(): void {
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.#words = new Uint32Array(this.#memory.buffer);
  }
}

/**
 * Hands `bytes` to `take` by address and length: where they are, or copied to `staging` in pieces of `PIECE_BYTES`.
 * @param staging an address in the memory of `view`
 */
export function inPieces(
  bytes: Uint8Array,
  view: MemoryView,
  staging: number,
  take: (data: number, length: number) => void,
): void {
  if (bytes.length === 0) return;
  if (view.holds(bytes)) {
    take(bytes.byteOffset, bytes.length);
    return;
  }
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.length <= PIECE_BYTES ? bytes : bytes.subarray(at, at + PIECE_BYTES);
    view.bytes.set(piece, staging);
    take(staging, piece.length);
  }
}

/**
 * Inflates raw DEFLATE data (RFC 1951) with the kernel of `wasm/inflate.ts`.
 *
 * @module
 */
import { IO_BASE, kernelMemory, loadKernel } from "./load.ts";

/** What the kernel's `run` returns when the stream is in order; negative: it broke a rule. */
const OUTPUT_FULL = 1;
const DONE = 2;

/** Farthest that matches reach back, in bytes. */
export const WINDOW = 32768;

/**
 * Where output goes, in the memory of the kernel. The `WINDOW` bytes in front of any room are what was written before,
 * or at least memory that may be read.
 */
export interface OutputArea {
  /** Address of the room for a stream's first byte. */
  begin(): number;
  /** End of the room, behind the address that `begin` or `next` gave last. */
  readonly end: number;
  /** Takes all that was written, makes room for more, and gives its address: its window is in front of it. */
  next(): number;
}

/**
 * Bytes of room, and of the window in front of it. When the room is full, its last 32 KiB move there. Measured: from
 * 128 KiB to 1 MiB, and for input from 32 to 256 KiB, nothing differs beyond noise.
 */
const OUTPUT_SIZE = 256 * 1024;

/**
 * Input is copied a piece at a time. Each piece of a stream is four times as long as the one before: so what is copied
 * in vain, behind the end of a short stream, is never much more than the stream itself.
 */
const FIRST_INPUT = 256;
const LAST_INPUT = 64 * 1024;

/** Bytes of memory that an inflate kernel needs from its base on. */
export const INFLATE_MEMORY: number = LAST_INPUT + OUTPUT_SIZE;

/** The rules that a deflate stream can break. */
export type InflateErrorCode = keyof typeof WORDS;

const WORDS = {
  "block-type": "a block has the reserved type 3",
  "stored-length": "the length of a stored block and its complement do not agree",
  "too-many-codes": "a block has more than 286 literal/length codes or more than 30 distance codes",
  "code-lengths-oversubscribed": "a code length code is over-subscribed",
  "code-lengths-incomplete": "a code length code is incomplete",
  "repeat-without-length": "the first code length of a block repeats the one before it",
  "repeat-too-long": "code lengths are repeated beyond the number of codes",
  "no-end-of-block": "a block has no code for its end",
  "litlen-oversubscribed": "a literal/length code is over-subscribed",
  "litlen-incomplete": "a literal/length code is incomplete",
  "distances-oversubscribed": "a distance code is over-subscribed",
  "distances-incomplete": "a distance code is incomplete",
  "litlen-symbol": "a literal/length code is used that stands for nothing",
  "distance-symbol": "a distance code is used that stands for nothing",
  "distance-too-far": "a match reaches back beyond the beginning of the stream",
} as const;

/** In the order of the kernel's codes, -1 first (`wasm/inflate/state.ts`). */
const CODES = Object.keys(WORDS) as InflateErrorCode[];

/** The stream is not DEFLATE data: it breaks a rule of RFC 1951 that zlib enforces. */
export class InflateError extends Error {
  override readonly name = "InflateError";
  readonly code: InflateErrorCode;
  /** Bytes of the input of this call up to where the rule is broken, the last one included. */
  readonly used: number;

  constructor(code: InflateErrorCode, used: number) {
    super(WORDS[code]);
    this.code = code;
    this.used = used;
  }
}

interface Exports {
  reset(): void;
  run(inPtr: number, inEnd: number, outPtr: number, outEnd: number, histPtr: number): number;
  inPos(): number;
  outPos(): number;
}

/** Of the stream: `running` within a call, `failed` after an error in it or in `emit`. */
type State = "not started" | "open" | "running" | "ended" | "failed";

/**
 * A decoder for one stream at a time.
 *
 * ```ts
 * import { deflateRawSync } from "node:zlib";
 * import { InflateKernel } from "./inflate.ts";
 *
 * const kernel = await InflateKernel.create();
 * const blob = deflateRawSync("layer");
 * kernel.reset();
 * const used = kernel.inflate(blob, 0, (bytes) => console.log(new TextDecoder().decode(bytes)));
 * console.log(kernel.done, used === blob.length); // true true
 * ```
 */
export class InflateKernel {
  readonly #kernel: Exports;
  readonly #memory: WebAssembly.Memory;
  /** Address of what was copied of the input. */
  readonly #input: number;
  readonly #area: OutputArea;
  #heap: Uint8Array<ArrayBufferLike>;
  #state: State = "not started";
  /** Where the next byte of output goes. */
  #at: number;
  #pieceSize = FIRST_INPUT;

  private constructor(kernel: Exports, memory: WebAssembly.Memory, base: number, area: OutputArea | null) {
    this.#kernel = kernel;
    this.#memory = memory;
    this.#heap = new Uint8Array(memory.buffer);
    this.#input = base;
    this.#area = area ?? this.#ownArea(base + LAST_INPUT);
    this.#at = 0;
  }

  /**
   * @param memory to share with other kernels, of which only one may inflate; one of its own if not given
   * @param base address of the `INFLATE_MEMORY` bytes of `memory` that are this kernel's
   * @param area where output goes instead; of the bytes at `base` it then uses the first 64 KiB
   */
  static async create(
    memory?: WebAssembly.Memory,
    base = IO_BASE,
    area: OutputArea | null = null,
  ): Promise<InflateKernel> {
    const own = memory ?? kernelMemory(base - IO_BASE + INFLATE_MEMORY);
    if (base < IO_BASE || own.buffer.byteLength < base + INFLATE_MEMORY) {
      throw new RangeError(`Cannot inflate at address ${base} of a memory of ${own.buffer.byteLength} bytes`);
    }
    return new InflateKernel(await loadKernel("inflate", own) as unknown as Exports, own, base, area);
  }

  /** Whether the stream has ended, with its final block. */
  get done(): boolean {
    return this.#state === "ended";
  }

  /** Starts a new stream, whatever became of the one before. */
  reset(): void {
    if (this.#state === "running") {
      throw new Error("Cannot start a deflate stream: another is being inflated");
    }
    this.#kernel.reset();
    this.#state = "open";
    this.#at = this.#area.begin();
    this.#pieceSize = FIRST_INPUT;
  }

  /**
   * Inflates from `bytes[at]` on, up to the end of `bytes` or of the stream, and hands out all that comes of it.
   * @param emit gets views of kernel memory that are valid during the call only; if it throws, the stream is lost
   * @returns how many bytes it used: all, unless the stream ended, which `done` tells
   * @throws {InflateError} if the stream is not DEFLATE data; what came before the error has been handed out
   */
  inflate(bytes: Uint8Array, at: number, emit: (bytes: Uint8Array) => void): number {
    if (this.#state !== "open") throw new Error(`Cannot inflate: the deflate stream is ${this.#state}`);
    this.#state = "running";
    try {
      return this.#run(bytes, at, emit);
    } finally {
      // Not yet anything else: an exception has passed.
      if (this.#state === "running") this.#state = "failed";
    }
  }

  #run(bytes: Uint8Array, start: number, emit: (bytes: Uint8Array) => void): number {
    const kernel = this.#kernel;
    const inPlace = bytes.buffer === this.#memory.buffer;
    let at = start;
    let emitted = this.#at;
    let status = 0;
    while (status !== DONE && at < bytes.length) {
      const size = inPlace ? bytes.length - at : this.#copy(bytes, at);
      const input = inPlace ? bytes.byteOffset + at : this.#input;
      const inEnd = input + size;
      let from = input;
      do {
        // The kernel itself counts how much of the stream there is to reach back to.
        status = kernel.run(from, inEnd, this.#at, this.#area.end, this.#at - WINDOW);
        from = kernel.inPos();
        this.#at = kernel.outPos();
        if (status === OUTPUT_FULL) {
          this.#emit(emitted, emit);
          emitted = this.#at = this.#area.next();
        }
      } while (status === OUTPUT_FULL);
      at += from - input;
      if (status < 0) break;
    }
    this.#emit(emitted, emit);
    if (status < 0) throw new InflateError(CODES[-1 - status]!, at - start);
    this.#state = status === DONE ? "ended" : "open";
    return at - start;
  }

  /** Copies the next piece into the memory; returns its size. */
  #copy(bytes: Uint8Array, at: number): number {
    const size = Math.min(bytes.length - at, this.#pieceSize);
    this.#pieceSize = Math.min(4 * this.#pieceSize, LAST_INPUT);
    this.#bytes().set(bytes.subarray(at, at + size), this.#input);
    return size;
  }

  /** One room, in front of which its own end moves when it is full. */
  #ownArea(address: number): OutputArea {
    const start = address + WINDOW;
    const end = address + OUTPUT_SIZE;
    return {
      begin: () => start,
      end,
      next: () => {
        this.#bytes().copyWithin(address, end - WINDOW, end);
        return start;
      },
    };
  }

  #emit(from: number, emit: (bytes: Uint8Array) => void): void {
    if (this.#at > from) emit(this.#bytes().subarray(from, this.#at));
  }

  /** The memory, which is another buffer when it has grown. */
  #bytes(): Uint8Array<ArrayBufferLike> {
    if (this.#heap.byteLength === 0) this.#heap = new Uint8Array(this.#memory.buffer);
    return this.#heap;
  }
}

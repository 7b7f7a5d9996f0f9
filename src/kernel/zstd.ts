/**
 * The block engine whose work is done by the WebAssembly kernel `wasm/zstd.ts`.
 *
 * @module
 */
import type { BlockEngine, EngineFrame } from "../codec/zstd/engine.ts";
import { FormatError, LimitExceeded } from "../errors.ts";
import { IO_BASE, kernelMemory, loadKernel, PAGE } from "./load.ts";
import { kernelMove, type Move } from "./move.ts";

const MAX_BLOCK_SIZE = 131072;

/** The kernel may read this far behind the input, and write this far behind the room of a block. */
const OVERSHOOT = 32;

/** Bytes in front of the history, for the input. */
const INPUT_SIZE = MAX_BLOCK_SIZE + OVERSHOOT;

/** What a block needs at its place in the history, whatever it regenerates. */
const ROOM = MAX_BLOCK_SIZE + OVERSHOOT;

/** Room for a few blocks of a small frame, before the memory has to grow. */
const FIRST_CAPACITY = 4 * MAX_BLOCK_SIZE;

const MIN_SLACK = 2 ** 20;
const MAX_SLACK = 2 ** 23;

interface Exports {
  init(): void;
  resetFrame(): void;
  decodeBlock(
    inAt: number,
    inEnd: number,
    out: number,
    blockMax: number,
    reach: number,
    window: number,
    base: number,
    lapEnd: number,
  ): number;
  detail(index: number): number;
}

/**
 * Decodes blocks in the memory of the kernel, where their output also stays as the history.
 *
 * The history is filled in laps: from the front until the next block may not fit any more, and then from the front
 * again. Nothing is ever moved; a match that reaches into the lap before is copied from there. The buffer holds a
 * window and two blocks at least, so that what a match can reach lies behind the room of the block that is written.
 * The kernel is slower in such matches, so that there is some slack: with a window of 2 MiB they are 2 % of all.
 *
 * The memory grows with what is really decoded, never with what a header declares, up to a window, 8 MiB and two blocks;
 * it cannot shrink, and is kept from frame to frame. Growing does not copy in the usual engines.
 */
export class KernelZstdEngine implements BlockEngine {
  /** The memory that views of `take` are on. Only this engine may grow it. */
  readonly memory: WebAssembly.Memory;
  readonly #kernel: Exports;
  readonly #move: Move | null;
  /** The memory's buffer when it was given, on which the host may have views still. */
  readonly #firstBuffer: ArrayBufferLike;
  /** Addresses: where a block is collected, and where the history begins. */
  readonly #collected: number;
  readonly #history: number;
  #bytes: Uint8Array;

  #windowSize = 0;
  #blockMax = 0;
  /** End of the buffer when it has its full size. */
  #fullEnd: number;
  /** Where the next block goes. */
  #position: number;
  /** End of the lap before; 0 in the first one of a frame. */
  #lapEnd = 0;
  /** Bytes of the frame that a match could reach, at most the window. */
  #reach = 0;

  /** The block: where it was collected, or where it is. */
  #input = 0;
  #inputEnd = 0;
  #blobOffset = 0;

  private constructor(
    memory: WebAssembly.Memory,
    firstBuffer: ArrayBufferLike,
    base: number,
    kernel: Exports,
    move: Move | null,
  ) {
    this.memory = memory;
    this.#firstBuffer = firstBuffer;
    this.#kernel = kernel;
    this.#move = move;
    this.#collected = base;
    this.#history = this.#position = this.#fullEnd = base + INPUT_SIZE;
    this.#bytes = new Uint8Array(memory.buffer);
    kernel.init();
  }

  /**
   * A new engine.
   * @param memory to share with other kernels, of which no other may grow it; one of its own if not given
   * @param base address from which on all of the memory is this engine's; it begins with about 1 MiB
   * @throws {WebAssembly.CompileError} where the runtime lacks what the kernel needs: ask `kernelsRun` first
   * @throws {RangeError} where there is no memory
   */
  static async create(memory?: WebAssembly.Memory, base = IO_BASE): Promise<KernelZstdEngine> {
    if (base < IO_BASE) {
      throw new RangeError(`Cannot decode at address ${base}: kernels have their tables there`);
    }
    const needed = base + INPUT_SIZE + FIRST_CAPACITY + OVERSHOOT;
    const own = memory ?? kernelMemory(needed - IO_BASE);
    const firstBuffer = own.buffer;
    const missing = needed - own.buffer.byteLength;
    if (missing > 0) own.grow(Math.ceil(missing / PAGE));
    const kernel = await loadKernel("zstd", own) as unknown as Exports;
    return new KernelZstdEngine(own, firstBuffer, base, kernel, memory ? await kernelMove(own) : null);
  }

  resetFrame({ windowSize, blockMax }: EngineFrame): void {
    this.#windowSize = windowSize;
    this.#blockMax = blockMax;
    this.#position = this.#history;
    this.#lapEnd = 0;
    this.#reach = 0;
    this.#fullEnd = this.#history + windowSize + 2 * ROOM +
      Math.min(Math.max(3 * windowSize, MIN_SLACK), MAX_SLACK);
    this.#kernel.resetFrame();
  }

  reserve(_size: number, blobOffset: number): void {
    if (this.#position + ROOM > this.#fullEnd) {
      this.#lapEnd = this.#position;
      this.#position = this.#history;
    } else if (this.#position + ROOM > this.#bytes.length) {
      this.#grow(blobOffset);
    }
  }

  raw(piece: Uint8Array, at: number): void {
    this.#put(piece, this.#position + at);
  }

  rle(byte: number, size: number): void {
    this.#bytes.fill(byte, this.#position, this.#position + size);
  }

  startCompressed(blobOffset: number): void {
    this.#input = this.#inputEnd = this.#collected;
    this.#blobOffset = blobOffset;
  }

  append(piece: Uint8Array, last: boolean): void {
    if (last && this.#inputEnd === this.#collected && this.#isOurs(piece)) {
      // What the kernel reads around its input is in this memory here, too.
      this.#input = this.#inputEnd = piece.byteOffset;
    } else this.#put(piece, this.#inputEnd);
    this.#inputEnd += piece.length;
  }

  decode(): number {
    this.reserve(this.#blockMax, this.#blobOffset);
    const size = this.#kernel.decodeBlock(
      this.#input,
      this.#inputEnd,
      this.#position,
      this.#blockMax,
      this.#reach,
      this.#windowSize,
      this.#history,
      this.#lapEnd,
    );
    if (size < 0) throw this.#corrupt(-size);
    return size;
  }

  take(size: number): Uint8Array {
    const from = this.#position;
    this.#position += size;
    this.#reach = Math.min(this.#reach + size, this.#windowSize);
    return this.#bytes.subarray(from, from + size);
  }

  #put(piece: Uint8Array, address: number): void {
    if (this.#move && this.#isOurs(piece)) this.#move(address, piece.byteOffset, piece.length);
    else this.#bytes.set(piece, address);
  }

  /** Whether bytes lie in the memory of this engine. */
  #isOurs({ buffer }: Uint8Array): boolean {
    return buffer === this.#firstBuffer || buffer === this.#bytes.buffer;
  }

  /** Doubles the buffer, up to its full size: growing a hundred times would renew as many views. */
  #grow(blobOffset: number): void {
    const capacity = Math.min(2 * (this.#bytes.length - this.#history) + ROOM, this.#fullEnd - this.#history);
    const pages = Math.ceil((this.#history + capacity) / PAGE) - this.#bytes.length / PAGE;
    try {
      this.memory.grow(pages);
    } catch (cause) {
      throw new LimitExceeded(
        "zstd-memory",
        `Cannot decode Zstandard block at byte ${blobOffset}: no memory for ${capacity} bytes of history`,
        { blobOffset, cause, advice: "Lower the window limit or give the process more memory." },
      );
    }
    this.#bytes = new Uint8Array(this.memory.buffer);
  }

  #corrupt(code: number): FormatError {
    const [a, b, c] = [0, 1, 2].map((index) => this.#kernel.detail(index) >>> 0) as [number, number, number];
    const blobOffset = this.#blobOffset;
    return new FormatError(
      "zstd-corrupt",
      `Cannot decode Zstandard block at byte ${blobOffset}: ${SENTENCES[code - 1]!(a, b, c)}`,
      { blobOffset },
    );
  }
}

const STREAMS = ["literals", "Huffman weights", "sequences"];
const TABLES = ["literal length", "offset", "match length"];

/** What can be wrong with a block, by the codes of `wasm/zstd/errors.ts`, which start at 1. */
const SENTENCES: readonly ((a: number, b: number, c: number) => string)[] = [
  () => "it is empty, without literals and sequences sections",
  () => "the literals section header is cut off",
  (size, max) => `it declares ${size} literals, more than the block maximum of ${max}`,
  () => "the literals section reaches behind the end of the block",
  () => "the raw literals reach behind the end of the block",
  () => "the literals section is cut off",
  () => "treeless literals without an earlier Huffman table in the frame",
  () => "the Huffman table description is missing",
  () => "the Huffman table description is cut off",
  () => "an FSE table description is cut off",
  (log, max) => `an FSE table has accuracy log ${log}, at most ${max} is allowed`,
  (max) => `an FSE table holds a symbol over ${max}`,
  (stream) => `the bit stream of the ${STREAMS[stream]} is empty`,
  (stream) => `the bit stream of the ${STREAMS[stream]} has no final-bit flag`,
  () => "the bit stream of the Huffman weights is too short",
  () => "there are more than 255 Huffman weights",
  (weight) => `a Huffman weight is ${weight}, at most 11 is allowed`,
  () => "all Huffman weights are zero",
  (length) => `the longest Huffman code has ${length} bits, at most 11 are allowed`,
  () => "the Huffman weights do not form a complete code",
  (size) => `${size} literals are in four bit streams, at least 6 are needed`,
  () => "the jump table of the literals is cut off",
  () => "the jump table of the literals points behind their end",
  () => "a bit stream of the literals is too short",
  () => "a bit stream of the literals has bits left over",
  () => "the sequences section header is cut off",
  (count) => `${count} bytes are left over behind a block without sequences`,
  () => "reserved bits of the symbol compression modes are set",
  (table) => `the ${TABLES[table]} table is cut off`,
  (table, code, max) => `the ${TABLES[table]} code is ${code}, at most ${max} is allowed`,
  (table) => `the ${TABLES[table]} table repeats one that the frame does not have`,
  () => "the bit stream of the sequences is too short",
  (offset) => `offset ${offset} reaches beyond any window`,
  () => "a match has offset 0",
  (offset, window) => `offset ${offset} reaches beyond the window of ${window} bytes`,
  (offset, produced) => `offset ${offset} reaches before the first byte of the frame, ${produced} bytes back`,
  (literals) => `sequences take more than the ${literals} literals of the block`,
  (max) => `it regenerates more than the block maximum of ${max} bytes`,
  (bits) => `${bits} bits are left over behind the last sequence`,
];

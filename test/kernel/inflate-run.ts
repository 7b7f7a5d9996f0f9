/** Runs inflaters over a stream and keeps what they tell: the kernel, its exports without the host part, and pako. */
import { Buffer } from "node:buffer";
import { zlibInflate, zlibInflateInit2, ZStream } from "pako";
import { InflateError, InflateKernel } from "../../src/kernel/inflate.ts";
import { IO_BASE, kernelMemory, loadKernel, PAGE } from "../../src/kernel/load.ts";
import { join } from "../support/bytes.ts";

export interface InflateRun {
  readonly output: Uint8Array;
  /** `end`: the stream ended. `more`: it is in order as far as it goes. Otherwise which rule it breaks. */
  readonly verdict: string;
  /** Bytes of input that belong to the stream, if it ended. */
  readonly used: number | null;
  /** Bytes up to where a rule is broken, which only the kernel tells. */
  readonly brokenAt?: number;
}

const kernel = await InflateKernel.create();

/** Runs the kernel; `pieces` gives the size of each piece of input, all of it at once if not given. */
export function inflate(stream: Uint8Array, pieces: () => number = () => stream.length): InflateRun {
  const output: Uint8Array[] = [];
  let at = 0;
  kernel.reset();
  try {
    while (at < stream.length && !kernel.done) {
      const piece = stream.subarray(at, at + pieces());
      at += kernel.inflate(piece, 0, (bytes) => void output.push(bytes.slice()));
    }
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
    return { output: join(output), verdict: error.code, used: null, brokenAt: at + error.used };
  }
  return { output: join(output), verdict: kernel.done ? "end" : "more", used: kernel.done ? at : null };
}

/** The same by pako, whose verdicts are zlib's; it names no rules. */
export function inflateByPako(stream: Uint8Array): InflateRun {
  const strm = new ZStream();
  zlibInflateInit2(strm, -15);
  strm.input = stream;
  strm.next_in = 0;
  strm.avail_in = stream.length;
  const output: Uint8Array[] = [];
  while (true) {
    strm.output = new Uint8Array(65536);
    strm.next_out = 0;
    strm.avail_out = strm.output.length;
    const status = zlibInflate(strm, 0);
    output.push(strm.output.subarray(0, strm.next_out));
    if (status === 1) return { output: join(output), verdict: "end", used: strm.next_in };
    if (status !== 0 && status !== -5) return { output: join(output), verdict: "error", used: null };
    if (strm.avail_out > 0) return { output: join(output), verdict: "more", used: null };
  }
}

interface Exports {
  reset(): void;
  run(inPtr: number, inEnd: number, outPtr: number, outEnd: number, histPtr: number): number;
  inPos(): number;
  outPos(): number;
}

/** Of `wasm/layout.ts`. */
const SCRATCH = 0x10000;
const SCRATCH_SIZE = 0x10000;
const GUARD = 0xa5;
const WINDOW = 32768;
const OUTPUT_FULL = 1;
const DONE = 2;

/**
 * The kernel's exports on a memory that is filled with a pattern. Input lies at the very end of it, so that a load beyond
 * the input is a load beyond the memory, which traps. After each call everything must be as it was, but for the kernel's
 * tables and the output that the call had room for.
 */
export class GuardedKernel {
  readonly #kernel: Exports;
  readonly #memory: Uint8Array;
  /** What the memory should have. */
  readonly #expected: Uint8Array;
  readonly #outputEnd: number;

  private constructor(kernel: Exports, memory: Uint8Array) {
    this.#kernel = kernel;
    this.#memory = memory;
    memory.fill(GUARD);
    this.#expected = memory.slice();
    this.#outputEnd = memory.length - PAGE;
  }

  static async create(): Promise<GuardedKernel> {
    const memory = kernelMemory(3 * PAGE);
    const exports = await loadKernel("inflate", memory);
    return new GuardedKernel(exports as unknown as Exports, new Uint8Array(memory.buffer));
  }

  /**
   * @param pieces size of each piece of input, up to 32768; whatever a call leaves is given again in the next piece
   * @param rooms size of the room for output of each call, up to 32768
   * @returns what came out, and as verdict the status of the last call if negative, or `end` or `more`
   */
  inflate(stream: Uint8Array, pieces: () => number, rooms: () => number): InflateRun {
    const output: Uint8Array[] = [];
    const memory = this.#memory;
    const first = IO_BASE + 1;
    let at = 0;
    let outPtr = first;
    let status = 0;
    this.#kernel.reset();
    this.#compare("reset", IO_BASE, IO_BASE);
    while (at < stream.length || status === OUTPUT_FULL) {
      const piece = stream.subarray(at, at + pieces());
      const inPtr = memory.length - piece.length;
      this.#set(piece, inPtr);
      const room = rooms();
      if (outPtr + room > this.#outputEnd) {
        this.#set(memory.slice(outPtr - WINDOW, outPtr), first);
        outPtr = first + WINDOW;
      }
      // All that lies before is in reach, if the kernel does not know better.
      status = this.#kernel.run(inPtr, memory.length, outPtr, outPtr + room, first - 1);
      const outPos = this.#kernel.outPos();
      const inPos = this.#kernel.inPos();
      this.#compare("run", outPtr, outPtr + room);
      if (outPos < outPtr || outPos > outPtr + room) throw new Error(`outPos ${outPos} is not in the room`);
      if (inPos < inPtr || inPos > memory.length) throw new Error(`inPos is ${inPos - inPtr}`);
      output.push(memory.slice(outPtr, outPos));
      this.#expected.set(memory.subarray(outPtr, outPos), outPtr);
      memory.set(this.#expected.subarray(outPos, outPtr + room), outPos);
      outPtr = outPos;
      at += inPos - inPtr;
      if (status < 0) return { output: join(output), verdict: `${status}`, used: null, brokenAt: at };
      if (status === DONE) return { output: join(output), verdict: "end", used: at };
      if (status === 0 && inPos !== memory.length) throw new Error("input is asked for while there is some");
    }
    return { output: join(output), verdict: "more", used: null };
  }

  /**
   * Inflates `before` and then, in a call of its own, `rest`, each with room for 1000 bytes.
   * @param floor first byte that the host vouches for in the second call, counted from the first one of the stream
   * @returns the status of the second call
   */
  inflateBehind(before: Uint8Array, rest: Uint8Array, floor: number): number {
    const first = IO_BASE + 100;
    let outPtr = first;
    let status = 0;
    this.#kernel.reset();
    for (const piece of [before, rest]) {
      const inPtr = this.#memory.length - piece.length;
      this.#set(piece, inPtr);
      status = this.#kernel.run(inPtr, this.#memory.length, outPtr, outPtr + 1000, first + floor);
      this.#compare("run", outPtr, outPtr + 1000);
      this.#set(this.#memory.slice(outPtr, outPtr + 1000), outPtr);
      outPtr = this.#kernel.outPos();
    }
    return status;
  }

  #set(bytes: Uint8Array, address: number): void {
    this.#memory.set(bytes, address);
    this.#expected.set(bytes, address);
  }

  #compare(what: string, from: number, to: number): void {
    const parts = [[0, SCRATCH], [SCRATCH + SCRATCH_SIZE, from], [to, this.#memory.length]] as const;
    for (const [start, end] of parts) {
      if (start >= end) continue;
      const same = sameBytes(this.#memory.subarray(start, end), this.#expected.subarray(start, end));
      if (!same) throw new Error(`${what} wrote outside of its room, between ${start} and ${end}`);
    }
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.from(a.buffer, a.byteOffset, a.length).equals(b);
}

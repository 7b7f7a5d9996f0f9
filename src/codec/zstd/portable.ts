/**
 * The block engine in portable TypeScript.
 *
 * @module
 */

import { BlockDecoder } from "./block.ts";
import { BlockInput } from "./block_input.ts";
import type { BlockEngine, EngineFrame } from "./engine.ts";
import { History } from "./history.ts";

/** Needs nothing but the language. Memory is bounded by about two windows, and by what is really decoded. */
export class PortableEngine implements BlockEngine {
  readonly #block = new BlockDecoder();
  readonly #input = new BlockInput();
  readonly #history = new History();
  #frame: EngineFrame = { windowSize: 0, blockMax: 0 };

  resetFrame(frame: EngineFrame): void {
    this.#frame = frame;
    this.#history.resetFrame(frame.windowSize);
    this.#block.resetFrame();
  }

  reserve(size: number, blobOffset: number): void {
    this.#history.reserve(size, blobOffset);
  }

  raw(piece: Uint8Array, at: number): void {
    // Straight to where later matches look for it, even when the block comes in pieces.
    this.#history.bytes.set(piece, this.#history.position + at);
  }

  rle(byte: number, size: number): void {
    const from = this.#history.position;
    this.#history.bytes.fill(byte, from, from + size);
  }

  startCompressed(blobOffset: number): void {
    this.#input.reset(blobOffset);
  }

  append(piece: Uint8Array): void {
    this.#input.append(piece);
  }

  decode(): number {
    const { blockMax, windowSize } = this.#frame;
    return this.#block.decode(this.#input, this.#history, blockMax, windowSize);
  }

  take(size: number): Uint8Array {
    const history = this.#history;
    const from = history.position;
    history.position += size;
    return history.bytes.subarray(from, from + size);
  }
}

/**
 * Moves bytes within a memory, by the kernel of `wasm/move.ts`.
 *
 * @module
 */
import { loadKernel } from "./load.ts";

/** Moves `length` bytes; the two places may overlap. All addresses are of one memory. */
export type Move = (to: number, from: number, length: number) => void;

/** What moves bytes within `memory`. */
export async function kernelMove(memory: WebAssembly.Memory): Promise<Move> {
  return (await loadKernel("move", memory)).move as Move;
}

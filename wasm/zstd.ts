/**
 * Kernel: one compressed block of a Zstandard frame per call (RFC 8878, 3.1.1.3).
 *
 * What a block leaves behind for the next one of its frame (repeat offsets, Huffman table, FSE tables) stays in the
 * kernel. The history is the host's: a buffer that is filled from `base` on and, when it is full, from `base` on again.
 */
import { IO_BASE } from "./layout";
import { initPatterns } from "./zstd/copy";
import { EMPTY, fail } from "./zstd/errors";
import { decodeLiterals, literalsEnd, resetLiterals } from "./zstd/literals";
import { DETAILS, SCRATCH_END } from "./zstd/memory";
import { resetSequences, runSequences } from "./zstd/sequences";
import { initTables, readTables, resetTables } from "./zstd/tables";

/** Fills the tables that never change; once for a memory. */
export function init(): void {
  if (SCRATCH_END > IO_BASE) ERROR("the tables of the zstd kernel reach into the memory of its host");
  initTables();
  initPatterns();
}

/** Forgets what earlier blocks left behind: each frame starts anew. Touches no table. */
export function resetFrame(): void {
  resetLiterals();
  resetTables();
  resetSequences();
}

/**
 * Decodes the block [inAt, inEnd) to `out`: the number of bytes regenerated, or a negative error (`zstd/errors.ts`).
 *
 * The host reserves 32 bytes behind the input, which are read, and 32 bytes behind [out, out + blockMax), which are
 * overwritten; an input at `IO_BASE` or above has room enough in front of it (`zstd/memory.ts`).
 *
 * @param blockMax most bytes that the block may regenerate, at most 128 KiB
 * @param reach bytes of the frame before `out` that are at hand, at most `window`
 * @param window how far any match may reach back, in bytes
 * @param base where the lap of the history began that `out` is in: [base, out) are the bytes before `out`
 * @param lapEnd end of the lap before, whose bytes from `out + blockMax + 32` on are those before `base`; where all that
 * `reach` counts lies in this lap it is not looked at
 */
export function decodeBlock(
  inAt: usize,
  inEnd: usize,
  out: usize,
  blockMax: u32,
  reach: u32,
  window: u32,
  base: usize,
  lapEnd: usize,
): i32 {
  if (inAt >= inEnd) return fail(EMPTY);
  let error = decodeLiterals(inAt, inEnd, blockMax);
  if (error < 0) return error;
  error = readTables(literalsEnd, inEnd);
  if (error < 0) return error;
  return runSequences(inEnd, out, blockMax, reach, window, base, lapEnd);
}

/** A number for the message of the last error: 0, 1 or 2. */
export function detail(index: u32): u32 {
  return load<u32>(DETAILS + (index << 2));
}

/**
 * Bit streams that are read backwards (RFC 8878, 4.1 and 4.2.2).
 *
 * A position is the number of bits of `input.bytes` in front of it. Reading n bits moves it n down; the value is then
 * the n bits above the new position. Loops keep the position in a local variable; only the start is shared.
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";

/**
 * Position of the final-bit flag of the stream in `input.bytes[start, end)`: the highest set bit of its last byte,
 * which is not part of the data.
 *
 * @throws FormatError when the stream is empty or its last byte is zero
 */
export function lastBit(input: BlockInput, start: number, end: number, name: string): number {
  if (end <= start) throw input.corrupt(`the bit stream of the ${name} is empty`);
  const last = input.bytes[end - 1]!;
  if (last === 0) throw input.corrupt(`the bit stream of the ${name} has no final-bit flag`);
  return end * 8 - 1 - (Math.clz32(last) - 24);
}

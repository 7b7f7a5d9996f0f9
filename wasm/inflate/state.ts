/**
 * What the parts of the inflate kernel share: status codes, the format of table entries, where the tables lie, and the
 * state of the stream.
 */
import { INFLATE_BASE } from "../layout";

/** All input given has been taken, and the next item needs more. */
export const NEED_INPUT: i32 = 0;
/** The next byte has no room; input that is not used yet is given back. */
export const OUTPUT_FULL: i32 = 1;
/** The final block has ended (RFC 1951 section 3.2.3). */
export const DONE: i32 = 2;

/** One code for each rule that a stream can break; `src/kernel/inflate.ts` has the words. */
export const BLOCK_TYPE: i32 = -1;
export const STORED_LENGTH: i32 = -2;
export const TOO_MANY_CODES: i32 = -3;
export const CODE_LENGTHS_OVERSUBSCRIBED: i32 = -4;
export const CODE_LENGTHS_INCOMPLETE: i32 = -5;
export const REPEAT_WITHOUT_LENGTH: i32 = -6;
export const REPEAT_TOO_LONG: i32 = -7;
export const NO_END_OF_BLOCK: i32 = -8;
export const LITLEN_OVERSUBSCRIBED: i32 = -9;
export const LITLEN_INCOMPLETE: i32 = -10;
export const DISTANCES_OVERSUBSCRIBED: i32 = -11;
export const DISTANCES_INCOMPLETE: i32 = -12;
export const LITLEN_SYMBOL: i32 = -13;
export const DISTANCE_SYMBOL: i32 = -14;
export const DISTANCE_TOO_FAR: i32 = -15;
/** `run` was called after an error or after the end. */
export const NOT_STARTED: i32 = -16;

/*
 * An entry of a decoding table has 32 bits:
 *
 *      0-5   bits to drop: code and extra bits together, or for a pointer the width of the main table
 *      6-7   zero
 *      8-11  length of the code (within a subtable, what lies beyond the main table's width); for a pointer, width of
 *            its subtable
 *      12    POINTER: 16-28 is the place of a subtable
 *      13    END_OF_BLOCK
 *      15    SPECIAL: one of the above, or else a code that must not occur
 *      16-30 literal, base of a length, base of a distance, or a place in the table
 *      31    LITERAL
 *
 * Shifts take their count modulo 64, so that an entry is its own shift count, and a bit count from which whole entries
 * were subtracted is right in its low eight bits.
 */
export const LITERAL: u32 = 0x8000_0000;
export const SPECIAL: u32 = 0x8000;
export const END_OF_BLOCK: u32 = 0x2000;
export const POINTER: u32 = 0x1000;

/** Width of the main tables in bits. Measured: 10 and 9 make no difference beyond 1 %. */
export const LITLEN_BITS: u32 = 11;
export const DISTANCE_BITS: u32 = 8;
/** A code length code has at most 7 bits, so it never has subtables. */
export const CODE_LENGTH_BITS: u32 = 7;

/*
 * Tables: main table, then subtables. Those are only built for complete codes, where each holds two codes at least, so
 * that 286 literal/length codes make at most 143 of 2^4 entries, and 30 distance codes at most 15 of 2^7. All that follows takes
 * 38 KiB of the 64 that the kernel has.
 */
export const LITLEN: usize = INFLATE_BASE;
export const DISTANCE: usize = LITLEN + 4 * (2048 + 143 * 16);
export const CODE_LENGTH: usize = DISTANCE + 4 * (256 + 15 * 128);
/** Those of fixed blocks (RFC 1951 section 3.2.6), which have no subtables, to be copied. */
export const FIXED_LITLEN: usize = CODE_LENGTH + 4 * 128;
export const FIXED_DISTANCE: usize = FIXED_LITLEN + 4 * 2048;
/** What each symbol puts into its entry, before the length of its code is added. */
export const LITLEN_BASES: usize = FIXED_DISTANCE + 4 * 256;
export const DISTANCE_BASES: usize = LITLEN_BASES + 4 * 288;
export const CODE_LENGTH_BASES: usize = DISTANCE_BASES + 4 * 32;
/**
 * For each distance below 16, 16 byte indices that repeat its first bytes. There is no distance 0: its row has, for
 * each distance, the largest multiple of it that is at most 16.
 */
export const PATTERNS: usize = CODE_LENGTH_BASES + 4 * 20;
/** A byte for each code length that a block header gives: at most 286 + 30, of a fixed block 288 + 32; and a margin. */
export const LENGTHS: usize = PATTERNS + 16 * 16;
/** Those of the code length code. */
export const PRECODE_LENGTHS: usize = LENGTHS + 320 + 16;
/** How many codes have each length, and where those go in SORTED: 16 x u32 each. */
export const COUNTS: usize = PRECODE_LENGTHS + 20;
export const OFFSETS: usize = COUNTS + 64;
/** Symbols by length of their code: 288 x u16. */
export const SORTED: usize = OFFSETS + 64;

/** What is to be read next. */
export const enum Mode {
  NONE,
  BLOCK,
  STORED_SIZE,
  STORED,
  SIZES,
  PRECODE,
  CODE_LENGTHS,
  SYMBOLS,
}

/** The stream, and where a call has got to. */
export namespace state {
  export let mode: Mode = Mode.NONE;
  export let finalBlock: bool = false;
  /**
   * Bits taken from the input and not used, the next one lowest; those above `bitCount` are zero between the steps.
   *
   * When NEED_INPUT is returned, these are fewer than the next item needs. So whatever is decoded next uses them all,
   * and whole bytes left over afterwards belong to the piece of input at hand: they can be given back to it.
   */
  export let bits: u64 = 0;
  export let bitCount: u32 = 0;
  /** Addresses of the next byte to take and to write. */
  export let input: usize = 0;
  export let output: usize = 0;
  export let inputEnd: usize = 0;
  export let outputEnd: usize = 0;
  /** First address a match may copy from. */
  export let floor: usize = 0;
  /** Bytes of the stream before this call, as far as matches can reach: at most 32768. */
  export let history: u32 = 0;
  /** Rest of a stored block, or of a match that met the end of the output. */
  export let pending: u32 = 0;
  export let distance: u32 = 0;
  /** Header of a dynamic block: numbers of codes, and how many lengths have been read. */
  export let litlenCodes: u32 = 0;
  export let distanceCodes: u32 = 0;
  export let precodeCodes: u32 = 0;
  export let lengthsRead: u32 = 0;
}

/** Takes input until there are 56 bits at least, or none is left; `bitCount` is at most 63, before and after. */
export function takeInput(): void {
  if (state.inputEnd - state.input >= 8) {
    const bytes = (63 - state.bitCount) >> 3;
    state.bits |= load<u64>(state.input) << state.bitCount;
    state.input += bytes;
    state.bitCount += bytes << 3;
    state.bits &= (<u64>1 << state.bitCount) - 1;
    return;
  }
  while (state.bitCount < 56 && state.input < state.inputEnd) {
    state.bits |= <u64>load<u8>(state.input++) << state.bitCount;
    state.bitCount += 8;
  }
}

/** Whether there are `count` bits, at most 56. */
// @ts-ignore: decorator
@inline
export function hasBits(count: u32): bool {
  if (state.bitCount < count) takeInput();
  return state.bitCount >= count;
}

// @ts-ignore: decorator
@inline
export function dropBits(count: u32): void {
  state.bits >>= count;
  state.bitCount -= count;
}

/** The low `count` bits, dropped; `count` is below 32 and they are there. */
// @ts-ignore: decorator
@inline
export function readBits(count: u32): u32 {
  const value = <u32>state.bits & ((1 << count) - 1);
  dropBits(count);
  return value;
}

/**
 * Gives whole bytes back to the input, but never more than this call took: what came with an earlier piece stays.
 * @param start where this call's input began
 */
// @ts-ignore: decorator
@inline
export function giveBack(start: usize): void {
  const bytes = min<u32>(state.bitCount >> 3, <u32>(state.input - start));
  state.input -= bytes;
  state.bitCount -= bytes << 3;
  state.bits &= (<u64>1 << state.bitCount) - 1;
}

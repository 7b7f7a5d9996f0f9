/** What can be wrong with a block: one code per rule. `src/kernel/zstd.ts` has the sentences, by the same numbers. */
import { DETAILS } from "./memory";

export const EMPTY = 1;
export const LITERALS_HEADER = 2;
export const TOO_MANY_LITERALS = 3;
export const LITERALS_BEHIND = 4;
export const RAW_BEHIND = 5;
export const LITERALS_CUT = 6;
export const TREELESS = 7;
export const HUFFMAN_MISSING = 8;
export const HUFFMAN_CUT = 9;
export const FSE_CUT = 10;
export const FSE_ACCURACY = 11;
export const FSE_SYMBOL = 12;
export const STREAM_EMPTY = 13;
export const STREAM_NO_FLAG = 14;
export const WEIGHTS_SHORT = 15;
export const WEIGHTS_MANY = 16;
export const WEIGHT_LARGE = 17;
export const WEIGHTS_ZERO = 18;
export const CODE_LONG = 19;
export const CODE_INCOMPLETE = 20;
export const FEW_FOR_FOUR = 21;
export const JUMP_CUT = 22;
export const JUMP_BEHIND = 23;
export const LITERALS_SHORT = 24;
export const LITERALS_LEFT = 25;
export const SEQUENCES_HEADER = 26;
export const LEFT_OVER = 27;
export const RESERVED_MODE = 28;
export const TABLE_CUT = 29;
export const CODE_LARGE = 30;
export const NO_REPEAT = 31;
export const SEQUENCES_SHORT = 32;
export const OFFSET_ANY_WINDOW = 33;
export const OFFSET_ZERO = 34;
export const OFFSET_WINDOW = 35;
export const OFFSET_FRAME = 36;
export const SEQUENCES_LITERALS = 37;
export const BLOCK_MAX = 38;
export const SEQUENCES_LEFT = 39;

/** Kinds of bit streams, first detail of `STREAM_EMPTY` and `STREAM_NO_FLAG`. */
export const OF_LITERALS = 0;
export const OF_WEIGHTS = 1;
export const OF_SEQUENCES = 2;

/** The result for a broken rule, with the numbers of its message. */
export function fail(code: i32, a: u32 = 0, b: u32 = 0, c: u32 = 0): i32 {
  store<u32>(DETAILS, a);
  store<u32>(DETAILS, b, 4);
  store<u32>(DETAILS, c, 8);
  return -code;
}

/**
 * Where the zstd kernel keeps what it needs, between `ZSTD_BASE` and `IO_BASE`; and what it promises about memory.
 *
 * Stores go to these tables and to the output of a block, with at most 32 bytes behind it. Loads may also touch what
 * lies around the input: 32 bytes behind it, and up to `MAX_OVERRUN` bytes in front of it, where a bit stream turns out
 * to be too short. What is found there changes no verdict, so that nobody need clear it. Both lie inside the memory,
 * since the input is above `IO_BASE`, which is larger.
 */
import { ZSTD_BASE } from "../layout";

/** 4096 sequences of 89 bits, see `sequences.ts`. */
export const MAX_OVERRUN: u32 = 45568;

/** Decoding tables of FSE: 512, 512 and 256 entries of 8 bytes, see `fse.ts`. */
export const LL_TABLE: usize = ZSTD_BASE;
export const ML_TABLE: usize = LL_TABLE + 4096;
export const OF_TABLE: usize = ML_TABLE + 4096;
/** Table of the Huffman weights: 64 entries. */
export const WEIGHT_TABLE: usize = OF_TABLE + 2048;

/** The predefined tables: 64, 64 and 32 entries. */
export const LL_PREDEFINED: usize = WEIGHT_TABLE + 512;
export const ML_PREDEFINED: usize = LL_PREDEFINED + 512;
export const OF_PREDEFINED: usize = ML_PREDEFINED + 512;

/** Per code, extra bits and base as an entry holds them: 36, 53 and 32 of 8 bytes; 256 for the weights. */
export const LL_CODES: usize = OF_PREDEFINED + 256;
export const ML_CODES: usize = LL_CODES + 288;
export const OF_CODES: usize = ML_CODES + 432;
export const WEIGHT_CODES: usize = OF_CODES + 256;

/** Probabilities of an FSE table, 256 of 2 bytes, and the symbol of each cell, 512 bytes. */
export const PROBABILITIES: usize = WEIGHT_CODES + 2048;
export const CELLS: usize = PROBABILITIES + 512;
/** Next number of each symbol's cells, 256 of 2 bytes. */
export const NEXT: usize = CELLS + 512;

/** Huffman weights, 256 bytes; then what is counted per weight, 16 of 4 bytes each. */
export const WEIGHTS: usize = NEXT + 512;
export const RANK_COUNT: usize = WEIGHTS + 256;
export const RANK_START: usize = RANK_COUNT + 64;
/** 2048 entries of 2 bytes, see `huffman.ts`. */
export const HUFFMAN_TABLE: usize = RANK_START + 64;

/** Rows for matches at distances 1 to 15, see `copy.ts`: 16 rows of 16 bytes, and 16 step widths of 1 byte. */
export const PATTERNS: usize = HUFFMAN_TABLE + 4096;
export const STEPS: usize = PATTERNS + 256;

/** Numbers for the error message: three of 4 bytes. */
export const DETAILS: usize = STEPS + 16;

/** 128 KiB of literals and 32 bytes that copies in steps may read too much. */
export const LITERALS: usize = DETAILS + 16;
export const SCRATCH_END: usize = LITERALS + 0x20000 + 32;

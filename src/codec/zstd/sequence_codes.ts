/**
 * The three alphabets of the sequences section: baselines, extra bits and predefined distributions
 * (RFC 8878, 3.1.1.3.2.1 and 3.1.1.3.2.2).
 *
 * @module
 */

import { buildFseTable, FseDistribution, FseTable } from "./fse.ts";

/** What is fixed for one of the alphabets. */
export interface CodeKind {
  /** For error messages. */
  readonly name: string;
  readonly maxSymbol: number;
  readonly maxAccuracyLog: number;
  readonly extraBits: Uint8Array;
  readonly predefined: FseTable;
}

function predefinedTable(
  accuracyLog: number,
  probabilities: readonly number[],
  extraBits: Uint8Array,
): FseTable {
  const distribution = new FseDistribution();
  distribution.probabilities.set(probabilities);
  distribution.symbolCount = probabilities.length;
  distribution.accuracyLog = accuracyLog;
  const table = new FseTable();
  buildFseTable(distribution, extraBits, table);
  return table;
}

/** Baseline of each code: the least value that it stands for, where each code covers 2^extraBits values. */
function baselines(first: number, extraBits: Uint8Array): Int32Array {
  const out = new Int32Array(extraBits.length);
  let next = first;
  for (let code = 0; code < extraBits.length; code++) {
    out[code] = next;
    next += 2 ** extraBits[code]!;
  }
  return out;
}

// deno-fmt-ignore
const LITERAL_LENGTH_EXTRA = Uint8Array.of(
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
);

// deno-fmt-ignore
const MATCH_LENGTH_EXTRA = Uint8Array.of(
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
);

/** An offset code is its own number of extra bits: value = 2^code + extra. */
const OFFSET_EXTRA = Uint8Array.from({ length: 32 }, (_, code) => code);

/** Baselines of literal length codes; table "Literals_Length_Code". */
export const LITERAL_LENGTH_BASE: Int32Array = baselines(0, LITERAL_LENGTH_EXTRA);

/** Baselines of match length codes; table "Match_Length_Code". */
export const MATCH_LENGTH_BASE: Int32Array = baselines(3, MATCH_LENGTH_EXTRA);

// deno-fmt-ignore
export const LITERAL_LENGTHS: CodeKind = {
  name: "literal length",
  maxSymbol: 35,
  maxAccuracyLog: 9,
  extraBits: LITERAL_LENGTH_EXTRA,
  predefined: predefinedTable(6, [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1,
    2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
  ], LITERAL_LENGTH_EXTRA),
};

// deno-fmt-ignore
export const MATCH_LENGTHS: CodeKind = {
  name: "match length",
  maxSymbol: 52,
  maxAccuracyLog: 9,
  extraBits: MATCH_LENGTH_EXTRA,
  predefined: predefinedTable(6, [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
  ], MATCH_LENGTH_EXTRA),
};

// deno-fmt-ignore
export const OFFSETS: CodeKind = {
  name: "offset",
  maxSymbol: 31,
  maxAccuracyLog: 8,
  extraBits: OFFSET_EXTRA,
  predefined: predefinedTable(5, [
    1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
  ], OFFSET_EXTRA),
};

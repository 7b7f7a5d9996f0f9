/** The three tables of the sequences section (RFC 8878, 3.1.1.3.2.1 and 3.1.1.3.2.2), in force until the next ones. */
import { CODE_LARGE, fail, LEFT_OVER, NO_REPEAT, RESERVED_MODE, SEQUENCES_HEADER, TABLE_CUT } from "./errors";
import { accuracyLog, buildTable, descriptionEnd, readDistribution, setDistribution } from "./fse";
import {
  LL_CODES,
  LL_PREDEFINED,
  LL_TABLE,
  ML_CODES,
  ML_PREDEFINED,
  ML_TABLE,
  OF_CODES,
  OF_PREDEFINED,
  OF_TABLE,
  PROBABILITIES,
  WEIGHT_CODES,
} from "./memory";

const PREDEFINED = 0;
const RLE = 1;
const FSE_COMPRESSED = 2;

const LONG_COUNT: u32 = 0x7f00;

/** Kinds of tables, as the messages have them. */
const LITERAL_LENGTH = 0;
const OFFSET = 1;
const MATCH_LENGTH = 2;

/** Number of sequences of the block, and where their bit stream starts. */
export let sequenceCount: u32 = 0;
export let streamAt: usize = 0;
/** Accuracy logs of the tables in force. */
export let llLog: u32 = 0;
export let ofLog: u32 = 0;
export let mlLog: u32 = 0;

let canRepeat: bool = false;
/** Whether what stands in a table is the predefined one, which short frames then need not copy again. */
let llPredefined: bool = false;
let ofPredefined: bool = false;
let mlPredefined: bool = false;

export function resetTables(): void {
  canRepeat = false;
}

/** Fills what does not depend on the input: codes and predefined tables. */
export function initTables(): void {
  let base: u32 = 0;
  for (let code: u32 = 0; code < 36; code++) {
    // Extra bits of codes 16 to 24; from 25 on they go up by one.
    const extra: u32 = code < 16 ? 0 : code < 25 ? <u32>(0x433221111 >> <u64>(4 * (code - 16))) & 15 : code - 19;
    store<u64>(LL_CODES + (<usize>code << 3), <u64>base << 32 | extra << 8);
    base += 1 << extra;
  }
  base = 3;
  for (let code: u32 = 0; code < 53; code++) {
    // Codes 32 to 42; from 43 on they go up by one.
    const extra: u32 = code < 32 ? 0 : code < 43 ? <u32>(0x54433221111 >> <u64>(4 * (code - 32))) & 15 : code - 36;
    store<u64>(ML_CODES + (<usize>code << 3), <u64>base << 32 | extra << 8);
    base += 1 << extra;
  }
  for (let code: u32 = 0; code < 32; code++) {
    store<u64>(OF_CODES + (<usize>code << 3), <u64>(<u32>1 << code) << 32 | code << 8);
  }
  for (let symbol: u32 = 0; symbol < 256; symbol++) store<u64>(WEIGHT_CODES + (<usize>symbol << 3), <u64>symbol << 32);

  // Probabilities plus 1, a hex digit each, the first in the lowest.
  digits(0x2223333333333345, 0);
  digits(0x2222234333333333, 16);
  digits(0x0000, 32);
  setDistribution(6, 36);
  buildTable(LL_PREDEFINED, LL_CODES);
  digits(0x2222222333333452, 0);
  digits(0x2222222222222222, 16);
  digits(0x0022222222222222, 32);
  digits(0x00000, 48);
  setDistribution(6, 53);
  buildTable(ML_PREDEFINED, ML_CODES);
  digits(0x2222222333222222, 0);
  digits(0x0000022222222, 16);
  setDistribution(5, 29);
  buildTable(OF_PREDEFINED, OF_CODES);
}

function digits(value: u64, first: u32): void {
  for (let i: u32 = 0; i < 16; i++, value >>= 4) {
    store<i16>(PROBABILITIES + (<usize>(first + i) << 1), <i16>(value & 15) - 1);
  }
}

/** Reads the section head at `at`; 0 or an error. */
export function readTables(at: usize, end: usize): i32 {
  const first: u32 = at < end ? load<u8>(at) : 0;
  const headerSize: u32 = first < 128 ? 1 : first < 255 ? 2 : 3;
  if (at + headerSize > end) return fail(SEQUENCES_HEADER);
  sequenceCount = first < 128
    ? first
    : first < 255
    ? ((first - 128) << 8) + load<u8>(at, 1)
    : <u32>load<u16>(at, 1) + LONG_COUNT;
  at += headerSize;
  if (sequenceCount == 0) return at == end ? 0 : fail(LEFT_OVER, <u32>(end - at));
  if (at >= end) return fail(SEQUENCES_HEADER);
  const modes = <u32>load<u8>(at++);
  if ((modes & 3) != 0) return fail(RESERVED_MODE);
  streamAt = at;

  let mode = modes >> 6;
  if (mode != PREDEFINED || !llPredefined) {
    const log = readTable(mode, LITERAL_LENGTH, end, 35, 9, LL_TABLE, LL_CODES, LL_PREDEFINED, 6, llLog);
    if (log < 0) return log;
    llLog = log;
    if (mode != 3) llPredefined = mode == PREDEFINED;
  }
  mode = (modes >> 4) & 3;
  if (mode != PREDEFINED || !ofPredefined) {
    const log = readTable(mode, OFFSET, end, 31, 8, OF_TABLE, OF_CODES, OF_PREDEFINED, 5, ofLog);
    if (log < 0) return log;
    ofLog = log;
    if (mode != 3) ofPredefined = mode == PREDEFINED;
  }
  mode = (modes >> 2) & 3;
  if (mode != PREDEFINED || !mlPredefined) {
    const log = readTable(mode, MATCH_LENGTH, end, 52, 9, ML_TABLE, ML_CODES, ML_PREDEFINED, 6, mlLog);
    if (log < 0) return log;
    mlLog = log;
    if (mode != 3) mlPredefined = mode == PREDEFINED;
  }
  canRepeat = true;
  return 0;
}

/** Puts one table in force, from `streamAt` on, which it moves: the accuracy log or an error. */
function readTable(
  mode: u32,
  kind: u32,
  end: usize,
  maxSymbol: u32,
  maxLog: u32,
  table: usize,
  codes: usize,
  predefined: usize,
  predefinedLog: u32,
  log: u32,
): i32 {
  if (mode == PREDEFINED) {
    memory.copy(table, predefined, <usize>8 << predefinedLog);
    return predefinedLog;
  }
  if (mode == RLE) {
    if (streamAt >= end) return fail(TABLE_CUT, kind);
    const symbol = <u32>load<u8>(streamAt++);
    if (symbol > maxSymbol) return fail(CODE_LARGE, kind, symbol, maxSymbol);
    store<u64>(table, load<u64>(codes + (<usize>symbol << 3)));
    return 0;
  }
  if (mode == FSE_COMPRESSED) {
    const error = readDistribution(streamAt, end, maxLog, maxSymbol);
    if (error < 0) return error;
    streamAt = descriptionEnd;
    buildTable(table, codes);
    return accuracyLog;
  }
  return canRepeat ? log : fail(NO_REPEAT, kind);
}

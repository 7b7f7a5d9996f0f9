/**
 * Finite State Entropy tables (RFC 8878, 4.1).
 *
 * An entry has 8 bytes, one load for all that a state gives: number of bits of the next state (byte 0), number of extra
 * bits of the code (byte 1), base of the next state (bytes 2 and 3), base of the value (bytes 4 to 7). Shifts of 64
 * bits look at their count modulo 64 only, so that an entry is itself the shift count for the state bits, and shifted
 * by 8 for the extra bits.
 */
import { FSE_ACCURACY, FSE_CUT, FSE_SYMBOL, fail } from "./errors";
import { CELLS, NEXT, PROBABILITIES } from "./memory";

/** Of the last description that was read. */
export let accuracyLog: u32 = 0;
export let symbolCount: u32 = 0;
export let descriptionEnd: usize = 0;

/** Sets a distribution that was not read. */
export function setDistribution(log: u32, count: u32): void {
  accuracyLog = log;
  symbolCount = count;
}

/**
 * Reads a table description (RFC 8878, 4.1.1) in [at, limit) into `PROBABILITIES`; 0 or an error.
 *
 * Loads at most 8 bytes from a byte on that lies in front of `limit + 4`: each value takes 11 bits at most and each
 * flag 2, and both are followed by a look at the limit.
 */
export function readDistribution(at: usize, limit: usize, maxLog: u32, maxSymbol: u32): i32 {
  if (at >= limit) return fail(FSE_CUT);
  const log = (<u32>load<u8>(at) & 15) + 5;
  if (log > maxLog) return fail(FSE_ACCURACY, log, maxLog);
  const bitLimit = <u32>(limit - at) << 3;
  let bit: u32 = 4;
  let remaining: i32 = 1 << log;
  let symbol: u32 = 0;
  while (remaining > 0) {
    if (symbol > maxSymbol) return fail(FSE_SYMBOL, maxSymbol);
    // Values up to `remaining + 1` take as few bits as possible; the lowest of them take one bit less.
    const max = remaining + 1;
    const width = 32 - clz<i32>(max);
    const shortCount = (1 << width) - 1 - max;
    const word = load<u32>(at + (bit >> 3)) >> (bit & 7);
    let value: i32 = word & ((1 << (width - 1)) - 1);
    if (value < shortCount) {
      bit += width - 1;
    } else {
      value = word & ((1 << width) - 1);
      if (value >= 1 << (width - 1)) value -= shortCount;
      bit += width;
    }
    const probability = value - 1;
    store<i16>(PROBABILITIES + (<usize>symbol << 1), <i16>probability);
    symbol++;
    remaining -= probability < 0 ? 1 : probability;
    if (probability == 0) {
      // Two-bit flags tell how many more symbols have probability zero; 3 means that another flag follows.
      let repeat: u32 = 3;
      while (repeat == 3) {
        repeat = (load<u32>(at + (bit >> 3)) >> (bit & 7)) & 3;
        bit += 2;
        if (bit > bitLimit) return fail(FSE_CUT);
        if (symbol + repeat > maxSymbol + 1) return fail(FSE_SYMBOL, maxSymbol);
        for (let i: u32 = 0; i < repeat; i++, symbol++) store<i16>(PROBABILITIES + (<usize>symbol << 1), 0);
      }
    }
    if (bit > bitLimit) return fail(FSE_CUT);
  }
  accuracyLog = log;
  symbolCount = symbol;
  descriptionEnd = at + ((bit + 7) >> 3);
  return 0;
}

/**
 * Builds the decoding table of the distribution (RFC 8878, 4.1.1). Its probabilities add up to the table size.
 *
 * @param codes what entries hold of each symbol: extra bits and base
 */
export function buildTable(table: usize, codes: usize): void {
  const log = accuracyLog;
  const count = symbolCount;
  const size: u32 = 1 << log;
  const mask = size - 1;
  let high: i32 = mask;
  for (let symbol: u32 = 0; symbol < count; symbol++) {
    const probability = <i32>load<i16>(PROBABILITIES + (<usize>symbol << 1));
    if (probability < 0) store<u8>(CELLS + high--, symbol);
    store<u16>(NEXT + (<usize>symbol << 1), probability < 0 ? 1 : probability);
  }
  const step = (size >> 1) + (size >> 3) + 3;
  let cell: u32 = 0;
  for (let symbol: u32 = 0; symbol < count; symbol++) {
    for (let n = <i32>load<i16>(PROBABILITIES + (<usize>symbol << 1)); n > 0; n--) {
      store<u8>(CELLS + cell, symbol);
      do cell = (cell + step) & mask; while (<i32>cell > high);
    }
  }
  for (let state: u32 = 0; state < size; state++) {
    const symbol = <usize>load<u8>(CELLS + state);
    const next = <u32>load<u16>(NEXT + (symbol << 1));
    store<u16>(NEXT + (symbol << 1), next + 1);
    const bits = log - (31 - clz<u32>(next));
    const entry = load<u64>(codes + (symbol << 3)) | <u64>(bits | ((next << bits) - size) << 16);
    store<u64>(table + (<usize>state << 3), entry);
  }
}

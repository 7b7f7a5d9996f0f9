/**
 * Finite State Entropy tables: the coded distribution and the decoding table built from it (RFC 8878, 4.1).
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";

/** Largest accuracy log of any table: literal lengths and match lengths (RFC 8878, 3.1.1.3.2.1). */
const MAX_ACCURACY_LOG = 9;

/**
 * A decoding table. An entry packs, from bit 0: the base of the next state (9 bits), the number of bits to add to it
 * (4 bits), the symbol (8 bits) and the number of extra bits that the symbol takes (5 bits), so that one load per
 * state gives all.
 */
export class FseTable {
  readonly entries: Int32Array = new Int32Array(1 << MAX_ACCURACY_LOG);
  accuracyLog = 0;
}

/** A distribution as read from a table description; one is reused for all tables. */
export class FseDistribution {
  /** Probability per symbol in cells of the table; -1 stands for "less than 1". */
  readonly probabilities: Int16Array = new Int16Array(256);
  symbolCount = 0;
  accuracyLog = 0;
  /** Index of the first input byte behind the description. */
  end = 0;
}

/** Where each symbol stands while its cells are numbered; scratch of `buildFseTable`. */
const nextOfSymbol = new Int32Array(256);
const symbolOfCell = new Uint8Array(1 << MAX_ACCURACY_LOG);

/**
 * Reads a table description (RFC 8878, 4.1.1) from `input.bytes[at, limit)` into `out`.
 *
 * @throws FormatError when the accuracy or a symbol is over its limit, or the description does not end in `limit`
 */
export function readDistribution(
  input: BlockInput,
  at: number,
  limit: number,
  maxAccuracyLog: number,
  maxSymbol: number,
  out: FseDistribution,
): void {
  if (at >= limit) throw input.corrupt("an FSE table description is cut off");
  const accuracyLog = (input.bytes[at]! & 15) + 5;
  if (accuracyLog > maxAccuracyLog) {
    throw input.corrupt(`an FSE table has accuracy log ${accuracyLog}, at most ${maxAccuracyLog} is allowed`);
  }
  const bitLimit = limit * 8;
  let bit = at * 8 + 4;
  let remaining = 1 << accuracyLog;
  let symbol = 0;
  while (remaining > 0) {
    if (symbol > maxSymbol) throw input.corrupt(`an FSE table holds a symbol over ${maxSymbol}`);
    // Values up to `remaining + 1` take as few bits as possible; the lowest of them take one bit less.
    const max = remaining + 1;
    const width = 32 - Math.clz32(max);
    const shortCount = (1 << width) - 1 - max;
    const word = input.view.getUint32(bit >>> 3, true) >>> (bit & 7);
    let value = word & ((1 << (width - 1)) - 1);
    if (value < shortCount) {
      bit += width - 1;
    } else {
      value = word & ((1 << width) - 1);
      if (value >= 1 << (width - 1)) value -= shortCount;
      bit += width;
    }
    const probability = value - 1;
    out.probabilities[symbol++] = probability;
    remaining -= probability < 0 ? 1 : probability;
    if (probability === 0) {
      // Two-bit flags tell how many more symbols have probability zero; 3 means that another flag follows.
      let repeat = 3;
      while (repeat === 3) {
        repeat = (input.view.getUint32(bit >>> 3, true) >>> (bit & 7)) & 3;
        bit += 2;
        if (bit > bitLimit) throw input.corrupt("an FSE table description is cut off");
        if (symbol + repeat > maxSymbol + 1) {
          throw input.corrupt(`an FSE table holds a symbol over ${maxSymbol}`);
        }
        for (let i = 0; i < repeat; i++) out.probabilities[symbol++] = 0;
      }
    }
    if (bit > bitLimit) throw input.corrupt("an FSE table description is cut off");
  }
  out.symbolCount = symbol;
  out.accuracyLog = accuracyLog;
  out.end = (bit + 7) >>> 3;
}

/**
 * Builds the decoding table of a distribution (RFC 8878, 4.1.1, "From Normalized Distribution to Decoding Tables").
 * The probabilities add up to the table size, as `readDistribution` has seen to it.
 *
 * @param extraBits extra bits per symbol, or null where symbols have none
 */
export function buildFseTable(
  distribution: FseDistribution,
  extraBits: Uint8Array | null,
  out: FseTable,
): void {
  const { probabilities, symbolCount, accuracyLog } = distribution;
  const size = 1 << accuracyLog;
  const mask = size - 1;
  let high = mask;
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const probability = probabilities[symbol]!;
    if (probability < 0) {
      symbolOfCell[high--] = symbol;
      nextOfSymbol[symbol] = 1;
    } else {
      nextOfSymbol[symbol] = probability;
    }
  }
  const step = (size >>> 1) + (size >>> 3) + 3;
  let cell = 0;
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    for (let n = probabilities[symbol]!; n > 0; n--) {
      symbolOfCell[cell] = symbol;
      do cell = (cell + step) & mask; while (cell > high);
    }
  }
  for (let state = 0; state < size; state++) {
    const symbol = symbolOfCell[state]!;
    const next = nextOfSymbol[symbol]!++;
    const bits = accuracyLog - 31 + Math.clz32(next);
    const extra = extraBits === null ? 0 : extraBits[symbol]!;
    out.entries[state] = ((next << bits) - size) | (bits << 9) | (symbol << 13) | (extra << 21);
  }
  out.accuracyLog = accuracyLog;
}

/** Makes the table of one symbol that takes no bits (RLE_Mode; RFC 8878, 3.1.1.3.2.1). */
export function buildRleTable(symbol: number, extraBits: Uint8Array, out: FseTable): void {
  out.entries[0] = (symbol << 13) | (extraBits[symbol]! << 21);
  out.accuracyLog = 0;
}

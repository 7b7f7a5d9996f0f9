/**
 * Huffman tables of the literals section, from their weights (RFC 8878, 4.2.1).
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";
import { buildFseTable, FseDistribution, FseTable, readDistribution } from "./fse.ts";
import { lastBit } from "./bits.ts";

/** Longest code (RFC 8878, 4.2.1). Tables are always this wide, so that their index shift is a constant. */
export const MAX_CODE_LENGTH = 11;

/** Accuracy limit of the table that codes the weights (RFC 8878, 4.2.1.2). */
const MAX_WEIGHT_ACCURACY_LOG = 6;

/** Weights that a description may list; the weight of the last symbol follows from the others. */
const MAX_WEIGHTS = 255;

/** A decoding table: entry = symbol | code length << 8, indexed by the next 11 bits. */
export class HuffmanTable {
  readonly entries: Uint16Array = new Uint16Array(1 << MAX_CODE_LENGTH);
}

const weights = new Uint8Array(MAX_WEIGHTS + 1);
const rankStart = new Int32Array(MAX_CODE_LENGTH + 2);
const rankCount = new Int32Array(MAX_CODE_LENGTH + 2);
const distribution = new FseDistribution();
const weightTable = new FseTable();

/**
 * Reads a Huffman tree description at `at` and fills `table`.
 *
 * @returns index of the first byte behind the description
 * @throws FormatError when the weights are cut off or do not form a complete code of at most 11 bits
 */
export function readHuffmanTable(input: BlockInput, at: number, limit: number, table: HuffmanTable): number {
  if (at >= limit) throw input.corrupt("the Huffman table description is missing");
  const header = input.bytes[at++]!;
  let count: number;
  let end: number;
  if (header >= 128) {
    // Weights of 4 bits each, the first in the high half (RFC 8878, 4.2.1.1).
    count = header - 127;
    end = at + ((count + 1) >>> 1);
    if (end > limit) throw input.corrupt("the Huffman table description is cut off");
    for (let i = 0; i < count; i++) {
      const pair = input.bytes[at + (i >>> 1)]!;
      weights[i] = (i & 1) === 0 ? pair >>> 4 : pair & 15;
    }
  } else {
    end = at + header;
    if (end > limit) throw input.corrupt("the Huffman table description is cut off");
    count = readFseWeights(input, at, end);
  }
  fillTable(input, count, table);
  return end;
}

/**
 * Decodes weights with two interleaved FSE states (RFC 8878, 4.2.1.2). There is no count: the weights end when a
 * state update needs more bits than are left, and the other state then gives the last weight.
 */
function readFseWeights(input: BlockInput, at: number, end: number): number {
  readDistribution(input, at, end, MAX_WEIGHT_ACCURACY_LOG, 255, distribution);
  buildFseTable(distribution, null, weightTable);
  const low = distribution.end * 8;
  let bit = lastBit(input, distribution.end, end, "Huffman weights");
  const { entries, accuracyLog } = weightTable;
  const read = (count: number): number => {
    bit -= count;
    return (input.view.getUint32(bit >>> 3, true) >>> (bit & 7)) & ((1 << count) - 1);
  };
  let state = read(accuracyLog);
  let other = read(accuracyLog);
  if (bit < low) throw input.corrupt("the bit stream of the Huffman weights is too short");
  let count = 0;
  for (;;) {
    if (count > MAX_WEIGHTS - 2) throw input.corrupt(`there are more than ${MAX_WEIGHTS} Huffman weights`);
    const entry = entries[state]!;
    weights[count++] = (entry >>> 13) & 255;
    const next = (entry & 511) + read((entry >>> 9) & 15);
    state = other;
    other = next;
    if (bit < low) {
      weights[count++] = (entries[state]! >>> 13) & 255;
      return count;
    }
  }
}

/** Derives the last weight and lays the codes out: longest first, equal lengths in symbol order (RFC 8878, 4.2.1). */
function fillTable(input: BlockInput, count: number, table: HuffmanTable): void {
  rankCount.fill(0);
  let sum = 0;
  for (let symbol = 0; symbol < count; symbol++) {
    const weight = weights[symbol]!;
    if (weight > MAX_CODE_LENGTH) {
      throw input.corrupt(`a Huffman weight is ${weight}, at most ${MAX_CODE_LENGTH} is allowed`);
    }
    rankCount[weight]!++;
    if (weight > 0) sum += 1 << (weight - 1);
  }
  if (sum === 0) throw input.corrupt("all Huffman weights are zero");
  const length = 32 - Math.clz32(sum);
  if (length > MAX_CODE_LENGTH) {
    throw input.corrupt(
      `the longest Huffman code has ${length} bits, at most ${MAX_CODE_LENGTH} are allowed`,
    );
  }
  const rest = (1 << length) - sum;
  if ((rest & (rest - 1)) !== 0) throw input.corrupt("the Huffman weights do not form a complete code");
  const lastWeight = 32 - Math.clz32(rest);
  weights[count] = lastWeight;
  rankCount[lastWeight]!++;
  // A complete code that starts from `length` bits has at least two codes of that length.
  if (rankCount[1]! < 2) throw input.corrupt("the Huffman weights do not form a complete code");

  const scale = MAX_CODE_LENGTH - length;
  let start = 0;
  for (let weight = 1; weight <= length; weight++) {
    rankStart[weight] = start;
    start += rankCount[weight]! << (weight - 1 + scale);
  }
  for (let symbol = 0; symbol <= count; symbol++) {
    const weight = weights[symbol]!;
    if (weight === 0) continue;
    const from = rankStart[weight]!;
    const to = from + (1 << (weight - 1 + scale));
    const entry = symbol | ((length + 1 - weight) << 8);
    for (let i = from; i < to; i++) table.entries[i] = entry;
    rankStart[weight] = to;
  }
}

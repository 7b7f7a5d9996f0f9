/**
 * Huffman-coded literals (RFC 8878, 3.1.1.3.1.6 and 4.2).
 *
 * The table always has 2^11 entries, whatever the longest code, so that the index is a shift by a constant. An entry is
 * symbol << 8 | code length: a shift of 64 bits looks at its count modulo 64, so that the entry is itself the count.
 */
import { streamBits } from "./bits";
import {
  CODE_INCOMPLETE,
  CODE_LONG,
  fail,
  FEW_FOR_FOUR,
  HUFFMAN_CUT,
  HUFFMAN_MISSING,
  JUMP_BEHIND,
  JUMP_CUT,
  LITERALS_LEFT,
  LITERALS_SHORT,
  OF_LITERALS,
  OF_WEIGHTS,
  WEIGHT_LARGE,
  WEIGHTS_MANY,
  WEIGHTS_SHORT,
  WEIGHTS_ZERO,
} from "./errors";
import { accuracyLog, buildTable, descriptionEnd, readDistribution } from "./fse";
import { HUFFMAN_TABLE, RANK_COUNT, RANK_START, WEIGHT_CODES, WEIGHT_TABLE, WEIGHTS } from "./memory";

const MAX_LENGTH: u32 = 11;
const MAX_WEIGHT_LOG: u32 = 6;

/** Behind the last description that was read. */
export let treeEnd: usize = 0;

/** Reads a Huffman tree description in [at, limit) and fills the table; 0 or an error. */
export function readTree(at: usize, limit: usize): i32 {
  if (at >= limit) return fail(HUFFMAN_MISSING);
  const header = <u32>load<u8>(at++);
  let count: i32;
  if (header >= 128) {
    // Weights of 4 bits each, the first in the high half (RFC 8878, 4.2.1.1).
    count = header - 127;
    treeEnd = at + ((count + 1) >> 1);
    if (treeEnd > limit) return fail(HUFFMAN_CUT);
    for (let i = 0; i < count; i++) {
      const pair = <u32>load<u8>(at + (i >> 1));
      store<u8>(WEIGHTS + i, (i & 1) == 0 ? pair >> 4 : pair & 15);
    }
  } else {
    treeEnd = at + header;
    if (treeEnd > limit) return fail(HUFFMAN_CUT);
    count = readFseWeights(at, treeEnd);
    if (count < 0) return count;
  }
  return fillTable(count);
}

/**
 * Decodes weights with two interleaved FSE states (RFC 8878, 4.2.1.2): their number or an error. They end when a state
 * update needs more bits than are left; the other state then gives the last weight.
 */
function readFseWeights(at: usize, end: usize): i32 {
  const error = readDistribution(at, end, MAX_WEIGHT_LOG, 255);
  if (error < 0) return error;
  buildTable(WEIGHT_TABLE, WEIGHT_CODES);
  const start = descriptionEnd;
  let bits = streamBits(start, end, OF_WEIGHTS);
  if (bits < 0) return bits;
  // At most 6 bits are read below position 0, from the byte in front of the stream.
  const mask = (1 << accuracyLog) - 1;
  bits -= accuracyLog;
  let state: u32 = (load<u32>(start + (bits >> 3)) >> (bits & 7)) & mask;
  bits -= accuracyLog;
  let other: u32 = (load<u32>(start + (bits >> 3)) >> (bits & 7)) & mask;
  if (bits < 0) return fail(WEIGHTS_SHORT);
  let count = 0;
  while (true) {
    if (count > 253) return fail(WEIGHTS_MANY);
    const entry = load<u64>(WEIGHT_TABLE + (<usize>state << 3));
    store<u8>(WEIGHTS + count++, <u8>(entry >> 32));
    const n = <u32>entry & 255;
    bits -= n;
    const next = (<u32>entry >> 16) + ((load<u32>(start + (bits >> 3)) >> (bits & 7)) & ((1 << n) - 1));
    state = other;
    other = next;
    if (bits < 0) {
      store<u8>(WEIGHTS + count++, <u8>load<u32>(WEIGHT_TABLE + (<usize>state << 3), 4));
      return count;
    }
  }
  return 0;
}

/** Derives the last weight and lays the codes out: longest first, equal lengths in symbol order (RFC 8878, 4.2.1). */
function fillTable(count: u32): i32 {
  memory.fill(RANK_COUNT, 0, 64);
  let sum: u32 = 0;
  for (let symbol: u32 = 0; symbol < count; symbol++) {
    const weight = <u32>load<u8>(WEIGHTS + symbol);
    if (weight > MAX_LENGTH) return fail(WEIGHT_LARGE, weight);
    const rank = RANK_COUNT + (<usize>weight << 2);
    store<u32>(rank, load<u32>(rank) + 1);
    sum += (1 << weight) >> 1;
  }
  if (sum == 0) return fail(WEIGHTS_ZERO);
  const length: u32 = 32 - clz<u32>(sum);
  if (length > MAX_LENGTH) return fail(CODE_LONG, length);
  const rest: u32 = (1 << length) - sum;
  if ((rest & (rest - 1)) != 0) return fail(CODE_INCOMPLETE);
  const lastWeight: u32 = 32 - clz<u32>(rest);
  store<u8>(WEIGHTS + count, lastWeight);
  const lastRank = RANK_COUNT + (<usize>lastWeight << 2);
  store<u32>(lastRank, load<u32>(lastRank) + 1);
  // A complete code that starts from `length` bits has at least two codes of that length.
  if (load<u32>(RANK_COUNT, 4) < 2) return fail(CODE_INCOMPLETE);

  const scale = MAX_LENGTH - length;
  let start: u32 = 0;
  for (let weight: u32 = 1; weight <= length; weight++) {
    store<u32>(RANK_START + (<usize>weight << 2), start);
    start += load<u32>(RANK_COUNT + (<usize>weight << 2)) << (weight - 1 + scale);
  }
  // The weights add up to 2^length, so that these cells are exactly those of the table.
  for (let symbol: u32 = 0; symbol <= count; symbol++) {
    const weight = <u32>load<u8>(WEIGHTS + symbol);
    if (weight == 0) continue;
    const rank = RANK_START + (<usize>weight << 2);
    const from = load<u32>(rank);
    const cells: u32 = 1 << (weight - 1 + scale);
    store<u32>(rank, from + cells);
    const entry = symbol << 8 | (length + 1 - weight);
    let cell = HUFFMAN_TABLE + (<usize>from << 1);
    const end = cell + (<usize>cells << 1);
    if (cells < 4) {
      for (; cell < end; cell += 2) store<u16>(cell, entry);
    } else {
      const four = <u64>entry * 0x0001000100010001;
      for (; cell < end; cell += 8) store<u64>(cell, four);
    }
  }
  return 0;
}

// The fast loop keeps unread bits at the top of 64, above a 1 that stands for all that was shifted out: the number of
// zeros below it tells how many bits were used, so that nobody has to count them. The 1 takes the place of the lowest
// bit that was loaded; 56 bits remain where the position is least favourable.

/** The bits below position `bits`. */
// @ts-ignore: decorator
@inline
function refill(at: usize, used: u64): u64 {
  return (load<u64>(at) | 1) << used;
}

// @ts-ignore: decorator
@inline
function lookUp(bits: u64): u64 {
  return load<u16>(HUFFMAN_TABLE + (<usize>(bits >> 53) << 1));
}

/**
 * Decodes one stream in [start, end) to [out, to): 0 or an error, unless exactly these literals use up exactly the
 * stream.
 */
export function decodeStream(start: usize, end: usize, out: usize, to: usize): i32 {
  const bits = streamBits(start, end, OF_LITERALS);
  return bits < 0 ? bits : finishStream(start, bits, out, to);
}

/** Decodes the rest of a stream with `bits` unread bits, one code at a time. */
function finishStream(start: usize, bits: i32, out: usize, to: usize): i32 {
  // 11 bits at most are read below position 0 before the check sees it.
  const base = start - 8;
  let biased = bits + 7;
  while (out < to) {
    const entry = lookUp(load<u64>(base + (biased >> 3)) << ((biased & 7) ^ 7));
    biased -= <i32>(entry & 255);
    if (biased < 7) return fail(LITERALS_SHORT);
    store<u8>(out++, <u8>(entry >> 8));
  }
  return biased == 7 ? 0 : fail(LITERALS_LEFT);
}

/** Decodes four streams behind a jump table at `start` (RFC 8878, 4.2.2) to [out, out + size); 0 or an error. */
export function decodeFourStreams(start: usize, end: usize, out: usize, size: u32): i32 {
  // Fewer literals cannot be split: three parts of ceil(size / 4) would leave a negative fourth.
  if (size < 6) return fail(FEW_FOR_FOUR, size);
  if (end < start + 6) return fail(JUMP_CUT);
  const start1 = start + 6;
  const start2 = start1 + load<u16>(start);
  const start3 = start2 + load<u16>(start, 2);
  const start4 = start3 + load<u16>(start, 4);
  if (start4 >= end) return fail(JUMP_BEHIND);
  let bits1 = streamBits(start1, start2, OF_LITERALS);
  if (bits1 < 0) return bits1;
  let bits2 = streamBits(start2, start3, OF_LITERALS);
  if (bits2 < 0) return bits2;
  let bits3 = streamBits(start3, start4, OF_LITERALS);
  if (bits3 < 0) return bits3;
  let bits4 = streamBits(start4, end, OF_LITERALS);
  if (bits4 < 0) return bits4;
  const segment = (size + 3) >> 2;
  const out2 = out + segment;
  const out3 = out2 + segment;
  const out4 = out3 + segment;
  const fourth = size - 3 * segment;

  // Where the 8 bytes with the next bits at their top start, and the bits.
  let at1 = start1 - 8 + ((bits1 + 7) >> 3);
  let at2 = start2 - 8 + ((bits2 + 7) >> 3);
  let at3 = start3 - 8 + ((bits3 + 7) >> 3);
  let at4 = start4 - 8 + ((bits4 + 7) >> 3);
  let w1 = refill(at1, -bits1 & 7);
  let w2 = refill(at2, -bits2 & 7);
  let w3 = refill(at3, -bits3 & 7);
  let w4 = refill(at4, -bits4 & 7);
  let done: u32 = 0;
  while (true) {
    // A round takes five codes, at most 55 bits, from each stream. This many rounds can neither use up the shortest
    // stream nor fill the shortest part, so that the loop below needs no look at either.
    const least = min(min(bits1, bits2), min(bits3, bits4));
    let rounds = min(<u32>least / 55, (fourth - done) / 5);
    if (rounds == 0) break;
    let to1 = out + done;
    done += rounds * 5;
    do {
      const ea1 = lookUp(w1);
      const ea2 = lookUp(w2);
      const ea3 = lookUp(w3);
      const ea4 = lookUp(w4);
      w1 <<= ea1;
      w2 <<= ea2;
      w3 <<= ea3;
      w4 <<= ea4;
      store<u8>(to1, <u8>(ea1 >> 8));
      store<u8>(to1 + 1 * segment, <u8>(ea2 >> 8));
      store<u8>(to1 + 2 * segment, <u8>(ea3 >> 8));
      store<u8>(to1 + 3 * segment, <u8>(ea4 >> 8));
      const eb1 = lookUp(w1);
      const eb2 = lookUp(w2);
      const eb3 = lookUp(w3);
      const eb4 = lookUp(w4);
      w1 <<= eb1;
      w2 <<= eb2;
      w3 <<= eb3;
      w4 <<= eb4;
      store<u8>(to1, <u8>(eb1 >> 8), 1);
      store<u8>(to1 + 1 * segment, <u8>(eb2 >> 8), 1);
      store<u8>(to1 + 2 * segment, <u8>(eb3 >> 8), 1);
      store<u8>(to1 + 3 * segment, <u8>(eb4 >> 8), 1);
      const ec1 = lookUp(w1);
      const ec2 = lookUp(w2);
      const ec3 = lookUp(w3);
      const ec4 = lookUp(w4);
      w1 <<= ec1;
      w2 <<= ec2;
      w3 <<= ec3;
      w4 <<= ec4;
      store<u8>(to1, <u8>(ec1 >> 8), 2);
      store<u8>(to1 + 1 * segment, <u8>(ec2 >> 8), 2);
      store<u8>(to1 + 2 * segment, <u8>(ec3 >> 8), 2);
      store<u8>(to1 + 3 * segment, <u8>(ec4 >> 8), 2);
      const ed1 = lookUp(w1);
      const ed2 = lookUp(w2);
      const ed3 = lookUp(w3);
      const ed4 = lookUp(w4);
      w1 <<= ed1;
      w2 <<= ed2;
      w3 <<= ed3;
      w4 <<= ed4;
      store<u8>(to1, <u8>(ed1 >> 8), 3);
      store<u8>(to1 + 1 * segment, <u8>(ed2 >> 8), 3);
      store<u8>(to1 + 2 * segment, <u8>(ed3 >> 8), 3);
      store<u8>(to1 + 3 * segment, <u8>(ed4 >> 8), 3);
      const ee1 = lookUp(w1);
      const ee2 = lookUp(w2);
      const ee3 = lookUp(w3);
      const ee4 = lookUp(w4);
      w1 <<= ee1;
      w2 <<= ee2;
      w3 <<= ee3;
      w4 <<= ee4;
      store<u8>(to1, <u8>(ee1 >> 8), 4);
      store<u8>(to1 + 1 * segment, <u8>(ee2 >> 8), 4);
      store<u8>(to1 + 2 * segment, <u8>(ee3 >> 8), 4);
      store<u8>(to1 + 3 * segment, <u8>(ee4 >> 8), 4);
      const used1 = ctz(w1);
      at1 -= <usize>(used1 >> 3);
      w1 = refill(at1, used1 & 7);
      to1 += 5;
      const used2 = ctz(w2);
      at2 -= <usize>(used2 >> 3);
      w2 = refill(at2, used2 & 7);
      const used3 = ctz(w3);
      at3 -= <usize>(used3 >> 3);
      w3 = refill(at3, used3 & 7);
      const used4 = ctz(w4);
      at4 -= <usize>(used4 >> 3);
      w4 = refill(at4, used4 & 7);
    } while (--rounds > 0);
    bits1 = (<i32>(at1 - start1 + 8) << 3) - <i32>ctz(w1);
    bits2 = (<i32>(at2 - start2 + 8) << 3) - <i32>ctz(w2);
    bits3 = (<i32>(at3 - start3 + 8) << 3) - <i32>ctz(w3);
    bits4 = (<i32>(at4 - start4 + 8) << 3) - <i32>ctz(w4);
  }
  let error = finishStream(start1, bits1, out + done, out2);
  if (error < 0) return error;
  error = finishStream(start2, bits2, out2 + done, out3);
  if (error < 0) return error;
  error = finishStream(start3, bits3, out3 + done, out4);
  if (error < 0) return error;
  return finishStream(start4, bits4, out4 + done, out + size);
}

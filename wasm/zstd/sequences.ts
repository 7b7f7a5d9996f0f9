/**
 * Sequences: decoding from their bit stream and execution (RFC 8878, 3.1.1.3.2, 3.1.1.4 and 3.1.1.5).
 *
 * The loop of `run` decodes a sequence and executes it. It only finds out that a rule is broken, not which: `diagnose`
 * then decodes the block again, slowly. What was measured for the loop, on a tar of files at level 3 with 14.5 bytes per
 * sequence (each figure for Node; Deno agrees in the sign):
 *
 * - decoding batches into columns that a second loop executes is 8 % slower;
 * - repeat offsets by branches are 4 % slower than by selects: one offset of three is a repeated one;
 * - leaving the loop with the state before the broken sequence, for a careful loop to go on, is 6 % slower, and so is a
 *   look at the bits that are left after each sequence: both keep more values alive than there are registers;
 * - a call inside the loop, however rare, has all values stored in memory before it: `copyWrapped` must be inlined;
 * - entries of 16 bytes with ready-made masks, read by many narrow loads, are 4 % slower than one load of 8 bytes;
 * - reading the extra bits of lengths only where there are any, in one sequence of twenty, is 3 % faster (Deno: 7 %);
 * - state bits in the lowest byte of an entry, and a position counted upwards, save five shifts and 4 % (Deno: 1 %).
 */
import { bitsFrom, streamBits } from "./bits";
import { copyLong, copyNear, copyWrapped } from "./copy";
import {
  BLOCK_MAX,
  fail,
  OF_SEQUENCES,
  OFFSET_ANY_WINDOW,
  OFFSET_FRAME,
  OFFSET_WINDOW,
  OFFSET_ZERO,
  SEQUENCES_LEFT,
  SEQUENCES_LITERALS,
  SEQUENCES_SHORT,
} from "./errors";
import { literalsAt, literalsSize } from "./literals";
import { LL_TABLE, MAX_OVERRUN, ML_TABLE, OF_TABLE } from "./memory";
import { llLog, mlLog, ofLog, sequenceCount, streamAt } from "./tables";

/** Most bits of a sequence: extra bits of an offset and two lengths, and three states. */
const SEQUENCE_BITS: u32 = 31 + 16 + 16 + 9 + 9 + 8;

/** Sequences between two looks at the bits that are left. */
const BATCH: u32 = 8 * MAX_OVERRUN / SEQUENCE_BITS;

/** Largest window that any decoder allows, in bytes. */
const MAX_WINDOW: u32 = 0x40000000;

/** The repeat offsets, which live as long as a frame. */
let repeat0: u32 = 1;
let repeat1: u32 = 4;
let repeat2: u32 = 8;

/** Where the stream stands: its unread bits, the states, and the repeat offsets that the block has so far. */
let bits: i32 = 0;
let llState: u32 = 0;
let ofState: u32 = 0;
let mlState: u32 = 0;
let offset0: u32 = 0;
let offset1: u32 = 0;
let offset2: u32 = 0;
/** What the last state updates took: behind the last sequence of a block there are none. */
let lastStateBits: u32 = 0;

/** Where execution stands. */
let literal: usize = 0;
let output: usize = 0;

/** What the host says of the history, see `decodeBlock`. */
let blockAt: usize = 0;
let reachBack: u32 = 0;
let windowSize: u32 = 0;
let lapAt: usize = 0;
let lastLapEnd: usize = 0;

export function resetSequences(): void {
  repeat0 = 1;
  repeat1 = 4;
  repeat2 = 8;
}

/**
 * Decodes and executes the sequences of the block and copies the literals left over: the bytes regenerated, or an
 * error. Parameters as of `decodeBlock`.
 */
export function runSequences(
  end: usize,
  out: usize,
  blockMax: u32,
  reach: u32,
  window: u32,
  base: usize,
  lapEnd: usize,
): i32 {
  const outMax = out + blockMax;
  const literalEnd = literalsAt + literalsSize;
  literal = literalsAt;
  output = out;
  if (sequenceCount > 0) {
    const error = open(streamAt, end);
    if (error < 0) return error;
    blockAt = out;
    reachBack = reach;
    windowSize = window;
    lapAt = base;
    lastLapEnd = lapEnd;
    // Offsets that need no closer look anywhere in the block.
    const near = min(reach, <u32>(out - base));
    let left = sequenceCount;
    while (left > 0) {
      const count = min(left, BATCH);
      const sound = run(count, streamAt - 8, literalEnd, outMax, near);
      left -= count;
      if (left == 0) bits += lastStateBits;
      if (!sound || bits < 0) return diagnose(streamAt, end, blockMax);
    }
    if (bits != 0) return fail(SEQUENCES_LEFT, bits);
    repeat0 = offset0;
    repeat1 = offset1;
    repeat2 = offset2;
  }
  const rest = <u32>(literalEnd - literal);
  if (rest > <u32>(outMax - output)) return fail(BLOCK_MAX, blockMax);
  memory.copy(output, literal, rest);
  return <i32>(output + rest - out);
}

/** Starts the bit stream: the initial states, at most 26 bits; 0 or an error. */
function open(start: usize, end: usize): i32 {
  bits = streamBits(start, end, OF_SEQUENCES);
  if (bits < 0) return bits;
  bits -= llLog;
  llState = bitsFrom(start, bits, llLog);
  bits -= ofLog;
  ofState = bitsFrom(start, bits, ofLog);
  bits -= mlLog;
  mlState = bitsFrom(start, bits, mlLog);
  offset0 = repeat0;
  offset1 = repeat1;
  offset2 = repeat2;
  return bits < 0 ? fail(SEQUENCES_SHORT) : 0;
}

/** The n top bits; the low 6 bits of `n` count. Two shifts, since one by 64 would be one by 0. */
// @ts-ignore: decorator
@inline
function top(word: u64, n: u64): u32 {
  return <u32>((word >> 1) >> ~n);
}

/**
 * The next 57 bits at least, at the top. `position` is minus the number of unread bits, which rounds the way that is
 * wanted: the byte with the next bit and the 7 in front of it are loaded. `base` is the start of the stream less 8.
 */
// @ts-ignore: decorator
@inline
function wordAt(base: usize, position: i32): u64 {
  return load<u64>(base - (position >> 3)) << (position & 7);
}

/**
 * Decodes and executes `count` sequences, at most `BATCH`; false where one breaks a rule.
 *
 * Loads: `bits` is looked at behind the batch only. A stream that is too short is read on in front of its start, by
 * `MAX_OVERRUN` bytes at most, which lie inside the memory; states stay inside their tables whatever bits they take.
 * Before anything is copied, a sequence is known to take no more literals than there are, to end at `outMax` at most, and
 * to reach back to bytes that are there. Lengths are below 2^18, so that no sum wraps around.
 *
 * Stores: copies go in steps of 16 bytes. They write less than 16 bytes behind the end of a sequence, 16 where it is
 * empty, and read as much behind the literals. What is written too much is overwritten by the next sequence, or lies
 * behind the output. A match at 16 or more never reads, in a step, what that step or a later one writes.
 *
 * @param base start of the stream less 8
 * @param near offsets up to here are inside the window and this lap of the history
 */
function run(count: u32, base: usize, literalEnd: usize, outMax: usize, near: u32): bool {
  let lit = literal;
  let out = output;
  let position = -bits;
  let ll = llState;
  let of_ = ofState;
  let ml = mlState;
  let r0 = offset0;
  let r1 = offset1;
  let r2 = offset2;
  let stateBits: u32 = 0;
  const end = count << 2;
  for (let at: u32 = 0; at < end; at += 4) {
    const llEntry = load<u64>(LL_TABLE + (ll << 3));
    const ofEntry = load<u64>(OF_TABLE + (of_ << 3));
    const mlEntry = load<u64>(ML_TABLE + (ml << 3));
    // State bits in byte 0, at most 26, and extra bits in byte 1.
    const sums = <u32>llEntry + <u32>ofEntry + <u32>mlEntry;
    const extraBits = (sums >> 8) & 255;
    stateBits = sums & 255;
    let word = wordAt(base, position);
    // Extra bits in the order offset, match length, literal length.
    let offset = <u32>(ofEntry >> 32) + top(word, ofEntry >> 8);
    word <<= ofEntry >> 8;
    let matchLength = <u32>(mlEntry >> 32);
    let literalLength = <u32>(llEntry >> 32);
    // An offset and three states take 57 bits at most. Lengths with extra bits are rare: 3 % of either kind.
    if (((<u32>llEntry + <u32>mlEntry) & 0xff00) != 0) {
      word = wordAt(base, position + <i32>((ofEntry >> 8) & 255));
      matchLength += top(word, mlEntry >> 8);
      word <<= mlEntry >> 8;
      literalLength += top(word, llEntry >> 8);
      word = wordAt(base, position + extraBits);
    }
    // State bits in the order literal length, match length, offset.
    ll = (<u32>llEntry >> 16) + top(word, llEntry);
    word <<= llEntry;
    ml = (<u32>mlEntry >> 16) + top(word, mlEntry);
    word <<= mlEntry;
    of_ = (<u32>ofEntry >> 16) + top(word, ofEntry);
    position += extraBits + stateBits;

    // Values 1 to 3 stand for recent offsets, one further when there are no literals (RFC 8878, 3.1.1.5).
    const which = offset - (literalLength != 0 ? 1 : 0);
    let repeated = select<u32>(r0, r1, which == 0);
    repeated = select<u32>(r2, repeated, which == 2);
    repeated = select<u32>(r0 - 1, repeated, which == 3);
    offset = select<u32>(offset - 3, repeated, offset > 3);
    r2 = select<u32>(r1, r2, which > 1);
    r1 = select<u32>(r0, r1, which != 0);
    r0 = offset;

    const to = out + literalLength;
    const matchEnd = to + matchLength;
    const litEnd = lit + literalLength;
    // Either difference is below 0.
    if (<i32>((literalEnd - litEnd) | (outMax - matchEnd)) < 0) return false;
    v128.store(out, v128.load(lit));
    if (literalLength > 16) copyLong(out + 16, lit + 16, to);
    lit = litEnd;
    out = matchEnd;
    // Offset 0 is the largest in this comparison.
    if (offset - 1 < near) {
      const from = to - offset;
      if (offset >= 16) {
        v128.store(to, v128.load(from));
        if (matchLength > 16) copyLong(to + 16, from + 16, matchEnd);
      } else {
        copyNear(to, offset, matchEnd);
      }
    } else {
      if (offset - 1 >= reachBack + <u32>(to - blockAt) || offset > windowSize) return false;
      copyWrapped(to, offset, matchEnd, lapAt, lastLapEnd);
    }
  }
  literal = lit;
  output = out;
  lastStateBits = stateBits;
  bits = -position;
  llState = ll;
  ofState = of_;
  mlState = ml;
  offset0 = r0;
  offset1 = r1;
  offset2 = r2;
  return true;
}

/** Decodes the sequences once more, slowly, to find the first that breaks a rule, and which rule. Copies nothing. */
function diagnose(start: usize, end: usize, blockMax: u32): i32 {
  open(start, end);
  let literalsLeft: i32 = literalsSize;
  let made: u32 = 0;
  for (let i: u32 = 0; i < sequenceCount; i++) {
    const llEntry = load<u64>(LL_TABLE + (llState << 3));
    const ofEntry = load<u64>(OF_TABLE + (ofState << 3));
    const mlEntry = load<u64>(ML_TABLE + (mlState << 3));
    const ofBits = <u32>(ofEntry >> 8) & 255;
    bits -= ofBits;
    let offset = <u32>(ofEntry >> 32) + bitsFrom(start, bits, ofBits);
    if (ofBits > 25) {
      if (bits < 0) return fail(SEQUENCES_SHORT);
      if (offset > MAX_WINDOW + 3) return fail(OFFSET_ANY_WINDOW, offset - 3);
    }
    const mlBits = <u32>(mlEntry >> 8) & 255;
    bits -= mlBits;
    const matchLength = <u32>(mlEntry >> 32) + bitsFrom(start, bits, mlBits);
    const llBits = <u32>(llEntry >> 8) & 255;
    bits -= llBits;
    const literalLength = <u32>(llEntry >> 32) + bitsFrom(start, bits, llBits);
    if (bits < 0) return fail(SEQUENCES_SHORT);
    if (offset > 3) {
      offset -= 3;
      offset2 = offset1;
      offset1 = offset0;
    } else {
      const which = offset - (literalLength != 0 ? 1 : 0);
      offset = which == 0 ? offset0 : which == 1 ? offset1 : which == 2 ? offset2 : offset0 - 1;
      if (which > 1) offset2 = offset1;
      if (which > 0) offset1 = offset0;
    }
    offset0 = offset;
    literalsLeft -= literalLength;
    made += literalLength;
    if (offset == 0) return fail(OFFSET_ZERO);
    if (offset > windowSize) return fail(OFFSET_WINDOW, offset, windowSize);
    if (offset > reachBack + made) return fail(OFFSET_FRAME, offset, reachBack + made);
    made += matchLength;
    if (literalsLeft < 0) return fail(SEQUENCES_LITERALS, literalsSize);
    if (made > blockMax) return fail(BLOCK_MAX, blockMax);
    if (i + 1 < sequenceCount) {
      const llStep = <u32>llEntry & 255;
      bits -= llStep;
      llState = (<u32>llEntry >> 16) + bitsFrom(start, bits, llStep);
      const mlStep = <u32>mlEntry & 255;
      bits -= mlStep;
      mlState = (<u32>mlEntry >> 16) + bitsFrom(start, bits, mlStep);
      const ofStep = <u32>ofEntry & 255;
      bits -= ofStep;
      ofState = (<u32>ofEntry >> 16) + bitsFrom(start, bits, ofStep);
      if (bits < 0) return fail(SEQUENCES_SHORT);
    }
  }
  return fail(SEQUENCES_SHORT);
}

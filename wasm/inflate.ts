/**
 * Raw DEFLATE (RFC 1951), resumable at any byte of input or output.
 *
 * The kernel keeps one stream. All input given to a call that returns NEED_INPUT has been taken: the bits that are not
 * used yet, at most 47, stay in the kernel, and the next call gets what follows. After OUTPUT_FULL, DONE and errors,
 * `inPos` is the first byte of which nothing is used; errors use what breaks the rule.
 *
 * A stream is accepted where zlib 1.3 accepts it (inflate.c, inftrees.c): with codes that are complete, except that the
 * literal/length code or the distance code may be a single one of one bit, and that there may be no distance code at
 * all. One rule is enforced earlier than there: a code length code without any code is an error at once, where zlib reads
 * lengths of 0 and then misses the code for the end of the block.
 */
import {
  BLOCK_TYPE,
  CODE_LENGTH,
  CODE_LENGTH_BASES,
  CODE_LENGTH_BITS,
  CODE_LENGTHS_INCOMPLETE,
  CODE_LENGTHS_OVERSUBSCRIBED,
  DISTANCE,
  DISTANCE_BASES,
  DISTANCE_BITS,
  DISTANCES_INCOMPLETE,
  DISTANCES_OVERSUBSCRIBED,
  DONE,
  dropBits,
  giveBack,
  hasBits,
  LENGTHS,
  LITLEN,
  LITLEN_BASES,
  LITLEN_BITS,
  LITLEN_INCOMPLETE,
  LITLEN_OVERSUBSCRIBED,
  Mode,
  NEED_INPUT,
  NO_END_OF_BLOCK,
  NOT_STARTED,
  OUTPUT_FULL,
  PRECODE_LENGTHS,
  readBits,
  REPEAT_TOO_LONG,
  REPEAT_WITHOUT_LENGTH,
  state,
  STORED_LENGTH,
  takeInput,
  TOO_MANY_CODES,
} from "./inflate/state";
import { BLOCK_END, carefulLoop, copyPending, fastLoop, INPUT_MARGIN, OUTPUT_MARGIN } from "./inflate/symbols";
import { buildTable, COMPLETE, forgetFixed, loadFixed, OVERSUBSCRIBED, prepare } from "./inflate/tables";

/** Farthest distance there is, in bytes. */
const WINDOW: u32 = 32768;

/** Goes on within this call; like BLOCK_END, `run` never returns it. */
const GO_ON: i32 = 4;

/** Starts a new stream. Tables stay: each block says which it has. */
export function reset(): void {
  prepare();
  state.mode = Mode.BLOCK;
  state.finalBlock = false;
  state.bits = 0;
  state.bitCount = 0;
  state.history = 0;
  state.pending = 0;
}

/** Address of the next byte of input that is to be given. */
export function inPos(): usize {
  return state.input;
}

/** Address behind the last byte written. */
export function outPos(): usize {
  return state.output;
}

/**
 * Decodes from [inPtr, inEnd) to [outPtr, outEnd) and writes nowhere else in that memory, nor loads beyond inEnd.
 *
 * The host keeps the last min(32768, bytes of this stream so far) bytes of output in front of `outPtr`, from `histPtr`
 * on or later: matches reach no farther back than that, whatever the stream says.
 * @returns NEED_INPUT, OUTPUT_FULL, DONE, or the negative code of the rule that the stream breaks
 */
export function run(inPtr: usize, inEnd: usize, outPtr: usize, outEnd: usize, histPtr: usize): i32 {
  state.input = inPtr;
  state.inputEnd = inEnd;
  state.output = outPtr;
  state.outputEnd = outEnd;
  state.floor = outPtr - min<usize>(state.history, outPtr - histPtr);
  let status: i32 = GO_ON;
  while (status == GO_ON) status = step();
  state.history = min<u32>(WINDOW, state.history + <u32>(state.output - outPtr));
  if (status == OUTPUT_FULL || status < 0) giveBack(inPtr);
  if (status < 0) state.mode = Mode.NONE;
  return status;
}

function step(): i32 {
  switch (state.mode) {
    case Mode.BLOCK:
      return blockHeader();
    case Mode.STORED_SIZE:
      return storedSize();
    case Mode.STORED:
      return stored();
    case Mode.SIZES:
      return sizes();
    case Mode.PRECODE:
      return precode();
    case Mode.CODE_LENGTHS:
      return codeLengths();
    case Mode.SYMBOLS:
      return symbols();
  }
  return NOT_STARTED;
}

/** RFC 1951 section 3.2.3. */
function blockHeader(): i32 {
  if (state.finalBlock) {
    giveBack(0);
    state.mode = Mode.NONE;
    return DONE;
  }
  if (!hasBits(3)) return NEED_INPUT;
  state.finalBlock = readBits(1) != 0;
  const type = readBits(2);
  if (type == 0) {
    dropBits(state.bitCount & 7);
    state.mode = Mode.STORED_SIZE;
  } else if (type == 1) {
    loadFixed();
    state.mode = Mode.SYMBOLS;
  } else if (type == 2) {
    state.mode = Mode.SIZES;
  } else {
    return BLOCK_TYPE;
  }
  return GO_ON;
}

/** RFC 1951 section 3.2.4. */
function storedSize(): i32 {
  if (!hasBits(32)) return NEED_INPUT;
  const size = readBits(16);
  if (readBits(16) != (size ^ 0xffff)) return STORED_LENGTH;
  giveBack(0);
  state.pending = size;
  state.mode = Mode.STORED;
  return GO_ON;
}

function stored(): i32 {
  const size = min(state.pending, min(<u32>(state.inputEnd - state.input), <u32>(state.outputEnd - state.output)));
  memory.copy(state.output, state.input, size);
  state.input += size;
  state.output += size;
  state.pending -= size;
  if (state.pending > 0) return state.input == state.inputEnd ? NEED_INPUT : OUTPUT_FULL;
  state.mode = Mode.BLOCK;
  return GO_ON;
}

/** How many codes a dynamic block has, RFC 1951 section 3.2.7. */
function sizes(): i32 {
  if (!hasBits(14)) return NEED_INPUT;
  state.litlenCodes = readBits(5) + 257;
  state.distanceCodes = readBits(5) + 1;
  state.precodeCodes = readBits(4) + 4;
  if (state.litlenCodes > 286 || state.distanceCodes > 30) return TOO_MANY_CODES;
  state.lengthsRead = 0;
  state.mode = Mode.PRECODE;
  return GO_ON;
}

/** The order in which lengths of the code length code come, five bits each. */
// @ts-ignore: decorator
@inline
function precodeSymbol(index: u32): u32 {
  // 16 17 18 0 8 7 9 6 10 5 11 4, then 12 3 13 2 14 1 15.
  return index < 12
    ? <u32>(<u64>0x22caa324e804a30 >> (5 * index)) & 31
    : <u32>(<u64>0x3c2e1346c >> (5 * (index - 12))) & 31;
}

function precode(): i32 {
  for (; state.lengthsRead < state.precodeCodes; state.lengthsRead++) {
    if (!hasBits(3)) return NEED_INPUT;
    store<u8>(PRECODE_LENGTHS + precodeSymbol(state.lengthsRead), <u8>readBits(3));
  }
  for (let index = state.precodeCodes; index < 19; index++) store<u8>(PRECODE_LENGTHS + precodeSymbol(index), 0);
  const built = buildTable(PRECODE_LENGTHS, 19, CODE_LENGTH, CODE_LENGTH_BITS, CODE_LENGTH_BASES, false);
  if (built != COMPLETE) return built == OVERSUBSCRIBED ? CODE_LENGTHS_OVERSUBSCRIBED : CODE_LENGTHS_INCOMPLETE;
  state.lengthsRead = 0;
  state.mode = Mode.CODE_LENGTHS;
  return GO_ON;
}

/** Lengths of both codes, repeats running from the first into the second. */
function codeLengths(): i32 {
  const total = state.litlenCodes + state.distanceCodes;
  let read = state.lengthsRead;
  while (read < total) {
    if (state.bitCount < 14) takeInput();
    const entry = load<u32>(CODE_LENGTH + ((<u32>state.bits & ((1 << CODE_LENGTH_BITS) - 1)) << 2));
    const codeBits = entry & 63;
    const symbol = entry >> 16;
    const extra: u32 = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    if (state.bitCount < codeBits + extra) {
      state.lengthsRead = read;
      return NEED_INPUT;
    }
    dropBits(codeBits);
    if (symbol < 16) {
      store<u8>(LENGTHS + read, <u8>symbol);
      read++;
      continue;
    }
    if (symbol == 16 && read == 0) return REPEAT_WITHOUT_LENGTH;
    const value: u8 = symbol == 16 ? load<u8>(LENGTHS + read - 1) : 0;
    const times: u32 = readBits(extra) + (symbol == 18 ? 11 : 3);
    if (read + times > total) return REPEAT_TOO_LONG;
    // `memory.fill` is a call out of the module; these stores go up to 15 bytes too far, for which LENGTHS has room.
    const repeated = i8x16.splat(<i8>value);
    for (let at: u32 = 0; at < times; at += 16) v128.store(LENGTHS + read + at, repeated);
    read += times;
  }
  return buildTables();
}

function buildTables(): i32 {
  if (load<u8>(LENGTHS + 256) == 0) return NO_END_OF_BLOCK;
  forgetFixed();
  const litlen = buildTable(LENGTHS, state.litlenCodes, LITLEN, LITLEN_BITS, LITLEN_BASES, true);
  if (litlen != COMPLETE) return litlen == OVERSUBSCRIBED ? LITLEN_OVERSUBSCRIBED : LITLEN_INCOMPLETE;
  const lengths = LENGTHS + state.litlenCodes;
  const distances = buildTable(lengths, state.distanceCodes, DISTANCE, DISTANCE_BITS, DISTANCE_BASES, true);
  if (distances != COMPLETE) return distances == OVERSUBSCRIBED ? DISTANCES_OVERSUBSCRIBED : DISTANCES_INCOMPLETE;
  state.mode = Mode.SYMBOLS;
  return GO_ON;
}

function symbols(): i32 {
  if (state.pending > 0 && !copyPending()) return OUTPUT_FULL;
  let status = NEED_INPUT;
  const fast = state.inputEnd - state.input >= INPUT_MARGIN && state.outputEnd - state.output >= OUTPUT_MARGIN;
  if (fast) status = fastLoop();
  if (status == NEED_INPUT) status = carefulLoop();
  if (status != BLOCK_END) return status;
  state.mode = Mode.BLOCK;
  return GO_ON;
}

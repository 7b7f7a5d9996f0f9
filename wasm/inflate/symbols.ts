/** Decodes the symbols of a block (RFC 1951 section 3.2.3): the fast loop, and the careful one for what is left. */
import {
  DISTANCE,
  DISTANCE_BITS,
  DISTANCE_SYMBOL,
  DISTANCE_TOO_FAR,
  dropBits,
  END_OF_BLOCK,
  LITERAL,
  LITLEN,
  LITLEN_BITS,
  LITLEN_SYMBOL,
  NEED_INPUT,
  OUTPUT_FULL,
  PATTERNS,
  POINTER,
  SPECIAL,
  state,
  takeInput,
} from "./state";

/** The block has ended. */
export const BLOCK_END: i32 = 3;

/** What the fast loop needs of input and of room for output to run another round, in bytes; see there. */
export const INPUT_MARGIN: usize = 32;
export const OUTPUT_MARGIN: usize = 320;

// @ts-ignore: decorator
@inline
function litlenEntry(bits: u64): u32 {
  return load<u32>(LITLEN + ((<u32>bits & ((1 << LITLEN_BITS) - 1)) << 2));
}

// @ts-ignore: decorator
@inline
function distanceEntry(bits: u64): u32 {
  return load<u32>(DISTANCE + ((<u32>bits & ((1 << DISTANCE_BITS) - 1)) << 2));
}

/** The entry that `pointer` leads to, `bits` being those behind the main table's. */
// @ts-ignore: decorator
@inline
function subtableEntry(table: usize, pointer: u32, bits: u64): u32 {
  const width = (pointer >> 8) & 15;
  const place = (pointer >> 16) + (<u32>bits & ((1 << width) - 1));
  return load<u32>(table + (place << 2));
}

/** Base and extra bits of a length or distance; `bits` begins with its code. */
// @ts-ignore: decorator
@inline
function valueOf(entry: u32, bits: u64): u32 {
  const both = <u32>bits & ((1 << (entry & 63)) - 1);
  return (entry >> 16) + (both >> ((entry >> 8) & 15));
}

/**
 * Decodes while input and output have their margins left.
 *
 * Invariant: whenever a round begins, `floor` <= `output` <= outputEnd - OUTPUT_MARGIN and `input` <= inputEnd -
 * INPUT_MARGIN, in the first round 7 bytes more.
 *
 * Input: a round refills at most twice, and a refill loads 8 bytes and advances by at most 7. So loads end at most
 * 7 + 7 + 8 = 22 bytes behind what the margin was kept from, before inputEnd.
 *
 * Output: a round writes three literals, or two and a match of at most 258 bytes. The stores of a match end at most 29
 * bytes behind it: it has three bytes at least, and gets two stores of 16; those that follow begin within it. So all
 * end at most 2 + 258 + 29 = 289 bytes behind `output`, before outputEnd.
 *
 * History: nothing is loaded for a match unless `floor` <= output - distance. From there, its loads go no farther than
 * its stores do.
 *
 * Bits: after a refill there are 56 at least. Two literals from the main table and a length take 22 + 20, which leaves
 * enough to look up a distance code; a distance takes 28.
 *
 * Measured with a layer whose matches have 7.7 bytes on average (a shared AMD EPYC, best runs): 523 MB/s in Node 24 and
 * 514 in Deno 2.9, where libdeflate has 514 and node:zlib 272. None of these made a difference beyond noise in both: a
 * fourth literal a round, first copies of 16 or 48 bytes, a table index that needs no shift, one branch for both
 * margins. Table addresses as offsets of the load instruction are 4 % slower in Node.
 */
export function fastLoop(): i32 {
  const inputLimit = state.inputEnd - INPUT_MARGIN;
  const outputLimit = state.outputEnd - OUTPUT_MARGIN;
  const floor = state.floor;
  let input = state.input;
  let output = state.output;
  let bits = state.bits;
  let count = state.bitCount;
  let status: i32 = NEED_INPUT;

  // A refill: at least 56 bits afterwards. Bits above the count are right, and will be put there once more.
  bits |= load<u64>(input) << count;
  input += 7 - ((count >> 3) & 7);
  count |= 56;
  let entry = litlenEntry(bits);

  do {
    let before = bits;
    bits >>= entry;
    count -= entry;
    // The sign is LITERAL. Measured: testing it as a bit is 4 % slower in Node.
    if (<i32>entry < 0) {
      store<u8>(output, entry >> 16);
      output++;
      entry = litlenEntry(bits);
      before = bits;
      bits >>= entry;
      count -= entry;
      if (<i32>entry < 0) {
        store<u8>(output, entry >> 16);
        output++;
        entry = litlenEntry(bits);
        before = bits;
        bits >>= entry;
        count -= entry;
        if (<i32>entry < 0) {
          store<u8>(output, entry >> 16);
          output++;
          bits |= load<u64>(input) << count;
          input += 7 - ((count >> 3) & 7);
          count |= 56;
          entry = litlenEntry(bits);
          continue;
        }
      }
    }
    if (entry & SPECIAL) {
      if (entry & POINTER) {
        entry = subtableEntry(LITLEN, entry, bits);
        before = bits;
        bits >>= entry;
        count -= entry;
        if (<i32>entry < 0) {
          store<u8>(output, entry >> 16);
          output++;
          bits |= load<u64>(input) << count;
          input += 7 - ((count >> 3) & 7);
          count |= 56;
          entry = litlenEntry(bits);
          continue;
        }
      }
      if (entry & SPECIAL) {
        status = entry & END_OF_BLOCK ? BLOCK_END : LITLEN_SYMBOL;
        break;
      }
    }
    const length = valueOf(entry, before);

    if ((count & 63) < 28) {
      bits |= load<u64>(input) << count;
      input += 7 - ((count >> 3) & 7);
      count |= 56;
    }
    entry = distanceEntry(bits);
    if (entry & SPECIAL) {
      if (entry & POINTER) {
        bits >>= entry;
        count -= entry;
        entry = subtableEntry(DISTANCE, entry, bits);
      }
      if (entry & SPECIAL) {
        count -= entry;
        bits >>= entry;
        status = DISTANCE_SYMBOL;
        break;
      }
    }
    const distance = valueOf(entry, bits);
    bits >>= entry;
    count -= entry;
    if (distance > <u32>(output - floor)) {
      status = DISTANCE_TOO_FAR;
      break;
    }

    // The next entry is on its way while the match is copied.
    bits |= load<u64>(input) << count;
    input += 7 - ((count >> 3) & 7);
    count |= 56;
    entry = litlenEntry(bits);

    let from = output - distance;
    let to = output;
    output += length;
    if (distance >= 16) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
      if (length > 32) {
        do {
          v128.store(to, v128.load(from, 32), 32);
          to += 16;
          from += 16;
        } while (to + 32 < output);
      }
    } else {
      const repeated = i8x16.swizzle(v128.load(from), v128.load(PATTERNS + (distance << 4)));
      const step = <u32>load<u8>(PATTERNS + distance);
      do {
        v128.store(to, repeated);
        to += step;
      } while (to < output);
    }
  } while (input <= inputLimit && output <= outputLimit);

  // Bits above the count were never taken: the refill left `input` at the byte after the counted ones.
  count &= 63;
  input -= count >> 3;
  count &= 7;
  state.bits = bits & ((<u64>1 << count) - 1);
  state.bitCount = count;
  state.input = input;
  state.output = output;
  return status;
}

/** Decodes a symbol at a time, and takes none that is not whole: for the ends of the input and of the output. */
export function carefulLoop(): i32 {
  while (true) {
    if (state.bitCount < 48) takeInput();
    const bits = state.bits;
    // Bits above the count are zero. An entry that they chose has a code longer than the count, or leads to one.
    let used: u32 = 0;
    let entry = litlenEntry(bits);
    if (entry & POINTER) {
      used = LITLEN_BITS;
      entry = subtableEntry(LITLEN, entry, bits >> LITLEN_BITS);
    }
    const lengthBits = bits >> used;
    used += entry & 63;
    if (used > state.bitCount) return NEED_INPUT;

    if (entry & LITERAL) {
      if (state.output == state.outputEnd) return OUTPUT_FULL;
      store<u8>(state.output++, entry >> 16);
      dropBits(used);
      continue;
    }
    if (entry & SPECIAL) {
      dropBits(used);
      return entry & END_OF_BLOCK ? BLOCK_END : LITLEN_SYMBOL;
    }
    const length = valueOf(entry, lengthBits);

    entry = distanceEntry(bits >> used);
    if (entry & POINTER) {
      used += DISTANCE_BITS;
      entry = subtableEntry(DISTANCE, entry, bits >> used);
    }
    const distanceBits = bits >> used;
    used += entry & 63;
    if (used > state.bitCount) return NEED_INPUT;
    dropBits(used);
    if (entry & SPECIAL) return DISTANCE_SYMBOL;
    const distance = valueOf(entry, distanceBits);
    if (distance > <u32>(state.output - state.floor)) return DISTANCE_TOO_FAR;

    state.distance = distance;
    state.pending = length;
    if (!copyPending()) return OUTPUT_FULL;
  }
  return NEED_INPUT;
}

/** Copies what is left of a match, as far as there is room; returns whether that was all. */
export function copyPending(): bool {
  let output = state.output;
  const distance = <usize>state.distance;
  const whole = min<usize>(state.pending, state.outputEnd - output);
  const end = output + whole;
  if (distance >= 16) {
    for (; output + 16 <= end; output += 16) v128.store(output, v128.load(output - distance));
  }
  for (; output < end; output++) store<u8>(output, load<u8>(output - distance));
  state.output = end;
  state.pending -= <u32>whole;
  return state.pending == 0;
}

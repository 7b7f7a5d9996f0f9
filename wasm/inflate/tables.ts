/** Builds decoding tables from code lengths (RFC 1951 section 3.2.2). */
import {
  CODE_LENGTH_BASES,
  COUNTS,
  DISTANCE,
  DISTANCE_BASES,
  DISTANCE_BITS,
  END_OF_BLOCK,
  FIXED_DISTANCE,
  FIXED_LITLEN,
  LENGTHS,
  LITERAL,
  LITLEN,
  LITLEN_BASES,
  LITLEN_BITS,
  OFFSETS,
  PATTERNS,
  POINTER,
  SORTED,
  SPECIAL,
} from "./state";

/** What `buildTable` says of the lengths. */
export const COMPLETE: i32 = 0;
export const OVERSUBSCRIBED: i32 = 1;
export const INCOMPLETE: i32 = 2;

/** An entry where there is no code: any bit leads to an error. */
const NO_CODE: u32 = SPECIAL | 1;

let prepared: bool = false;
/** Whether LITLEN and DISTANCE hold the tables of fixed blocks. */
let fixedLoaded: bool = false;

/** Fills what does not depend on the stream; does nothing from the second time on. */
export function prepare(): void {
  if (prepared) return;
  prepared = true;
  prepareBases();
  for (let distance: u32 = 1; distance < 16; distance++) {
    for (let i: u32 = 0; i < 16; i++) store<u8>(PATTERNS + distance * 16 + i, <u8>(i % distance));
    store<u8>(PATTERNS + distance, <u8>(16 - 16 % distance));
  }
  // The codes of fixed blocks, RFC 1951 section 3.2.6.
  memory.fill(LENGTHS, 8, 144);
  memory.fill(LENGTHS + 144, 9, 256 - 144);
  memory.fill(LENGTHS + 256, 7, 280 - 256);
  memory.fill(LENGTHS + 280, 8, 288 - 280);
  memory.fill(LENGTHS + 288, 5, 32);
  buildTable(LENGTHS, 288, FIXED_LITLEN, LITLEN_BITS, LITLEN_BASES, false);
  buildTable(LENGTHS + 288, 32, FIXED_DISTANCE, DISTANCE_BITS, DISTANCE_BASES, false);
}

/** Lengths and distances of RFC 1951 section 3.2.5. */
function prepareBases(): void {
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    store<u32>(LITLEN_BASES + 4 * symbol, LITERAL | (symbol << 16));
  }
  store<u32>(LITLEN_BASES + 4 * 256, SPECIAL | END_OF_BLOCK);
  let base: u32 = 3;
  for (let symbol: u32 = 257; symbol < 285; symbol++) {
    const extra: u32 = symbol < 265 ? 0 : (symbol - 261) >> 2;
    store<u32>(LITLEN_BASES + 4 * symbol, (base << 16) | extra);
    base += 1 << extra;
  }
  store<u32>(LITLEN_BASES + 4 * 285, 258 << 16);
  store<u32>(LITLEN_BASES + 4 * 286, SPECIAL);
  store<u32>(LITLEN_BASES + 4 * 287, SPECIAL);

  base = 1;
  for (let symbol: u32 = 0; symbol < 30; symbol++) {
    const extra: u32 = symbol < 4 ? 0 : (symbol - 2) >> 1;
    store<u32>(DISTANCE_BASES + 4 * symbol, (base << 16) | extra);
    base += 1 << extra;
  }
  store<u32>(DISTANCE_BASES + 4 * 30, SPECIAL);
  store<u32>(DISTANCE_BASES + 4 * 31, SPECIAL);

  for (let symbol: u32 = 0; symbol < 19; symbol++) store<u32>(CODE_LENGTH_BASES + 4 * symbol, symbol << 16);
}

/** Makes LITLEN and DISTANCE those of a fixed block. */
export function loadFixed(): void {
  if (fixedLoaded) return;
  memory.copy(LITLEN, FIXED_LITLEN, 4 << LITLEN_BITS);
  memory.copy(DISTANCE, FIXED_DISTANCE, 4 << DISTANCE_BITS);
  fixedLoaded = true;
}

export function forgetFixed(): void {
  fixedLoaded = false;
}

/**
 * Builds a table, its main part `width` bits wide, for `symbols` codes of which `lengths` has a byte each, at most 15.
 * `bases` is what the entries of the symbols begin with.
 *
 * An incomplete code is taken, as by zlib, only where `mayBeSingle` is true and it is a single one of one bit, or there
 * is none at all (which is right as long as none is needed, RFC 1951 section 3.2.7).
 * @returns COMPLETE if the table was built, otherwise what is wrong with the lengths
 */
export function buildTable(
  lengths: usize,
  symbols: u32,
  table: usize,
  width: u32,
  bases: usize,
  mayBeSingle: bool,
): i32 {
  for (let at: usize = 0; at < 64; at += 16) v128.store(COUNTS + at, i32x4.splat(0));
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = COUNTS + 4 * <u32>load<u8>(lengths + symbol);
    store<u32>(count, load<u32>(count) + 1);
  }

  // `space` is how much of all codes is still free, in codes of the length at hand.
  let space: i32 = 1;
  let longest: u32 = 0;
  let offset: u32 = 0;
  for (let length: u32 = 1; length < 16; length++) {
    const count = load<u32>(COUNTS + 4 * length);
    store<u32>(OFFSETS + 4 * length, offset);
    offset += count;
    space = (space << 1) - <i32>count;
    if (space < 0) return OVERSUBSCRIBED;
    if (count != 0) longest = length;
  }
  if (space > 0 && !(mayBeSingle && longest <= 1)) return INCOMPLETE;

  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const length = <u32>load<u8>(lengths + symbol);
    if (length == 0) continue;
    const place = load<u32>(OFFSETS + 4 * length);
    store<u32>(OFFSETS + 4 * length, place + 1);
    store<u16>(SORTED + 2 * place, <u16>symbol);
  }

  if (space > 0) {
    const single = longest == 1 ? load<u32>(bases + 4 * <u32>load<u16>(SORTED)) + 0x101 : NO_CODE;
    for (let i: u32 = 0; i < <u32>1 << width; i += 2) {
      store<u32>(table + 4 * i, single);
      store<u32>(table + 4 * i, NO_CODE, 4);
    }
    return COMPLETE;
  }
  fillTable(table, width, bases, longest);
  return COMPLETE;
}

/**
 * Fills a table for the complete code in COUNTS and SORTED.
 *
 * Codes of a length follow each other, and codes come with their first bit lowest. So the table grows: it has 2^length
 * entries when the codes of that length are written, and is doubled for the next length. As the code is complete, no
 * copied entry stays that is not a code's.
 */
function fillTable(table: usize, width: u32, bases: usize, longest: u32): void {
  let sorted: usize = SORTED;
  // The next code, reversed.
  let code: u32 = 0;
  let length: u32 = 1;
  for (; length <= min(longest, width); length++) {
    const size: u32 = 1 << length;
    for (let left = load<u32>(COUNTS + 4 * length); left > 0; left--) {
      const base = load<u32>(bases + 4 * <u32>load<u16>(sorted));
      sorted += 2;
      store<u32>(table + 4 * code, base + length * 0x101);
      code = following(code, size);
    }
    if (length < width) double(table, size);
  }
  for (let size: u32 = 1 << length; length < width; length++, size <<= 1) double(table, size);

  // Longer codes: those with the same first `width` bits, which follow each other, share a subtable.
  const mask: u32 = (1 << width) - 1;
  let prefix: u32 = ~0;
  let start: u32 = 0;
  let end: u32 = mask + 1;
  let subWidth: u32 = 0;
  for (; length <= longest; length++) {
    for (let left = load<u32>(COUNTS + 4 * length); left > 0; left--) {
      if ((code & mask) != prefix) {
        prefix = code & mask;
        subWidth = subtableWidth(length - width, left, width);
        start = end;
        end += 1 << subWidth;
        store<u32>(table + 4 * prefix, SPECIAL | POINTER | (start << 16) | (subWidth << 8) | width);
      }
      const base = load<u32>(bases + 4 * <u32>load<u16>(sorted));
      sorted += 2;
      const entry = base + (length - width) * 0x101;
      for (let i: u32 = start + (code >> width); i < end; i += 1 << (length - width)) store<u32>(table + 4 * i, entry);
      code = following(code, 1 << length);
    }
  }
}

/** The code after `code`, both reversed: adds one at the highest of the bits that `size - 1` has. */
// @ts-ignore: decorator
@inline
function following(code: u32, size: u32): u32 {
  // After the last code of a complete set, all bits are ones: there is none to follow and the value is not used.
  const clear: u32 = code ^ (size - 1);
  const bit: u32 = clear == 0 ? 0 : <u32>1 << (31 - clz(clear));
  return (code & (bit - 1)) | bit;
}

/** Copies `size` entries behind themselves. Below four, entries are written that the next doubling writes again. */
// @ts-ignore: decorator
@inline
function double(table: usize, size: u32): void {
  const bytes: u32 = 4 * size;
  for (let at: u32 = 0; at < bytes; at += 16) v128.store(table + bytes + at, v128.load(table + at));
}

/** Bits of the subtable that begins with the first of `left` codes of `beyond` more bits than the main table has. */
// @ts-ignore: decorator
@inline
function subtableWidth(beyond: u32, left: u32, width: u32): u32 {
  let used = left;
  while (used < <u32>1 << beyond) {
    beyond++;
    used = (used << 1) + load<u32>(COUNTS + 4 * (width + beyond));
  }
  return beyond;
}

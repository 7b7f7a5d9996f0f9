/** The literals section of a compressed block (RFC 8878, 3.1.1.3.1). */
import { fail, LITERALS_BEHIND, LITERALS_CUT, LITERALS_HEADER, RAW_BEHIND, TOO_MANY_LITERALS, TREELESS } from "./errors";
import { decodeFourStreams, decodeStream, readTree, treeEnd } from "./huffman";
import { LITERALS } from "./memory";

const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;

/** Where the literals of the block are, at most 128 KiB, with 32 readable bytes behind them. */
export let literalsAt: usize = 0;
export let literalsSize: u32 = 0;
/** Behind the section. */
export let literalsEnd: usize = 0;

/** Whether a block of the frame has filled the Huffman table. */
let hasTree: bool = false;

export function resetLiterals(): void {
  hasTree = false;
}

/** Decodes the section at the start of the block, which has one byte at least; 0 or an error. */
export function decodeLiterals(start: usize, end: usize, blockMax: u32): i32 {
  const header = load<u32>(start);
  const type = header & 3;
  const format = (header >> 2) & 3;
  if (type == RAW || type == RLE) {
    // One, two or three bytes with 5, 12 or 20 bits of Regenerated_Size.
    const headerSize: u32 = (format & 1) == 0 ? 1 : format == 1 ? 2 : 3;
    const at = start + headerSize;
    if (at > end) return fail(LITERALS_HEADER);
    const size = headerSize == 1 ? (header & 255) >> 3 : (header >> 4) & (headerSize == 2 ? 0xfff : 0xfffff);
    if (size > blockMax) return fail(TOO_MANY_LITERALS, size, blockMax);
    literalsSize = size;
    if (type == RAW) {
      if (at + size > end) return fail(RAW_BEHIND);
      literalsAt = at;
      literalsEnd = at + size;
    } else {
      if (at >= end) return fail(LITERALS_CUT);
      memory.fill(LITERALS, load<u8>(at), size);
      literalsAt = LITERALS;
      literalsEnd = at + 1;
    }
    return 0;
  }
  // Three, four or five bytes with twice 10, 10, 14 or 18 bits: Regenerated_Size and Compressed_Size.
  const headerSize: u32 = format < 2 ? 3 : format + 2;
  const at = start + headerSize;
  if (at > end) return fail(LITERALS_HEADER);
  const width: u64 = format < 2 ? 10 : format == 2 ? 14 : 18;
  const mask: u64 = (1 << width) - 1;
  const wide = load<u64>(start);
  const size = <u32>((wide >> 4) & mask);
  if (size > blockMax) return fail(TOO_MANY_LITERALS, size, blockMax);
  const sectionEnd = at + <usize>((wide >> (4 + width)) & mask);
  if (sectionEnd > end) return fail(LITERALS_BEHIND);
  let streams = at;
  if (type == COMPRESSED) {
    hasTree = true;
    const error = readTree(at, sectionEnd);
    if (error < 0) return error;
    streams = treeEnd;
  } else if (!hasTree) {
    return fail(TREELESS);
  }
  literalsAt = LITERALS;
  literalsSize = size;
  literalsEnd = sectionEnd;
  return format == 0
    ? decodeStream(streams, sectionEnd, LITERALS, LITERALS + size)
    : decodeFourStreams(streams, sectionEnd, LITERALS, size);
}

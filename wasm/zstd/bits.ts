/**
 * Bit streams that are read backwards (RFC 8878, 4.1 and 4.2.2).
 *
 * A position is the number of bits that are still unread; the next n bits are those below it. It may become negative:
 * more was then read than there is, which the caller finds out by looking.
 */
import { fail, STREAM_EMPTY, STREAM_NO_FLAG } from "./errors";

/**
 * Unread bits of the stream in [start, end), without its final-bit flag; negative for an error.
 * @param kind for the message
 */
export function streamBits(start: usize, end: usize, kind: u32): i32 {
  if (end <= start) return fail(STREAM_EMPTY, kind);
  const last = <u32>load<u8>(end - 1);
  if (last == 0) return fail(STREAM_NO_FLAG, kind);
  return (<i32>(end - start) << 3) - 1 - (clz<i32>(last) - 24);
}

/** The n bits from position `bits` on, the highest first; n at most 57. Loads 8 bytes from `start + (bits >> 3)` on. */
// @ts-ignore: decorator
@inline
export function bitsFrom(start: usize, bits: i32, n: u32): u32 {
  return <u32>(load<u64>(start + (bits >> 3)) >> (bits & 7)) & ((1 << n) - 1);
}

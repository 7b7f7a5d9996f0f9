/**
 * Places in a compressed stream where a unit seems to begin.
 *
 * Only a guess: the same bytes can occur inside of compressed data, and do where a layer holds compressed files. Who
 * splits a stream there must see that the decoder of the part in front ends exactly there.
 *
 * @module
 */
import type { Container } from "../codec/detect.ts";

/** Bytes of a gzip header's fixed part (RFC 1952 section 2.3), of a zstd frame's magic number and descriptor. */
const GZIP_HEADER = 10;
const ZSTD_HEADER = 5;

/**
 * Index of the first place at or behind `from` where a gzip member or zstd frame seems to begin, or -1. Headers that
 * `bytes` cuts off are not found.
 */
export function findUnit(container: Container, bytes: Uint8Array, from: number): number {
  const [first, size, looks] = container === "gzip"
    ? [0x1f, GZIP_HEADER, looksLikeMember] as const
    : [0x28, ZSTD_HEADER, looksLikeFrame] as const;
  const last = bytes.length - size;
  for (let at = bytes.indexOf(first, from); at >= 0 && at <= last; at = bytes.indexOf(first, at + 1)) {
    if (looks(bytes, at)) return at;
  }
  return -1;
}

/** Deflate, no reserved flags, and the values that writers give: XFL 0, 2 or 4, an operating system below 14 or 255. */
function looksLikeMember(bytes: Uint8Array, at: number): boolean {
  const xfl = bytes[at + 8]!, os = bytes[at + 9]!;
  return bytes[at + 1] === 0x8b && bytes[at + 2] === 8 && (bytes[at + 3]! & 0xe0) === 0 &&
    (xfl === 0 || xfl === 2 || xfl === 4) && (os < 14 || os === 255);
}

/** The magic number, and a descriptor whose reserved bit is not set (RFC 8878 section 3.1.1.1.1). */
function looksLikeFrame(bytes: Uint8Array, at: number): boolean {
  return bytes[at + 1] === 0xb5 && bytes[at + 2] === 0x2f && bytes[at + 3] === 0xfd &&
    (bytes[at + 4]! & 8) === 0;
}

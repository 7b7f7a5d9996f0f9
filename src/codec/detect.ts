/**
 * What the first bytes of a blob are. Names and media types are never asked.
 *
 * @module
 */
import { looksLikeTarHeader } from "../tar/header.ts";

export type Container = "gzip" | "zstd" | "tar" | "bzip2" | "xz" | "empty" | "unknown";

/** How many bytes `detectContainer` wants to see (fewer only where the blob is shorter): one tar block. */
export const DETECT_BYTES = 512;

/**
 * Tells the container format by magic number: gzip (RFC 1952), zstd and its skippable frames (RFC 8878 section 3.1),
 * bzip2, xz; a tar archive by the checksum of its first header, or by a first block of zeros.
 */
export function detectContainer(head: Uint8Array): Container {
  if (head.length === 0) return "empty";
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head[1] === 0xb5 && head[0] === 0x28 && head[2] === 0x2f && head[3] === 0xfd) return "zstd";
  const [a = 0, b, c, d] = head;
  if (a >= 0x50 && a <= 0x5f && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  if (a === 0x42 && b === 0x5a && c === 0x68 && d !== undefined && d >= 0x31 && d <= 0x39) return "bzip2";
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58 && head[4] === 0x5a && head[5] === 0) return "xz";
  if (head.length < DETECT_BYTES) return head.every((byte) => byte === 0) ? "tar" : "unknown";
  return looksLikeTarHeader(head.subarray(0, DETECT_BYTES)) ? "tar" : "unknown";
}

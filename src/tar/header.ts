/**
 * One 512-byte tar header block: v7, POSIX ustar, star, and GNU (old and new).
 *
 * Follows POSIX.1-2024 "pax", section "ustar Interchange Format", the GNU tar manual's "Basic Tar Format", and, where
 * archives in the wild leave the text, what Go's archive/tar accepts, because podman and containerd read with it.
 *
 * @module
 */
import { FormatError } from "../errors.ts";
import type { SparseExtent, TarFormat } from "./entry.ts";
import { decodeName } from "./names.ts";

export const BLOCK_SIZE = 512;

/** Fields of the header block, before PAX records and GNU long names are merged in. */
export interface RawHeader {
  name: string;
  typeflag: string;
  format: TarFormat;
  size: number;
  mode: number;
  uid: number;
  gid: number;
  userName: string;
  groupName: string;
  mtime: number;
  /** GNU headers may have them; null where they do not. */
  atime: number | null;
  ctime: number | null;
  linkName: string;
  devMajor: number;
  devMinor: number;
}

/** Whether a block is all zeros: half an end-of-archive marker. */
export function isZeroBlock(block: Uint8Array): boolean {
  for (let i = 0; i < block.length; i++) if (block[i] !== 0) return false;
  return true;
}

/** Whether a block could begin a tar archive: zeros, or a header whose checksum is right. */
export function looksLikeTarHeader(block: Uint8Array): boolean {
  return isZeroBlock(block) || checksumMatches(block);
}

/**
 * Sum of all bytes with the checksum field taken as blanks. Old writers summed signed bytes, so both count.
 */
export function checksumMatches(block: Uint8Array): boolean {
  const stored = octal(block, 148, 8);
  if (stored === null) return false;
  let unsigned = 8 * 0x20;
  for (let i = 0; i < 148; i++) unsigned += block[i]!;
  for (let i = 156; i < BLOCK_SIZE; i++) unsigned += block[i]!;
  if (stored === unsigned) return true;
  let high = 0;
  for (let i = 0; i < 148; i++) high += block[i]! >> 7;
  for (let i = 156; i < BLOCK_SIZE; i++) high += block[i]! >> 7;
  return stored === unsigned - 256 * high;
}

/**
 * Parses a block whose checksum matches.
 * @param offset of the block in the tar stream, for errors
 * @throws {FormatError} `tar-bad-number` with the field's name
 */
export function parseHeader(block: Uint8Array, offset: number): RawHeader {
  const format = formatOf(block);
  const number = (field: string, at: number, length: number) => numeric(block, at, length, field, offset);
  const flag = block[156]!;
  const header: RawHeader = {
    name: text(block, 0, 100),
    typeflag: flag === 0 ? "\0" : String.fromCharCode(flag),
    format,
    mode: number("mode", 100, 8),
    uid: number("uid", 108, 8),
    gid: number("gid", 116, 8),
    size: number("size", 124, 12),
    mtime: number("mtime", 136, 12),
    atime: null,
    ctime: null,
    linkName: text(block, 157, 100),
    userName: "",
    groupName: "",
    devMajor: 0,
    devMinor: 0,
  };
  if (format === "v7") return header;
  header.userName = text(block, 265, 32);
  header.groupName = text(block, 297, 32);
  header.devMajor = number("devmajor", 329, 8);
  header.devMinor = number("devminor", 337, 8);
  const prefix = prefixOf(block, format);
  if (prefix !== "") header.name = `${prefix}/${header.name}`;
  else if (format === "gnu" && hasGnuTimes(block)) {
    header.atime = gnuTime(block, ATIME);
    header.ctime = gnuTime(block, CTIME);
  }
  return header;
}

/**
 * "ustar" NUL is POSIX (star adds "tar" at the end of the block) whatever the version behind it: Go and GNU tar do not
 * look at it. "ustar" and two blanks is GNU; else v7.
 */
function formatOf(block: Uint8Array): TarFormat {
  if (holds(block, 257, "ustar  \0")) return "gnu";
  if (!holds(block, 257, "ustar\0")) return "v7";
  return holds(block, 508, "tar\0") ? "star" : "ustar";
}

function holds(block: Uint8Array, at: number, ascii: string): boolean {
  for (let i = 0; i < ascii.length; i++) if (block[at + i] !== ascii.charCodeAt(i)) return false;
  return true;
}

function prefixOf(block: Uint8Array, format: TarFormat): string {
  if (format === "ustar") return text(block, 345, 155);
  if (format === "star") return text(block, 345, 131);
  // GNU keeps times here. Go before 1.8 wrote a prefix into headers that it labelled GNU; they are told by the fact that
  // the times do not parse, and archives like that still lie in registries.
  if (hasGnuTimes(block)) return "";
  const prefix = text(block, 345, 155);
  // deno-lint-ignore no-control-regex -- the whole of ASCII is meant
  return /^[\x00-\x7f]*$/.test(prefix) ? prefix : "";
}

const ATIME = 345, CTIME = 357;

function hasGnuTimes(block: Uint8Array): boolean {
  return [ATIME, CTIME].every((at) =>
    block[at] === 0 ||
    ((block[at]! & 0x80) !== 0 ? isInt64(base256(block, at, 12)) : octal(block, at, 12) !== null)
  );
}

/** Seconds, or null where there are none, or more than any date has. */
function gnuTime(block: Uint8Array, at: number): number | null {
  if (block[at] === 0) return null;
  const value = block[at]! & 0x80 ? Number(base256(block, at, 12)) : octal(block, at, 12);
  return Number.isSafeInteger(value) ? value : null;
}

/** Bytes up to the first NUL. */
function text(block: Uint8Array, at: number, length: number): string {
  const end = block.indexOf(0, at);
  const stop = end < 0 || end > at + length ? at + length : end;
  return stop === at ? "" : decodeName(block.subarray(at, stop));
}

/** Octal digits between blanks and NULs; an empty field is 0; null if anything else is in there. */
function octal(block: Uint8Array, at: number, length: number): number | null {
  let start = at;
  let end = at + length;
  while (start < end && isPadding(block[start]!)) start++;
  while (end > start && isPadding(block[end - 1]!)) end--;
  let value = 0;
  for (let i = start; i < end; i++) {
    const byte = block[i]!;
    if (byte === 0) break;
    if (byte < 0x30 || byte > 0x37) return null;
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

function isPadding(byte: number): boolean {
  return byte === 0 || byte === 0x20;
}

/** Octal, or base-256 in two's complement where the top bit of the first byte is set (GNU, star). */
function numeric(block: Uint8Array, at: number, length: number, field: string, offset: number): number {
  const value = block[at]! & 0x80 ? Number(base256(block, at, length)) : octal(block, at, length);
  if (value !== null && Number.isSafeInteger(value)) return value;
  const reason = value === null ? "is not a number" : "is larger than 2^53 - 1";
  throw new FormatError(
    "tar-bad-number",
    `Cannot read tar header at offset ${offset}: its ${field} field ${reason}`,
    {
      tarOffset: offset,
      advice: "The archive is damaged or was written by a broken program.",
    },
  );
}

function base256(block: Uint8Array, at: number, length: number): bigint {
  const negative = (block[at]! & 0x40) !== 0;
  let value = 0n;
  for (let i = 0; i < length; i++) {
    const byte = i === 0 ? block[at]! & 0x7f : block[at + i]!;
    value = (value << 8n) | BigInt(byte);
  }
  return negative ? BigInt.asIntN(8 * length - 1, value) : value;
}

/** Go reads base-256 numbers into 64 bits, and refuses what does not fit. */
function isInt64(value: bigint): boolean {
  return BigInt.asIntN(64, value) === value;
}

/** The four extents of an old GNU sparse header (offset 386), or the 21 of an extension block (offset 0). */
export function sparseExtents(block: Uint8Array, at: number, count: number, offset: number): SparseExtent[] {
  const extents: SparseExtent[] = [];
  for (let i = 0; i < count; i++) {
    const start = at + 24 * i;
    if (block[start] === 0) break;
    extents.push({
      offset: numeric(block, start, 12, "sparse offset", offset),
      length: numeric(block, start + 12, 12, "sparse length", offset),
    });
  }
  return extents;
}

/** Whether another extension block follows: the flag in an old GNU header is at 482, in an extension block at 504. */
export function sparseContinues(block: Uint8Array, at: 482 | 504): boolean {
  return block[at] !== 0;
}

/** The expanded size of an old GNU sparse member. */
export function sparseRealSize(block: Uint8Array, offset: number): number {
  return numeric(block, 483, 12, "sparse real size", offset);
}

/**
 * Headers of tar members, written so that GNU tar reads exactly what was meant.
 *
 * Names go out as bytes, long ones in GNU's own members (`L`, `K`): a PAX `path` would be converted from UTF-8 to the
 * character set of the reader's locale. Numbers that octal cannot hold are base-256 (GNU tar manual, "Basic Tar Format");
 * what only PAX can say (fractions of seconds, extended attributes, sparse maps) stands in PAX records (POSIX.1-2024
 * "pax", section "pax Extended Header").
 *
 * @module
 */
import type { Timestamp } from "./entry.ts";
import { BLOCK_SIZE } from "./header.ts";
import { encodeName } from "./names.ts";

/** What a member's headers say. Names are lossless strings (see `names.ts`). */
export interface TarMember {
  readonly name: string;
  /** One ASCII character. */
  readonly typeflag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of payload that follow, without padding. */
  readonly size: number;
  readonly mtime: Timestamp;
  readonly linkName?: string;
  readonly devMajor?: number;
  readonly devMinor?: number;
  /** More PAX records; keys without `=`. */
  readonly pax?: ReadonlyMap<string, Uint8Array>;
}

/** Two zero blocks: the end of an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK_SIZE);

const encoder = new TextEncoder();
const ZEROS = new Uint8Array(BLOCK_SIZE);

/** Zeros that fill the last block of `size` bytes; none where it is full. */
export function paddingOf(size: number): Uint8Array {
  return ZEROS.subarray(0, (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE);
}

/** All headers of a member, whole blocks; its payload and `paddingOf` it must follow. */
export function tarHeaders(member: TarMember): Uint8Array {
  const name = encodeName(member.name);
  const link = encodeName(member.linkName ?? "");
  const blocks: Uint8Array[] = [];
  if (link.length > NAME_BYTES) blocks.push(...longName("K", link));
  if (name.length > NAME_BYTES) blocks.push(...longName("L", name));
  blocks.push(...paxBlocks(member));
  blocks.push(headerBlock(member, name, link));
  return concat(blocks);
}

const NAME_BYTES = 100;

function headerBlock(member: TarMember, name: Uint8Array, link: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  block.set(name.subarray(0, NAME_BYTES), 0);
  number(block, 100, 8, member.mode);
  number(block, 108, 8, member.uid);
  number(block, 116, 8, member.gid);
  number(block, 124, 12, member.size);
  number(block, 136, 12, member.mtime.seconds);
  block[156] = member.typeflag.charCodeAt(0);
  block.set(link.subarray(0, NAME_BYTES), 157);
  ascii(block, 257, "ustar\x0000");
  number(block, 329, 8, member.devMajor ?? 0);
  number(block, 337, 8, member.devMinor ?? 0);
  checksum(block);
  return block;
}

/** The sum of all bytes with blanks in the checksum's own place: six octal digits, NUL, blank. */
function checksum(block: Uint8Array): void {
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (let i = 0; i < BLOCK_SIZE; i++) sum += block[i]!;
  ascii(block, 148, `${sum.toString(8).padStart(6, "0")}\0 `);
}

/** A few characters: an encoder takes longer to be called. */
function ascii(block: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) block[at + i] = text.charCodeAt(i);
}

/** Octal with a NUL behind it, or two's complement with the top bit set where that does not hold the number. */
function number(block: Uint8Array, at: number, length: number, value: number): void {
  if (value >= 0 && value < 8 ** (length - 1)) {
    return ascii(block, at, value.toString(8).padStart(length - 1, "0"));
  }
  let rest = BigInt.asUintN(8 * length, BigInt(value));
  for (let i = length - 1; i >= 0; i--) {
    block[at + i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  block[at]! |= 0x80;
}

/** GNU's member that holds the name of the one behind it, and a NUL. */
function longName(typeflag: "K" | "L", name: Uint8Array): Uint8Array[] {
  const body = concat([name, ZEROS.subarray(0, 1)]);
  return special("././@LongLink", typeflag, body);
}

function paxBlocks({ mtime, pax }: TarMember): Uint8Array[] {
  const records: Uint8Array[] = [];
  if (mtime.nanoseconds !== 0) records.push(paxRecord("mtime", encoder.encode(decimalTime(mtime))));
  for (const [key, value] of pax ?? []) records.push(paxRecord(key, value));
  return records.length > 0 ? special("PaxHeaders", "x", concat(records)) : [];
}

function special(name: string, typeflag: string, body: Uint8Array): Uint8Array[] {
  const header = headerBlock(
    { name, typeflag, mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: EPOCH },
    encoder.encode(name),
    ZEROS.subarray(0, 0),
  );
  return [header, body, paddingOf(body.length)];
}

/** 1970-01-01T00:00:00Z. */
export const EPOCH: Timestamp = { seconds: 0, nanoseconds: 0 };

/** `[-]SECONDS.NANOSECONDS`, where the fraction counts away from zero as PAX has it. */
function decimalTime({ seconds, nanoseconds }: Timestamp): string {
  const negative = seconds < 0;
  const whole = negative ? -seconds - 1 : seconds;
  const fraction = negative ? 1e9 - nanoseconds : nanoseconds;
  return `${negative ? "-" : ""}${whole}.${String(fraction).padStart(9, "0")}`;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const middle = concat([encoder.encode(" "), encodeName(key), encoder.encode("=")]);
  const rest = middle.length + value.length + 1;
  let length = rest + String(rest).length;
  if (String(length).length + rest !== length) length = rest + String(length).length;
  return concat([encoder.encode(String(length)), middle, value, encoder.encode("\n")]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

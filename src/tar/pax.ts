/**
 * PAX extended headers: POSIX.1-2024 "pax", section "pax Extended Header".
 *
 * @module
 */
import { FormatError } from "../errors.ts";
import type { Timestamp } from "./entry.ts";
import { decodeName, escapeName } from "./names.ts";

/** Records of one extended header, in order, later ones winning; values are raw bytes. */
export type PaxRecords = Map<string, Uint8Array>;

const SPARSE_OFFSET = "GNU.sparse.offset";
const SPARSE_BYTES = "GNU.sparse.numbytes";
/** Records whose value names something: a NUL in it would make C programs see another name. */
const NAMES = new Set(["path", "linkpath", "uname", "gname"]);
const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/**
 * Parses `LENGTH KEY=VALUE\n` records. The repeated offset and length pairs of GNU sparse format 0.0 are gathered under
 * `GNU.sparse.map`, as format 0.1 writes them.
 * @param offset of the header block in the tar stream, for errors
 * @throws {FormatError} `pax-malformed`
 */
export function parsePax(bytes: Uint8Array, offset: number): PaxRecords {
  const records: PaxRecords = new Map();
  const sparse: string[] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(SPACE, at);
    // 5 digits would do for 1 MiB; more would only hide an overflow.
    const digits = space > at && space - at <= 10 ? latin1(bytes.subarray(at, space)) : "";
    const end = /^[0-9]+$/.test(digits) ? at + Number(digits) : -1;
    const equals = bytes.indexOf(EQUALS, space + 1);
    if (end > bytes.length || end <= space + 1 || bytes[end - 1] !== NEWLINE || equals < 0 || equals >= end) {
      throw malformed("a record's length, '=' or newline is not where it should be", offset);
    }
    const key = decodeName(bytes.subarray(space + 1, equals));
    const value = bytes.subarray(equals + 1, end - 1);
    checkRecord(key, value, offset);
    if (key === SPARSE_OFFSET || key === SPARSE_BYTES) {
      sparse.push(sparsePart(key, value, sparse.length, offset));
    } else records.set(key, value);
    at = end;
  }
  if (sparse.length > 0) records.set("GNU.sparse.map", new TextEncoder().encode(sparse.join(",")));
  return records;
}

function checkRecord(key: string, value: Uint8Array, offset: number): void {
  if (key === "") throw malformed("a record has no key", offset);
  if (NAMES.has(key) ? value.includes(0) : key.includes("\0")) {
    throw malformed(`the record ${escapeName(key.slice(0, 200))} holds a NUL`, offset);
  }
}

function sparsePart(key: string, value: Uint8Array, index: number, offset: number): string {
  const text = latin1(value);
  const wanted = index % 2 === 0 ? SPARSE_OFFSET : SPARSE_BYTES;
  if (key !== wanted || !/^[0-9]+$/.test(text)) {
    throw malformed("the sparse map's offset and numbytes do not alternate", offset);
  }
  return text;
}

/** A decimal record such as `size`; null if it is not a number. */
export function paxInteger(value: Uint8Array): number | null {
  const text = latin1(value);
  if (!/^[+-]?[0-9]{1,20}$/.test(text)) return null;
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : null;
}

/** `[-]SECONDS[.FRACTION]`, cut to nanoseconds; null if it is not a time. */
export function paxTime(value: Uint8Array): Timestamp | null {
  const match = /^(-?)([0-9]{1,16})(?:\.([0-9]*))?$/.exec(latin1(value));
  if (!match) return null;
  const [, sign, whole = "", fraction = ""] = match;
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (!Number.isSafeInteger(seconds)) return null;
  if (sign === "") return { seconds, nanoseconds };
  if (nanoseconds === 0) return { seconds: seconds === 0 ? 0 : -seconds, nanoseconds: 0 };
  return { seconds: -seconds - 1, nanoseconds: 1e9 - nanoseconds };
}

export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export function malformed(what: string, offset: number): FormatError {
  return new FormatError("pax-malformed", `Cannot read the PAX header at offset ${offset}: ${what}`, {
    tarOffset: offset,
    advice: "Readers disagree about such archives: build the layer again.",
  });
}

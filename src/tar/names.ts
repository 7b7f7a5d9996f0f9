/**
 * Names in layers are bytes. Inside this program they are strings that lose nothing: valid UTF-8 is decoded, every
 * other byte 0x80..0xff becomes the lone surrogate U+DC80..U+DCFF (which valid UTF-8 never gives).
 *
 * @module
 */

// `ignoreBOM: true` keeps a leading U+FEFF: it is part of the name.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The lossless string of a name. */
export function decodeName(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    return decodeLossless(bytes);
  }
}

/** The bytes of a lossless string: the inverse of `decodeName`. */
export function encodeName(name: string): Uint8Array {
  if (isUtf8Name(name)) return encoder.encode(name);
  const out: number[] = [];
  for (const char of name) {
    const code = char.codePointAt(0)!;
    if (isRawByte(code)) out.push(code - 0xdc00);
    else out.push(...encoder.encode(char));
  }
  return Uint8Array.from(out);
}

/** Whether every byte of the name belongs to valid UTF-8. */
export function isUtf8Name(name: string): boolean {
  return name.isWellFormed();
}

/**
 * What a TOC writer in Go makes of the name: encoding/json replaces each byte that is not UTF-8 by U+FFFD, one by one.
 */
export function replacedName(name: string): string {
  return isUtf8Name(name) ? name : name.replace(/[\ud800-\udfff]/gu, "\ufffd");
}

/**
 * Printable on any terminal, and can be read back: control characters, DEL, bidirectional controls, line separators
 * and bytes that are not UTF-8 become `\xNN` (each byte of their UTF-8 form), a backslash becomes `\\`.
 */
export function escapeName(name: string): string {
  return name.replace(UNPRINTABLE, (char) => {
    if (char === "\\") return "\\\\";
    const code = char.codePointAt(0)!;
    const bytes = isRawByte(code) ? [code - 0xdc00] : encoder.encode(char);
    return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0").toUpperCase()}`).join("");
  });
}

const UNPRINTABLE =
  // deno-lint-ignore no-control-regex -- control characters are exactly what is looked for
  /[\u0000-\u001f\\\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]/gu;

function isRawByte(code: number): boolean {
  return code >= 0xdc80 && code <= 0xdcff;
}

/** Walks the bytes as Go's utf8.DecodeRune does: an invalid sequence gives up one byte only. */
function decodeLossless(bytes: Uint8Array): string {
  let text = "";
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length > 0) text += utf8.decode(bytes.subarray(at, at + length));
    else text += String.fromCharCode(0xdc00 + bytes[at]!);
    at += Math.max(length, 1);
  }
  return text;
}

/** Length of the valid UTF-8 sequence at `at` (RFC 3629 section 4), or 0. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0;
  const second = bytes[at + 1]!;
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < low || second > high) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  return length;
}

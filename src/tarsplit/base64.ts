/**
 * Base64 (RFC 4648 section 4) as Go's encoding/json writes byte strings: with padding, without line ends.
 *
 * @module
 */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD = 0x3d;

/** The character of each six bits. */
const CHARS = Uint8Array.from(ALPHABET, (char) => char.charCodeAt(0));

/** The six bits of each character, 0xff for those that have none. */
const BITS = new Uint8Array(256).fill(0xff);
CHARS.forEach((char, bits) => BITS[char] = bits);

/** Encodes one byte string after the other, each given in pieces. */
export class Base64Encoder {
  /** Bytes that do not make up three yet. */
  #held = 0;
  #heldBits = 0;

  /**
   * Writes what `bytes` give to `out` from `at` on; one or two bytes may be held back until more come.
   * @param out has room for `4 * Math.ceil((bytes.length + 2) / 3)` more
   * @returns the index behind the last character written
   */
  push(bytes: Uint8Array, out: Uint8Array, at: number): number {
    let from = 0;
    while (this.#held > 0 && from < bytes.length) {
      this.#heldBits = this.#heldBits << 8 | bytes[from++]!;
      if (++this.#held < 3) continue;
      at = put(this.#heldBits, out, at);
      this.#held = this.#heldBits = 0;
    }
    const whole = from + 3 * Math.floor((bytes.length - from) / 3);
    for (; from < whole; from += 3) {
      at = put(bytes[from]! << 16 | bytes[from + 1]! << 8 | bytes[from + 2]!, out, at);
    }
    for (; from < bytes.length; from++) {
      this.#heldBits = this.#heldBits << 8 | bytes[from]!;
      this.#held++;
    }
    return at;
  }

  /** Ends the byte string: writes what was held back, with its padding (4 characters at most). */
  end(out: Uint8Array, at: number): number {
    if (this.#held === 0) return at;
    const missing = 3 - this.#held;
    at = put(this.#heldBits << 8 * missing, out, at);
    out.fill(PAD, at - missing, at);
    this.#held = this.#heldBits = 0;
    return at;
  }
}

function put(bits: number, out: Uint8Array, at: number): number {
  out[at] = CHARS[bits >> 18]!;
  out[at + 1] = CHARS[bits >> 12 & 0x3f]!;
  out[at + 2] = CHARS[bits >> 6 & 0x3f]!;
  out[at + 3] = CHARS[bits & 0x3f]!;
  return at + 4;
}

/** The base64 of some bytes that are there at once: checksums, names. */
export function encodeBase64(bytes: Uint8Array): string {
  const encoder = new Base64Encoder();
  const out = new Uint8Array(4 * Math.ceil((bytes.length + 2) / 3));
  const length = encoder.end(out, encoder.push(bytes, out, 0));
  return new TextDecoder().decode(out.subarray(0, length));
}

/** The bytes of canonical base64; null for what no encoder writes (no padding, line ends, bits behind the end). */
export function decodeBase64(text: string): Uint8Array | null {
  const { length } = text;
  if (length % 4 !== 0) return null;
  if (length === 0) return new Uint8Array(0);
  const pads = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const out = new Uint8Array(length / 4 * 3);
  let wrong = 0;
  let to = 0;
  for (let at = 0; at < length; at += 4) {
    const isLast = at + 4 === length;
    const a = bitsOf(text, at);
    const b = bitsOf(text, at + 1);
    const c = isLast && pads === 2 ? 0 : bitsOf(text, at + 2);
    const d = isLast && pads > 0 ? 0 : bitsOf(text, at + 3);
    wrong |= a | b | c | d;
    out[to] = a << 2 | b >> 4;
    out[to + 1] = b << 4 | c >> 2;
    out[to + 2] = c << 6 | d;
    to += 3;
  }
  if ((wrong & 0x80) !== 0) return null;
  const bytes = out.subarray(0, out.length - pads);
  for (let at = bytes.length; at < out.length; at++) if (out[at] !== 0) return null;
  return bytes;
}

function bitsOf(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 256 ? BITS[code]! : 0xff;
}

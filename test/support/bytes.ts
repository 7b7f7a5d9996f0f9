/**
 * Bytes for test builders: joining, text, and the digests that expected values are made of.
 *
 * Nothing here comes from `src/`: what a test expects must not be computed by the code it tests.
 */
import { createHash } from "node:crypto";

/** Bytes as a builder takes them: text stands for its UTF-8 bytes. */
export type BytesLike = string | Uint8Array;

const encoder = new TextEncoder();

/** The bytes of `value`; text becomes UTF-8. */
export function bytes(value: BytesLike): Uint8Array {
  return typeof value === "string" ? encoder.encode(value) : value;
}

/** Bytes 0 to 255 from a string whose code units are these values, for names that are not UTF-8. */
export function latin1(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** All pieces joined into a new array. */
export function concat(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

/** Everything a generator yields, joined. */
export function collect(pieces: Iterable<Uint8Array>): Uint8Array<ArrayBuffer> {
  return concat(...pieces);
}

/** `data` in pieces of `size` bytes (the last one shorter), as views. */
export function* slices(data: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

/** Lower-case hex digits of `data`. */
export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The OCI digest `sha256:…` of some bytes, given whole or in pieces. */
export function sha256(data: BytesLike | Iterable<Uint8Array>): string {
  const hash = createHash("sha256");
  if (typeof data === "string" || data instanceof Uint8Array) hash.update(data);
  else for (const piece of data) hash.update(piece);
  return `sha256:${hash.digest("hex")}`;
}

/** An unsigned little-endian number of `width` bytes; takes the low bits of what does not fit. */
export function littleEndian(value: number | bigint, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(width);
  let rest = BigInt.asUintN(width * 8, BigInt(value));
  for (let at = 0; at < width; at++) {
    out[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return out;
}

/** Joins any number of pieces; `concat` takes arguments, of which there cannot be a hundred thousand. */
export function join(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

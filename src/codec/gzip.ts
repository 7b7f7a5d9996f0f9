/**
 * gzip (RFC 1952) as layers use it: any number of members, each header, CRC-32 and length checked.
 *
 * An `Inflater` inflates; headers, trailers and the edges between members are handled here, because most decoders stop
 * at, or stumble over, what follows the first member.
 *
 * @module
 */
import type { Crc32 } from "../digest/hasher.ts";
import { FormatError, type LayerproofError } from "../errors.ts";
import type { CodecEvents, StreamDecoder } from "./events.ts";
import { type Inflater, isInflateError } from "./inflater.ts";

/** Flag bits of a member header (RFC 1952 section 2.3.1). */
const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;
const RESERVED = 0xe0;

/** Longest extra field that is handed on: those of TOC footers have 21, 22 or 26 bytes. */
const KEPT_EXTRA = 64;
/** RFC 1952 gives names and comments no bound; no writer comes near this. */
const MAX_TEXT = 64 * 1024;

/** Bytes of the fixed part of a header, and of a trailer. */
const HEADER = 10;
const TRAILER = 8;

type State =
  | "between"
  | "header"
  | "extra-length"
  | "extra"
  | "name"
  | "comment"
  | "header-crc"
  | "body"
  | "trailer"
  | "zeros";

export class GzipDecoder implements StreamDecoder {
  readonly #events: CodecEvents;
  readonly #crc: Crc32;
  readonly #headerCrc: Crc32;
  readonly #inflater: Inflater;
  readonly #emit = (bytes: Uint8Array): void => {
    this.#crc.update(bytes);
    this.#outOffset += bytes.length;
    this.#events.data(bytes);
  };
  #state: State = "between";
  #failure: LayerproofError | null = null;
  /** Bytes of the current fixed-size field. */
  readonly #field = new Uint8Array(HEADER);
  readonly #fieldView = new DataView(this.#field.buffer);
  #fieldLength = 0;
  #flags = 0;
  #extra: Uint8Array | null = null;
  #extraLength = 0;
  #textLength = 0;
  #inOffset = 0;
  #outOffset = 0;
  #memberStart = 0;
  #memberOut = 0;
  #members = 0;

  /**
   * @param crcs two CRC-32 hashers, one for content and one for headers
   * @param blobOffset of the first byte that will be pushed; a member must begin there
   */
  constructor(events: CodecEvents, inflater: Inflater, crcs: readonly [Crc32, Crc32], blobOffset = 0) {
    this.#events = events;
    this.#inflater = inflater;
    [this.#crc, this.#headerCrc] = crcs;
    // A decoder before this one may have ended in the middle.
    this.#crc.finish();
    this.#inOffset = blobOffset;
  }

  get atBoundary(): boolean {
    return this.#state === "between" && this.#members > 0 && !this.#failure;
  }

  push(bytes: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    let at = 0;
    while (at < bytes.length) {
      const used = this.#state === "body" ? this.#inflate(bytes, at) : this.#outside(bytes, at);
      at += used;
      this.#inOffset += used;
    }
  }

  end(): void {
    if (this.#failure) throw this.#failure;
    const whole = (this.#state === "between" && this.#members > 0) || this.#state === "zeros";
    if (whole) return;
    this.#fail(
      "gzip-truncated",
      `the gzip stream ends inside the ${this.#state === "body" ? "data" : this.#state} of a member`,
      "The blob is cut short: fetch it again.",
    );
  }

  /** Consumes bytes outside of deflate data: headers and trailers that lie whole in the piece at once. */
  #outside(bytes: Uint8Array, at: number): number {
    const left = bytes.length - at;
    if (this.#state === "zeros") {
      let zeros = 0;
      while (zeros < left && bytes[at + zeros] === 0) zeros++;
      if (zeros > 0) return zeros;
    }
    if (this.#state === "between" && left >= HEADER && bytes[at] === 0x1f) {
      this.#beginMember(0x1f);
      this.#field.set(bytes.subarray(at, at + HEADER));
      this.#fieldLength = 0;
      // Where that throws, the place is the end of the header, as it is when the bytes come one by one.
      this.#inOffset += HEADER - 1;
      this.#fixedHeader();
      this.#inOffset -= HEADER - 1;
      return HEADER;
    }
    if (this.#state === "trailer" && left >= TRAILER && this.#fieldLength === 0) {
      this.#field.set(bytes.subarray(at, at + TRAILER));
      this.#inOffset += TRAILER - 1;
      this.#endMember();
      this.#inOffset -= TRAILER - 1;
      return TRAILER;
    }
    return this.#headerByte(bytes[at]!);
  }

  #headerByte(byte: number): number {
    switch (this.#state) {
      case "between":
        this.#beginMember(byte);
        break;
      case "zeros":
        if (byte !== 0) {
          this.#fail("gzip-trailing-data", "bytes other than zeros follow the last gzip member");
        }
        break;
      case "header":
        if (this.#collect(byte, HEADER)) this.#fixedHeader();
        break;
      case "extra-length":
        if (this.#collect(byte, 2)) this.#extraHeader();
        break;
      case "extra":
        this.#crcHeader(byte);
        if (this.#extra) this.#extra[this.#textLength] = byte;
        if (++this.#textLength === this.#extraLength) this.#nextField(FEXTRA);
        break;
      case "name":
      case "comment":
        this.#text(byte);
        break;
      case "header-crc":
        if (this.#collect(byte, 2)) this.#checkHeaderCrc();
        break;
      case "trailer":
        if (this.#collect(byte, TRAILER)) this.#endMember();
        break;
      case "body":
        break;
    }
    return 1;
  }

  #beginMember(byte: number): void {
    if (byte === 0 && this.#members > 0) {
      this.#events.zeroPadding(this.#inOffset);
      this.#state = "zeros";
      return;
    }
    if (byte !== 0x1f) this.#fail("gzip-trailing-data", "bytes that are no gzip member follow a gzip member");
    this.#memberStart = this.#inOffset;
    this.#memberOut = this.#outOffset;
    this.#extra = null;
    this.#state = "header";
    this.#field[0] = byte;
    this.#fieldLength = 1;
  }

  /** Whether the field of `length` bytes is whole with this byte. */
  #collect(byte: number, length: number): boolean {
    this.#field[this.#fieldLength++] = byte;
    if (this.#fieldLength < length) return false;
    this.#fieldLength = 0;
    return true;
  }

  #fixedHeader(): void {
    const field = this.#field;
    if (field[1] !== 0x8b) {
      this.#fail("gzip-trailing-data", "bytes that are no gzip member follow a gzip member");
    }
    if (field[2] !== 8) {
      this.#fail("gzip-method", `a gzip member uses compression method ${field[2]}, only 8 is defined`);
    }
    this.#flags = field[3]!;
    if (this.#flags & RESERVED) this.#fail("gzip-reserved-flags", "a gzip member has reserved flag bits set");
    if (this.#flags & FHCRC) {
      this.#headerCrc.finish();
      this.#headerCrc.update(field);
    }
    this.#nextField(0);
  }

  /** Goes on to the first field behind `done` that the flags announce (they come in the order of RFC 1952 section 2.3). */
  #nextField(done: number): void {
    this.#textLength = 0;
    if (done < FEXTRA && this.#flags & FEXTRA) this.#state = "extra-length";
    else if (done < FNAME && this.#flags & FNAME) this.#state = "name";
    else if (done < FCOMMENT && this.#flags & FCOMMENT) this.#state = "comment";
    else if (this.#flags & FHCRC) this.#state = "header-crc";
    else this.#beginBody();
  }

  #extraHeader(): void {
    if (this.#flags & FHCRC) this.#headerCrc.update(this.#field.subarray(0, 2));
    this.#extraLength = this.#field[0]! | (this.#field[1]! << 8);
    this.#extra = this.#extraLength <= KEPT_EXTRA ? new Uint8Array(this.#extraLength) : null;
    if (this.#extraLength === 0) this.#nextField(FEXTRA);
    else this.#state = "extra";
  }

  #text(byte: number): void {
    this.#crcHeader(byte);
    if (byte === 0) this.#nextField(this.#state === "name" ? FNAME : FCOMMENT);
    else if (++this.#textLength > MAX_TEXT) {
      this.#fail(
        "gzip-header-too-long",
        `the ${this.#state} in a gzip header has no end within ${MAX_TEXT} bytes`,
      );
    }
  }

  #crcHeader(byte: number): void {
    if (this.#flags & FHCRC) this.#headerCrc.update(Uint8Array.of(byte));
  }

  #checkHeaderCrc(): void {
    const expected = this.#field[0]! | (this.#field[1]! << 8);
    const actual = this.#headerCrc.finish() & 0xffff;
    if (expected !== actual) {
      this.#fail("gzip-header-crc", `the CRC-16 of a gzip header is ${actual}, the header says ${expected}`);
    }
    this.#beginBody();
  }

  #beginBody(): void {
    this.#inflater.reset();
    this.#state = "body";
    this.#events.unitStart({ blobOffset: this.#memberStart, outOffset: this.#outOffset, extra: this.#extra });
  }

  /** Inflates from `bytes[at]` on, to the end of the piece or of the member; returns how many bytes it used. */
  #inflate(bytes: Uint8Array, at: number): number {
    try {
      const used = this.#inflater.inflate(bytes, at, this.#emit);
      if (this.#inflater.done) this.#state = "trailer";
      return used;
    } catch (error) {
      if (!isInflateError(error)) throw error;
      // What is told must not depend on how the blob was cut; pako does not know the place, only the member.
      this.#inOffset = error.used === undefined ? this.#memberStart : this.#inOffset + error.used;
      const done = this.#outOffset - this.#memberOut;
      this.#fail(
        "gzip-corrupt",
        `the deflate data of the member at ${this.#memberStart} is corrupt behind ${done} bytes of output ` +
          `(${error.message})`,
      );
    }
  }

  #endMember(): void {
    const view = this.#fieldView;
    const crc = { expected: view.getUint32(0, true), actual: this.#crc.finish() };
    // ISIZE is the length modulo 2^32, so it can be checked for members of any length but never gives one.
    const length = {
      expected: view.getUint32(4, true),
      actual: (this.#outOffset - this.#memberOut) % 2 ** 32,
    };
    const wrong = crc.expected !== crc.actual ? crc : length.expected !== length.actual ? length : null;
    this.#members++;
    this.#state = "between";
    this.#events.unitEnd({
      blobOffset: this.#memberStart,
      endOffset: this.#inOffset + 1,
      outOffset: this.#memberOut,
      outEnd: this.#outOffset,
      checksum: wrong ?? "ok",
    });
  }

  #fail(code: string, what: string, advice = "The blob is damaged or not a gzip layer."): never {
    this.#failure = new FormatError(code, `Cannot read gzip at offset ${this.#inOffset}: ${what}`, {
      blobOffset: this.#inOffset,
      advice,
    });
    throw this.#failure;
  }
}

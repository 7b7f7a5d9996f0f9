/**
 * Gzip members with every header field and trailer in reach (RFC 1952), and gzip data too large for memory.
 */
import { constants, crc32, deflateRawSync } from "node:zlib";
import { bytes, type BytesLike, concat, littleEndian } from "./bytes.ts";

/** Header fields and faults of one member. */
export interface GzipOptions {
  /** Deflate level 0 to 9; default 6. */
  readonly level?: number;
  /** Deflate blocks of type "stored" only, made here, so that every payload byte stands in the member. */
  readonly stored?: boolean;
  /** This in place of the deflate data. */
  readonly deflated?: Uint8Array;
  /** FEXTRA: the extra field, without its length. */
  readonly extra?: BytesLike;
  /** FNAME, without its NUL. */
  readonly name?: BytesLike;
  /** FCOMMENT, without its NUL. */
  readonly comment?: BytesLike;
  /** No NUL behind the name and the comment. */
  readonly unterminated?: boolean;
  /** FHCRC: true for the right one, or the 16 bits to write. */
  readonly hcrc?: boolean | number;
  /** FTEXT. */
  readonly text?: boolean;
  /** Reserved flag bits to set; 0xe0 are the reserved ones. */
  readonly reservedFlags?: number;
  /** Compression method; 8 is deflate. */
  readonly method?: number;
  readonly mtime?: number;
  /** XFL; default 0. */
  readonly xfl?: number;
  /** OS; default 255, unknown. */
  readonly os?: number;
  /** A wrong CRC-32 in the trailer: true to flip its bits, or the value. */
  readonly badCrc?: boolean | number;
  /** A wrong length in the trailer: true for one too many, or the value. */
  readonly badIsize?: boolean | number;
}

/** A member's header alone. */
export function gzipHeader(options: GzipOptions = {}): Uint8Array<ArrayBuffer> {
  const { text, hcrc, extra, name, comment } = options;
  const flags = (text ? 1 : 0) | (hcrc !== undefined && hcrc !== false ? 2 : 0) |
    (extra !== undefined ? 4 : 0) |
    (name !== undefined ? 8 : 0) | (comment !== undefined ? 16 : 0) | (options.reservedFlags ?? 0);
  const nul = new Uint8Array(options.unterminated ? 0 : 1);
  const parts = [
    Uint8Array.of(0x1f, 0x8b, options.method ?? 8, flags),
    littleEndian(options.mtime ?? 0, 4),
    Uint8Array.of(options.xfl ?? 0, options.os ?? 255),
  ];
  if (extra !== undefined) {
    parts.push(littleEndian(bytes(extra).length, 2), bytes(extra) as Uint8Array<ArrayBuffer>);
  }
  if (name !== undefined) parts.push(concat(bytes(name), nul));
  if (comment !== undefined) parts.push(concat(bytes(comment), nul));
  const header = concat(...parts);
  if (hcrc === undefined || hcrc === false) return header;
  return concat(header, littleEndian(hcrc === true ? crc32(header) & 0xffff : hcrc, 2));
}

/** A member's trailer: CRC-32 and length modulo 2^32, right unless the options say otherwise. */
export function gzipTrailer(crc: number, length: number, options: GzipOptions = {}): Uint8Array<ArrayBuffer> {
  const { badCrc = false, badIsize = false } = options;
  const sum = typeof badCrc === "number" ? badCrc : badCrc ? ~crc : crc;
  const isize = typeof badIsize === "number" ? badIsize : badIsize ? length + 1 : length;
  return concat(littleEndian(sum, 4), littleEndian(isize, 4));
}

/** One gzip member. */
export function gzipMember(data: BytesLike, options: GzipOptions = {}): Uint8Array<ArrayBuffer> {
  const content = bytes(data);
  const deflated = options.deflated ?? (options.stored ? storedDeflate(content) : deflate(content, options));
  return concat(gzipHeader(options), deflated, gzipTrailer(crc32(content), content.length, options));
}

/** A member for each piece, one behind the other: one gzip file. */
export function gzipMembers(pieces: Iterable<BytesLike>, options: GzipOptions = {}): Uint8Array<ArrayBuffer> {
  return concat(...Array.from(pieces, (piece) => gzipMember(piece, options)));
}

/** Deflate data in stored blocks of at most `blockSize` bytes (RFC 1951, 3.2.4). */
export function storedDeflate(data: Uint8Array, blockSize = 65535): Uint8Array<ArrayBuffer> {
  const blocks: Uint8Array[] = [];
  let at = 0;
  do {
    const block = data.subarray(at, at + blockSize);
    at += block.length;
    const last = at >= data.length ? 1 : 0;
    blocks.push(Uint8Array.of(last), littleEndian(block.length, 2), littleEndian(~block.length, 2), block);
  } while (at < data.length);
  return concat(...blocks);
}

/** Content for `gzipStream`: bytes, or bytes that follow each other `times` times and are compressed once. */
export type GzipPiece = BytesLike | { readonly data: BytesLike; readonly times: number };

/** A member for each piece, as a stream; a repeated piece gives that many equal members. */
export function* gzipStream(pieces: Iterable<GzipPiece>, options: GzipOptions = {}): Generator<Uint8Array> {
  for (const piece of pieces) {
    const { data, times } = repetition(piece);
    const member = gzipMember(data, options);
    for (let count = 0; count < times; count++) yield member;
  }
}

/** All pieces in one single member, as a stream; a repeated piece is compressed once. */
export function* gzipMemberStream(
  pieces: Iterable<GzipPiece>,
  options: GzipOptions = {},
): Generator<Uint8Array> {
  yield gzipHeader(options);
  let crc = 0;
  let length = 0;
  for (const piece of pieces) {
    const { data, times } = repetition(piece);
    // A full flush ends on a byte and forgets the window, so the blocks may be repeated.
    const blocks = new Uint8Array(
      deflateRawSync(data, { level: options.level ?? 6, finishFlush: constants.Z_FULL_FLUSH }),
    );
    for (let count = 0; count < times; count++) {
      crc = crc32(data, crc);
      length += data.length;
      yield blocks;
    }
  }
  yield Uint8Array.of(0x03, 0x00); // the last block: fixed codes, empty
  yield gzipTrailer(crc, length, options);
}

function repetition(piece: GzipPiece): { data: Uint8Array; times: number } {
  if (typeof piece === "string" || piece instanceof Uint8Array) return { data: bytes(piece), times: 1 };
  return { data: bytes(piece.data), times: piece.times };
}

function deflate(content: Uint8Array, options: GzipOptions): Uint8Array<ArrayBuffer> {
  return new Uint8Array(deflateRawSync(content, { level: options.level ?? 6 }));
}

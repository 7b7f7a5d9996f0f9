/**
 * Zstandard frames (RFC 8878): real ones, hand-made ones with any header and any block, and skippable frames.
 *
 * The header of a real frame is always written here and only its blocks come from `node:zlib`, because Node and Deno
 * put different fields into it.
 */
import { constants, zstdCompressSync } from "node:zlib";
import { bytes, type BytesLike, concat, littleEndian } from "./bytes.ts";
import { xxh64 } from "./xxh64.ts";

/** The magic number of a frame, as it stands in the file. */
export const ZSTD_MAGIC: Uint8Array = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);

/** One block of a hand-made frame. */
export interface ZstdBlock {
  readonly type: "raw" | "rle" | "compressed" | "reserved";
  /** What follows the block header; one byte for `rle`. */
  readonly data: BytesLike;
  /** The 21-bit size field. Default: the length of `data`; for `rle` it is the length of the run and must be given. */
  readonly size?: number;
  /** The "last block" bit. Default: set on the last block of the list. */
  readonly last?: boolean;
}

/** Header and checksum of a hand-made frame. */
export interface FrameOptions {
  /** Window size as a power of two, 10 to 41; default 17. No window field with `singleSegment`. */
  readonly windowLog?: number;
  /** Eighths that are added to the window size, 0 to 7. */
  readonly windowMantissa?: number;
  readonly singleSegment?: boolean;
  /** The content size to state, true or false; none by default. */
  readonly contentSize?: number | bigint;
  /** Bytes of the content size field: 0, 1 (single segment only), 2, 4 or 8. Default: the shortest. */
  readonly contentSizeBytes?: 0 | 1 | 2 | 4 | 8;
  /** True for the right XXH64 of raw and RLE blocks, or the four bytes (as a number) to write. */
  readonly checksum?: boolean | number;
  /** Dictionary ID to state. */
  readonly dictId?: number;
  /** Bytes of that field: 1, 2 or 4. Default: the shortest. */
  readonly dictIdBytes?: 1 | 2 | 4;
  /** Sets the reserved bit of the frame header descriptor, which a decoder must refuse. */
  readonly reservedBit?: boolean;
  /** Sets the unused bit, which a decoder must ignore. */
  readonly unusedBit?: boolean;
  readonly magic?: Uint8Array;
}

/** A frame header: magic, descriptor, window, dictionary ID, content size. */
export function frameHeader(options: FrameOptions = {}): Uint8Array<ArrayBuffer> {
  const { singleSegment = false, contentSize, dictId } = options;
  const sizeBytes = options.contentSizeBytes ?? contentSizeBytes(contentSize, singleSegment);
  const sizeFlag = { 0: 0, 1: 0, 2: 1, 4: 2, 8: 3 }[sizeBytes];
  const dictBytes = options.dictIdBytes ??
    (dictId === undefined ? 0 : dictId < 256 ? 1 : dictId < 65536 ? 2 : 4);
  const dictFlag = { 0: 0, 1: 1, 2: 2, 4: 3 }[dictBytes];
  const hasChecksum = options.checksum !== undefined && options.checksum !== false;
  const descriptor = sizeFlag << 6 | (singleSegment ? 0x20 : 0) | (options.unusedBit ? 0x10 : 0) |
    (options.reservedBit ? 0x08 : 0) | (hasChecksum ? 0x04 : 0) | dictFlag;
  const window = (options.windowLog ?? 17) - 10 << 3 | (options.windowMantissa ?? 0);
  // A two-byte content size is stored less 256.
  const size = BigInt(contentSize ?? 0) - (sizeBytes === 2 ? 256n : 0n);
  return concat(
    options.magic ?? ZSTD_MAGIC,
    Uint8Array.of(descriptor),
    singleSegment ? new Uint8Array(0) : Uint8Array.of(window),
    littleEndian(dictId ?? 0, dictBytes),
    littleEndian(size, sizeBytes),
  );
}

/** One block with its three-byte header. */
export function zstdBlock(block: ZstdBlock, last: boolean): Uint8Array<ArrayBuffer> {
  const data = bytes(block.data);
  const type = { raw: 0, rle: 1, compressed: 2, reserved: 3 }[block.type];
  const size = block.size ?? data.length;
  return concat(littleEndian(size << 3 | type << 1 | ((block.last ?? last) ? 1 : 0), 3), data);
}

/** A hand-made frame. No block at all gives a frame that ends after its header. */
export function rawFrame(blocks: readonly ZstdBlock[], options: FrameOptions = {}): Uint8Array<ArrayBuffer> {
  const body = blocks.map((block, at) => zstdBlock(block, at === blocks.length - 1));
  const { checksum = false } = options;
  const trailer = checksum === false
    ? new Uint8Array(0)
    : littleEndian(checksum === true ? xxh64(blockContent(blocks)) : checksum, 4);
  return concat(frameHeader(options), ...body, trailer);
}

/** A frame of raw blocks of at most 128 KiB: valid, and nothing in it is compressed. */
export function storedFrame(data: BytesLike, options: FrameOptions = {}): Uint8Array<ArrayBuffer> {
  const content = bytes(data);
  const blocks: ZstdBlock[] = [];
  for (let at = 0; at < content.length || at === 0; at += 2 ** 17) {
    blocks.push({ type: "raw", data: content.subarray(at, at + 2 ** 17) });
  }
  return rawFrame(blocks, options);
}

/** Options of a really compressed frame. */
export interface ZstdOptions {
  /** Compression level; default 3. */
  readonly level?: number;
  /** Content checksum; default true. A number is written as it is, right or wrong. */
  readonly checksum?: boolean | number;
  /** Content size in the header; default true. A number is written as it is, right or wrong. */
  readonly contentSize?: boolean | number | bigint;
  /** Upper bound of the window, as a power of two. Default: by level. */
  readonly windowLog?: number;
  /** The window is the content, as libzstd does for short input; needs the content size. */
  readonly singleSegment?: boolean;
}

/** One compressed frame. */
export function zstdFrame(data: BytesLike, options: ZstdOptions = {}): Uint8Array<ArrayBuffer> {
  const content = bytes(data);
  const made = new Uint8Array(zstdCompressSync(content, { params: parameters(options) }));
  const { blocks, checksum, windowLog, windowMantissa } = dissect(made);
  const { contentSize = true } = options;
  const stated = contentSize === true ? content.length : contentSize;
  const trailer = options.checksum ?? true;
  const header = frameHeader({
    windowLog,
    windowMantissa,
    singleSegment: options.singleSegment ?? false,
    checksum: trailer,
    ...(stated === false ? {} : { contentSize: stated }),
  });
  if (trailer === false) return concat(header, blocks);
  return concat(header, blocks, typeof trailer === "number" ? littleEndian(trailer, 4) : checksum);
}

/** A frame for each piece, one behind the other: one zstd file. */
export function zstdFrames(pieces: Iterable<BytesLike>, options: ZstdOptions = {}): Uint8Array<ArrayBuffer> {
  return concat(...Array.from(pieces, (piece) => zstdFrame(piece, options)));
}

/** Content for `zstdStream`: bytes, or bytes that follow each other `times` times and are compressed once. */
export type ZstdPiece = BytesLike | { readonly data: BytesLike; readonly times: number };

/** A frame for each piece, as a stream; a repeated piece gives that many equal frames. */
export function* zstdStream(pieces: Iterable<ZstdPiece>, options: ZstdOptions = {}): Generator<Uint8Array> {
  for (const piece of pieces) {
    const once = typeof piece === "string" || piece instanceof Uint8Array;
    const frame = zstdFrame(once ? piece : piece.data, options);
    const times = once ? 1 : piece.times;
    for (let count = 0; count < times; count++) yield frame;
  }
}

/** `length` equal bytes in one frame of RLE blocks, four bytes for each 128 KiB: a decompression bomb. */
export function* rleFrameStream(
  byte: number,
  length: number,
  options: FrameOptions = {},
): Generator<Uint8Array> {
  yield frameHeader({ ...options, checksum: false });
  const size = 2 ** 17;
  const full = zstdBlock({ type: "rle", data: Uint8Array.of(byte), size }, false);
  let left = length;
  for (; left > size; left -= size) yield full;
  yield zstdBlock({ type: "rle", data: Uint8Array.of(byte), size: left }, true);
}

/** A skippable frame; `variant` 0 to 15 chooses its magic, 0x184D2A50 to 5F. `length` lies about the payload. */
export function skippable(payload: BytesLike = "", variant = 0, length?: number): Uint8Array<ArrayBuffer> {
  const body = bytes(payload);
  return concat(
    Uint8Array.of(0x50 + variant, 0x2a, 0x4d, 0x18),
    littleEndian(length ?? body.length, 4),
    body,
  );
}

function contentSizeBytes(size: number | bigint | undefined, singleSegment: boolean): 0 | 1 | 2 | 4 | 8 {
  if (size === undefined) return singleSegment ? 1 : 0;
  if (singleSegment && size < 256) return 1;
  if (size >= 256 && size < 65792) return 2;
  return size < 2 ** 32 ? 4 : 8;
}

function blockContent(blocks: readonly ZstdBlock[]): Uint8Array {
  return concat(...blocks.map(({ type, data, size }) => {
    if (type === "compressed") {
      throw new TypeError("Cannot compute the checksum of a hand-made compressed block");
    }
    return type === "rle" ? new Uint8Array(size ?? 1).fill(bytes(data)[0] ?? 0) : bytes(data);
  }));
}

function parameters(options: ZstdOptions): Record<number, number> {
  const out: Record<number, number> = {
    [constants.ZSTD_c_compressionLevel]: options.level ?? 3,
    [constants.ZSTD_c_checksumFlag]: 1,
    [constants.ZSTD_c_contentSizeFlag]: 0,
  };
  if (options.windowLog !== undefined) out[constants.ZSTD_c_windowLog] = options.windowLog;
  return out;
}

/**
 * Blocks, checksum and window of a frame that `node:zlib` made: it has a checksum, no dictionary and no content size.
 * The blocks are walked, because Deno 2.9 puts an empty frame behind the real one.
 */
function dissect(made: Uint8Array) {
  if (made[4] !== 0x04) throw new Error("Cannot take apart a frame of node:zlib: unexpected header");
  const window = made[5]!;
  let end = 6;
  for (let last = false; !last;) {
    const header = made[end]! | made[end + 1]! << 8 | made[end + 2]! << 16;
    last = (header & 1) === 1;
    const isRun = (header >> 1 & 3) === 1;
    end += 3 + (isRun ? 1 : header >> 3);
  }
  return {
    blocks: made.subarray(6, end),
    checksum: made.subarray(end, end + 4),
    windowLog: (window >> 3) + 10,
    windowMantissa: window & 7,
  };
}

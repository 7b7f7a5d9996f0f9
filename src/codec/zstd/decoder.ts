/**
 * Streaming Zstandard decoder (RFC 8878), strict: frames and block headers. An engine decodes the blocks.
 *
 * @module
 */

import { FormatError, UsageError } from "../../errors.ts";
import { FrameContent } from "./content.ts";
import type { BlockEngine } from "./engine.ts";
import type { ZstdDecoderOptions, ZstdEvents } from "./events.ts";
import {
  type FrameHeader,
  frameHeaderSize,
  MAX_HEADER_SIZE,
  parseFrameHeader,
  SKIPPABLE_MAGIC,
  ZSTD_MAGIC,
} from "./frame.ts";
import { MAX_WINDOW_LIMIT } from "./limits.ts";

export type {
  ZstdChecksum,
  ZstdDecoderOptions,
  ZstdEvents,
  ZstdFrameEnd,
  ZstdFrameStart,
  ZstdSkippableStart,
} from "./events.ts";

const DEFAULT_WINDOW_LIMIT = 2 ** 27;

/** Block_Type values (RFC 8878, 3.1.1.2.2). */
const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;

/** What the next byte belongs to. */
type State = "header" | "block-header" | "raw" | "rle" | "compressed" | "checksum" | "skippable";

/**
 * Decodes a stream of Zstandard and skippable frames that is pushed in pieces. The pieces may be cut anywhere: events
 * and errors do not depend on it, save that the payload of a skippable frame is handed on as it comes.
 *
 * Memory is bounded by about two windows, and by what is really decoded: nothing is allocated because a header says so.
 *
 * @example
 * ```ts
 * const pieces: Uint8Array[] = [];
 * const decoder = new ZstdDecoder({
 *   frameStart() {},
 *   data: (bytes) => pieces.push(bytes.slice()),
 *   frameEnd(frame) {
 *     if (typeof frame.checksum === "object") throw new Error("wrong checksum");
 *   },
 *   skippableStart() {},
 *   skippableData() {},
 *   skippableEnd() {},
 * }, { engine: new PortableEngine(), xxh64: await kernelXxh64() });
 * decoder.push(compressed);
 * decoder.end();
 * ```
 */
export class ZstdDecoder {
  readonly #events: ZstdEvents;
  readonly #windowLimit: number;
  readonly #engine: BlockEngine;
  readonly #content: FrameContent;

  #state: State = "header";
  /** Bytes of the header, block header or checksum that is being collected. */
  readonly #head = new Uint8Array(MAX_HEADER_SIZE);
  #headFilled = 0;
  #headNeeded = 4;
  /** Bytes of block or payload that are still to come. */
  #bodyLeft = 0;
  /** Regenerated size of the current raw or RLE block. */
  #blockSize = 0;
  #lastBlock = false;

  #frame: FrameHeader | null = null;
  #frameOffset = 0;
  #frameOutOffset = 0;
  #blockOffset = 0;
  #framesSeen = false;

  #inOffset: number;
  #outOffset = 0;
  #ended = false;
  #failed = false;
  #failure: unknown = undefined;

  /** @throws UsageError when an option is out of range */
  constructor(events: ZstdEvents, options: ZstdDecoderOptions) {
    const { windowLimit = DEFAULT_WINDOW_LIMIT, blobOffset = 0, xxh64, engine } = options;
    if (!Number.isInteger(windowLimit) || windowLimit < 0 || windowLimit > MAX_WINDOW_LIMIT) {
      throw new UsageError(
        "zstd-window-limit-option",
        `Cannot use ${windowLimit} as window limit: it must be 0 to ${MAX_WINDOW_LIMIT} bytes`,
      );
    }
    this.#events = events;
    this.#windowLimit = windowLimit;
    this.#engine = engine;
    this.#content = new FrameContent(xxh64);
    this.#inOffset = blobOffset;
  }

  /** Offset in the blob behind the last byte that was taken in. */
  get inOffset(): number {
    return this.#inOffset;
  }

  /** Uncompressed bytes handed to `data` so far; during such a call, the offset of its first byte. */
  get outOffset(): number {
    return this.#outOffset;
  }

  /** Whether what was pushed ends with a whole frame, so that another decoder could go on from here. */
  get atBoundary(): boolean {
    return this.#state === "header" && this.#headFilled === 0 && this.#framesSeen && !this.#failed;
  }

  /**
   * Takes the next piece of the stream; an empty one is ignored.
   *
   * @throws FormatError, LimitExceeded or UnsupportedError with `blobOffset` set to the frame or block that cannot be
   * decoded; the same error again on any later call
   */
  push(bytes: Uint8Array): void {
    if (this.#failed) throw this.#failure;
    if (this.#ended) throw new UsageError("zstd-ended", "Cannot push to a Zstandard decoder after its end");
    try {
      let at = 0;
      while (at < bytes.length) at = this.#take(bytes, at);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Tells that the stream is complete.
   *
   * @throws FormatError when it stops inside a frame or holds none, skippable ones included
   */
  end(): void {
    if (this.#failed) throw this.#failure;
    const error = this.#endError();
    if (error !== null) throw this.#fail(error);
    this.#ended = true;
  }

  #fail(error: unknown): unknown {
    this.#failed = true;
    this.#failure = error;
    return error;
  }

  #endError(): FormatError | null {
    if (this.#state !== "header" || this.#headFilled > 0) {
      if (
        this.#state === "header" && this.#headFilled < 4 && !startsLikeMagic(this.#head, this.#headFilled)
      ) {
        return this.#badMagic("does not start with a magic number");
      }
      const what = this.#state === "skippable" ? "skippable frame" : "frame";
      return new FormatError(
        "zstd-truncated",
        `Cannot decode Zstandard ${what} at byte ${this.#frameOffset}: the stream ends inside it, at byte ${this.#inOffset}`,
        { blobOffset: this.#frameOffset },
      );
    }
    if (!this.#framesSeen) {
      return new FormatError("zstd-empty", "Cannot decode Zstandard stream: it holds no frame", {
        blobOffset: this.#inOffset,
      });
    }
    return null;
  }

  /** Takes bytes from `at` on for the current state, at least one; gives the index of the first byte not taken. */
  #take(bytes: Uint8Array, at: number): number {
    if (this.#state === "header" || this.#state === "block-header" || this.#state === "checksum") {
      if (this.#state === "header" && this.#headFilled === 0) this.#frameOffset = this.#inOffset;
      while (at < bytes.length && this.#headFilled < this.#headNeeded) {
        this.#head[this.#headFilled++] = bytes[at++]!;
        this.#inOffset++;
      }
      if (this.#headFilled === this.#headNeeded) this.#headComplete();
      return at;
    }
    const size = Math.min(this.#bodyLeft, bytes.length - at);
    const piece = bytes.subarray(at, at + size);
    this.#inOffset += size;
    this.#bodyLeft -= size;
    if (this.#state === "skippable") {
      this.#events.skippableData(piece);
      if (this.#bodyLeft === 0) this.#endSkippable();
    } else if (this.#state === "raw") {
      this.#engine.raw(piece, this.#blockSize - this.#bodyLeft - size);
      if (this.#bodyLeft === 0) this.#endBlock(this.#blockSize);
    } else if (this.#state === "rle") {
      this.#engine.rle(piece[0]!, this.#blockSize);
      this.#endBlock(this.#blockSize);
    } else {
      const last = this.#bodyLeft === 0;
      this.#engine.append(piece, last);
      if (last) this.#decodeBlock();
    }
    return at + size;
  }

  #expect(state: "header" | "block-header" | "checksum", size: number): void {
    this.#state = state;
    this.#headFilled = 0;
    this.#headNeeded = size;
  }

  #headComplete(): void {
    if (this.#state === "block-header") return this.#startBlock();
    if (this.#state === "checksum") return this.#endFrame();
    if (this.#headNeeded === 4) {
      const magic = uint32(this.#head, 0);
      if (magic === ZSTD_MAGIC) this.#headNeeded = 5;
      else if (magic - (magic & 15) === SKIPPABLE_MAGIC) this.#headNeeded = 8;
      else throw this.#badMagic(`starts with 0x${magic.toString(16).padStart(8, "0")}`);
    } else if (uint32(this.#head, 0) !== ZSTD_MAGIC) {
      this.#startSkippable();
    } else if (this.#headNeeded === 5) {
      this.#headNeeded = frameHeaderSize(this.#head[4]!);
    } else {
      this.#startFrame();
    }
  }

  #badMagic(found: string): FormatError {
    return new FormatError(
      "zstd-bad-magic",
      `Cannot decode bytes at ${this.#frameOffset} as a Zstandard frame: what is there ${found}`,
      { blobOffset: this.#frameOffset },
    );
  }

  #startSkippable(): void {
    this.#framesSeen = true;
    const length = uint32(this.#head, 4);
    this.#state = "skippable";
    this.#bodyLeft = length;
    this.#events.skippableStart({ blobOffset: this.#frameOffset, length, variant: this.#head[0]! & 15 });
    if (length === 0) this.#endSkippable();
  }

  #endSkippable(): void {
    this.#expect("header", 4);
    this.#events.skippableEnd();
  }

  #startFrame(): void {
    const frame = parseFrameHeader(this.#head, this.#frameOffset, this.#windowLimit);
    this.#frame = frame;
    this.#framesSeen = true;
    this.#frameOutOffset = this.#outOffset;
    this.#engine.resetFrame(frame);
    this.#content.reset(frame, this.#frameOffset);
    this.#expectBlock();
    this.#events.frameStart({
      blobOffset: this.#frameOffset,
      outOffset: this.#outOffset,
      windowSize: frame.windowSize,
      contentSize: frame.contentSize,
      hasChecksum: frame.hasChecksum,
    });
  }

  #expectBlock(): void {
    this.#blockOffset = this.#inOffset;
    this.#expect("block-header", 3);
  }

  /** Reads a block header (RFC 8878, 3.1.1.2): one bit "last", two bits of type, 21 bits of size. */
  #startBlock(): void {
    const header = this.#head[0]! + (this.#head[1]! << 8) + (this.#head[2]! << 16);
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    const blobOffset = this.#blockOffset;
    this.#lastBlock = (header & 1) !== 0;
    if (type !== RAW && type !== RLE && type !== COMPRESSED) {
      throw new FormatError(
        "zstd-corrupt",
        `Cannot decode Zstandard block at byte ${blobOffset}: its type is reserved`,
        {
          blobOffset,
        },
      );
    }
    const { blockMax } = this.#frame!;
    if (size > blockMax) {
      throw new FormatError(
        "zstd-block-too-large",
        `Cannot decode Zstandard block at byte ${blobOffset}: it has ${size} bytes, at most ${blockMax} are allowed in this frame`,
        { blobOffset, expected: `at most ${blockMax}`, actual: String(size) },
      );
    }
    if (type === COMPRESSED) {
      this.#engine.startCompressed(blobOffset);
      this.#state = "compressed";
      this.#bodyLeft = size;
      if (size === 0) this.#decodeBlock();
      return;
    }
    this.#content.admit(size, blobOffset);
    this.#engine.reserve(size, blobOffset);
    this.#blockSize = size;
    this.#state = type === RAW ? "raw" : "rle";
    this.#bodyLeft = type === RAW ? size : 1;
    if (this.#bodyLeft === 0) this.#endBlock(0);
  }

  #decodeBlock(): void {
    const size = this.#engine.decode();
    this.#content.admit(size, this.#blockOffset);
    this.#endBlock(size);
  }

  /** Hands out the `size` bytes that the block regenerates. */
  #endBlock(size: number): void {
    const frame = this.#frame!;
    if (size > 0) {
      const bytes = this.#engine.take(size);
      this.#content.add(bytes);
      this.#events.data(bytes);
      this.#outOffset += size;
    }
    if (!this.#lastBlock) return this.#expectBlock();
    this.#content.close();
    if (frame.hasChecksum) this.#expect("checksum", 4);
    else this.#endFrame();
  }

  #endFrame(): void {
    this.#expect("header", 4);
    this.#events.frameEnd({
      blobOffset: this.#frameOffset,
      endOffset: this.#inOffset,
      outOffset: this.#frameOutOffset,
      outEnd: this.#outOffset,
      checksum: this.#frame!.hasChecksum ? this.#content.compareChecksum(uint32(this.#head, 0)) : "absent",
    });
  }
}

function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Whether one to three bytes at the end of a stream may be the start of a frame that is cut off. */
function startsLikeMagic(bytes: Uint8Array, size: number): boolean {
  const value = uint32(bytes, 0) % 2 ** (8 * size);
  const isZstd = value === ZSTD_MAGIC % 2 ** (8 * size);
  return isZstd || value - (value & 15) === SKIPPABLE_MAGIC % 2 ** (8 * size);
}

/**
 * zstd frames told as the codec events that every decoder gives.
 *
 * @module
 */
import type { Xxh64 } from "../digest/xxh64.ts";
import type { CodecEvents, StreamDecoder } from "./events.ts";
import { ZstdDecoder } from "./zstd/decoder.ts";
import type { BlockEngine } from "./zstd/engine.ts";

/**
 * A decoder for any number of zstd and skippable frames (RFC 8878 section 3).
 * @param xxh64 for content checksums; the portable one by default
 * @param engine for blocks; the portable one by default
 * @param blobOffset of the first byte that will be pushed
 */
export function zstdStream(
  events: CodecEvents,
  windowLimit: number,
  xxh64?: Xxh64 | null,
  engine?: BlockEngine | null,
  blobOffset = 0,
): StreamDecoder {
  return new ZstdDecoder({
    frameStart: (frame) => events.unitStart(frame),
    data: (bytes) => events.data(bytes),
    frameEnd: (frame) => events.unitEnd(frame),
    skippableStart: (frame) => events.skippableStart(frame),
    skippableData: (bytes) => events.skippableData(bytes),
    skippableEnd: () => events.skippableEnd(),
  }, { windowLimit, blobOffset, ...(xxh64 && { xxh64: () => xxh64 }), ...(engine && { engine }) });
}

/**
 * zstd frames told as the codec events that every decoder gives.
 *
 * @module
 */
import type { Xxh64 } from "../digest/xxh64.ts";
import type { CodecEvents, StreamDecoder } from "./events.ts";
import { ZstdDecoder } from "./zstd/decoder.ts";

/**
 * A decoder for any number of zstd and skippable frames (RFC 8878 section 3).
 * @param xxh64 for content checksums; the portable one by default
 */
export function zstdStream(events: CodecEvents, windowLimit: number, xxh64?: Xxh64 | null): StreamDecoder {
  return new ZstdDecoder({
    frameStart: (frame) => events.unitStart(frame),
    data: (bytes) => events.data(bytes),
    frameEnd: (frame) => events.unitEnd(frame),
    skippableStart: (frame) => events.skippableStart(frame),
    skippableData: (bytes) => events.skippableData(bytes),
    skippableEnd: () => events.skippableEnd(),
  }, { windowLimit, ...(xxh64 && { xxh64: () => xxh64 }) });
}

/**
 * zstd frames told as the codec events that every decoder gives.
 *
 * @module
 */
import type { CodecEvents, StreamDecoder } from "./events.ts";
import { ZstdDecoder } from "./zstd/decoder.ts";
import type { ZstdDecoderOptions } from "./zstd/events.ts";

/** A decoder for any number of zstd and skippable frames (RFC 8878 section 3). */
export function zstdStream(events: CodecEvents, options: ZstdDecoderOptions): StreamDecoder {
  return new ZstdDecoder({
    frameStart: (frame) => events.unitStart(frame),
    data: (bytes) => events.data(bytes),
    frameEnd: (frame) => events.unitEnd(frame),
    skippableStart: (frame) => events.skippableStart(frame),
    skippableData: (bytes) => events.skippableData(bytes),
    skippableEnd: () => events.skippableEnd(),
  }, options);
}

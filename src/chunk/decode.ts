/**
 * Decodes what lies at one place of a blob, and no more of it than is wanted.
 *
 * The checksums of members and frames are not asked: all that they could find, the SHA-256 of what is decoded finds.
 *
 * @module
 */
import type { CodecEvents } from "../codec/events.ts";
import { type CodecTools, decoderFor } from "../codec/open.ts";
import { NO_EVENTS } from "../verify/toc-facts.ts";

/** What is wanted of a place. Bytes. */
export interface Stretch {
  /** Offset in the blob, where a member or frame begins. */
  readonly blobOffset: number;
  /** Bytes of output that come first and are not wanted. */
  readonly skip: number;
  readonly length: number;
  /** What is thrown when there is more output than that; null where the rest is no matter. */
  readonly tooLong: (() => unknown) | null;
}

export interface StretchDecoder {
  /** Takes the next bytes of the blob. Throws what decoders throw, and `tooLong`. */
  push(bytes: Uint8Array): void;
  /** Tells that there are no more. @throws as decoders do, unless all that is wanted came and the rest is no matter */
  end(): void;
  /** Bytes that came of what is wanted. */
  readonly length: number;
  /** Whether all came and no more bytes need to be pushed. */
  readonly done: boolean;
}

/** Leaves a decoder in the middle. */
const ENOUGH = new Error("enough");

/**
 * @param tools nobody else's until the decoder is not used any more
 * @param data takes what is wanted, in pieces that are valid only during the call
 */
export function stretchDecoder(
  tools: CodecTools,
  zstdWindow: number,
  { blobOffset, skip, length, tooLong }: Stretch,
  data: (bytes: Uint8Array) => void,
): StretchDecoder {
  let position = -skip;
  let done = length === 0 && !tooLong;
  const events: CodecEvents = {
    ...NO_EVENTS,
    data(bytes) {
      const from = Math.max(0, -position);
      const to = Math.min(bytes.length, length - position);
      position += bytes.length;
      if (tooLong && position > length) throw tooLong();
      if (from < to) data(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
      if (tooLong || position < length) return;
      done = true;
      throw ENOUGH;
    },
  };
  const decoder = decoderFor(tools.kind === "none" ? "tar" : tools.kind, events, tools, {
    zstdWindow,
    blobOffset,
  });
  const attempt = (work: () => void): void => {
    if (done) return;
    try {
      work();
    } catch (error) {
      if (error !== ENOUGH) throw error;
    }
  };
  return {
    push: (bytes) => attempt(() => decoder.push(bytes)),
    end: () => attempt(() => decoder.end()),
    get length() {
      return Math.max(0, Math.min(position, length));
    },
    get done() {
      return done;
    },
  };
}

/**
 * The codec of an uncompressed tar: one unit, passed through.
 *
 * @module
 */
import type { CodecEvents, StreamDecoder } from "./events.ts";

export class NoneDecoder implements StreamDecoder {
  readonly #events: CodecEvents;
  #offset = 0;

  constructor(events: CodecEvents) {
    this.#events = events;
  }

  push(bytes: Uint8Array): void {
    if (this.#offset === 0 && bytes.length > 0) this.#events.unitStart({ blobOffset: 0, outOffset: 0 });
    this.#offset += bytes.length;
    this.#events.data(bytes);
  }

  get atBoundary(): boolean {
    return false;
  }

  end(): void {
    if (this.#offset === 0) return;
    this.#events.unitEnd({
      blobOffset: 0,
      endOffset: this.#offset,
      outOffset: 0,
      outEnd: this.#offset,
      checksum: "absent",
    });
  }
}

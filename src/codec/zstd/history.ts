/**
 * The decoded bytes that later matches of a frame may still refer to.
 *
 * @module
 */

import { LimitExceeded } from "../../errors.ts";
import { MAX_BLOCK_SIZE, PADDING } from "./limits.ts";

/** Enough for many small frames, or two blocks of a large one, before anything has to grow or move. */
const FIRST_CAPACITY = 4 * MAX_BLOCK_SIZE;

/** Room behind the window, at least: for small windows, moving the window is then rare. */
const MIN_ROOM = 4 * MAX_BLOCK_SIZE;

/** Buffers up to this size are never given up before a larger one is there. */
const SMALL_CAPACITY = 2 ** 22;

/**
 * One buffer that is filled from the front, and whose last window is moved to the front when it is full. It lives as
 * long as the decoder and grows with what is really decoded, never with what a frame header declares, so that ten
 * thousands of small frames with large windows cost nothing.
 *
 * The final capacity is one and a half windows: a window then moves once per half window of output, 2 bytes moved per
 * byte decoded. Growing goes there directly from half a window at most, so that never more than two windows are held,
 * save for buffers below 4 MiB.
 */
export class History {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  /** Where the next byte goes. All of `bytes[0, position)` belongs to the current frame. */
  position = 0;
  #windowSize = 0;
  #fullCapacity = 0;

  /** Starts a frame; `windowSize` is at most `MAX_WINDOW_LIMIT`. */
  resetFrame(windowSize: number): void {
    this.position = 0;
    this.#windowSize = windowSize;
    this.#fullCapacity = windowSize + Math.max(Math.ceil(windowSize / 2), MIN_ROOM) + PADDING;
    // A buffer of an earlier frame that is too small but over half a window would break the bound given above. Small
    // ones are kept nevertheless: a stream of tiny frames with changing windows would otherwise allocate at every
    // frame, while what is given up here was paid for by megabytes of output.
    const { length } = this.bytes;
    if (length > SMALL_CAPACITY && length < this.#fullCapacity && length > windowSize / 2) {
      this.#replace(new Uint8Array(0));
    }
  }

  /** How far back a match may reach from `position`: to the start of the frame, and at most one window. */
  get reach(): number {
    return Math.min(this.position, this.#windowSize);
  }

  /**
   * Makes room for `size` bytes (at most `MAX_BLOCK_SIZE`) and `PADDING` bytes of overshoot at `position`.
   *
   * @throws LimitExceeded when the runtime has no memory left
   */
  reserve(size: number, blobOffset: number): void {
    const needed = size + PADDING;
    if (this.position + needed <= this.bytes.length) return;
    const keepFrom = this.position - this.reach;
    if (this.bytes.length < this.#fullCapacity) {
      const doubled = Math.max(2 * this.bytes.length, FIRST_CAPACITY);
      const capacity = doubled > this.#windowSize / 2
        ? Math.max(this.#fullCapacity, FIRST_CAPACITY)
        : doubled;
      const larger = allocate(capacity, blobOffset);
      larger.set(this.bytes.subarray(keepFrom, this.position));
      this.#replace(larger);
    } else {
      this.bytes.copyWithin(0, keepFrom, this.position);
    }
    this.position -= keepFrom;
  }

  #replace(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}

function allocate(capacity: number, blobOffset: number): Uint8Array {
  try {
    return new Uint8Array(capacity);
  } catch (cause) {
    throw new LimitExceeded(
      "zstd-memory",
      `Cannot decode Zstandard block at byte ${blobOffset}: no memory for ${capacity} bytes of history`,
      { blobOffset, cause, advice: "Lower the window limit or give the process more memory." },
    );
  }
}

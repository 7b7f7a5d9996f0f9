/**
 * Codec events as 64-bit numbers, to lie in shared memory beside the bytes that they speak of.
 *
 * Each event is its kind and then its numbers; offsets stay exact below 2^53. Output offsets are counted from the start
 * of a task.
 *
 * @module
 */
import type { CodecEvents, SkippableStart, UnitEnd, UnitStart } from "../codec/events.ts";

const DATA = 0;
const UNIT_START = 1;
const UNIT_END = 2;
const SKIPPABLE_START = 3;
const SKIPPABLE_DATA = 4;
const SKIPPABLE_END = 5;
const ZERO_PADDING = 6;

const CHECKSUM_OK = 0;
const CHECKSUM_ABSENT = 1;
const CHECKSUM_WRONG = 2;

/** Most numbers of one event: that of a unit with an extra field of 64 bytes. */
export const LONGEST_EVENT = 80;
/** Numbers that are kept free for events about bytes, which may have to come into a list that is otherwise full. */
const RESERVE = 32;

/** Writes events into a list of numbers. */
export class EventWriter {
  #numbers: Float64Array;
  #length = 0;
  /** Where the count of the last event stands, if that event is about bytes and can be made longer. */
  #open = -1;

  constructor(numbers: Float64Array) {
    this.#numbers = numbers;
  }

  /** How many numbers there are. */
  get length(): number {
    return this.#length;
  }

  /** Whether any further event fits, and several about bytes behind it. */
  get hasRoom(): boolean {
    return this.#length + LONGEST_EVENT + RESERVE <= this.#numbers.length;
  }

  /** Events so far will not be changed any more. */
  seal(): void {
    this.#open = -1;
  }

  /** Forgets the events behind the first `length` numbers. */
  truncate(length: number): void {
    this.#length = length;
    this.#open = -1;
  }

  /** Begins anew, in another list. */
  restart(numbers: Float64Array): void {
    this.#numbers = numbers;
    this.#length = 0;
    this.#open = -1;
  }

  data(bytes: number): void {
    this.#bytes(DATA, bytes);
  }

  skippableData(bytes: number): void {
    this.#bytes(SKIPPABLE_DATA, bytes);
  }

  unitStart({ blobOffset, outOffset, extra }: UnitStart): void {
    this.#put(UNIT_START, blobOffset, outOffset, extra ? extra.length : -1);
    if (extra) this.#more(...extra);
  }

  unitEnd({ blobOffset, endOffset, outOffset, outEnd, checksum }: UnitEnd): void {
    this.#put(UNIT_END, blobOffset, endOffset, outOffset, outEnd);
    if (checksum === "ok") this.#more(CHECKSUM_OK, 0, 0);
    else if (checksum === "absent") this.#more(CHECKSUM_ABSENT, 0, 0);
    else this.#more(CHECKSUM_WRONG, checksum.expected, checksum.actual);
  }

  skippableStart({ blobOffset, length, variant }: SkippableStart): void {
    this.#put(SKIPPABLE_START, blobOffset, length, variant);
  }

  skippableEnd(): void {
    this.#put(SKIPPABLE_END);
  }

  zeroPadding(blobOffset: number): void {
    this.#put(ZERO_PADDING, blobOffset);
  }

  /** Bytes that follow bytes of the same kind are one event. */
  #bytes(kind: number, count: number): void {
    if (this.#open >= 0 && this.#numbers[this.#open - 1] === kind) {
      this.#numbers[this.#open]! += count;
      return;
    }
    this.#put(kind, count);
    this.#open = this.#length - 1;
  }

  #put(...numbers: number[]): void {
    this.#open = -1;
    this.#more(...numbers);
  }

  #more(...numbers: number[]): void {
    if (this.#length + numbers.length > this.#numbers.length) {
      throw new RangeError("too many events in a slot");
    }
    for (const number of numbers) this.#numbers[this.#length++] = number;
  }
}

/**
 * Tells `events` what an `EventWriter` has written.
 * @param bytes what the events speak of, in their order
 * @param base added to output offsets
 */
export function replay(
  numbers: Float64Array,
  bytes: Uint8Array,
  base: number,
  events: CodecEvents,
): void {
  let at = 0;
  let from = 0;
  while (at < numbers.length) {
    switch (numbers[at++]) {
      case DATA:
        events.data(bytes.subarray(from, from += numbers[at++]!));
        break;
      case SKIPPABLE_DATA:
        events.skippableData(bytes.subarray(from, from += numbers[at++]!));
        break;
      case UNIT_START: {
        const extraLength = numbers[at + 2]!;
        const extra = extraLength < 0
          ? null
          : Uint8Array.from(numbers.subarray(at + 3, at + 3 + extraLength));
        events.unitStart({ blobOffset: numbers[at]!, outOffset: base + numbers[at + 1]!, extra });
        at += 3 + Math.max(0, extraLength);
        break;
      }
      case UNIT_END: {
        const kind = numbers[at + 4];
        events.unitEnd({
          blobOffset: numbers[at]!,
          endOffset: numbers[at + 1]!,
          outOffset: base + numbers[at + 2]!,
          outEnd: base + numbers[at + 3]!,
          checksum: kind === CHECKSUM_OK
            ? "ok"
            : kind === CHECKSUM_ABSENT
            ? "absent"
            : { expected: numbers[at + 5]!, actual: numbers[at + 6]! },
        });
        at += 7;
        break;
      }
      case SKIPPABLE_START:
        events.skippableStart({
          blobOffset: numbers[at]!,
          length: numbers[at + 1]!,
          variant: numbers[at + 2]!,
        });
        at += 3;
        break;
      case SKIPPABLE_END:
        events.skippableEnd();
        break;
      case ZERO_PADDING:
        events.zeroPadding(numbers[at++]!);
        break;
      default:
        throw new Error(`no event has the kind ${numbers[at - 1]}`);
    }
  }
}

import { describe, expect, test } from "vitest";
import type { CodecEvents } from "../../src/codec/events.ts";
import { EventWriter, LONGEST_EVENT, replay } from "../../src/workers/events.ts";
import { random, randomBytes } from "../support/mod.ts";

/** An event as it is told: data with its bytes. */
type Told = readonly [name: keyof CodecEvents, value?: unknown];

function listener(): { told: Told[]; events: CodecEvents } {
  const told: Told[] = [];
  const events: CodecEvents = {
    unitStart: (unit) => told.push(["unitStart", unit]),
    data: (bytes) => told.push(["data", [...bytes]]),
    unitEnd: (unit) => told.push(["unitEnd", unit]),
    skippableStart: (frame) => told.push(["skippableStart", frame]),
    skippableData: (bytes) => told.push(["skippableData", [...bytes]]),
    skippableEnd: () => told.push(["skippableEnd"]),
    zeroPadding: (offset) => told.push(["zeroPadding", offset]),
  };
  return { told, events };
}

/** Pieces of one kind that follow each other are one. */
function merged(told: readonly Told[]): Told[] {
  const out: Told[] = [];
  for (const [name, value] of told) {
    const last = out.at(-1);
    const isBytes = name === "data" || name === "skippableData";
    if (isBytes && last?.[0] === name) {
      out[out.length - 1] = [name, [...last[1] as number[], ...value as number[]]];
    } else out.push([name, value]);
  }
  return out;
}

describe("events in shared memory", () => {
  test("are told again as they were, whatever they are and wherever the list is cut", () => {
    for (let seed = 0; seed < 300; seed++) {
      const { below } = random(seed);
      const big = () => below(3) === 0 ? 2 ** 52 + below(1000) : below(1000);
      const numbers = new Float64Array(4096);
      const writer = new EventWriter(numbers);
      const bytes: number[] = [];
      const written: Told[] = [];
      const note = (...event: Told) => written.push(event);
      const { told, events } = listener();
      const sent = { numbers: 0, bytes: 0 };
      const send = () => {
        const part = Uint8Array.from(bytes.slice(sent.bytes));
        replay(numbers.subarray(sent.numbers, writer.length), part, 0, events);
        [sent.numbers, sent.bytes] = [writer.length, bytes.length];
        writer.seal();
      };
      for (let i = 0; i < 60 && writer.hasRoom; i++) {
        switch (below(8)) {
          case 0: {
            const unit = {
              blobOffset: big(),
              outOffset: big(),
              extra: below(2) ? randomBytes(below(65), i) : null,
            };
            writer.unitStart(unit);
            note("unitStart", unit);
            break;
          }
          case 1: {
            const checksum = (["ok", "absent", { expected: big(), actual: big() }] as const)[below(3)]!;
            const unit = { blobOffset: big(), endOffset: big(), outOffset: big(), outEnd: big(), checksum };
            writer.unitEnd(unit);
            note("unitEnd", unit);
            break;
          }
          case 2: {
            const frame = { blobOffset: big(), length: big(), variant: below(16) };
            writer.skippableStart(frame);
            note("skippableStart", frame);
            break;
          }
          case 3:
            writer.skippableEnd();
            note("skippableEnd");
            break;
          case 4: {
            const offset = big();
            writer.zeroPadding(offset);
            note("zeroPadding", offset);
            break;
          }
          case 5:
            send();
            break;
          default: {
            const piece = [...randomBytes(1 + below(20), i)];
            const kind = below(3) === 0 ? "skippableData" : "data";
            writer[kind](piece.length);
            bytes.push(...piece);
            note(kind, piece);
          }
        }
      }
      send();
      expect(merged(told)).toEqual(merged(written));
    }
  });

  test("output offsets are counted from the base", () => {
    const numbers = new Float64Array(100);
    const writer = new EventWriter(numbers);
    writer.unitStart({ blobOffset: 1, outOffset: 2, extra: null });
    writer.unitEnd({ blobOffset: 1, endOffset: 9, outOffset: 2, outEnd: 3, checksum: "ok" });
    const { told, events } = listener();
    replay(numbers.subarray(0, writer.length), new Uint8Array(0), 1000, events);
    expect(told).toEqual([
      ["unitStart", { blobOffset: 1, outOffset: 1002, extra: null }],
      ["unitEnd", { blobOffset: 1, endOffset: 9, outOffset: 1002, outEnd: 1003, checksum: "ok" }],
    ]);
  });

  test("the longest event is no longer than is kept free for it", () => {
    const numbers = new Float64Array(LONGEST_EVENT + 32);
    const writer = new EventWriter(numbers);
    expect(writer.hasRoom).toBe(true);
    writer.unitStart({ blobOffset: 0, outOffset: 0, extra: new Uint8Array(64) });
    writer.data(5);
    expect(writer.length).toBeLessThanOrEqual(numbers.length);
    expect(writer.hasRoom).toBe(false);
  });

  test("a list that is full refuses more", () => {
    const writer = new EventWriter(new Float64Array(7));
    writer.skippableStart({ blobOffset: 1, length: 2, variant: 3 });
    expect(() => writer.skippableStart({ blobOffset: 1, length: 2, variant: 3 })).toThrow(RangeError);
  });

  test("what is truncated is not told", () => {
    const numbers = new Float64Array(100);
    const writer = new EventWriter(numbers);
    writer.data(3);
    const kept = writer.length;
    writer.data(4);
    writer.skippableEnd();
    writer.truncate(kept);
    writer.data(2);
    const { told, events } = listener();
    replay(numbers.subarray(0, writer.length), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), 0, events);
    // A number that was made larger stays so: only whole lists are truncated.
    expect(told.map(([name]) => name)).toEqual(["data", "data"]);
  });
});

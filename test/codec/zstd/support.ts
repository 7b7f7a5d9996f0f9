/** What the Zstandard tests share: decoding with a record of all events, and hand-made compressed blocks. */
import { afterEach, beforeEach, describe, expect } from "vitest";
import { LayerproofError } from "../../../src/errors.ts";
import { ZstdDecoder, type ZstdDecoderOptions } from "../../../src/codec/zstd/decoder.ts";
import type { Xxh64 } from "../../../src/digest/xxh64.ts";
import type { BlockEngine } from "../../../src/codec/zstd/engine.ts";
import { PortableEngine } from "../../../src/codec/zstd/portable.ts";
import { kernelXxh64 } from "../../../src/kernel/xxh64.ts";
import { KernelZstdEngine } from "../../../src/kernel/zstd.ts";
import { concat, join, sha256, slices } from "../../support/bytes.ts";

/** An event in short form; of skippable payload the digest of the whole, because its pieces follow the pushed ones. */
export type Event = readonly [name: string, ...values: unknown[]];

export interface Decoded {
  readonly output: Uint8Array<ArrayBuffer>;
  readonly events: readonly Event[];
  /** Sizes of the `data` calls. */
  readonly pieces: readonly number[];
  readonly error: LayerproofError | null;
}

/** One for all tests, as one serves many layers. */
const kernel = await KernelZstdEngine.create();

/** Of `decode` where its options name none; null stands for a new portable one. */
let engine: BlockEngine | null = null;

/** Declares tests for both engines: `decode` and all that builds on it use the one or the other. */
export function describeEngines(declare: () => void): void {
  describe.each([["portable", null], ["kernel", kernel]] as const)("%s engine", (_name, which) => {
    beforeEach(() => void (engine = which));
    afterEach(() => void (engine = null));
    declare();
  });
}

/** The options of a decoder that a test may leave out. */
export type SomeOptions = Partial<ZstdDecoderOptions>;

export const xxh64: Xxh64 = await kernelXxh64();

/** The options, with the engine of the current test. */
export function withEngine(options: SomeOptions = {}): ZstdDecoderOptions {
  return { engine: engine ?? new PortableEngine(), xxh64, ...options };
}

/** Decodes `stream` in pieces of `pieceSize` bytes. What is thrown must be a `LayerproofError`, and stay the same. */
export function decode(
  stream: Uint8Array,
  pieceSize = stream.length,
  options: SomeOptions = {},
): Decoded {
  const output: Uint8Array[] = [];
  const events: Event[] = [];
  const pieces: number[] = [];
  let payload: Uint8Array[] = [];
  const decoder = new ZstdDecoder({
    frameStart: (frame) => events.push(["frameStart", frame]),
    data(bytes) {
      output.push(bytes.slice());
      pieces.push(bytes.length);
    },
    frameEnd: (frame) => events.push(["frameEnd", frame]),
    skippableStart(frame) {
      payload = [];
      events.push(["skippableStart", frame]);
    },
    skippableData: (bytes) => payload.push(bytes.slice()),
    skippableEnd: () => events.push(["skippableEnd", sha256(payload)]),
  }, withEngine(options));
  let error: LayerproofError | null = null;
  try {
    for (const piece of slices(stream, Math.max(pieceSize, 1))) decoder.push(piece);
    decoder.end();
    expect(decoder.inOffset).toBe((options.blobOffset ?? 0) + stream.length);
  } catch (thrown) {
    if (!(thrown instanceof LayerproofError)) throw thrown;
    error = thrown;
    for (const again of [() => decoder.push(Uint8Array.of(1)), () => decoder.end()]) {
      let second: unknown = null;
      try {
        again();
      } catch (thrownAgain) {
        second = thrownAgain;
      }
      if (second !== thrown) throw new Error("the decoder did not throw the same error again");
    }
  }
  return { output: join(output), events, pieces, error };
}

/** The output of a stream that must decode without error and with right checksums. */
export function decodeSound(
  stream: Uint8Array,
  pieceSize?: number,
  options?: SomeOptions,
): Uint8Array<ArrayBuffer> {
  const { output, events, error } = decode(stream, pieceSize, options);
  if (error !== null) throw error;
  for (const [name, frame] of events) {
    if (name === "frameEnd") expect((frame as { checksum: unknown }).checksum).not.toBeTypeOf("object");
  }
  return output;
}

/** Expects equal bytes, without a diff of megabytes when they are not. */
export function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  expect(at, "index of the first wrong byte").toBe(-1);
}

/** Expects that the stream is refused with this code at this offset, with the same words for each way to cut it. */
export function expectRefused(
  stream: Uint8Array,
  code: string,
  blobOffset: number,
  message?: RegExp,
  options?: SomeOptions,
): LayerproofError {
  const whole = decode(stream, stream.length, options);
  expect(whole.error?.code, whole.error?.message).toBe(code);
  expect(whole.error!.details.blobOffset).toBe(blobOffset);
  if (message !== undefined) expect(whole.error!.message).toMatch(message);
  for (const pieceSize of [1, 3]) {
    const cut = decode(stream, pieceSize, options);
    expect(cut.error?.message).toBe(whole.error!.message);
    expect(cut.events).toEqual(whole.events);
    expectBytes(cut.output, whole.output);
  }
  return whole.error!;
}

/** Bits in the order in which a decoder reads them from the end of a stream: [value, count] each. */
export type Bits = readonly (readonly [value: number, count: number])[];

/** A bit stream that is read backwards: the bits read first stand last, below the final-bit flag. */
export function backwardBits(reads: Bits): Uint8Array<ArrayBuffer> {
  const bits: number[] = [];
  for (const [value, count] of [...reads].reverse()) {
    for (let bit = 0; bit < count; bit++) bits.push(Math.floor(value / 2 ** bit) & 1);
  }
  bits.push(1);
  return packBits(bits);
}

/** Bits packed from the lowest bit of the first byte on. */
export function packBits(bits: readonly number[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, at) => out[at >>> 3]! |= bit << (at & 7));
  return out;
}

/** Raw or RLE literals section with a three-byte header. */
export function literalsSection(
  type: "raw" | "rle",
  data: Uint8Array,
  size = data.length,
): Uint8Array<ArrayBuffer> {
  const header = (size * 16) + 12 + (type === "rle" ? 1 : 0);
  return concat(Uint8Array.of(header & 255, (header >>> 8) & 255, header >>> 16), data);
}

/** The "number of sequences" field in its shortest form. */
export function sequenceCount(count: number): Uint8Array<ArrayBuffer> {
  if (count < 128) return Uint8Array.of(count);
  if (count < 0x7f00) return Uint8Array.of((count >>> 8) + 128, count & 255);
  return Uint8Array.of(255, (count - 0x7f00) & 255, (count - 0x7f00) >>> 8);
}

/** Codes of sequences that all use one code of each alphabet (RLE_Mode). */
export interface RleCodes {
  readonly literalLength: number;
  readonly offset: number;
  readonly matchLength: number;
}

/** A sequences section in RLE_Mode. The bits of each sequence come in the order offset, match length, literal length. */
export function rleSequences(count: number, codes: RleCodes, bits: Bits): Uint8Array<ArrayBuffer> {
  return concat(
    sequenceCount(count),
    Uint8Array.of(0x54, codes.literalLength, codes.offset, codes.matchLength),
    backwardBits(bits),
  );
}

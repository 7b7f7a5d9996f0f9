/**
 * One zstd stream decoded by the portable engine and by the kernel: both must say the same.
 */
import { ZstdDecoder } from "../../src/codec/zstd/decoder.ts";
import type { BlockEngine } from "../../src/codec/zstd/engine.ts";
import { LayerproofError } from "../../src/errors.ts";
import { KernelZstdEngine } from "../../src/kernel/zstd.ts";
import {
  type Bits,
  literalsSection,
  rleSequences,
  type SomeOptions,
  withEngine,
} from "../codec/zstd/support.ts";
import { concat, hex, join } from "../support/bytes.ts";
import { mutate, sample } from "../support/damage.ts";
import { type Random, random, randomBytes } from "../support/random.ts";
import { type FrameOptions, rawFrame, skippable, type ZstdBlock, zstdFrame } from "../support/zstd.ts";

/** One for all cases: what an earlier case left behind must not matter. */
const kernel = await KernelZstdEngine.create();

/** What a decoder made of a stream. */
export interface Verdict {
  /** All bytes handed out before the error. */
  readonly output: Uint8Array;
  /** Events, errors and offsets as text. */
  readonly log: string;
  /** Of the error; null where there is none. */
  readonly code: string | null;
  readonly message: string | null;
}

/** Pushes `stream` in pieces that end at `cuts`, in ascending order, and at its end. */
export function verdictOf(
  stream: Uint8Array,
  cuts: readonly number[],
  engine: BlockEngine | null,
  options: SomeOptions = {},
): Verdict {
  const log: string[] = [];
  const pieces: Uint8Array[] = [];
  const tell = (name: string) => (event?: unknown): void => void log.push(`${name} ${JSON.stringify(event)}`);
  const decoder = new ZstdDecoder({
    frameStart: tell("frameStart"),
    data(bytes) {
      pieces.push(bytes.slice());
      log.push(`data ${bytes.length} at ${decoder.outOffset}`);
    },
    frameEnd: tell("frameEnd"),
    skippableStart: tell("skippableStart"),
    skippableData: (bytes) => tell("skippableData")(bytes.length),
    skippableEnd: tell("skippableEnd"),
  }, { ...withEngine(options), ...(engine && { engine }) });
  let error: LayerproofError | null = null;
  try {
    let from = 0;
    for (const to of [...cuts, stream.length]) {
      decoder.push(stream.subarray(from, to));
      from = to;
    }
    log.push(`boundary ${decoder.atBoundary}`);
    decoder.end();
  } catch (thrown) {
    if (!(thrown instanceof LayerproofError)) throw thrown;
    error = thrown;
    log.push(`${thrown.name} ${thrown.code} ${thrown.message} ${JSON.stringify(thrown.details)}`);
  }
  log.push(`in ${decoder.inOffset} out ${decoder.outOffset} boundary ${decoder.atBoundary}`);
  const output = join(pieces);
  return { output, log: log.join("\n"), code: error?.code ?? null, message: error?.message ?? null };
}

/**
 * Decodes with both engines.
 *
 * @throws Error when they differ in events, errors, messages or output
 */
export function compare(
  stream: Uint8Array,
  cuts: readonly number[] = [],
  options: SomeOptions = {},
): Verdict {
  const expected = verdictOf(stream, cuts, null, options);
  const actual = verdictOf(stream, cuts, kernel, options);
  if (actual.log !== expected.log) {
    throw new Error(`portable:\n${expected.log}\nkernel:\n${actual.log}\n${excerpt(stream)}`);
  }
  const at = actual.output.findIndex((byte, index) => byte !== expected.output[index]);
  if (at >= 0) throw new Error(`the output differs at byte ${at}: ${excerpt(stream)}`);
  return actual;
}

/**
 * One stream made from `seed`: damaged, sound or assembled by hand, pushed in any pieces.
 *
 * @throws Error when the engines differ
 */
export function zstdCase(seed: number): Verdict {
  const rng = random(seed);
  const { below } = rng;
  const kind = below(20);
  const stream = kind < 11
    ? damaged(rng)
    : kind < 12
    ? concat(sound(rng), skippable(randomBytes(below(50), seed), below(16)), damaged(rng))
    : kind < 19
    ? assembled(rng)
    : below(4) === 0
    ? laps(rng)
    : noise(rng);
  try {
    return compare(stream, cutsOf(stream.length, rng));
  } catch (cause) {
    throw new Error(`seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** No cut, a few, or many. */
function cutsOf(length: number, { below }: Random): number[] {
  const kind = below(4);
  if (kind === 0 || length === 0) return [];
  const step = kind === 1 ? length : kind === 2 ? 700 : length < 2000 ? 2 : 90;
  const cuts: number[] = [];
  for (let at = below(step); at < length; at += 1 + below(step)) cuts.push(at);
  return cuts;
}

const POOL = 90;
const pool = new Map<number, Uint8Array>();

/** A sound frame, compressed once in a process. */
function sound(rng: Random): Uint8Array {
  const index = rng.below(POOL);
  let frame = pool.get(index);
  if (!frame) {
    const own = random(index + 1);
    frame = zstdFrame(sample(own), {
      level: [1, 2, 3, 5, 7, 9, 12, 16, 19][index % 9]!,
      checksum: own.below(3) === 0,
      contentSize: own.below(3) > 0,
      ...(own.below(2) === 0 && { windowLog: 10 + own.below(10) }),
    });
    pool.set(index, frame);
  }
  return frame;
}

function damaged(rng: Random): Uint8Array {
  return mutate(sound(rng), rng);
}

function noise({ below, next }: Random): Uint8Array {
  return rawFrame([{ type: "compressed", data: randomBytes(below(400), next()) }], {
    windowLog: 10 + below(9),
  });
}

/**
 * Sequences that all use one code of each alphabet, with random extra bits: what encoders never write, and mostly within
 * or just beyond what is allowed.
 */
function sequencesBlock(rng: Random, behind: number, blockMax: number): ZstdBlock {
  const { below, next } = rng;
  const count = below(5) === 0 ? below(300) : below(6);
  const literals = below(3) === 0 ? below(Math.min(blockMax + 2, 3000)) : below(40);
  const type = below(2) === 0 ? "raw" : "rle";
  const literalLength = below(8) === 0
    ? below(36)
    : below(Math.min(18, Math.ceil(literals / (count + 1)) + 1));
  const near = Math.floor(Math.log2(behind + 4));
  const offset = below(10) === 0 ? below(32) : below(4) === 0 ? below(3) : below(near + 1);
  const matchLength = below(8) === 0 ? below(53) : below(36);
  const extras = (bits: number): Bits[number] => [below(6) === 0 ? 2 ** bits - 1 : next() % 2 ** bits, bits];
  const bits: Bits = Array.from({ length: count }, () => [
    extras(offset),
    extras(matchLengthBits(matchLength)),
    extras(literalLengthBits(literalLength)),
  ]).flat();
  const section = literalsSection(type, randomBytes(type === "raw" ? literals : 1, next()), literals);
  const spoilt = below(12) === 0 ? [...bits, [below(4), 2] as const] : bits;
  const sequences = count === 0
    ? Uint8Array.of(0)
    : rleSequences(count, { literalLength, offset, matchLength }, spoilt);
  return { type: "compressed", data: concat(section, sequences) };
}

/** Extra bits of a literal length code (RFC 8878, 3.1.1.3.2.1.1). */
function literalLengthBits(code: number): number {
  if (code < 16) return 0;
  return code < 25 ? [1, 1, 1, 1, 2, 2, 3, 3, 4][code - 16]! : code - 19;
}

/** Extra bits of a match length code. */
function matchLengthBits(code: number): number {
  if (code < 32) return 0;
  return code < 43 ? [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5][code - 32]! : code - 36;
}

/** A frame of blocks of all types, small windows most of all. */
function assembled(rng: Random): Uint8Array {
  const { below, next } = rng;
  const options: FrameOptions = { windowLog: 10 + (below(3) === 0 ? below(12) : below(3)) };
  const blockMax = Math.min(2 ** options.windowLog!, 131072);
  const blocks: ZstdBlock[] = [];
  let behind = 0;
  for (let count = 1 + below(8); count > 0; count--) {
    const kind = below(4);
    const size = below(3) === 0 ? below(blockMax + 1) : below(100);
    if (kind === 0) blocks.push({ type: "raw", data: randomBytes(size, next()) });
    else if (kind === 1) blocks.push({ type: "rle", data: Uint8Array.of(below(256)), size });
    else blocks.push(sequencesBlock(rng, behind, blockMax));
    if (kind < 2) behind += size;
  }
  return rawFrame(blocks, options);
}

/** More content than the kernel's history holds, so that matches reach from one lap into the one before. */
function laps(rng: Random): Uint8Array {
  const { below, next } = rng;
  const blocks: ZstdBlock[] = [];
  const windowLog = 17 + below(2);
  for (let count = 14 + below(12); count > 0; count--) {
    const size = below(4) === 0 ? below(131072) : 131072 - below(60);
    blocks.push({ type: "raw", data: randomBytes(size, next()) });
    const codes = { literalLength: below(4), offset: windowLog - below(5), matchLength: below(46) };
    for (let more = below(3); more > 0; more--) {
      // Up to the window, which the largest code would pass.
      const most = Math.min(2 ** codes.offset - 1, 2 ** windowLog - 2 ** codes.offset + 3);
      const sequences = 1 + below(3);
      const bits: Bits = Array.from({ length: sequences }, () => [
        [below(most + 1), codes.offset] as const,
        [next() % 2 ** matchLengthBits(codes.matchLength), matchLengthBits(codes.matchLength)] as const,
      ]).flat();
      const literals = literalsSection("raw", randomBytes(12, next()));
      blocks.push({ type: "compressed", data: concat(literals, rleSequences(sequences, codes, bits)) });
    }
  }
  return rawFrame(blocks, { windowLog });
}

function excerpt(stream: Uint8Array): string {
  return `${stream.length} bytes: ${hex(stream.subarray(0, 2000))}`;
}

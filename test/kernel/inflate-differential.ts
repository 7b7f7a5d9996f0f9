/**
 * Compares the inflate kernel with zlib on seeded streams: valid ones of encoders, valid ones of random codes, and either
 * with some of its bytes changed.
 */
import { Buffer } from "node:buffer";
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { type Random, random, randomBytes, randomText } from "../support/mod.ts";
import {
  BitWriter,
  codesOf,
  DISTANCE_BASES,
  dynamicHeader,
  LENGTH_BASES,
  SymbolWriter,
} from "./inflate-bits.ts";
import { inflate, inflateByPako, type InflateRun, sameBytes } from "./inflate-run.ts";

const STRATEGIES = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FILTERED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
  constants.Z_FIXED,
];

/**
 * Makes the stream of this seed and inflates it, in pieces that the seed chooses too.
 * @throws if kernel, zlib and pako do not agree on what comes out, whether it is a stream, and where it ends
 */
export function inflateCase(seed: number): void {
  const rng = random(seed);
  const stream = seededStream(rng);
  const run = inflate(stream, seededPieces(rng, stream.length));
  compare(run, stream, `seed ${seed}`);
}

/** @throws if zlib or pako say otherwise than `run` of `stream` */
export function compare(run: InflateRun, stream: Uint8Array, what: string): void {
  const rejected = run.verdict !== "end" && run.verdict !== "more";
  const peer = inflateByPako(stream);
  // zlib takes a code length code without codes, and finds only behind the lengths that there is none for the end.
  const early = run.verdict === "code-lengths-incomplete" && peer.verdict === "more";
  const verdict = early ? "more" : rejected ? "error" : run.verdict;
  if (verdict !== peer.verdict) throw new Error(`${what}: ${run.verdict}, pako says ${peer.verdict}`);
  if (run.used !== peer.used) throw new Error(`${what}: ends at ${run.used}, pako ends at ${peer.used}`);
  if (!sameBytes(run.output, peer.output)) throw new Error(`${what}: other output than pako's`);

  let output: Uint8Array | null = null;
  try {
    output = inflateRawSync(stream);
  } catch {
    // Corrupt or cut short: zlib throws for both.
  }
  if ((output !== null) !== (verdict === "end")) {
    throw new Error(`${what}: ${run.verdict}, zlib does not agree`);
  }
  if (output && !sameBytes(run.output, output)) throw new Error(`${what}: other output than zlib's`);
}

/** Sizes of pieces: everything at once, a byte at a time, or random ones. */
export function seededPieces(rng: Random, length: number): () => number {
  const kind = rng.below(4);
  if (kind === 0) return () => Math.max(1, length);
  if (kind === 1) return () => 1;
  const most = kind === 2 ? 8 : 1 + rng.below(2000);
  return () => 1 + rng.below(most);
}

/** A stream, valid or not. */
export function seededStream(rng: Random): Uint8Array {
  const valid = rng.below(3) === 0 ? randomCodes(rng) : encoded(rng);
  return rng.below(4) === 0 ? valid : mutated(valid, rng);
}

function encoded(rng: Random): Uint8Array {
  const data = content(rng);
  return deflateRawSync(data, {
    level: rng.below(10),
    strategy: rng.pick(STRATEGIES),
    memLevel: 1 + rng.below(9),
    windowBits: 9 + rng.below(7),
  });
}

function content(rng: Random): Uint8Array {
  const seed = rng.next();
  const size = rng.below(20) === 0 ? rng.below(100_000) : rng.below(1500);
  switch (rng.below(5)) {
    case 0:
      return randomText(size, seed);
    case 1:
      return randomBytes(size, seed);
    case 2: {
      const period = 1 + rng.below(rng.pick([3, 20, 300]));
      const unit = randomBytes(period, seed);
      return Uint8Array.from({ length: size }, (_, index) => unit[index % period]!);
    }
    case 3: {
      // Few values, and unlike frequencies: codes of many lengths.
      return Uint8Array.from({ length: size }, () => Math.floor(Math.log2(1 + rng.next())) * 7);
    }
    default: {
      const text = randomText(size, seed);
      const noise = randomBytes(size, seed);
      let noisy = false;
      return Uint8Array.from({ length: size }, (_, index) => {
        if (rng.below(50) === 0) noisy = !noisy;
        return noisy ? noise[index]! : text[index]!;
      });
    }
  }
}

/** Blocks with random complete codes, some of 15 bits, and random symbols of them. */
function randomCodes(rng: Random): Uint8Array {
  const writer = new BitWriter();
  let total = 0;
  for (let blocks = 1 + rng.below(3); blocks > 0; blocks--) {
    const final = blocks === 1;
    if (rng.below(8) === 0) {
      const stored = randomBytes(rng.below(200), rng.next());
      writer.bits(final ? 1 : 0, 1).bits(0, 2).align();
      writer.bits(stored.length, 16).bits(stored.length ^ 0xffff, 16).bytes(stored);
      total += stored.length;
      continue;
    }
    const litlen = completeLengths(rng, 257 + rng.below(30), [256, 0, 97, 257]);
    const distance = rng.below(10) === 0 ? [0] : completeLengths(rng, 1 + rng.below(30), [0]);
    dynamicHeader(writer, { litlen, distance }, final);
    const symbols = new SymbolWriter(writer, codesOf(litlen), codesOf(distance));
    const usable = litlen.flatMap((length, symbol) => length > 0 && symbol !== 256 ? [symbol] : []);
    const distances = distance.flatMap((length, symbol) => length > 0 ? [symbol] : []);
    for (let count = rng.below(400); count > 0; count--) {
      const symbol = rng.pick(usable);
      if (symbol < 256) {
        symbols.literals([symbol]);
        total++;
        continue;
      }
      // Now and then a distance that reaches too far.
      const inReach = rng.below(100) === 0 ? distances : distances.filter((each) => reach(each) <= total);
      if (inReach.length === 0) continue;
      const [base, extra] = LENGTH_BASES[symbol - 257]!;
      const extraLength = rng.below(2 ** extra);
      const [from, distanceExtra] = DISTANCE_BASES[rng.pick(inReach)]!;
      writer.code(symbols.litlen[symbol]!).bits(extraLength, extra);
      symbols.distanceOf(from + rng.below(2 ** distanceExtra));
      total += base + extraLength;
    }
    symbols.end();
  }
  writer.align().bytes(randomBytes(rng.below(10), rng.next()));
  return writer.finish();
}

/** Farthest distance of a symbol. */
function reach(symbol: number): number {
  const [base, extra] = DISTANCE_BASES[symbol]!;
  return base + 2 ** extra - 1;
}

/** Lengths of a complete code for some of `size` symbols: a tree whose leaves are split at random, 15 deep at most. */
function completeLengths(rng: Random, size: number, wanted: readonly number[]): number[] {
  const symbols = new Set(wanted.filter((symbol) => symbol < size));
  for (let count = rng.below(size); count > 0; count--) symbols.add(rng.below(size));
  if (symbols.size === 1) return Array.from({ length: size }, (_, symbol) => symbols.has(symbol) ? 1 : 0);
  const leaves = [1, 1];
  // Splitting the newest leaf again and again gives deep trees.
  const steep = rng.below(3) === 0;
  while (leaves.length < symbols.size) {
    let place = steep && rng.below(3) > 0 ? leaves.length - 1 : rng.below(leaves.length);
    while (leaves[place] === 15) place = rng.below(leaves.length);
    leaves[place]!++;
    leaves.push(leaves[place]!);
  }
  const lengths = new Array<number>(size).fill(0);
  for (const symbol of symbols) lengths[symbol] = leaves.splice(rng.below(leaves.length), 1)[0]!;
  return lengths;
}

/** A copy with a few changes, most of them near the beginning, where headers are. */
export function mutated(stream: Uint8Array, rng: Random): Uint8Array {
  let bytes = Buffer.from(stream);
  for (let changes = 1 + rng.below(3); changes > 0; changes--) {
    const near = rng.below(2) === 0 ? Math.min(bytes.length, 80) : bytes.length;
    const at = rng.below(near);
    switch (rng.below(8)) {
      case 0:
        bytes = bytes.subarray(0, at);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(rng.below(256)), bytes.subarray(at)]);
        break;
      case 3:
        if (at < bytes.length) bytes[at] = rng.below(256);
        break;
      default:
        if (at < bytes.length) bytes[at]! ^= 1 << rng.below(8);
    }
  }
  return bytes;
}

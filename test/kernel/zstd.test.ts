import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CodecEvents } from "../../src/codec/events.ts";
import { ZstdDecoder } from "../../src/codec/zstd/decoder.ts";
import { zstdStream } from "../../src/codec/zstd-stream.ts";
import { KernelZstdEngine } from "../../src/kernel/zstd.ts";
import { literalsSection, rleSequences, xxh64 } from "../codec/zstd/support.ts";
import { concat, sha256, slices } from "../support/bytes.ts";
import { run, testWith } from "../support/programs.ts";
import { random, randomBytes, randomText } from "../support/random.ts";
import { rawFrame, storedFrame, type ZstdBlock, zstdFrame } from "../support/zstd.ts";
import { mutate, sample } from "../support/damage.ts";
import { compare, verdictOf, zstdCase } from "./zstd-differential.ts";

const KIB_128 = 128 * 1024;
const LAYERS = new URL("../fixtures/layers/", import.meta.url);
const layers = readdirSync(LAYERS).filter((file) => /\.(tar\.zst|zstdchunked)$/.test(file));

/** Cuts of a stream into pieces of at most `most` bytes. */
function cuts(length: number, most: number, seed: number): number[] {
  const { below } = random(seed);
  const out: number[] = [];
  for (let at = 1 + below(most); at < length; at += 1 + below(most)) out.push(at);
  return out;
}

/** Compares the engines on a stream that must be sound: whole, byte by byte (its start) and in pieces. */
function compareSound(stream: Uint8Array, content: Uint8Array): void {
  const whole = compare(stream);
  expect(whole.message).toBeNull();
  expect(sha256(whole.output)).toBe(sha256(content));
  compare(stream, cuts(stream.length, 40_000, stream.length));
  const start = stream.subarray(0, 3000);
  compare(start, Array.from({ length: start.length }, (_, at) => at));
}

describe("kernel and portable engine agree", () => {
  test.each(layers)("on %s", (file) => {
    const stream = readFileSync(new URL(file, LAYERS));
    expect(compare(stream).message).toBeNull();
    compare(stream, cuts(stream.length, 5000, 1));
  });

  // Each block of 500 seeds takes about two seconds.
  test.each([0, 500, 1000, 1500, 2000, 2500, 3000, 3500])("on 500 streams from seed %i on", (first) => {
    const codes = new Map<string | null, number>();
    for (let seed = first; seed < first + 500; seed++) {
      const { code } = zstdCase(seed);
      codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    // The streams are neither nearly all sound nor nearly all refused.
    expect(codes.get(null)).toBeGreaterThan(100);
    expect(codes.get("zstd-corrupt")).toBeGreaterThan(150);
  });

  test("on every way to cut a block short", () => {
    const frame = zstdFrame(randomText(700, 3), { level: 19, checksum: false });
    const at = 6 + (frame[4]! >>> 6 === 1 ? 2 : 0);
    const block = frame.subarray(at + 3);
    for (let size = 0; size < block.length; size++) {
      compare(rawFrame([{ type: "compressed", data: block.subarray(0, size) }]));
    }
  });

  test("on every bit of a block that is turned over", () => {
    const frame = zstdFrame(randomText(260, 5), { level: 12, checksum: false });
    for (let bit = 0; bit < 8 * frame.length; bit++) {
      const turned = frame.slice();
      turned[bit >>> 3]! ^= 1 << (bit & 7);
      compare(turned);
    }
  });
});

describe("kernel and portable engine agree on what the zstd program writes", () => {
  let folder = "";
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "layerproof-zstd-kernel-"))));
  afterAll(() => rmSync(folder, { recursive: true }));

  const text = randomText(400_000, 11);
  const inputs: Readonly<Record<string, Uint8Array>> = {
    nothing: new Uint8Array(0),
    byte: Uint8Array.of(7),
    text,
    random: randomBytes(300_000, 3),
    zeros: new Uint8Array(700_000),
    runs: new Uint8Array(300_000).map((_, at) => (at >>> 9) * 37),
    mixed: concat(text.subarray(0, 150_000), randomBytes(20_000, 9), new Uint8Array(150_001), text),
  };
  const flags = [
    ["-1"],
    ["-3"],
    ["-9"],
    ["-15"],
    ["-19"],
    ["--ultra", "-22"],
    ["--long=27"],
    ["--no-check"],
    ["-T2", "-B131072"],
    ["--single-thread"],
    ["--fast=5"],
    ["--no-content-size"],
  ];
  const compress = (content: Uint8Array, args: readonly string[]): Uint8Array => {
    const file = join(folder, "input");
    writeFileSync(file, content);
    return run("zstd", ["-q", "-c", ...args, file]).stdout;
  };

  for (const args of flags) {
    testWith(["zstd"], `with ${args.join(" ")}`, () => {
      for (const content of Object.values(inputs)) compareSound(compress(content, args), content);
    });
  }

  testWith(["zstd"], "for many sizes", () => {
    const edges = [
      1,
      2,
      3,
      15,
      16,
      17,
      31,
      32,
      33,
      255,
      256,
      1023,
      65791,
      65792,
      KIB_128 - 1,
      KIB_128,
      KIB_128 + 1,
    ];
    for (const size of edges) {
      for (const content of [text.subarray(0, size), new Uint8Array(size), randomBytes(size, size)]) {
        compareSound(compress(content, ["-5"]), content);
      }
    }
  });

  testWith(["zstd"], "and what the kernel accepts of damaged frames, zstd -dc decodes to the same", () => {
    const rng = random(4242);
    let accepted = 0;
    for (let round = 0; round < 120; round++) {
      const frame = zstdFrame(sample(rng), { level: 1 + rng.below(12), checksum: false, contentSize: false });
      const stream = rng.below(3) === 0 ? frame : mutate(frame, rng);
      const verdict = compare(stream);
      if (verdict.code !== null) continue;
      accepted++;
      const file = join(folder, "damaged.zst");
      writeFileSync(file, stream);
      const { status, stdout } = spawnSync("zstd", ["-dc", file], { maxBuffer: 2 ** 28 });
      expect(status).toBe(0);
      expect(sha256(new Uint8Array(stdout))).toBe(sha256(verdict.output));
    }
    expect(accepted).toBeGreaterThan(40);
  });
});

describe("the history of the kernel engine", () => {
  test.each([10, 17, 21, 22])("serves a window of 2^%i bytes over many laps", (windowLog) => {
    // Content with matches at all distances: pieces of text of 4 KiB that come again in any order.
    const { below } = random(windowLog);
    const pieces = Array.from({ length: 1500 }, (_, at) => randomText(4096, at));
    const content = concat(...Array.from({ length: 5000 }, () => pieces[below(pieces.length)]!));
    const whole = compare(zstdFrame(content, { windowLog, level: 4 }));
    expect(whole.message).toBeNull();
    expect(sha256(whole.output)).toBe(sha256(content));
  });

  /** Raw blocks of 128 KiB over about a lap, then a match at `offset`, behind no literals. */
  function matchBehind(blocks: number, offset: number, matchLength: number): Uint8Array {
    const raw = Array.from({ length: blocks }, (_, at): ZstdBlock => ({ type: "raw", data: CONTENT[at]! }));
    const code = Math.floor(Math.log2(offset + 3));
    const codes = { literalLength: 0, offset: code, matchLength: matchLength - 3 };
    const sequences = rleSequences(1, codes, [[offset + 3 - 2 ** code, code]]);
    const data = concat(literalsSection("raw", Uint8Array.of(1)), sequences);
    return rawFrame([...raw, { type: "compressed", data }], { windowLog: 18 });
  }
  const CONTENT = Array.from({ length: 16 }, (_, at) => randomBytes(KIB_128, at + 1));

  // A lap is 11 or 12 blocks with this window: one of these frames has its match at the start of the second lap.
  test.each([10, 11, 12, 13])(
    "is copied from the lap before, and across its end, behind %i blocks",
    (blocks) => {
      for (
        const offset of [1, 2, 3, 7, 8, 15, 16, 17, 30, 31, 32, 33, KIB_128 - 1, KIB_128 + 9, 2 * KIB_128]
      ) {
        for (const matchLength of [3, 16, 34]) {
          expect(compare(matchBehind(blocks, offset, matchLength)).message).toBeNull();
        }
      }
    },
  );

  test("costs a frame of few bytes nothing, whatever window it declares", async () => {
    const engine = await KernelZstdEngine.create();
    const size = engine.memory.buffer.byteLength;
    expect(size).toBeLessThanOrEqual(5 * 2 ** 18);
    for (const windowLog of [10, 23, 27, 30]) {
      const options = { windowLimit: 2 ** 30 };
      const { message } = verdictOf(storedFrame("abc", { windowLog }), [], engine, options);
      expect(message).toBeNull();
    }
    expect(engine.memory.buffer.byteLength).toBe(size);
  });

  test("takes a window, 8 MiB and a constant at most, and is kept", async () => {
    const engine = await KernelZstdEngine.create();
    const ignore = (): void => {};
    const handlers = {
      frameStart: ignore,
      data: ignore,
      frameEnd: ignore,
      skippableStart: ignore,
      skippableData: ignore,
      skippableEnd: ignore,
    };
    const bomb = (windowLog: number, blocks: number): Uint8Array =>
      rawFrame(
        Array.from({ length: blocks }, () => ({ type: "rle", data: "x", size: KIB_128 }) as const),
        { windowLog },
      );
    new ZstdDecoder(handlers, { engine, xxh64 }).push(bomb(24, 400));
    const size = engine.memory.buffer.byteLength;
    expect(size).toBeLessThanOrEqual(2 ** 24 + 2 ** 23 + 2 ** 20 + 2 ** 16);
    new ZstdDecoder(handlers, { engine, xxh64 }).push(concat(bomb(20, 100), bomb(24, 400)));
    expect(engine.memory.buffer.byteLength).toBe(size);
  });

  test("that cannot grow is an error of its own", async () => {
    const engine = await KernelZstdEngine.create();
    Object.defineProperty(engine.memory, "grow", {
      value: () => {
        throw new RangeError("no more");
      },
    });
    const blocks = Array.from({ length: 9 }, () => ({ type: "rle", data: "x", size: KIB_128 }) as const);
    const { code, output } = verdictOf(rawFrame(blocks, { windowLog: 27 }), [], engine);
    expect(code).toBe("zstd-memory");
    expect(output.length % KIB_128).toBe(0);
    expect(output.length).toBeGreaterThan(0);
  });
});

test("the kernel engine goes on with another stream after one that was broken off or refused", async () => {
  const engine = await KernelZstdEngine.create();
  const content = randomText(300_000, 8);
  const frame = zstdFrame(content, { level: 7 });
  for (
    const stream of [
      frame.subarray(0, 40_000),
      frame.map((byte, at) => at === 9000 ? byte ^ 4 : byte),
      frame,
    ]
  ) {
    const { output, code } = verdictOf(stream, cuts(stream.length, 9000, 2), engine);
    if (stream === frame) expect(code).toBeNull();
    if (stream === frame) expect(sha256(output)).toBe(sha256(content));
  }
});

test("zstdStream decodes with the engine that it is given", async () => {
  const engine = await KernelZstdEngine.create();
  const content = randomText(200_000, 8);
  const pieces: Uint8Array[] = [];
  const units: unknown[] = [];
  const ignore = (): void => {};
  const events: CodecEvents = {
    unitStart: ignore,
    data(bytes) {
      expect(bytes.buffer).toBe(engine.memory.buffer);
      pieces.push(bytes.slice());
    },
    unitEnd: ({ checksum }) => units.push(checksum),
    skippableStart: ignore,
    skippableData: ignore,
    skippableEnd: ignore,
    zeroPadding: ignore,
  };
  const decoder = zstdStream(events, { engine, xxh64 });
  for (const piece of slices(zstdFrame(content), 1000)) decoder.push(piece);
  decoder.end();
  expect(units).toEqual(["ok"]);
  expect(sha256(pieces)).toBe(sha256(content));
});

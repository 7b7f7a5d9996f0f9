import { constants, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { INFLATE_MEMORY, InflateError, InflateKernel } from "../../src/kernel/inflate.ts";
import { IO_BASE, kernelMemory } from "../../src/kernel/load.ts";
import { concat, random, randomBytes, randomText } from "../support/mod.ts";
import { fixedBlock } from "./inflate-bits.ts";
import { compare, inflateCase } from "./inflate-differential.ts";
import { inflate, sameBytes } from "./inflate-run.ts";

const STRATEGIES = {
  default: constants.Z_DEFAULT_STRATEGY,
  filtered: constants.Z_FILTERED,
  "Huffman only": constants.Z_HUFFMAN_ONLY,
  RLE: constants.Z_RLE,
  fixed: constants.Z_FIXED,
};

const CONTENTS = {
  text: randomText(70_000),
  noise: randomBytes(40_000),
  zeros: new Uint8Array(300_000),
  mixed: concat(randomText(20_000, 2), randomBytes(9000, 2), new Uint8Array(1000), randomText(20_000, 2)),
  nothing: new Uint8Array(0),
};

/** The kernel takes the stream whole, in random pieces and, if it is short, byte by byte; `data` comes out each time. */
function expectInflated(stream: Uint8Array, data: Uint8Array): void {
  const rng = random(stream.length);
  const least = stream.length < 9000 ? 1 : 40;
  for (const pieces of [() => stream.length, () => 1 + rng.below(3000), () => least]) {
    const { output, verdict, used } = inflate(stream, pieces);
    expect({ verdict, used }).toEqual({ verdict: "end", used: stream.length });
    expect(sameBytes(output, data)).toBe(true);
  }
}

describe("what encoders write", () => {
  for (const [name, strategy] of Object.entries(STRATEGIES)) {
    test(`all levels, with strategy ${name}, come out as they went in`, () => {
      for (const data of Object.values(CONTENTS)) {
        for (let level = 0; level <= 9; level++) {
          expectInflated(deflateRawSync(data, { level, strategy }), data);
        }
      }
    });
  }

  test("all window sizes and memory levels come out as they went in", () => {
    for (const data of Object.values(CONTENTS)) {
      for (let windowBits = 9; windowBits <= 15; windowBits++) {
        expectInflated(deflateRawSync(data, { windowBits }), data);
      }
      for (let memLevel = 1; memLevel <= 9; memLevel++) {
        expectInflated(deflateRawSync(data, { memLevel }), data);
      }
    }
  });

  test("output of many times the kernel's memory comes out whole and in order", () => {
    const data = concat(...Array.from({ length: 12 }, (_, index) => randomText(150_001, index)));
    expectInflated(deflateRawSync(data, { level: 9 }), data);
  });

  test("bytes behind the end are left alone, wherever in a byte the stream ends", () => {
    for (let literals = 0; literals < 24; literals++) {
      const stream = fixedBlock((symbols) => symbols.literals(new Array(literals).fill(0xff)));
      for (let behind = 0; behind < 12; behind++) {
        const input = concat(stream, randomBytes(behind));
        for (const piece of [1, 2, 3, 7, 64]) {
          expect(inflate(input, () => piece)).toMatchObject({ verdict: "end", used: stream.length });
        }
      }
    }
  });
});

describe("pieces of input", () => {
  const streams = [
    deflateRawSync(randomText(1200)),
    deflateRawSync(randomText(300), { strategy: constants.Z_FIXED }),
    deflateRawSync(randomBytes(200), { level: 0 }),
    deflateRawSync(new Uint8Array(5000)),
  ];

  test("a stream cut in two at any byte comes out the same", () => {
    for (const stream of streams) {
      const whole = inflate(stream).output;
      for (let cut = 1; cut < stream.length; cut++) {
        const sizes = [cut, stream.length];
        const run = inflate(stream, () => sizes.shift()!);
        expect(run.verdict).toBe("end");
        expect(sameBytes(run.output, whole)).toBe(true);
      }
    }
  });

  test("a stream that is cut short gives all that pako gets from it, and no end", () => {
    for (const stream of streams) {
      for (let cut = 0; cut < stream.length; cut++) {
        const short = stream.subarray(0, cut);
        const run = inflate(short);
        expect(run.verdict).toBe("more");
        compare(run, short, `cut at ${cut}`);
      }
    }
  });
});

describe("the kernel's host", () => {
  test("members in one array are inflated one after the other", async () => {
    const kernel = await InflateKernel.create();
    const contents = Array.from({ length: 3000 }, (_, index) => randomText(index % 97, index));
    const members = contents.map((content) => deflateRawSync(content));
    const blob = concat(...members);
    let at = 0;
    contents.forEach((content, index) => {
      kernel.reset();
      const output: Uint8Array[] = [];
      const used = kernel.inflate(blob, at, (bytes) => void output.push(bytes.slice()));
      expect(used).toBe(members[index]!.length);
      expect(kernel.done).toBe(true);
      expect(sameBytes(concat(...output), content)).toBe(true);
      at += used;
    });
    expect(at).toBe(blob.length);
  });

  test("nothing is held back when a piece ends", async () => {
    const kernel = await InflateKernel.create();
    const data = randomText(10_000);
    const stream = deflateRawSync(data, { finishFlush: constants.Z_SYNC_FLUSH });
    kernel.reset();
    let length = 0;
    expect(kernel.inflate(stream, 0, (bytes) => void (length += bytes.length))).toBe(stream.length);
    expect(length).toBe(data.length);
    expect(kernel.done).toBe(false);
  });

  test("what comes before an error is handed out, and the stream is then over", async () => {
    const kernel = await InflateKernel.create();
    const stream = fixedBlock((symbols) => symbols.literals([1, 2, 3]).match(3, 4));
    const output: number[] = [];
    kernel.reset();
    const run = () => kernel.inflate(stream, 0, (bytes) => void output.push(...bytes));
    expect(run).toThrow(InflateError);
    expect(output).toEqual([1, 2, 3]);
    expect(kernel.done).toBe(false);
    expect(run).toThrow("Cannot inflate: the deflate stream is failed");
  });

  test("a stream must be started, and ends once", async () => {
    const kernel = await InflateKernel.create();
    const run = () => kernel.inflate(fixedBlock(() => {}), 0, () => {});
    expect(run).toThrow("Cannot inflate");
    kernel.reset();
    expect(run()).toBe(2);
    expect(run).toThrow("Cannot inflate");
  });

  test("an exception of the consumer passes, and the next stream is not touched by it", async () => {
    const kernel = await InflateKernel.create();
    const data = randomText(1_000_000);
    const stream = deflateRawSync(data);
    for (const calls of [1, 2, 3]) {
      let left = calls;
      kernel.reset();
      const refuse = () => {
        if (--left === 0) throw new Error("full");
      };
      expect(() => kernel.inflate(stream, 0, refuse)).toThrow("full");
      expect(() => kernel.inflate(stream, 0, () => {})).toThrow("Cannot inflate");
      kernel.reset();
      const output: Uint8Array[] = [];
      kernel.inflate(stream, 0, (bytes) => void output.push(bytes.slice()));
      expect(sameBytes(concat(...output), data)).toBe(true);
    }
  });

  test("the consumer cannot start or go on with a stream while it is handed output", async () => {
    const kernel = await InflateKernel.create();
    const stream = deflateRawSync(randomText(100));
    kernel.reset();
    expect(() => kernel.inflate(stream, 0, () => kernel.reset())).toThrow("Cannot start a deflate stream");
    kernel.reset();
    expect(() => kernel.inflate(stream, 0, () => void kernel.inflate(stream, 0, () => {}))).toThrow(
      "running",
    );
  });

  test("a memory that grows while output is handed out is followed", async () => {
    const memory = kernelMemory(INFLATE_MEMORY);
    const kernel = await InflateKernel.create(memory);
    const data = randomText(1_000_000);
    const output: Uint8Array[] = [];
    kernel.reset();
    kernel.inflate(deflateRawSync(data), 0, (bytes) => {
      output.push(bytes.slice());
      memory.grow(1);
    });
    expect(kernel.done).toBe(true);
    expect(sameBytes(concat(...output), data)).toBe(true);
  });

  test("in a memory that is given, only its tables and its part are written", async () => {
    const base = IO_BASE + 4096;
    const memory = kernelMemory(4096 + INFLATE_MEMORY + 4096);
    const bytes = new Uint8Array(memory.buffer).fill(0xa5);
    const kernel = await InflateKernel.create(memory, base);
    const stream = deflateRawSync(concat(randomText(1_000_000), randomBytes(200_000)));
    kernel.reset();
    kernel.inflate(stream, 0, (view) => {
      expect(view.buffer).toBe(memory.buffer);
      expect(view.byteOffset).toBeGreaterThanOrEqual(base);
      expect(view.byteOffset + view.length).toBeLessThanOrEqual(base + INFLATE_MEMORY);
    });
    for (const [from, to] of [[0, 0x10000], [0x20000, base], [base + INFLATE_MEMORY, bytes.length]]) {
      expect(bytes.subarray(from, to).every((byte) => byte === 0xa5)).toBe(true);
    }
  });

  test("a memory that is too small is refused", async () => {
    await expect(InflateKernel.create(kernelMemory(4096))).rejects.toThrow(RangeError);
    await expect(InflateKernel.create(kernelMemory(INFLATE_MEMORY), 0)).rejects.toThrow(RangeError);
  });
});

test("4000 seeded streams, most of them damaged, end as zlib and pako end them", () => {
  for (let seed = 1; seed <= 4000; seed++) inflateCase(seed);
});

import { describe, expect, test } from "vitest";
import type { InflateErrorCode } from "../../src/kernel/inflate.ts";
import { concat, randomBytes } from "../support/mod.ts";
import {
  BitWriter,
  codesOf,
  dynamicBlock,
  FIXED_DISTANCE,
  FIXED_LITLEN,
  fixedBlock,
  lengthsOf,
  SymbolWriter,
} from "./inflate-bits.ts";
import { compare } from "./inflate-differential.ts";
import { inflate, sameBytes } from "./inflate-run.ts";

const PIECES = [1, 2, 5, 33, 100_000];

/** A rule is enforced by the fast loop and by the careful one, at the same place however the input is cut. */
function expectBroken(code: InflateErrorCode, stream: Uint8Array): void {
  for (const input of [concat(stream, new Uint8Array(100)), concat(stream, new Uint8Array(100).fill(255))]) {
    const places = new Set<unknown>();
    for (const piece of PIECES) {
      const run = inflate(input, () => piece);
      expect(run.verdict).toBe(code);
      places.add(run.brokenAt);
      compare(run, input, code);
    }
    expect(places.size).toBe(1);
  }
}

function expectOutput(stream: Uint8Array, output: Iterable<number>): void {
  const data = Uint8Array.from(output);
  for (const behind of [0, 100]) {
    const input = concat(stream, new Uint8Array(behind));
    for (const piece of PIECES) {
      const run = inflate(input, () => piece);
      expect(run).toMatchObject({ verdict: "end", used: stream.length });
      expect(sameBytes(run.output, data)).toBe(true);
      if (piece === 5) compare(run, input, "valid");
    }
  }
}

/** What a match adds to the output. */
function copy(output: number[], length: number, distance: number): number[] {
  for (let i = 0; i < length; i++) output.push(output[output.length - distance]!);
  return output;
}

function storedBlock(bytes: Uint8Array, final: boolean): Uint8Array {
  const size = bytes.length;
  return new BitWriter().bits(final ? 1 : 0, 1).bits(0, 2).align().bits(size, 16).bits(size ^ 0xffff, 16)
    .bytes(bytes).finish();
}

const LITLEN = lengthsOf(258, { 65: 2, 66: 2, 256: 2, 257: 2 });

describe("blocks", () => {
  test("a block of the reserved type is an error", () => {
    expectBroken("block-type", new BitWriter().bits(1, 1).bits(3, 2).finish());
    expectBroken("block-type", concat(storedBlock(randomBytes(3), false), Uint8Array.of(6)));
  });

  test("a stored block whose length and complement do not agree is an error", () => {
    for (const complement of [0, 5, 0xffff - 4]) {
      expectBroken("stored-length", new BitWriter().bits(1, 8).bits(5, 16).bits(complement, 16).finish());
    }
  });

  test("stored blocks may be empty or have 65535 bytes, and are whole bytes after any bit", () => {
    expectOutput(storedBlock(new Uint8Array(0), true), []);
    const most = randomBytes(65535);
    expectOutput(concat(storedBlock(most, false), storedBlock(most, true)), concat(most, most));
    for (let literals = 0; literals < 9; literals++) {
      const writer = new BitWriter().bits(0, 1).bits(1, 2);
      const bytes = new Array<number>(literals).fill(200);
      new SymbolWriter(writer, FIXED_LITLEN, FIXED_DISTANCE).literals(bytes).end();
      writer.bits(1, 3).align().bits(2, 16).bits(0xfffd, 16).bytes([7, 8]);
      expectOutput(writer.finish(), [...bytes, 7, 8]);
    }
  });

  test("empty blocks of all types may follow each other", () => {
    const writer = new BitWriter();
    for (let i = 0; i < 50; i++) {
      writer.bits(0, 1).bits(1, 2).code(FIXED_LITLEN[256]!);
      writer.bits(0, 3).align().bits(0, 16).bits(0xffff, 16);
    }
    writer.bits(1, 1).bits(1, 2).code(FIXED_LITLEN[256]!);
    expectOutput(writer.finish(), []);
  });
});

describe("headers of dynamic blocks", () => {
  const bytes = (...symbols: (readonly [number, number])[]) => symbols;

  test("286 literal/length codes and 30 distance codes are the most", () => {
    const most = {
      litlen: lengthsOf(286, { 65: 1, 256: 2, 285: 2 }),
      distance: lengthsOf(30, { 0: 1, 29: 1 }),
    };
    expectOutput(
      dynamicBlock(most, (symbols) => symbols.literals([65]).match(258, 1).end()),
      new Array(259).fill(65),
    );
    for (const size of [287, 288]) {
      const litlen = lengthsOf(size, { 65: 1, 256: 1 });
      expectBroken("too-many-codes", dynamicBlock({ litlen, distance: [1, 1] }));
    }
    for (const size of [31, 32]) {
      expectBroken(
        "too-many-codes",
        dynamicBlock({ litlen: LITLEN, distance: lengthsOf(size, { 0: 1, 1: 1 }) }),
      );
    }
  });

  test("an over-subscribed code length code is an error", () => {
    for (const precode of [{ 0: 1, 1: 1, 2: 1 }, { 0: 1, 1: 2, 2: 2, 18: 7 }]) {
      const header = { litlen: LITLEN, distance: [1], precode: lengthsOf(19, precode), symbols: [] };
      expectBroken("code-lengths-oversubscribed", dynamicBlock(header));
    }
  });

  test("an incomplete code length code is an error, also one of a single bit or none", () => {
    for (const precode of [{}, { 0: 1 }, { 2: 1 }, { 0: 1, 2: 2 }, { 18: 7 }]) {
      const header = { litlen: LITLEN, distance: [1], precode: lengthsOf(19, precode), symbols: [] };
      expectBroken("code-lengths-incomplete", dynamicBlock(header));
    }
  });

  test("a code length code may have codes of seven bits", () => {
    const precode = lengthsOf(19, { 0: 1, 2: 2, 1: 3, 16: 4, 17: 5, 18: 6, 14: 7, 15: 7 });
    const header = { litlen: LITLEN, distance: [1], precode };
    expectOutput(dynamicBlock(header, (symbols) => symbols.literals([65, 66]).end()), [65, 66]);
  });

  test("the first length cannot repeat one before it", () => {
    for (const extra of [0, 3]) {
      const header = { litlen: LITLEN, distance: [1], symbols: bytes([16, extra]) };
      expectBroken("repeat-without-length", dynamicBlock(header));
    }
  });

  test("lengths must not be repeated beyond the last code", () => {
    // 257 + 2 lengths.
    const header = { litlen: lengthsOf(257, { 256: 1 }), distance: [0, 0] };
    const zeros = bytes([18, 127], [18, 107], [1, 0]);
    expectOutput(
      dynamicBlock({ ...header, symbols: [...zeros, [0, 0], [0, 0]] }, (symbols) => symbols.end()),
      [],
    );
    for (const symbol of [16, 17, 18]) {
      expectBroken("repeat-too-long", dynamicBlock({ ...header, symbols: [...zeros, [symbol, 0]] }));
    }
    expectBroken("repeat-too-long", dynamicBlock({ ...header, symbols: bytes([18, 127], [18, 127]) }));
  });

  test("a repeat may run from literal/length codes into distance codes", () => {
    // 65: 1 bit, 256 and 257 and both distances: 2 bits; the latter are then incomplete.
    const header = { litlen: lengthsOf(258, { 65: 1, 256: 2, 257: 2 }), distance: [2, 2] };
    const symbols = bytes([18, 65 - 11], [1, 0], [18, 127], [18, 52 - 11], [2, 0], [16, 0]);
    expectBroken("distances-incomplete", dynamicBlock({ ...header, symbols }));
    const four = { litlen: header.litlen, distance: [2, 2, 2, 2] };
    expectOutput(
      dynamicBlock(
        { ...four, symbols: [...symbols.slice(0, -1), [16, 2]] },
        (write) => write.literals([65]).match(3, 1).end(),
      ),
      [65, 65, 65, 65],
    );
  });

  test("a block without a code for its end is an error", () => {
    const litlen = lengthsOf(257, { 65: 1, 66: 1 });
    expectBroken("no-end-of-block", dynamicBlock({ litlen, distance: [1] }));
    expectBroken("no-end-of-block", dynamicBlock({ litlen: lengthsOf(257, {}), distance: [0] }));
  });

  test("an over-subscribed literal/length code is an error", () => {
    for (
      const lengths of [{ 65: 1, 66: 1, 256: 1 }, { 65: 1, 66: 1, 256: 15 }, { 65: 1, 66: 2, 67: 2, 256: 15 }]
    ) {
      expectBroken("litlen-oversubscribed", dynamicBlock({ litlen: lengthsOf(257, lengths), distance: [1] }));
    }
  });

  test("an incomplete literal/length code is an error unless it is a single one of one bit", () => {
    for (const lengths of [{ 256: 2 }, { 256: 15 }, { 65: 2, 256: 1 }, { 65: 1, 66: 2, 256: 3 }]) {
      expectBroken("litlen-incomplete", dynamicBlock({ litlen: lengthsOf(257, lengths), distance: [1] }));
    }
    const single = { litlen: lengthsOf(257, { 256: 1 }), distance: [0] };
    expectOutput(dynamicBlock(single, (symbols) => symbols.end()), []);
    expectBroken("litlen-symbol", dynamicBlock(single, ({ writer }) => writer.bits(1, 1)));
  });

  test("an over-subscribed distance code is an error", () => {
    for (const distance of [[1, 1, 1], [1, 1, 15], [1, 2, 2, 15]]) {
      expectBroken("distances-oversubscribed", dynamicBlock({ litlen: LITLEN, distance }));
    }
  });

  test("an incomplete distance code is an error unless it is a single one of one bit", () => {
    for (const distance of [[2], [15], [1, 2], [2, 2], [0, 2, 2, 3]]) {
      expectBroken("distances-incomplete", dynamicBlock({ litlen: LITLEN, distance }));
    }
    for (const [distance, output] of [[[1], [65, 65, 65, 65, 65]], [[0, 1], [65, 66, 65, 66, 65]]] as const) {
      const match = 1 + distance.length - 1;
      const before = output.slice(0, 2);
      const block = dynamicBlock(
        { litlen: LITLEN, distance },
        (symbols) => symbols.literals(before).match(3, match).end(),
      );
      expectOutput(block, output);
    }
    const unused = dynamicBlock({ litlen: LITLEN, distance: [1] }, (symbols) => {
      symbols.literals([65]).writer.code(symbols.litlen[257]!).bits(1, 1);
    });
    expectBroken("distance-symbol", unused);
  });

  test("without distance codes, a block is in order as long as it needs none", () => {
    for (const distance of [[0], [0, 0, 0]]) {
      const header = { litlen: LITLEN, distance };
      expectOutput(dynamicBlock(header, (symbols) => symbols.literals([65, 66]).end()), [65, 66]);
      for (const bit of [0, 1]) {
        const match = dynamicBlock(header, (symbols) => {
          symbols.literals([65]).writer.code(symbols.litlen[257]!).bits(bit, 1);
        });
        expectBroken("distance-symbol", match);
      }
    }
  });
});

describe("symbols", () => {
  test("the fixed codes for 286 and 287 stand for nothing", () => {
    for (const symbol of [286, 287]) {
      const block = fixedBlock(
        (symbols) => symbols.literals([1, 2]).writer.code(FIXED_LITLEN[symbol]!),
        false,
      );
      expectBroken("litlen-symbol", block);
    }
  });

  test("the fixed codes for distances 30 and 31 stand for nothing", () => {
    for (const symbol of [30, 31]) {
      const block = fixedBlock((symbols) => {
        symbols.literals([1, 2]).writer.code(FIXED_LITLEN[257]!).code(FIXED_DISTANCE[symbol]!);
      }, false);
      expectBroken("distance-symbol", block);
    }
  });

  test("every length can be copied from every distance up to 40", () => {
    for (let distance = 1; distance <= 40; distance++) {
      const start = [...randomBytes(distance, distance)];
      const output = [...start];
      const block = fixedBlock((symbols) => {
        symbols.literals(start);
        for (let length = 3; length <= 258; length++) {
          symbols.match(length, distance).literals([length & 255]);
          copy(output, length, distance).push(length & 255);
        }
      });
      expectOutput(block, output);
    }
  });

  test("length 258 has two codes", () => {
    for (const alternative of [false, true]) {
      const block = fixedBlock((symbols) => symbols.literals([9]).match(258, 1, alternative));
      expectOutput(block, new Array(259).fill(9));
    }
  });

  test("matches may begin at the first byte of the stream, and not before it", () => {
    for (const size of [1, 2, 15, 16, 17, 300, 32767, 32768]) {
      const start = randomBytes(size);
      const write = (distance: number) => (symbols: SymbolWriter) =>
        symbols.literals(start).match(5, distance);
      expectOutput(fixedBlock(write(size)), copy([...start], 5, size));
      if (size < 32768) expectBroken("distance-too-far", fixedBlock(write(size + 1)));
    }
    expectBroken("distance-too-far", fixedBlock((symbols) => symbols.match(3, 1)));
  });

  test("what a kernel inflated before is out of reach of the next stream", () => {
    inflate(fixedBlock((symbols) => symbols.literals(randomBytes(40_000))));
    expectBroken("distance-too-far", fixedBlock((symbols) => symbols.match(3, 1)));
    expectBroken("distance-too-far", fixedBlock((symbols) => symbols.literals([1]).match(3, 2)));
  });

  test("32768 bytes are in reach wherever the kernel's output is full", () => {
    const data = randomBytes(65535);
    // The first time after 256 KiB, then after each 224 KiB.
    for (const full of [262_144, 262_144 + 229_376]) {
      for (const before of [0, 1, 2, 3, 16, 257, 258, 259, 319, 320, 321]) {
        const blocks: Uint8Array[] = [];
        for (let left = full - before; left > 0;) {
          const size = Math.min(left, data.length);
          blocks.push(storedBlock(data.subarray(0, size), false));
          left -= size;
        }
        const block = fixedBlock((symbols) => {
          for (let i = 0; i < 6; i++) symbols.match(258, 32768).match(3, 32767);
        });
        const stream = concat(...blocks, block);
        const run = inflate(stream);
        expect(run.verdict).toBe("end");
        compare(run, stream, `full after ${before} bytes`);
      }
    }
  });

  test("codes of 15 bits are found, of literals, lengths and distances", () => {
    const chain = (symbols: readonly number[]) => {
      const lengths = symbols.map((symbol, index) => [symbol, Math.min(index + 1, 15)]);
      return Object.fromEntries(lengths) as Record<number, number>;
    };
    const literals = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const orders = [[...literals, 256, 257, 264, 265, 284, 285], [257, 285, 256, 265, 264, 284, ...literals]];
    const near = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    for (const order of orders) {
      for (const distances of [near, [...near].reverse()]) {
        const litlen = lengthsOf(286, chain(order));
        const distance = lengthsOf(30, chain(distances));
        expect(Math.max(...codesOf(litlen).map(({ length }) => length))).toBe(15);
        const output: number[] = [];
        const block = dynamicBlock({ litlen, distance }, (symbols) => {
          for (let round = 0; round < 30; round++) {
            symbols.literals(literals);
            output.push(...literals);
          }
          for (const length of [3, 10, 11, 12, 227, 240, 258]) {
            for (const each of [1, 2, 3, 4, 5, 7, 16, 17, 33, 64, 65, 96, 97, 193, 256]) {
              symbols.match(length, each).literals([length % 10]);
              copy(output, length, each).push(length % 10);
            }
          }
          symbols.end();
        });
        expectOutput(block, output);
      }
    }
  });
});

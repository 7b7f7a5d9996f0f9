import { describe, expect, test } from "vitest";
import { zstdDecompressSync } from "node:zlib";
import { concat } from "../../support/bytes.ts";
import { randomBytes } from "../../support/random.ts";
import { type FrameOptions, rawFrame, type ZstdBlock } from "../../support/zstd.ts";
import {
  backwardBits,
  type Bits,
  decode,
  decodeSound,
  describeEngines,
  expectBytes,
  expectRefused,
  literalsSection,
  packBits,
  rleSequences,
} from "./support.ts";

const KIB_128 = 128 * 1024;
const NO_SEQUENCES = Uint8Array.of(0);
const hex = (text: string): Uint8Array =>
  Uint8Array.from(text.replaceAll(" ", "").match(/../g)!, (pair) => parseInt(pair, 16));

/** A frame of one compressed block, which starts at byte 6. */
function compressed(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return rawFrame([{ type: "compressed", data: concat(...parts) }]);
}

/** Refuses a frame of one compressed block with `zstd-corrupt`. */
function refuse(message: RegExp, ...parts: readonly Uint8Array[]): void {
  expectRefused(compressed(...parts), "zstd-corrupt", 6, message);
}

describeEngines(() => {
  describe("block sizes", () => {
    const segment = (size: number): FrameOptions => ({ singleSegment: true, contentSize: size });

    test("up to 128 KiB are accepted", () => {
      const content = randomBytes(KIB_128);
      const blocks: ZstdBlock[] = [{ type: "raw", data: content }, { type: "rle", data: "x", size: KIB_128 }];
      for (const pieceSize of [513, 2 * KIB_128]) {
        const output = decodeSound(rawFrame(blocks), pieceSize);
        expectBytes(output, concat(content, new Uint8Array(KIB_128).fill(0x78)));
      }
    });

    test("over 128 KiB are refused: raw, RLE and compressed", () => {
      expectRefused(
        rawFrame([{ type: "raw", data: new Uint8Array(KIB_128 + 1) }]),
        "zstd-block-too-large",
        6,
      );
      expectRefused(
        rawFrame([{ type: "rle", data: "x", size: 1_572_321 }]),
        "zstd-block-too-large",
        6,
        /1572321/,
      );
      expectRefused(
        rawFrame([{ type: "compressed", data: new Uint8Array(KIB_128 + 1) }]),
        "zstd-block-too-large",
        6,
      );
    });

    test("over the window are refused, where a single segment has its content as window", () => {
      const small: FrameOptions = { windowLog: 10 };
      expect(decodeSound(rawFrame([{ type: "raw", data: new Uint8Array(1024) }], small)).length).toBe(1024);
      expectRefused(
        rawFrame([{ type: "raw", data: new Uint8Array(1025) }], small),
        "zstd-block-too-large",
        6,
      );
      expectRefused(rawFrame([{ type: "rle", data: "x", size: 1025 }], small), "zstd-block-too-large", 6);
      const block: ZstdBlock = { type: "compressed", data: new Uint8Array(24) };
      expectRefused(rawFrame([block], segment(21)), "zstd-block-too-large", 6, /24 bytes, at most 21/);
      expectRefused(
        rawFrame([{ type: "rle", data: "x", size: 394_754 }], segment(48)),
        "zstd-block-too-large",
        6,
      );
    });

    test("of zero are accepted, and a frame may be empty", () => {
      expect(decodeSound(rawFrame([{ type: "raw", data: "" }], segment(0))).length).toBe(0);
      expect(decodeSound(rawFrame([{ type: "rle", data: "x", size: 0 }]), 1).length).toBe(0);
      const around: ZstdBlock[] = [{ type: "raw", data: "" }, { type: "raw", data: "a" }, {
        type: "raw",
        data: "",
      }];
      expect(decode(rawFrame(around)).pieces).toEqual([1]);
    });

    test("of an empty compressed block count against the window (facebook/zstd#3483)", () => {
      expectRefused(hex("28b52ffd 2000 150000 0000"), "zstd-block-too-large", 6);
      expect(decodeSound(hex("28b52ffd 0000 150000 0000")).length).toBe(0);
    });

    test("of zero are refused for a compressed block, which has two sections", () => {
      expectRefused(rawFrame([{ type: "compressed", data: "" }]), "zstd-corrupt", 6, /empty/);
    });

    test("do not excuse a reserved type", () => {
      expectRefused(rawFrame([{ type: "reserved", data: "" }]), "zstd-corrupt", 6, /reserved/);
      expectRefused(
        rawFrame([{ type: "raw", data: "a" }, { type: "reserved", data: "abc" }]),
        "zstd-corrupt",
        10,
      );
    });
  });

  describe("raw and RLE literals", () => {
    test("are accepted with all header forms", () => {
      const abc = new TextEncoder().encode("abc");
      const headers = [[3 << 3], [3 << 3 | 2 << 2], [3 << 4 | 1 << 2, 0], [3 << 4 | 3 << 2, 0, 0]];
      for (const header of headers) {
        expectBytes(decodeSound(compressed(Uint8Array.from(header), abc, NO_SEQUENCES)), abc);
        const rle = Uint8Array.from(header);
        rle[0]! |= 1;
        expectBytes(
          decodeSound(compressed(rle, Uint8Array.of(0x7a), NO_SEQUENCES)),
          new Uint8Array(3).fill(0x7a),
        );
      }
    });

    test("are refused when they reach behind the block or over the block maximum", () => {
      refuse(/behind the end/, literalsSection("raw", Uint8Array.of(1, 2), 3));
      refuse(/cut off/, Uint8Array.of(1));
      refuse(/header is cut off/, Uint8Array.of(3 << 2, 0));
      refuse(/131073 literals/, literalsSection("rle", Uint8Array.of(1), KIB_128 + 1), NO_SEQUENCES);
      refuse(/sequences section header is cut off/, literalsSection("raw", Uint8Array.of(1, 2)));
    });
  });

  describe("Huffman literals", () => {
    /** Literals header of 10 + 10 bits. */
    const header = (type: number, format: number, size: number, stored: number): Uint8Array => {
      const value = type | format << 2 | size << 4 | stored << 14;
      return Uint8Array.of(value & 255, (value >>> 8) & 255, value >>> 16);
    };
    /** Weights 1 for symbol 0, and so for symbol 1: one bit each. */
    const TWO_SYMBOLS = Uint8Array.of(128, 0x10);
    const bitsOf = (...symbols: readonly number[]): Uint8Array<ArrayBuffer> =>
      backwardBits(symbols.map((symbol) => [symbol, 1] as const));
    const literals = (
      type: number,
      format: number,
      size: number,
      ...parts: readonly Uint8Array[]
    ): Uint8Array<ArrayBuffer> => {
      const body = concat(...parts);
      return concat(header(type, format, size, body.length), body);
    };

    test("decode from one stream and from four", () => {
      const one = literals(2, 0, 5, TWO_SYMBOLS, bitsOf(0, 1, 1, 0, 1));
      expectBytes(decodeSound(compressed(one, NO_SEQUENCES)), Uint8Array.of(0, 1, 1, 0, 1));
      const streams = [bitsOf(0, 1), bitsOf(1, 1), bitsOf(1, 0), bitsOf(1)];
      const four = literals(2, 1, 7, TWO_SYMBOLS, Uint8Array.of(1, 0, 1, 0, 1, 0), ...streams);
      expectBytes(decodeSound(compressed(four, NO_SEQUENCES)), Uint8Array.of(0, 1, 1, 1, 1, 0, 1));
    });

    test("are refused when a bit stream is not used up exactly", () => {
      const refuseStream = (message: RegExp, stream: Uint8Array): void =>
        refuse(message, literals(2, 0, 3, TWO_SYMBOLS, stream), NO_SEQUENCES);
      refuseStream(/too short/, bitsOf(0, 1));
      refuseStream(/left over/, bitsOf(0, 1, 1, 0));
      refuseStream(/left over/, concat(new Uint8Array(1), bitsOf(0, 1, 1)));
      refuseStream(/no final-bit flag/, Uint8Array.of(0));
      refuseStream(/is empty/, new Uint8Array(0));
      const long = bitsOf(...new Array<number>(100).fill(1));
      refuse(/left over/, literals(2, 0, 99, TWO_SYMBOLS, long), NO_SEQUENCES);
      refuse(/too short/, literals(2, 0, 101, TWO_SYMBOLS, long), NO_SEQUENCES);
      refuse(/too short/, literals(2, 0, 1000, TWO_SYMBOLS, bitsOf(1)), NO_SEQUENCES);
      const streams = [bitsOf(0, 1), bitsOf(1, 1, 1), bitsOf(1, 0), bitsOf(1)];
      refuse(
        /left over/,
        literals(2, 1, 7, TWO_SYMBOLS, Uint8Array.of(1, 0, 1, 0, 1, 0), ...streams),
        NO_SEQUENCES,
      );
    });

    test("are refused when the jump table points behind them, or there are too few to split", () => {
      const four = (jump: readonly number[], size = 7): Uint8Array =>
        literals(2, 1, size, TWO_SYMBOLS, Uint8Array.from(jump), Uint8Array.of(5, 7, 6, 3));
      refuse(/jump table.*points behind/, four([1, 0, 1, 0, 2, 0]), NO_SEQUENCES);
      refuse(/jump table.*points behind/, four([255, 255, 255, 255, 255, 255]), NO_SEQUENCES);
      refuse(/is empty/, four([1, 0, 0, 0, 1, 0]), NO_SEQUENCES);
      refuse(/at least 6/, four([1, 0, 1, 0, 1, 0], 5), NO_SEQUENCES);
      refuse(/jump table.*cut off/, literals(2, 1, 7, TWO_SYMBOLS, new Uint8Array(5)), NO_SEQUENCES);
    });

    test("without a table use that of an earlier block of the frame, and need one", () => {
      const first = concat(literals(2, 0, 2, TWO_SYMBOLS, bitsOf(0, 1)), NO_SEQUENCES);
      const treeless = concat(literals(3, 0, 2, bitsOf(1, 1)), NO_SEQUENCES);
      const raw = concat(literalsSection("raw", Uint8Array.of(9)), NO_SEQUENCES);
      const frame = rawFrame([first, raw, treeless].map((data) => ({ type: "compressed", data })));
      expectBytes(decodeSound(frame), Uint8Array.of(0, 1, 9, 1, 1));
      refuse(/treeless/, treeless);
      const withTable = compressed(first);
      expectRefused(
        concat(withTable, compressed(treeless)),
        "zstd-corrupt",
        withTable.length + 6,
        /treeless/,
      );
    });

    test("are refused when the weights are cut off or no complete code", () => {
      const table = (...bytes: readonly number[]): Uint8Array =>
        concat(literals(2, 0, 2, Uint8Array.from(bytes)), NO_SEQUENCES);
      refuse(/Huffman table description is cut off/, table(255, 0x11));
      refuse(/Huffman table description is cut off/, table(9, 0x11));
      refuse(/FSE table description is cut off/, table(0, 0x11));
      refuse(/all Huffman weights are zero/, table(128, 0x00, 1));
      refuse(/complete code/, table(130, 0x41, 0x10, 1)); // 8 + 1 + 1 leaves 6
      refuse(/complete code/, table(128, 0x20, 1)); // two codes of one bit, but none of weight 1
      refuse(/weight is 12/, table(128, 0xc0, 1));
      refuse(/12 bits/, table(128, 0xb0, 1).map((byte, at) => at === 3 ? 129 : at === 4 ? 0xbb : byte));
      refuse(/accuracy log 7/, table(2, 2, 1));
      refuse(/description is missing/, literals(2, 0, 2), NO_SEQUENCES);
    });

    test("cannot be described by endless FSE weights", () => {
      // One weight with all the probability takes no bits, so that its stream never ends.
      const bits: number[] = [0, 0, 0, 0];
      for (let bit = 0; bit < 6; bit++) bits.push(1); // The highest value: symbol 0 has all 32 cells.
      const description = packBits(bits);
      const weights = concat(description, backwardBits([[0, 5], [0, 5]]));
      refuse(
        /more than 255/,
        literals(2, 0, 2, Uint8Array.of(weights.length), weights, bitsOf(0, 1)),
        NO_SEQUENCES,
      );
    });
  });

  describe("the sequences section", () => {
    const literals = literalsSection("raw", new TextEncoder().encode("abcdefgh"));
    const encode = (count: number, codes: readonly [number, number, number], bits: Bits): Uint8Array =>
      rleSequences(count, { literalLength: codes[0], offset: codes[1], matchLength: codes[2] }, bits);
    const text = (frame: Uint8Array): string => {
      const output = decodeSound(frame);
      expectBytes(output, new Uint8Array(zstdDecompressSync(frame)));
      return new TextDecoder().decode(output);
    };

    test("copies matches, overlapping ones too, and the literals left over", () => {
      // Two literals, offset 2 (value 5), length 7.
      expect(text(compressed(literals, encode(1, [2, 2, 4], [[1, 2]])))).toBe("ababababacdefgh");
      // All eight literals, offset 8 (value 11), length 3.
      expect(text(compressed(literals, encode(1, [8, 3, 0], [[3, 3]])))).toBe("abcdefghabc");
    });

    test("resolves repeat offsets as the reference decoder does", () => {
      // Eight bytes in front; the codes of offset value 1, and of values 2 and 3, with and without literals.
      const front: ZstdBlock = { type: "raw", data: "01234567" };
      const repeat = (codes: readonly [number, number, number], bits: Bits, count = 1): string =>
        text(rawFrame([front, { type: "compressed", data: concat(literals, encode(count, codes, bits)) }]));
      expect(repeat([1, 0, 0], [])).toBe("01234567aaaabcdefgh"); // repeat 1
      expect(repeat([1, 1, 0], [[0, 1]])).toBe("01234567a567bcdefgh"); // repeat 2: 4
      expect(repeat([1, 1, 0], [[1, 1]])).toBe("01234567a123bcdefgh"); // repeat 3: 8
      expect(repeat([0, 0, 0], [])).toBe("01234567456abcdefgh"); // no literals: 4
      expect(repeat([0, 1, 0], [[0, 1]])).toBe("01234567012abcdefgh"); // no literals: 8
      // Three in a row, compared with the reference decoder in `text`: each changes the list for the next.
      for (let bits = 0; bits < 8; bits++) {
        const which: Bits = [[bits & 1, 1], [(bits >>> 1) & 1, 1], [bits >>> 2, 1]];
        expect(repeat([1, 1, 0], which, 3).length).toBe(8 + 8 + 9);
      }
    });

    test("refuses offset 0, which the third repeat offset can give", () => {
      const front: ZstdBlock = { type: "raw", data: "01234567" };
      const block: ZstdBlock = { type: "compressed", data: concat(literals, encode(1, [0, 1, 0], [[1, 1]])) };
      expectRefused(rawFrame([front, block]), "zstd-corrupt", 17, /offset 0/);
    });

    test("refuses offsets before the first byte of the frame", () => {
      expect(text(compressed(literals, encode(1, [3, 2, 0], [[2, 2]])))).toBe("abcabcdefgh");
      refuse(/offset 4 reaches before/, literals, encode(1, [3, 2, 0], [[3, 2]]));
      refuse(/offset 4 reaches before/, literals, encode(1, [2, 1, 0], [[0, 1]]));
    });

    test("refuses offsets beyond the window", () => {
      const front: ZstdBlock[] = [1, 2].map((byte) => ({
        type: "rle",
        data: Uint8Array.of(byte),
        size: 1024,
      }));
      const frame = (offset: number): Uint8Array =>
        rawFrame(
          [...front, {
            type: "compressed",
            data: concat(literals, encode(1, [0, 10, 0], [[offset + 3 - 1024, 10]])),
          }],
          { windowLog: 10 },
        );
      expectBytes(decodeSound(frame(1024)).subarray(2048, 2051), Uint8Array.of(2, 2, 2));
      expectRefused(frame(1025), "zstd-corrupt", 14, /offset 1025 reaches beyond the window of 1024/);
    });

    test.each([25, 26, 27, 28, 29, 30, 31])(
      "refuses offsets of %i extra bits that nothing was produced for",
      (code) => {
        for (const extra of [0, 1, 2 ** code - 1]) {
          refuse(/reaches/, literals, encode(1, [1, code, 0], [[extra, code]]));
        }
      },
    );

    test("reads far offsets exactly", () => {
      const front: ZstdBlock[] = [];
      // 64 MiB and two blocks, each block of another byte than its neighbours.
      for (let at = 0; at < 514; at++) {
        front.push({ type: "rle", data: Uint8Array.of(at % 251), size: KIB_128 });
      }
      const at = 514 * KIB_128;
      for (
        const [code, extra] of [[26, 0], [26, 100_000], [26, 2 * KIB_128 + 3], [25, 2 ** 25 - 1]] as const
      ) {
        const offset = 2 ** code + extra - 3;
        const block: ZstdBlock = {
          type: "compressed",
          data: concat(literals, encode(1, [0, code, 0], [[extra, code]])),
        };
        const { output } = lastBytes(rawFrame([...front, block], { windowLog: 27 }), 11);
        const from = Math.floor((at - offset) / KIB_128) % 251;
        const next = Math.floor((at - offset + 2) / KIB_128) % 251;
        expect([output[0], output[2]], `offset ${offset}`).toEqual([from, next]);
      }
    });

    test("refuses more literals than there are", () => {
      refuse(/more than the 8 literals/, literals, encode(1, [9, 2, 0], [[0, 2]]));
      refuse(/more than the 8 literals/, literals, encode(2, [5, 2, 0], [[0, 2], [0, 2]]));
    });

    test("refuses a bit stream that is not used up exactly", () => {
      refuse(/too short/, literals, encode(2, [1, 2, 0], [[0, 2]]));
      refuse(/2 bits are left over/, literals, encode(1, [1, 2, 0], [[0, 2], [0, 2]]));
      refuse(/8 bits are left over/, literals, Uint8Array.of(1, 0x54, 1, 2, 0, 0), backwardBits([[0, 2]]));
      refuse(/no final-bit flag/, literals, Uint8Array.of(1, 0x54, 1, 2, 0, 0));
      refuse(/is empty/, literals, Uint8Array.of(1, 0x54, 1, 2, 0));
      refuse(/too short/, literals, Uint8Array.of(1, 0x00, 1));
    });

    test("refuses bytes behind a block without sequences, and takes the long form of zero", () => {
      expect(text(compressed(literals, Uint8Array.of(0)))).toBe("abcdefgh");
      refuse(/1 bytes are left over/, literals, Uint8Array.of(0, 0));
      expect(new TextDecoder().decode(decodeSound(compressed(literals, Uint8Array.of(128, 0))))).toBe(
        "abcdefgh",
      );
      refuse(/1 bytes are left over/, literals, Uint8Array.of(128, 0, 0));
    });

    test("refuses a head that is cut off", () => {
      for (const head of [[], [1], [128], [129, 0], [255, 0], [255, 0, 0], [1, 0x54], [1, 0x54, 1, 2]]) {
        refuse(/cut off/, literals, Uint8Array.from(head));
      }
      refuse(/FSE table description is cut off/, literals, Uint8Array.of(1, 0xa8, 0x14));
    });

    test("refuses reserved bits and codes that do not exist", () => {
      for (const bit of [1, 2]) refuse(/reserved bits/, literals, Uint8Array.of(1, 0x54 | bit, 1, 2, 0, 4));
      refuse(/literal length code is 36/, literals, encode(1, [36, 0, 0], []));
      refuse(/offset code is 32/, literals, encode(1, [0, 32, 0], []));
      refuse(/match length code is 53/, literals, encode(1, [0, 0, 53], []));
    });

    test("refuses accuracy logs over 9, 8 and 9", () => {
      refuse(/accuracy log 10, at most 9/, literals, Uint8Array.of(1, 0x94, 5, 0, 0, 0, 4));
      refuse(/accuracy log 9, at most 8/, literals, Uint8Array.of(1, 0x64, 1, 4, 0, 0, 4));
      refuse(/accuracy log 10, at most 9/, literals, Uint8Array.of(1, 0x58, 1, 0, 5, 0, 4));
    });

    test("repeats the tables of an earlier block of the frame, and needs one", () => {
      const first = concat(literals, encode(1, [3, 2, 0], [[2, 2]]));
      const repeat = concat(literals, Uint8Array.of(1, 0xfc), backwardBits([[2, 2]]));
      const none = concat(literals, NO_SEQUENCES);
      const frame = rawFrame([first, none, repeat].map((data) => ({ type: "compressed", data })));
      expect(text(frame)).toBe("abcabcdefghabcdefghabcabcdefgh");
      refuse(/repeats one that the frame does not have/, repeat);
      expectRefused(
        rawFrame([none, repeat].map((data) => ({ type: "compressed", data }))),
        "zstd-corrupt",
        6 + 3 + none.length,
        /repeats one/,
      );
    });

    test("stops a block that regenerates more than 128 KiB, at once", () => {
      const front: ZstdBlock = { type: "raw", data: "a" };
      const bomb = (count: number, extra: Bits): Uint8Array => {
        // No literals, offset 1 (value 4), match length 65539 + 16 bits.
        const sequences = encode(
          count,
          [0, 2, 52],
          Array.from({ length: count }, () => [[0, 2], ...extra] as const).flat(),
        );
        return rawFrame([front, {
          type: "compressed",
          data: concat(literalsSection("raw", new Uint8Array(0)), sequences),
        }]);
      };
      expect(decodeSound(bomb(1, [[KIB_128 - 65539, 16]])).length).toBe(1 + KIB_128);
      expectRefused(
        bomb(1, [[KIB_128 - 65538, 16]]),
        "zstd-corrupt",
        10,
        /more than the block maximum of 131072/,
      );
      expectRefused(bomb(50_000, [[65535, 16]]), "zstd-corrupt", 10, /more than the block maximum/);
      const shortest = rleSequences(98_047, { literalLength: 0, offset: 0, matchLength: 0 }, []);
      expectRefused(
        rawFrame([{ type: "raw", data: "01234567" }, {
          type: "compressed",
          data: concat(Uint8Array.of(0), shortest),
        }]),
        "zstd-corrupt",
        17,
        /more than the block maximum/,
      );
    });

    test("counts literals behind the last sequence into the block maximum", () => {
      const many = literalsSection("rle", Uint8Array.of(7), KIB_128 - 2);
      refuse(/more than the block maximum/, many, encode(1, [1, 2, 0], [[0, 2]]));
      expect(
        text(
          compressed(
            literalsSection("rle", Uint8Array.of(0x37), KIB_128 - 3),
            encode(1, [1, 2, 0], [[0, 2]]),
          ),
        ).length,
      )
        .toBe(KIB_128);
    });
  });
});

/** Decodes a frame and keeps the last bytes only. */
function lastBytes(frame: Uint8Array, count: number): { output: Uint8Array } {
  const { output } = decode(frame);
  return { output: output.slice(output.length - count) };
}

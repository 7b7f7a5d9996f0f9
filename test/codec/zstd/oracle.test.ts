import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { decompress as fzstdDecompress } from "fzstd";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { concat, sha256 } from "../../support/bytes.ts";
import { run, testWith } from "../../support/programs.ts";
import { randomBytes, randomText } from "../../support/random.ts";
import { zstdFrame, zstdFrames } from "../../support/zstd.ts";
import { decode, decodeSound, describeEngines, expectBytes } from "./support.ts";

const KIB_128 = 128 * 1024;

/** Text with runs and random parts in between, so that blocks of all kinds and long literals occur. */
function mixed(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < length; at += 48_000) {
    parts.push(
      randomText(20_000, seed + at),
      randomBytes(3000, seed + at),
      new Uint8Array(15_000),
      randomText(10_000, 1),
    );
  }
  return concat(...parts).slice(0, length);
}

const INPUTS: Readonly<Record<string, Uint8Array>> = {
  text: randomText(300_000),
  mixed: mixed(400_000, 5),
  random: randomBytes(150_000),
  zeros: new Uint8Array(1_000_000),
  repetitive: new Uint8Array(200_000).map((_, at) => at % 7 + (at % 1000 === 0 ? 9 : 0)),
};

describeEngines(() => {
  describe("what node:zlib compresses is decoded", () => {
    test.each(Array.from({ length: 19 }, (_, at) => at + 1))("at level %i", (level) => {
      for (const input of Object.values(INPUTS)) {
        expectBytes(decodeSound(zstdFrame(input, { level }), 65536), input);
      }
    });

    test.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 33, 255, 256, 257, 1023, 1024, 1025])(
      "of %i bytes",
      (length) => {
        for (const input of [randomText(length), randomBytes(length), new Uint8Array(length)]) {
          for (const level of [1, 3, 19]) {
            expectBytes(decodeSound(zstdFrame(input, { level, singleSegment: length % 2 === 0 }), 3), input);
            // As the encoder wrote it, header included.
            const params = { [constants.ZSTD_c_compressionLevel]: level };
            expectBytes(decodeSound(new Uint8Array(zstdCompressSync(input, { params }))), input);
          }
        }
      },
    );

    test.each([-2, -1, 0, 1, 2])("around 128 KiB and two blocks, at %i bytes from the edge", (delta) => {
      for (const edge of [KIB_128, 2 * KIB_128]) {
        for (
          const input of [randomText(edge + delta), mixed(edge + delta, 9), new Uint8Array(edge + delta)]
        ) {
          expectBytes(decodeSound(zstdFrame(input, { contentSize: false }), 511), input);
        }
      }
    });

    test.each([10, 11, 14, 17, 20])("with a window of 2^%i bytes, which is moved many times", (windowLog) => {
      const input = mixed(3_000_000, windowLog);
      for (const contentSize of [true, false]) {
        expectBytes(decodeSound(zstdFrame(input, { windowLog, contentSize, level: 5 })), input);
      }
    });

    test("in frames of all sizes, one after the other", () => {
      const pieces = Array.from({ length: 300 }, (_, at) => mixed(at * at % 9000, at));
      expectBytes(decodeSound(zstdFrames(pieces), 1000), concat(...pieces));
    });

    test("for any bytes, in pieces of any size", () => {
      const content = fc.array(fc.tuple(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: 1, max: 200 })), {
        maxLength: 8,
      });
      fc.assert(
        fc.property(
          content,
          fc.integer({ min: 1, max: 700 }),
          fc.integer({ min: 1, max: 19 }),
          (runs, pieceSize, level) => {
            const input = concat(
              ...runs.flatMap(([bytes, times]) => new Array<Uint8Array>(times).fill(bytes)),
            );
            const stream = zstdFrame(input, { level, windowLog: 10 });
            const whole = decode(stream);
            const cut = decode(stream, pieceSize);
            expectBytes(decodeSound(stream), input);
            expectBytes(cut.output, input);
            expect(cut.events).toEqual(whole.events);
            expect(cut.pieces).toEqual(whole.pieces);
          },
        ),
        { numRuns: 150, seed: 8878 },
      );
    });
  });

  test("fzstd and node:zlib agree with the decoder on sound frames", () => {
    for (const input of Object.values(INPUTS)) {
      const stream = zstdFrame(input, { level: 7 });
      const output = decodeSound(stream);
      expectBytes(output, new Uint8Array(zstdDecompressSync(stream)));
      expectBytes(output, fzstdDecompress(stream));
    }
  });

  describe("what the zstd program compresses is decoded", () => {
    const input = concat(INPUTS["mixed"]!, INPUTS["text"]!, INPUTS["random"]!, INPUTS["mixed"]!);
    const flags = [
      "-1",
      "--fast=10",
      "-12",
      "-19",
      "--ultra -22",
      "--no-check",
      "-T2 -B65536",
      "--rsyncable",
      "--no-content-size",
    ];

    let folder = "";

    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "layerproof-zstd-"));
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    /** Compresses by way of a file: Deno's `spawnSync` hangs when both the input and the output fill their pipes. */
    const compress = (data: Uint8Array, args: readonly string[]): Uint8Array => {
      const file = join(folder, "input");
      writeFileSync(file, data);
      return run("zstd", ["-q", "-c", ...args, file]).stdout;
    };

    for (const flag of flags) {
      testWith(["zstd"], `with ${flag}`, () => {
        expectBytes(decodeSound(compress(input, flag.split(" ")), 65536), input);
      });
    }

    testWith(["zstd"], "with --long=27, matches over 32 MiB away", () => {
      const seldom = randomBytes(300_000, 3);
      const far = concat(seldom, new Uint8Array(40_000_000), seldom);
      const stream = compress(far, ["--long=27", "-3"]);
      expect(stream.length).toBeLessThan(400_000);
      expect(sha256(decodeSound(stream, 65536))).toBe(sha256(far));
    });
  });

  test("memory follows the content, not the window that a frame declares", () => {
    // 20 000 frames of three bytes with a window of 8 MiB: with a buffer for each this would be 160 GB.
    const frame = zstdFrame("abc", { contentSize: false, checksum: false });
    frame[5] = (23 - 10) << 3;
    const { output, events, error } = decode(concat(...new Array<Uint8Array>(20_000).fill(frame)), 65536);
    expect(error).toBeNull();
    expect(events[0]![1]).toMatchObject({ windowSize: 8 * 2 ** 20 });
    expect(output.length).toBe(60_000);
  });
});

import { zstdDecompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { concat } from "../../support/bytes.ts";
import { mutate, sample } from "../../support/damage.ts";
import { random, randomBytes } from "../../support/random.ts";
import { zstdFrame } from "../../support/zstd.ts";
import { decode, expectBytes } from "./support.ts";

/**
 * Where the decoder is stricter than libzstd 1.5.7 as node:zlib calls it, and why:
 *
 * - its fast loop for four Huffman streams does not look whether they are used up exactly, which RFC 8878, 4.2.2 demands;
 * - it takes a compressed block of no bytes for an empty one, although both sections need a byte (RFC 8878, 3.1.1.3);
 * - it checks offsets against what is still in its buffer, not against the window (RFC 8878, 3.1.1.5);
 * - it allows Huffman codes of 12 bits, where RFC 8878, 4.2.1 allows 11;
 * - it does not compare the content size when the last block is empty (RFC 8878, 3.1.1.1.4 has it as the original size);
 * - it ignores window and block limits when the whole frame and its content size are there at once.
 */
const STRICTER = [
  /bit stream of the literals/,
  /it is empty, without literals and sequences sections/,
  /reaches beyond the window/,
  /the longest Huffman code has 12 bits|a Huffman weight is 12/,
  /bytes of content and holds/,
  /it needs a window of/,
  /are allowed in this frame/,
];

/**
 * Deno 2.9's `zstdDecompressSync` returns what it has of a frame that is cut off, where Node throws. Its header can say
 * what no content could meet, and is then refused before that.
 */
if ("Deno" in globalThis) STRICTER.push(/the stream ends inside it/, /declares more than 2\^53 - 1 bytes/);

/**
 * What node:zlib makes of one frame, null when it refuses it. It must not be given more than the frame: whether it
 * stops behind the first one depends on the size of the output.
 */
function reference(stream: Uint8Array): Uint8Array | null {
  try {
    return new Uint8Array(zstdDecompressSync(stream, { maxOutputLength: 2 ** 28 }));
  } catch {
    return null;
  }
}

interface FrameEnd {
  readonly checksum: unknown;
  readonly endOffset: number;
  readonly outEnd: number;
}

describe("damaged frames", () => {
  test.each([1, 2, 3, 4])("are refused, or decoded as node:zlib does (seed %i)", (seed) => {
    const rng = random(seed);
    const verdicts = { same: 0, refused: 0, stricter: 0 };
    for (let frames = 0; frames < 100; frames++) {
      const frame = zstdFrame(sample(rng), {
        level: 1 + rng.below(12),
        checksum: rng.below(6) === 0,
        contentSize: rng.below(3) > 0,
        windowLog: 10 + rng.below(9),
      });
      for (let round = 0; round < 10; round++) {
        const damaged = mutate(frame, rng);
        const { output, error, events } = decode(damaged, damaged.length);
        const first = events.find(([name]) => name === "frameEnd")?.[1] as FrameEnd | undefined;
        const expected = reference(damaged.subarray(0, first?.endOffset ?? damaged.length));
        const accepted = first !== undefined && typeof first.checksum !== "object";
        if (accepted) {
          if (expected === null) throw new Error(`node:zlib refuses what was accepted: ${hexOf(damaged)}`);
          expectBytes(output.subarray(0, first.outEnd), expected);
          verdicts.same++;
        } else if (expected === null) {
          verdicts.refused++;
        } else {
          const reason = error?.message ?? "wrong checksum";
          expect(STRICTER.some((pattern) => pattern.test(reason)), `${reason}: ${hexOf(damaged)}`).toBe(true);
          verdicts.stricter++;
        }
      }
    }
    expect(verdicts.same).toBeGreaterThan(50);
    expect(verdicts.refused).toBeGreaterThan(300);
  });

  test("give the same verdict in pieces of any size", () => {
    const rng = random(99);
    for (let frames = 0; frames < 60; frames++) {
      const frame = zstdFrame(sample(rng).subarray(0, 5000), { level: 1 + rng.below(9), windowLog: 12 });
      for (let round = 0; round < 5; round++) {
        const damaged = mutate(frame, rng);
        const whole = decode(damaged);
        const cut = decode(damaged, 1 + rng.below(40));
        expect(cut.error?.message).toBe(whole.error?.message);
        expect(cut.events).toEqual(whole.events);
        expectBytes(cut.output, whole.output);
      }
    }
  });

  test("and pure noise behind a sound header are refused", () => {
    const rng = random(7);
    for (let round = 0; round < 500; round++) {
      const noise = randomBytes(rng.below(300), rng.next());
      const size = noise.length;
      const block = Uint8Array.of(((size << 3) | 5) & 255, (size >>> 5) & 255, size >>> 13);
      const { error } = decode(concat(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x58), block, noise), 97);
      if (error === null) {
        expect(reference(concat(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0, 0x58), block, noise))).not
          .toBeNull();
      }
    }
  });
});

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes.subarray(0, 2000), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

import { Buffer } from "node:buffer";
import { expect, test } from "vitest";
import { IO_BASE, kernelMemory, loadKernel, PAGE } from "../../src/kernel/load.ts";
import { type Bits, literalsSection, rleSequences } from "../codec/zstd/support.ts";
import { concat } from "../support/bytes.ts";
import { type Random, random, randomBytes } from "../support/random.ts";
import { zstdFrame } from "../support/zstd.ts";
import { mutate, sample } from "../support/damage.ts";

/** What the kernel may read behind the input, and write behind the room of a block. */
const OVERSHOOT = 32;

/** Tables of the kernel, of `wasm/layout.ts`. */
const SCRATCH = 0x20000;

/** In front of the frame's history; behind the output where the input follows. */
const GAP = 300;

interface Kernel {
  init(): void;
  resetFrame(): void;
  decodeBlock(...args: readonly number[]): number;
}

interface Block {
  readonly type: "raw" | "rle" | "compressed";
  readonly data: Uint8Array;
  readonly size: number;
}

/** The blocks of a frame of `zstdFrame`. */
function blocksOf(frame: Uint8Array): Block[] {
  const out: Block[] = [];
  const descriptor = frame[4]!;
  let at = 6 + [0, 2, 4, 8][descriptor >>> 6]!;
  for (let last = false; !last;) {
    const header = frame[at]! | frame[at + 1]! << 8 | frame[at + 2]! << 16;
    last = (header & 1) === 1;
    const type = (["raw", "rle", "compressed"] as const)[(header >> 1) & 3]!;
    const size = header >> 3;
    const stored = type === "rle" ? 1 : size;
    out.push({ type, data: frame.slice(at + 3, at + 3 + stored), size });
    at += 3 + stored;
  }
  return out;
}

/** Sequences of one code each that go to the edges: of the literals, of the output, of what lies behind. */
function edgeBlock({ below, next }: Random): Block {
  const count = 1 + below(40);
  const codes = { literalLength: below(16), offset: below(18), matchLength: below(53) };
  const extra = codes.matchLength < 43
    ? [1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5][codes.matchLength - 32] ?? 0
    : codes.matchLength - 36;
  const bits: Bits = Array.from({ length: count }, () => [
    [next() % 2 ** codes.offset, codes.offset] as const,
    [next() % 2 ** extra, extra] as const,
  ]).flat();
  const literals = randomBytes(count * codes.literalLength + below(20), next());
  return {
    type: "compressed",
    data: concat(literalsSection("raw", literals), rleSequences(count, codes, bits)),
    size: 0,
  };
}

/** A memory whose every byte is known, so that nothing can be written unnoticed. */
async function createGuarded() {
  const memory = kernelMemory(7 * PAGE);
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(randomBytes(bytes.length, 77));
  const tables = bytes.slice(SCRATCH, IO_BASE);
  const kernel = await loadKernel("zstd", memory) as unknown as Kernel;
  kernel.init();
  expect(equal(bytes.subarray(SCRATCH, IO_BASE), tables)).toBe(false);
  const before = bytes.slice();
  return { bytes, kernel, before };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}

const { bytes, kernel, before } = await createGuarded();

/**
 * Decodes blocks of a frame, each at the places that `place` gives, and looks at all the memory behind each.
 *
 * @param place of a block of `size` bytes and the bytes before it: input, start of the history, output
 */
function runGuarded(
  blocks: readonly Block[],
  blockMax: number,
  place: (size: number, behind: number) => { input: number; base: number; out: number },
): number {
  let history: Uint8Array = new Uint8Array(0);
  let sound = 0;
  kernel.resetFrame();
  for (const block of blocks) {
    const reach = Math.min(history.length, 2 * PAGE);
    const { input, base, out } = place(block.data.length, reach);
    bytes.set(history.subarray(history.length - reach), base);
    bytes.set(block.data, input);
    before.set(bytes.subarray(IO_BASE), IO_BASE);
    let made = block.size;
    if (block.type === "raw") bytes.set(block.data, out);
    else if (block.type === "rle") bytes.fill(block.data[0]!, out, out + block.size);
    else {
      made = kernel.decodeBlock(input, input + block.data.length, out, blockMax, reach, 2 * PAGE, base, 0);
    }
    expect(made).toBeLessThanOrEqual(blockMax);
    expect(equal(bytes.subarray(0, SCRATCH), before.subarray(0, SCRATCH)), "below the tables").toBe(true);
    expect(equal(bytes.subarray(IO_BASE, out), before.subarray(IO_BASE, out)), "in front of the output").toBe(
      true,
    );
    const end = out + blockMax + OVERSHOOT;
    expect(equal(bytes.subarray(end), before.subarray(end)), "behind the output").toBe(true);
    if (made < 0) return sound;
    sound++;
    history = concat(history, bytes.subarray(out, out + made));
  }
  return sound;
}

/** The output ends at the end of the memory: what is written or read behind its overshoot is a trap. */
const outputLast = (blockMax: number) => (_size: number, behind: number) => {
  const out = bytes.length - OVERSHOOT - blockMax;
  return { input: IO_BASE, base: out - behind, out };
};

/** The input, which nothing can be read in front of but tables, comes last: its overshoot ends with the memory. */
const inputLast = (size: number, behind: number) => {
  const input = bytes.length - OVERSHOOT - size;
  return { input, base: IO_BASE + GAP, out: IO_BASE + GAP + behind };
};

test("sound and damaged frames leave all memory but tables, output and overshoot alone", () => {
  const rng = random(31);
  let sound = 0;
  let refused = 0;
  for (let frames = 0; frames < 60; frames++) {
    const windowLog = 10 + rng.below(8);
    const content = sample(rng).subarray(0, 150_000);
    const blocks = blocksOf(zstdFrame(content, { level: 1 + rng.below(15), windowLog, checksum: false }));
    const blockMax = 2 ** windowLog;
    sound += runGuarded(blocks, blockMax, outputLast(blockMax));
    if (blockMax <= PAGE) runGuarded(blocks, blockMax, inputLast);
    for (let round = 0; round < 30; round++) {
      const which = rng.below(blocks.length);
      const damaged = blocks.slice(Math.max(which - 1, 0), which + 2).map((block) => {
        if (block.type !== "compressed") return block;
        return { ...block, data: mutate(block.data, rng).subarray(0, blockMax) };
      });
      const place = blockMax <= PAGE && rng.below(2) === 0 ? inputLast : outputLast(blockMax);
      if (runGuarded(damaged, blockMax, place) < damaged.length) refused++;
    }
  }
  expect(sound).toBeGreaterThan(60);
  expect(refused).toBeGreaterThan(700);
});

test("sequences at the edges of literals, output and history do so too", () => {
  const rng = random(32);
  let sound = 0;
  for (let round = 0; round < 1500; round++) {
    const blockMax = 1024 << rng.below(4);
    const front: Block = { type: "raw", data: randomBytes(rng.below(blockMax), round), size: 0 };
    const blocks = [{ ...front, size: front.data.length }, edgeBlock(rng), edgeBlock(rng)];
    sound += runGuarded(blocks, blockMax, rng.below(2) === 0 ? inputLast : outputLast(blockMax)) - 1;
  }
  expect(sound).toBeGreaterThan(200);
});

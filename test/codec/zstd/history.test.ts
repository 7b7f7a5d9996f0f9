import { expect, test } from "vitest";
import { History } from "../../../src/codec/zstd/history.ts";
import { expectBytes } from "./support.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const BLOCK = 128 * KIB;

/** Writes a block whose bytes tell its number, as the decoder does: reserve, fill, move on. */
function write(history: History, block: number, size = BLOCK): void {
  history.reserve(size, 0);
  history.bytes.fill(block % 251, history.position, history.position + size);
  history.position += size;
}

test.each([1 * KIB, 100 * KIB, 1 * MIB, 8 * MIB, 20 * MIB + 12_345])(
  "a window of %i bytes stays complete, in at most two windows and a constant",
  (window) => {
    const history = new History();
    history.resetFrame(window);
    for (let block = 0; block < 400; block++) {
      const before = history.bytes;
      write(history, block);
      const held = history.bytes === before ? before.length : before.length + history.bytes.length;
      expect(held).toBeLessThanOrEqual(2 * window + 2 * MIB);
      expect(history.reach).toBe(Math.min(window, (block + 1) * BLOCK));
      for (const back of [1, history.reach >> 1, history.reach]) {
        const expected = Math.floor(((block + 1) * BLOCK - back) / BLOCK) % 251;
        expect(history.bytes[history.position - back]).toBe(expected);
      }
    }
  },
);

test("a frame of few bytes costs half a megabyte, whatever window it declares", () => {
  const history = new History();
  for (const window of [1 * KIB, 8 * MIB, 128 * MIB, 1024 * MIB]) {
    history.resetFrame(window);
    write(history, 1, 3);
    expect(history.bytes.length).toBeLessThanOrEqual(MIB + KIB);
  }
});

test("the buffer is kept from frame to frame, and given up where a larger window could not grow from it", () => {
  const history = new History();
  history.resetFrame(8 * MIB);
  for (let block = 0; block < 200; block++) write(history, block);
  const kept = history.bytes;
  history.resetFrame(1 * MIB);
  write(history, 1);
  history.resetFrame(8 * MIB);
  write(history, 1);
  expect(history.bytes).toBe(kept);
  history.resetFrame(16 * MIB);
  write(history, 1);
  expect(history.bytes.length).toBeLessThan(MIB);
});

test("what the window moves over is the same as without moving", () => {
  const history = new History();
  history.resetFrame(300 * KIB);
  const all = new Uint8Array(60 * 50_000);
  for (let block = 0; block < 60; block++) {
    write(history, block * 7, 50_000);
    all.fill((block * 7) % 251, block * 50_000, (block + 1) * 50_000);
    const made = (block + 1) * 50_000;
    const from = made - history.reach;
    expectBytes(
      history.bytes.subarray(history.position - history.reach, history.position),
      all.subarray(from, made),
    );
  }
});

// With a buffer for each frame, 240 KB of 12-byte frames with windows of 704 KiB and 2 MiB by turns took ten seconds.
test("the buffer is not allocated anew for tiny frames, whatever their windows", () => {
  const history = new History();
  const buffers = new Set<Uint8Array>();
  for (let frame = 0; frame < 400; frame++) {
    history.resetFrame([1 * KIB, 704 * KIB, 2 * MIB, 128 * MIB][frame % 4]!);
    write(history, 1, 3);
    buffers.add(history.bytes);
  }
  expect(buffers.size).toBeLessThanOrEqual(2);
});

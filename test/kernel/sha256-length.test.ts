import { expect, test } from "vitest";
import { IO_BASE, kernelMemory, loadKernel } from "../../src/kernel/load.ts";

const BLOCK = 64;

/** The kernel's exports that take a length. */
interface Kernel {
  init(): void;
  compress(state: number, data: number, blocks: number): void;
  finish(state: number, data: number, length: number, total: bigint): void;
}

/** No one has a message of 2^53 bytes: any state will do, and the padding made by hand is taken in as data. */
test("the length in the padding has 64 bits", async () => {
  const memory = kernelMemory(4096);
  const kernel = await loadKernel("sha256", memory) as unknown as Kernel;
  kernel.init();
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const [state, data] = [IO_BASE, IO_BASE + 64];
  for (const total of [0n, 2n ** 29n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n]) {
    const rest = Number(total % 64n);
    const initial = Uint32Array.from({ length: 8 }, (_, i) => 0x01234567 * (i + 1));
    const padded = new Uint8Array(rest < 56 ? BLOCK : 2 * BLOCK).fill(7, 0, rest);
    padded[rest] = 0x80;
    new DataView(padded.buffer).setBigUint64(padded.length - 8, total * 8n);
    words.set(initial, state / 4);
    bytes.set(padded, data);
    kernel.compress(state, data, padded.length / BLOCK);
    const want = Array.from(
      words.subarray(state / 4, state / 4 + 8),
      (word) => word.toString(16).padStart(8, "0"),
    );
    words.set(initial, state / 4);
    bytes.fill(0xff, data, data + 128).fill(7, data, data + rest);
    kernel.finish(state, data, rest, total);
    expect(new TextDecoder().decode(bytes.subarray(state, state + 64))).toBe(want.join(""));
  }
});

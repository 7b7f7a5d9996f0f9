/** The assembled stream gives what is asked for, and lets go of what it holds. */
import { describe, expect, test } from "vitest";
import { assembleTar } from "../../src/tarsplit/assemble.ts";
import { readTarSplit } from "../../src/tarsplit/read.ts";
import { randomBytes, slices, tar } from "../support/mod.ts";
import { assemble, disassemble, errorOf, recordsOf } from "./splitting.ts";

const DATA = randomBytes(5000, 5);

describe("pieces come as they are asked for", () => {
  /** Content that counts what was asked of it. */
  function counting(data: Uint8Array, size: number) {
    const counts = { asked: 0, closed: 0 };
    const content = async function* () {
      try {
        for (const piece of slices(data, size)) {
          counts.asked++;
          yield await Promise.resolve(piece);
        }
      } finally {
        counts.closed++;
      }
    };
    return { counts, content };
  }
  const archive = tar([{ name: "f", data: DATA }]);

  async function started() {
    const split = counting(await disassemble(archive), 100);
    const file = counting(DATA, 1000);
    let opened = 0;
    const stream = assembleTar(readTarSplit(split.content()), () => {
      opened++;
      return file.content();
    });
    return { split: split.counts, file: file.counts, stream, opened: () => opened };
  }

  test("nothing is read before the first", async () => {
    const { split, stream, opened } = await started();
    await Promise.resolve();
    expect([split.asked, opened()]).toEqual([0, 0]);
    await stream.cancel();
    expect([split.asked, opened()]).toEqual([0, 0]);
  });

  test("nor more of a file than was asked for", async () => {
    const { split, file, stream, opened } = await started();
    const reader = stream.getReader();
    expect((await reader.read()).value!.length).toBe(512);
    expect([file.asked, opened()]).toEqual([0, 0]);
    expect((await reader.read()).value!.length).toBe(1000);
    expect((await reader.read()).value!.length).toBe(1000);
    await Promise.resolve();
    expect([file.asked, file.closed, opened()]).toEqual([2, 0, 1]);
    const asked = split.asked;
    await reader.cancel("enough");
    expect(file).toEqual({ asked: 2, closed: 1 });
    expect(split).toEqual({ asked, closed: 1 });
    expect((await reader.read()).done).toBe(true);
  });

  test("cancelling a file that is a stream cancels that", async () => {
    let cancelled = 0;
    const records = await recordsOf(await disassemble(archive));
    const file = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(DATA.subarray(0, 1)),
      cancel: () => void cancelled++,
    });
    const reader = assembleTar(records, () => file).getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
    expect(cancelled).toBe(1);
  });

  test("failing closes file and records, whatever the file does then", async () => {
    let closed = 0;
    const file = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false as const, value: new Uint8Array(9999) }),
        return: () => {
          closed++;
          return Promise.reject(new Error("close failed"));
        },
      }),
    };
    const split = counting(await disassemble(archive), 100);
    const error = await errorOf(() => assemble(readTarSplit(split.content()), () => file));
    expect(error.code).toBe("tarsplit-file-long");
    expect([closed, split.counts.closed]).toEqual([1, 1]);
  });

  test("a receiver's own failure is not taken for the source's", async () => {
    const { file, stream } = await started();
    const failure = new Error("receiver");
    const writable = new WritableStream<Uint8Array>({
      write: (piece) => {
        if (piece.length === 1000) throw failure;
      },
    });
    await expect(stream.pipeTo(writable)).rejects.toBe(failure);
    expect(file.closed).toBe(1);
  });
});

import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { kernelHashes } from "../../src/digest/kernel.ts";
import { nativeHashes } from "../../src/digest/native.ts";
import { LocalQueue } from "../../src/digest/queue.ts";
import { concat, random, randomBytes } from "../support/mod.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe.each([nativeHashes, kernelHashes])("with the hashes of $name", (hashes) => {
  test("messages of several lanes, in pieces that are overwritten after each flush, come in order", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const { below } = random(seed);
      const lanes = 1 + below(4);
      const queue = await LocalQueue.create(hashes, lanes);
      const memory = new Uint8Array(5000);
      let filled = 0;
      const flush = () => {
        queue.flush();
        memory.fill(0xee);
        filled = 0;
      };
      const open = Array.from({ length: lanes }, () => [] as Uint8Array[]);
      const expected: string[] = [];
      const came: string[] = [];
      for (let step = 0; step < 200; step++) {
        const index = below(lanes);
        const kind = below(10);
        if (kind < 6) {
          const piece = randomBytes(below(300), step);
          if (filled + piece.length > memory.length) flush();
          memory.set(piece, filled);
          queue.lane(index).update(memory.subarray(filled, filled + piece.length));
          filled += piece.length;
          open[index]!.push(piece);
        } else if (kind < 8) {
          expected.push(sha256(concat(...open[index]!)));
          open[index] = [];
          queue.lane(index).finish((hex) => came.push(hex));
        } else if (kind < 9) {
          expected.push(`after ${step}`);
          queue.after(() => came.push(`after ${step}`));
        } else flush();
      }
      await queue.settle();
      expect(came).toEqual(expected);
    }
  });
});

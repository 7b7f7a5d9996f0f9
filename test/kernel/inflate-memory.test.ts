import { expect, test } from "vitest";
import { concat, random, randomBytes } from "../support/mod.ts";
import { BitWriter, fixedBlock } from "./inflate-bits.ts";
import { seededStream } from "./inflate-differential.ts";
import { GuardedKernel, inflate, sameBytes } from "./inflate-run.ts";

const kernel = await GuardedKernel.create();

/** Rooms and pieces around the margins of the fast loop, far below them and far above. */
const ROOMS = [[0, 3], [1, 1], [1, 17], [300, 40], [1, 700], [5000, 25_000]] as const;
const PIECES = [[1, 1], [1, 40], [20, 30], [1, 600], [32_000, 700]] as const;

for (const [least, span] of ROOMS) {
  test(`streams leave memory around a room of ${least} to ${least + span - 1} bytes alone`, () => {
    for (let seed = 1; seed <= 150; seed++) {
      const rng = random(seed * 1000 + span);
      const stream = seededStream(rng).subarray(0, least < 300 ? 1500 : 30_000);
      const [smallest, others] = rng.pick(PIECES);
      const run = kernel.inflate(
        stream,
        () => Math.min(32_768, smallest + rng.below(others)),
        () => least + rng.below(span),
      );
      const whole = inflate(stream);
      expect(sameBytes(run.output, whole.output)).toBe(true);
      expect(run.used).toBe(whole.used);
      expect(run.verdict.startsWith("-")).toBe(whole.verdict !== "end" && whole.verdict !== "more");
      if (whole.used !== null) expect(run.verdict).toBe("end");
      expect(run.brokenAt).toBe(whole.brokenAt);
    }
  });
}

test("matches reach neither before the stream nor before the history that the host vouches for", () => {
  const [done, tooFar] = [2, -15];
  for (const size of [1, 2, 16, 40]) {
    const bytes = randomBytes(size);
    const before = new BitWriter().bits(0, 8).bits(size, 16).bits(size ^ 0xffff, 16).bytes(bytes).finish();
    const match = (distance: number) => fixedBlock((symbols) => symbols.match(30, distance));
    // With input behind, the fast loop is there; without, only the careful one.
    for (const behind of [new Uint8Array(0), new Uint8Array(100)]) {
      for (let distance = 1; distance <= 45; distance++) {
        const rest = concat(match(distance), behind);
        for (const floor of [-100, 0, 1, 15]) {
          const reach = size - Math.max(0, floor);
          const expected = distance <= reach ? done : tooFar;
          if (reach >= 0) expect(kernel.inflateBehind(before, rest, floor)).toBe(expected);
        }
      }
    }
  }
});

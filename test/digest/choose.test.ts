import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { chooseHashes, type HashCandidates, laneLimit } from "../../src/digest/choose.ts";
import { defaultHashes } from "../../src/digest/default.ts";
import { type BatchHasher, type HashBackend, type Hasher } from "../../src/digest/hasher.ts";
import { kernelHashes } from "../../src/digest/kernel.ts";
import { nativeHashes } from "../../src/digest/native.ts";
import { randomBytes } from "../support/random.ts";

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** What hashing costs on an invented machine, in nanoseconds. */
interface Costs {
  readonly perByte: number;
  /** In a batch. */
  readonly perMessage: number;
}

/** A clock that only hashing moves, and backends that move it. */
function machine(costs: { native: Costs; kernel: Costs }) {
  let time = 0;
  const log: string[] = [];
  const timed = (real: HashBackend, name: string, cost: Costs): HashBackend => ({
    ...real,
    name,
    async sha256(): Promise<Hasher> {
      const hasher = await real.sha256();
      return {
        update(bytes) {
          time += bytes.length * cost.perByte / 1e6;
          hasher.update(bytes);
        },
        finish: () => hasher.finish(),
      };
    },
    async batch(): Promise<BatchHasher> {
      const batch = await real.batch();
      return {
        name,
        digestAll(messages) {
          log.push(`${name} ${messages.length}`);
          for (const { length } of messages) {
            time += (cost.perMessage + length * cost.perByte) / 1e6;
          }
          return batch.digestAll(messages);
        },
      };
    },
  });
  const candidates: HashCandidates = {
    native: timed(nativeHashes, "native", costs.native),
    kernel: timed(kernelHashes, "kernel", costs.kernel),
  };
  return { candidates, log, now: () => time };
}

const SHA_INSTRUCTIONS: Costs = { perByte: 0.6, perMessage: 1000 };
const SLOW_NATIVE: Costs = { perByte: 8, perMessage: 3000 };
const KERNEL: Costs = { perByte: 4.8, perMessage: 0 };

describe("chooseHashes", () => {
  test("auto takes what is faster for long messages", async () => {
    const fast = machine({ native: SHA_INSTRUCTIONS, kernel: KERNEL });
    expect((await chooseHashes("auto", fast.now, fast.candidates)).name).toBe("native");
    const slow = machine({ native: SLOW_NATIVE, kernel: KERNEL });
    expect((await chooseHashes("auto", slow.now, slow.candidates)).name).toBe("kernel");
  });

  test("the lanes get messages up to the size at which the native hash catches up", () => {
    // A message of n bytes: 1000 + 0.6 n, and in a lane 100 * 4.8 + n * 4.8 / 2.4.
    expect(laneLimit(0.6, 4.8, 1000 + 64 * 0.6)).toBeCloseTo(520 / 1.4, 6);
    // In any unit of time.
    expect(laneLimit(0.6e-6, 4.8e-6, 1000e-6 + 64 * 0.6e-6)).toBeCloseTo(520 / 1.4, 6);
  });

  test("where one is faster for all sizes, all messages are its, and a disturbed measurement does little harm", () => {
    expect(laneLimit(8, 4.8, 3000)).toBe(Infinity);
    expect(laneLimit(0.6, 4.8, 200)).toBe(0);
    expect(laneLimit(0.6, 4.8, 1e6)).toBe(1024);
    // A clock that stands still says nothing against the lanes.
    expect(laneLimit(0, 0, 0)).toBe(Infinity);
  });

  test("a batch is split by size, and its digests come in the order of the messages", async () => {
    const { candidates, now, log } = machine({ native: SHA_INSTRUCTIONS, kernel: KERNEL });
    const batch = await (await chooseHashes("auto", now, candidates)).batch();
    expect(batch.name).toBe("kernel below 371 bytes, native");
    const data = randomBytes(5000);
    const digests = (...lengths: number[]): void => {
      const messages = lengths.map((length) => data.subarray(0, length));
      log.length = 0;
      expect(batch.digestAll(messages)).toEqual(messages.map(sha256));
    };
    digests(5000, 1, 2, 4000, 371, 0, 372);
    expect(log).toEqual(["kernel 4", "native 3"]);
    digests(1, 2, 3, 4, 5);
    expect(log).toEqual(["kernel 5"]);
    // Too few for four lanes.
    digests(1, 2, 3000, 3);
    expect(log).toEqual(["native 4"]);
    digests();
    expect(log).toEqual(["native 0"]);
  });

  test("a mode that is asked for is not measured", async () => {
    const { candidates } = machine({ native: SHA_INSTRUCTIONS, kernel: KERNEL });
    const never = () => {
      throw new Error("asked for the time");
    };
    expect((await chooseHashes("wasm", never, candidates)).name).toBe("kernel");
    expect((await chooseHashes("native", never, candidates)).name).toBe("native");
    expect((await chooseHashes("wasm", never)).name).toBe("wasm");
    expect((await chooseHashes("native", never)).name).toBe("node:crypto");
  });

  test("without node:crypto it is the kernel, without the kernel the platform, and hash-wasm is left", async () => {
    for (const mode of ["wasm", "native", "auto"] as const) {
      const { native, kernel } = machine({ native: SHA_INSTRUCTIONS, kernel: KERNEL }).candidates;
      expect((await chooseHashes(mode, () => 0, { native: null, kernel })).name).toBe("kernel");
      expect((await chooseHashes(mode, () => 0, { native, kernel: null })).name).toBe("native");
      const neither = await chooseHashes(mode, () => 0, { native: null, kernel: null });
      expect(neither).toMatchObject(defaultHashes());
    }
  });

  test("on this platform, whatever is chosen gives the same", async () => {
    const data = randomBytes(100_000);
    for (const mode of ["wasm", "native", "auto"] as const) {
      const hashes = await chooseHashes(mode);
      const hash = await hashes.sha256();
      hash.update(data);
      expect(hash.finish()).toBe(sha256(data));
      const messages = [0, 1, 100, 1000, 10_000, 100_000].map((size) => data.subarray(0, size));
      expect((await hashes.batch()).digestAll(messages)).toEqual(messages.map(sha256));
    }
  });
});

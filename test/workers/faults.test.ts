/** Workers that die, work that is given up, platforms that have no workers: never a hang, never a wrong verdict. */
import { afterAll, describe, expect, test } from "vitest";
import { estargz, randomBytes, zstdChunked } from "../support/mod.ts";
import { verifyMemory } from "../verify/verifying.ts";
import { spawn } from "../../src/workers/node.ts";
import type { Spawn } from "../../src/workers/port.ts";
import { eagerPool, mortal } from "./pools.ts";

const FILES = Array.from({ length: 50 }, (_, i) => ({ name: `file${i}`, data: randomBytes(20_000, i) }));
const LAYERS = [["eStargz", estargz(FILES)], ["zstd:chunked", zstdChunked(FILES)]] as const;

describe.each(LAYERS)("%s", (_, { blob, diffID }) => {
  test.each([0, 1, 2, 3, 5, 8, 13, 40])(
    "workers that end after %i messages give a typed error",
    async (messages) => {
      const pool = eagerPool({}, mortal(messages));
      const report = await verifyMemory(blob, { workers: pool });
      pool.close();
      if (report.result === "consistent") return expect(report.diffID).toBe(diffID);
      expect(report).toMatchObject({
        result: "error",
        error: { code: "worker-died" },
        diffID: null,
        digest: null,
      });
    },
  );

  test.each([1, 2, 3])("a worker that fails after %i messages gives a typed error", async (messages) => {
    const pool = eagerPool({}, mortal(messages, (port) => port.post({ kind: "hash" })));
    const { result, error } = await verifyMemory(blob, { workers: pool });
    pool.close();
    expect({ result, code: error?.code }).toEqual({ result: "error", code: "worker-died" });
  });

  test("a pool whose worker has died starts others for the next layer", async () => {
    let started = 0;
    const dying: Spawn = () => started++ === 0 ? mortal(3)() : spawn();
    const pool = eagerPool({}, dying);
    expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ error: { code: "worker-died" } });
    expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ result: "consistent", diffID });
    pool.close();
  });

  test("when the work is given up, the pool is free for the next layer", async () => {
    const pool = eagerPool();
    for (let at = 0; at < 5; at++) {
      const stop = new AbortController();
      let pieces = 0;
      const onEntry = () => {
        if (pieces++ === at * 10) stop.abort(new Error("enough"));
      };
      const work = verifyMemory(blob, { workers: pool, signal: stop.signal, onEntry });
      await expect(work).rejects.toThrow("enough");
    }
    expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ result: "consistent", diffID });
    pool.close();
  });

  test("an exception of a callback reaches the caller, and the pool is free", async () => {
    const pool = eagerPool();
    const work = verifyMemory(blob, {
      workers: pool,
      onEntry: () => {
        throw new TypeError("mine");
      },
    });
    await expect(work).rejects.toThrow("mine");
    expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ result: "consistent", diffID });
    pool.close();
  });

  test("where no worker can be started, one thread does it all", async () => {
    const pool = eagerPool({}, () => {
      throw new Error("no");
    });
    expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ result: "consistent", diffID });
  });
});

describe("layers at the same time", () => {
  const pool = eagerPool();
  afterAll(() => pool.close());

  test("share a pool: one has its workers, the others do without", async () => {
    const reports = await Promise.all(
      Array.from({ length: 6 }, (_, i) => verifyMemory(LAYERS[i % 2]![1].blob, { workers: pool })),
    );
    expect(reports.map(({ diffID }) => diffID)).toEqual(reports.map((_, i) => LAYERS[i % 2]![1].diffID));
    expect(reports.every(({ result }) => result === "consistent")).toBe(true);
  });
});

/** Workers that die, work that is given up, platforms that have no workers: never a hang, never a wrong verdict. */
import { afterAll, describe, expect, test } from "vitest";
import { estargz, gzipMember, randomBytes, sha256, tar, zstdChunked, zstdFrame } from "../support/mod.ts";
import { verifyMemory } from "../verify/verifying.ts";
import { spawn } from "../../src/workers/node.ts";
import type { Reply } from "../../src/workers/messages.ts";
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

describe("a layer that fills all slots", () => {
  // 6 MB decompressed: a worker that is not relieved of its output has to wait.
  const content = tar([{ name: "noise", data: randomBytes(6_000_000, 1) }]);
  const layers = [["gzip", gzipMember(content)], ["zstd", zstdFrame(content)]] as const;

  /** The first worker is the decoder, the second the hasher. */
  const hasherBy = (start: Spawn): Spawn => {
    let started = 0;
    return () => started++ === 1 ? start() : spawn();
  };

  describe.each(layers)("%s", (_, blob) => {
    test.each([0, 1, 2, 3, 5, 8])("when only the hasher dies, after %i messages", async (messages) => {
      const pool = eagerPool({ decoders: 1 }, hasherBy(mortal(messages)));
      const { result, error } = await verifyMemory(blob, { workers: pool });
      expect({ result, code: error?.code }).toEqual({ result: "error", code: "worker-died" });
      // Its memory is not free, so the next layer must not get the same decoder.
      expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ diffID: sha256(content) });
      await pool.close();
    });

    test("when the hasher dies while the decoder is coming up", async () => {
      const stillborn: Spawn = () => {
        const port = spawn();
        let died: (reason: string) => void = () => {};
        return {
          ...port,
          listen(onMessage, onDeath) {
            died = onDeath;
            port.listen(onMessage, onDeath);
          },
          // It has been reserved.
          hold: (alive) => alive ? queueMicrotask(() => died("out of memory")) : port.hold(alive),
        };
      };
      const pool = eagerPool({ decoders: 1 }, hasherBy(stillborn));
      const { error } = await verifyMemory(blob, { workers: pool });
      expect(error?.code).toBe("worker-died");
      await pool.close();
    });

    test.each([1, 2])("when the pool is closed meanwhile, with %i decoders", async (decoders) => {
      const pool = eagerPool({ decoders });
      const closed: Promise<void>[] = [];
      const onProgress = () => {
        if (closed.length === 0) closed.push(pool.close());
      };
      const { result, error } = await verifyMemory(blob, { workers: pool, onProgress });
      expect({ result, code: error?.code }).toEqual({ result: "error", code: "worker-ended" });
      await Promise.all(closed);
    });
  });

  test("an output of an aborted layer that comes while the next one begins is given back", async () => {
    let late: (() => void) | null = null;
    let keeping = true;
    const belated: Spawn = () => {
      const port = spawn();
      return {
        ...port,
        listen: (onMessage, onDeath) =>
          port.listen((message) => {
            if (keeping && !late && (message as Reply).kind === "output") late = () => onMessage(message);
            else onMessage(message);
          }, onDeath),
        // Deno delivers messages between any two steps: when the worker is somebody's who does not listen yet, too.
        hold(alive) {
          port.hold(alive);
          if (alive && late) queueMicrotask(late);
          if (alive) late = null;
        },
      };
    };
    const [, blob] = layers[0];
    const pool = eagerPool({ decoders: 1, hasher: false }, belated);
    const stop = new AbortController();
    const onProgress = () => late && stop.abort(new Error("enough"));
    const work = verifyMemory(blob, { workers: pool, signal: stop.signal, onProgress });
    await expect(work).rejects.toThrow("enough");
    keeping = false;
    expect(late).not.toBeNull();
    expect(await verifyMemory(blob, { workers: pool })).toMatchObject({ diffID: sha256(content) });
    expect(late).toBeNull();
    await pool.close();
  });

  test("what a listener throws is a worker's death, not the process's", async () => {
    const nonsense: Spawn = () => {
      const port = spawn();
      let replies = 0;
      return {
        ...port,
        listen: (onMessage, onDeath) =>
          port.listen((message) => onMessage(replies++ === 3 ? null : message), onDeath),
      };
    };
    const pool = eagerPool({ decoders: 1, hasher: false }, nonsense);
    const { error } = await verifyMemory(layers[0][1], { workers: pool });
    expect(error?.code).toBe("worker-died");
    await pool.close();
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

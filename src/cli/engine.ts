/**
 * The engine as the commands use it: hashes and threads are chosen by how much work a layer is.
 *
 * @module
 */
import type { ChosenHashes, HashMode } from "../digest/choose.ts";
import { nativeHashes } from "../digest/native.ts";
import type { LayerSource } from "../source/source.ts";
import type { VerifyOptions } from "../verify/options.ts";
import type { LayerReport } from "../verify/report.ts";
import { verifyLayer } from "../verify/verify.ts";
import type { WorkerPool } from "../workers/pool.ts";

/** What the command line says about speed. */
export interface EngineSettings {
  /** Threads, the calling one included; null for one on each core. */
  readonly jobs: number | null;
  readonly hash: HashMode;
}

/** Verifies one layer after the other. */
export interface Engine {
  verifyLayer(source: LayerSource, options: VerifyOptions): Promise<LayerReport>;
  /** Ends its threads; resolves when they have ended. */
  close(): Promise<void>;
}

/** Bytes of a blob from which on measuring hashes and starting threads may pay. A pipe may bring more. */
const LARGE = 8 * 2 ** 20;

export function realEngine({ jobs, hash }: EngineSettings): Engine {
  let measured: Promise<ChosenHashes> | null = null;
  let pool: Promise<WorkerPool> | null = null;
  const choose = async () => (await import("../digest/choose.ts")).chooseHashes(hash);
  const start = async (hashes: ChosenHashes) => {
    const { workerPool } = await import("../workers/node.ts");
    return workerPool({ ...(jobs !== null && { jobs }), hashes });
  };
  return {
    async verifyLayer(source, options) {
      const large = source.size === null || source.size >= LARGE;
      if (!large && hash === "auto") return await verifyLayer(source, { ...options, hashes: nativeHashes });
      const hashes = await (measured ??= choose());
      if (!large || jobs === 1) return await verifyLayer(source, { ...options, hashes });
      const workers = await (pool ??= start(hashes));
      return await verifyLayer(source, { ...options, hashes, workers });
    },
    async close() {
      await (await pool)?.close();
    },
  };
}

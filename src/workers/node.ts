/**
 * Workers of Deno and Node (`node:worker_threads`, which both have).
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { ChosenHashes } from "../digest/choose.ts";
import { WorkerPool } from "./pool.ts";
import type { WorkerPort } from "./port.ts";

/** The worker's own file: beside this one, as TypeScript in the sources and as JavaScript in the package. */
const FILE = new URL(
  import.meta.url.endsWith(".ts") ? "./node-worker.ts" : "./node-worker.js",
  import.meta.url,
);

/** Compressed bytes from which on starting workers pays. */
const MINIMUM = 8 * 2 ** 20;
/** Shorter tasks cost more in messages than they gain. */
const TASK_SIZE = 512 * 1024;

export interface WorkerPoolOptions {
  /** Threads in all, the calling one included; one for each core by default. */
  readonly jobs?: number;
  /** How the threads hash: what `chooseHashes` has chosen, or the platform's functions by default. */
  readonly hashes?: Pick<ChosenHashes, "long" | "laneLimit">;
}

/** How long a worker may take to end. */
const PATIENCE_MS = 5000;

const NATIVE = { long: "native", laneLimit: 0 } as const;

/** Workers for `verifyLayer`. They are started by the first layer that is worth it; close the pool when done. */
export function workerPool(
  { jobs = availableParallelism(), hashes: { long, laneLimit } = NATIVE }: WorkerPoolOptions = {},
): WorkerPool {
  const hasher = jobs > 2;
  const decoders = hasher ? jobs - 2 : jobs - 1;
  const plan = { decoders, hasher, minimum: MINIMUM, taskSize: TASK_SIZE };
  return new WorkerPool(() => spawn({ long, laneLimit }), plan);
}

/** Starts a worker. @throws where Deno may not read its files */
export function spawn(hashes: Pick<ChosenHashes, "long" | "laneLimit"> = NATIVE): WorkerPort {
  requirePermission();
  // Flags of the program are not the worker's: with `--eval` and `--input-type` it would not start.
  const worker = new Worker(FILE, { workerData: hashes, execArgv: [] });
  return {
    post: (message) => worker.postMessage(message),
    listen(onMessage, onDeath) {
      worker.on("message", onMessage);
      worker.on("error", (error) => onDeath(error.message));
      worker.on("messageerror", (error) => onDeath(error.message));
      worker.on("exit", (code) => onDeath(`exit status ${code}`));
    },
    hold: (alive) => alive ? worker.ref() : worker.unref(),
    async close() {
      const ended = new Promise((resolve) => worker.once("exit", resolve));
      worker.ref();
      worker.postMessage({ kind: "close" });
      const patience = setTimeout(() => void worker.terminate(), PATIENCE_MS);
      await ended;
      clearTimeout(patience);
    },
    terminate: () => void worker.terminate(),
  };
}

interface DenoPermissions {
  readonly permissions: {
    querySync(descriptor: { name: "read"; path: URL }): { readonly state: string };
  };
}

/** Everything that a worker loads lies below. */
const FOLDER = new URL("../", FILE);

/** Deno reads a worker's files as if the program did, and would ask the person at the terminal for permission. */
function requirePermission(): void {
  const { Deno } = globalThis as { Deno?: DenoPermissions };
  if (!Deno || FOLDER.protocol !== "file:") return;
  if (Deno.permissions.querySync({ name: "read", path: FOLDER }).state === "granted") return;
  throw new Error(`no permission to read ${FOLDER}`);
}

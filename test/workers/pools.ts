/** Worker pools for tests: real threads, with tasks so short that small layers are split. */
import { spawn } from "../../src/workers/node.ts";
import { type PoolPlan, WorkerPool } from "../../src/workers/pool.ts";
import type { Spawn, WorkerPort } from "../../src/workers/port.ts";

/** Every layer is worth it, and a task of 1 KiB is long. */
export const EAGER = { minimum: 0, taskSize: 1024 } as const;

export const PLANS: readonly (readonly [string, PoolPlan])[] = [
  ["one decoder", { ...EAGER, decoders: 1, hasher: false }],
  ["one decoder and a hasher", { ...EAGER, decoders: 1, hasher: true }],
  ["three decoders and a hasher", { ...EAGER, decoders: 3, hasher: true }],
];

export function eagerPool(plan: Partial<PoolPlan> = {}, start: Spawn = spawn): WorkerPool {
  return new WorkerPool(start, { ...EAGER, decoders: 2, hasher: true, ...plan });
}

/**
 * Starts workers that die when they have been sent so many messages: as far as this side can tell. They are not killed,
 * which V8 does not always survive.
 * @param end makes another end of it than to be gone
 */
export function mortal(messages: number, end?: (port: WorkerPort) => void): Spawn {
  return () => {
    const port = spawn();
    let left = messages;
    let gone = false;
    let onDeath: (reason: string) => void = () => {};
    return {
      ...port,
      post(message) {
        if (left-- !== 0) {
          if (!gone) port.post(message);
          return;
        }
        if (end) return end(port);
        gone = true;
        onDeath("exit status 1");
      },
      listen(onMessage, death) {
        onDeath = death;
        port.listen((message) => gone || onMessage(message), death);
      },
      terminate: () => void port.close(),
    };
  };
}

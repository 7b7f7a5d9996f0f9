/**
 * Time as the registry client sees it: tests put in one that does not pass by itself.
 *
 * @module
 */

export interface Clock {
  /** Milliseconds since any fixed moment. */
  now(): number;
  /** Runs `run` in `ms` milliseconds; the result takes that back. `why` lets tests tell the timers apart. */
  after(ms: number, run: () => void, why: "back-off" | "time limit"): () => void;
  /** At least 0 and below 1. */
  random(): number;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: Math.random,
};

/** Waits, unless `signal` ends it. @throws the signal's reason */
export function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => {
      cancel();
      reject(signal.reason);
    };
    const cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, "back-off");
    signal.addEventListener("abort", abort, { once: true });
  });
}

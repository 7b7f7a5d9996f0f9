/**
 * Trying again: exponential back-off with jitter, what the server asks for, and an end.
 *
 * @module
 */
import { type Clock, pause } from "./clock.ts";
import { Transient } from "./failure.ts";

export interface RetryPolicy {
  /** Attempts altogether. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; each further one waits twice as long. */
  readonly firstDelay: number;
  readonly longestDelay: number;
  /** Milliseconds for all attempts together, counted from the first one. */
  readonly total: number;
}

export const DEFAULT_RETRIES: RetryPolicy = {
  attempts: 6,
  firstDelay: 500,
  longestDelay: 30_000,
  total: 5 * 60_000,
};

/** Counts the attempts of one piece of work. */
export class Attempts {
  readonly #policy: RetryPolicy;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  #failures = 0;
  #since: number;

  constructor(policy: RetryPolicy, clock: Clock, signal: AbortSignal) {
    this.#policy = policy;
    this.#clock = clock;
    this.#signal = signal;
    this.#since = clock.now();
  }

  /** The work came on: what failed before does not count any more. */
  progress(): void {
    this.#failures = 0;
    this.#since = this.#clock.now();
  }

  /**
   * Waits before the next attempt.
   * @throws `error` itself if it is final, or there is no time and no attempt left
   */
  async after(error: unknown): Promise<void> {
    this.#signal.throwIfAborted();
    if (!(error instanceof Transient)) throw error;
    const { attempts, firstDelay, longestDelay, total } = this.#policy;
    this.#failures++;
    if (this.#failures >= attempts) throw error;
    const backOff = Math.min(longestDelay, firstDelay * 2 ** (this.#failures - 1));
    // Between half of it and all of it: many clients that failed together do not come back together.
    const jittered = backOff * (0.5 + 0.5 * this.#clock.random());
    const delay = Math.max(jittered, error.retryAfter ?? 0);
    if (this.#clock.now() + delay - this.#since > total) throw error;
    await pause(delay, this.#clock, this.#signal);
  }

  /** Runs `work` until it succeeds or fails for good. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    while (true) {
      try {
        return await work();
      } catch (error) {
        await this.after(error);
      }
    }
  }
}

/** Milliseconds of a `Retry-After` header (RFC 9110, 10.2.3): seconds, or a date. */
export function parseRetryAfter(value: string | null, today: number = Date.now()): number | null {
  if (value === null) return null;
  if (/^\d{1,9}$/.test(value.trim())) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? null : Math.max(0, date - today);
}

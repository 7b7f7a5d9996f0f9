/** Time that passes only when somebody waits: back-off takes none, time limits fire when the test says so. */
import type { Clock } from "../../../src/registry/clock.ts";

export class FakeClock implements Clock {
  /** What was waited for before another attempt, in milliseconds. */
  readonly waits: number[] = [];
  /** Given out by `random`. */
  chance = 1;
  #now = 0;
  readonly #limits = new Map<symbol, { readonly ms: number; readonly run: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void, why: "back-off" | "time limit"): () => void {
    if (why === "back-off") {
      this.waits.push(ms);
      this.#now += ms;
      queueMicrotask(run);
      return () => {};
    }
    const id = Symbol();
    this.#limits.set(id, { ms, run });
    return () => this.#limits.delete(id);
  }

  random(): number {
    return this.chance;
  }

  pass(ms: number): void {
    this.#now += ms;
  }

  /** All time limits that are running have passed. */
  expire(): void {
    for (const [id, { ms, run }] of [...this.#limits]) {
      this.#limits.delete(id);
      this.#now += ms;
      run();
    }
  }
}

/**
 * Wakes up who waits for messages.
 *
 * @module
 */

/**
 * One waits, others notify. A notification that comes while nobody waits ends the next wait at once: Deno hands out
 * messages between any two steps of an asynchronous function, also between looking for them and waiting.
 */
export class Signal {
  #pending = false;
  #wake: (() => void) | null = null;

  notify(): void {
    this.#pending = true;
    this.#wake?.();
    this.#wake = null;
  }

  /** Resolves when there was a notification since the last call resolved. */
  async wait(): Promise<void> {
    if (!this.#pending) await new Promise<void>((resolve) => this.#wake = resolve);
    this.#pending = false;
  }
}

/**
 * Memory that work may have at a time: who wants more than is left waits for those who came before.
 *
 * @module
 */
export class Budget {
  readonly #limit: number;
  #taken = 0;
  readonly #waiting: { readonly cost: number; readonly start: () => void }[] = [];

  /** @param limit bytes; one alone may have more */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when there is room; in the order of the calls. `give` must follow. */
  take(cost: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(cost)) {
      this.#taken += cost;
      return Promise.resolve();
    }
    return new Promise((start) => this.#waiting.push({ cost, start }));
  }

  give(cost: number): void {
    this.#taken -= cost;
    for (let next = this.#waiting[0]; next && this.#fits(next.cost); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#taken += next.cost;
      next.start();
    }
  }

  #fits(cost: number): boolean {
    return this.#taken === 0 || this.#taken + cost <= this.#limit;
  }
}

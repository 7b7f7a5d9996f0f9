/**
 * Waiting that Ctrl-C ends.
 *
 * @module
 */

/** `work`, or the reason of the abort as soon as it comes: a pipe that delivers nothing must not hold Ctrl-C up. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/**
 * The seam to threads: what the pipeline needs of a worker, whatever the platform calls it.
 *
 * @module
 */

/** A worker that runs `serve` (`serve.ts`) on its side. */
export interface WorkerPort {
  /** Sends a message of numbers, strings, plain objects and SharedArrayBuffers: never a typed array, see `ring.ts`. */
  post(message: unknown): void;
  /** Sets who gets the messages; and who is told, once, that the worker has died, with the reason. */
  listen(onMessage: (message: unknown) => void, onDeath: (reason: string) => void): void;
  /** Whether the worker keeps the process alive: only while something waits for it. */
  hold(alive: boolean): void;
  /** Ends the worker when it has done what it was asked before; resolves when it has ended. */
  close(): Promise<void>;
  /**
   * Ends the worker, whatever it is doing. For the worst case only: V8 (13.6, in Node 24) was seen to abort the whole
   * process when threads were ended in the middle of WebAssembly, once in some thousand times.
   */
  terminate(): void;
}

/** Starts a worker. @throws where the platform does not let it */
export type Spawn = () => WorkerPort;

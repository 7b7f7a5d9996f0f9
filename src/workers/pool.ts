/**
 * Workers that are started when they are first needed, and kept for the next blob.
 *
 * @module
 */
import type { CodecEvents } from "../codec/events.ts";
import type { DigestQueue } from "../digest/queue.ts";
import type { HashPlace } from "../kernel/staging.ts";
import { ParallelDecoder, type ParallelOptions } from "./parallel-decoder.ts";
import type { Spawn, WorkerPort } from "./port.ts";
import { HashThread } from "./remote-queue.ts";
import { Thread } from "./thread.ts";

/** How the work is shared. */
export interface PoolPlan {
  /** Workers that decompress. */
  readonly decoders: number;
  /** Whether another one hashes; else the calling thread does. */
  readonly hasher: boolean;
  /** Compressed bytes from which on a blob is worth it. */
  readonly minimum: number;
  /** Compressed bytes that a decoder is given at least, where there are several. */
  readonly taskSize: number;
}

/** Decoder and digests of one blob. Close it: it holds the workers until then. */
export interface Pipeline {
  readonly decoder: ParallelDecoder;
  /** null: the calling thread hashes */
  readonly queue: DigestQueue | null;
  /** Where kernels find the output as it lies. */
  readonly places: readonly HashPlace[];
  close(): void;
}

/**
 * What the decoder hashes when it shares all work with one other thread: so that both have the same. Of a 650 MB layer,
 * inflating takes 1.2 s, zstd 0.8 to 1.2, the CRC 0.2; the digest of the blob 0.2, of the output 0.5; chunks and files 0.7,
 * all that is known of entries 0.7, what there is of a tar-split 0.5 (which only zstd layers have).
 */
const SHARE = { gzip: "input", zstd: "output" } as const;

export class WorkerPool {
  readonly plan: PoolPlan;
  readonly #spawn: Spawn;
  #threads: Thread[] = [];
  #hasher: HashThread | null = null;
  #maySpawn = true;

  constructor(spawn: Spawn, plan: PoolPlan) {
    this.#spawn = spawn;
    this.plan = plan;
  }

  /** Starts all workers that do not run yet, so that they are up when `pipeline` asks for them. */
  start(): void {
    this.#threads = this.#threads.filter(({ state }) => state !== "dead");
    if (this.#hasher?.state === "dead") this.#hasher = null;
    while (this.#threads.length < this.plan.decoders) {
      const port = this.#spawnOne();
      if (!port) return;
      this.#threads.push(new Thread(port));
    }
    if (!this.plan.hasher || this.#hasher) return;
    const port = this.#spawnOne();
    if (port) this.#hasher = new HashThread(port);
  }

  /**
   * Starts on a blob with the workers that are idle.
   * @param lanes of the queue of digests
   * @returns null where no worker is to be had: then the calling thread must do the work
   */
  async pipeline(
    events: CodecEvents,
    lanes: number,
    options: Pick<ParallelOptions, "container" | "zstdWindow">,
  ): Promise<Pipeline | null> {
    this.start();
    const threads = this.#threads.filter(({ state }) => state === "idle");
    const hasher = this.#hasher?.state === "idle" ? this.#hasher : null;
    if (threads.length === 0) return null;
    // Theirs from now on, whoever asks while they start.
    const workers = [...threads, ...hasher ? [hasher] : []];
    for (const worker of workers) worker.reserve();
    const closeWorkers = () => workers.forEach((worker) => void worker.close());
    try {
      await Promise.all(threads.map(({ ready }) => ready));
    } catch {
      // They cannot even start: no shared memory, or no file to run. It will not be otherwise the next time.
      this.#maySpawn = false;
      closeWorkers();
      return null;
    }
    const { taskSize } = this.plan;
    const digest = threads.length > 1
      ? null
      : hasher
      ? "input"
      : SHARE[options.container === "zstd" ? "zstd" : "gzip"];
    const decoder = new ParallelDecoder(events, threads, { ...options, taskSize, digest });
    const rings = threads.map(({ ring }) => ring);
    const queue = hasher?.queue(lanes, rings, (error) => decoder.died(error)) ?? null;
    return {
      decoder,
      queue,
      places: rings.flatMap(({ place }) => place ?? []),
      close() {
        decoder.close();
        queue?.close();
        // One that died has left memory that the others would wait for.
        if (decoder.failed) closeWorkers();
      },
    };
  }

  /** Ends all workers; resolves when they have ended. Layers that they still worked for are not proved. */
  async close(): Promise<void> {
    const all = [...this.#threads, ...this.#hasher ? [this.#hasher] : []];
    this.#threads = [];
    this.#hasher = null;
    await Promise.all(all.map((worker) => worker.close()));
  }

  #spawnOne(): WorkerPort | null {
    if (!this.#maySpawn) return null;
    try {
      return this.#spawn();
    } catch {
      // No permission, no shared memory: it will not be otherwise the next time.
      this.#maySpawn = false;
      return null;
    }
  }
}

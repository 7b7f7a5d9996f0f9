/**
 * The first half of a pass: what the blob is, its digest, and who decodes it. Everything else is told to the second half
 * as codec events.
 *
 * @module
 */
import { type Container, DETECT_BYTES, detectContainer } from "../codec/detect.ts";
import type { BlobDecoder, CodecEvents } from "../codec/events.ts";
import { decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend, Hasher } from "../digest/hasher.ts";
import { type DigestQueue, LocalQueue } from "../digest/queue.ts";
import { LayerproofError, WorkerFailed } from "../errors.ts";
import type { HashPlace } from "../kernel/staging.ts";
import type { ParallelDecoder } from "../workers/parallel-decoder.ts";
import type { Pipeline, WorkerPool } from "../workers/pool.ts";
import type { Limits } from "./options.ts";

export interface FeedOptions {
  readonly limits: Limits;
  readonly hashes: HashBackend;
  /** Size of the blob in bytes, or null for a pipe. */
  readonly size: number | null;
  readonly workers?: WorkerPool | undefined;
  /** Lanes of the queue that is made for the target. */
  readonly lanes: number;
}

/** Takes what is decoded. */
export interface FeedTarget extends CodecEvents {
  /**
   * Called once, before any event.
   * @param queue for what is to be hashed of the output
   * @param outputDigest whether the digest of all output comes with the end, so that the target need not hash it
   * @param places where kernels find the output as it lies; it may lie elsewhere
   */
  begin(
    container: Container,
    queue: DigestQueue,
    outputDigest: boolean,
    places: readonly HashPlace[],
  ): Promise<void>;
}

/** What is known when the blob has gone by. */
export interface FedBlob {
  readonly container: Container;
  readonly size: number;
  /** SHA-256 in lower-case hex. */
  readonly digest: string;
  /** The same of all output, where the target was promised it, and unless there is an error. */
  readonly outputDigest: string | null;
  /** Why it could not be decoded to its end, or null. */
  readonly error: LayerproofError | null;
}

/**
 * Whether other threads are to have a share in the work on a blob of `size` bytes. Not with a limit for the ratio: they
 * run ahead, so that it would depend on them how much has been read when much comes out.
 */
export function isShared(
  container: Container,
  size: number,
  { workers, limits }: { readonly workers?: WorkerPool | undefined; readonly limits: Limits },
): boolean {
  const decoded = container === "gzip" || container === "zstd";
  return decoded && workers !== undefined && limits.ratio === null && size >= workers.plan.minimum;
}

/** Compressed bytes between two times that a target is asked whether it is ready: 1 KiB of zstd can become 32 MiB. */
const STEP = 1024;

export class BlobFeed {
  readonly #target: FeedTarget;
  readonly #hash: Hasher;
  readonly #options: FeedOptions;
  /** Copies of the first pieces, until the decoder starts. */
  #head: Uint8Array[] | null = [];
  #container: Container = "empty";
  #pipeline: Pipeline | null = null;
  #decoder: BlobDecoder | null = null;
  /** The decoder, where its thread hashes the blob as well. */
  #hashing: ParallelDecoder | null = null;
  #size = 0;
  #error: LayerproofError | null = null;

  /** @param hash for the blob, where no other thread hashes it */
  constructor(target: FeedTarget, hash: Hasher, options: FeedOptions) {
    this.#target = target;
    this.#hash = hash;
    this.#options = options;
  }

  /** Bytes of the blob so far. */
  get size(): number {
    return this.#size;
  }

  /** Whether views that the target is given last until `dataEnd`. */
  get dataLasts(): boolean {
    return this.#decoder?.dataLasts ?? false;
  }

  /**
   * Takes the next bytes of the blob; to be awaited before the next call. What is wrong with the blob ends the decoding,
   * not the hashing, and is told by `end`.
   * @throws {WorkerFailed}, and what the target throws that is no `LayerproofError`
   */
  async push(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#head) await this.#gather(bytes);
    else if (bytes.length > 0) await this.#take(bytes);
  }

  /** Tells that there are no more bytes. Throws as `push`. */
  async end(): Promise<FedBlob> {
    if (this.#head) await this.#start();
    await this.#decode(() => this.#decoder!.end());
    if (this.#hashing && this.#error) await this.#hashing.end();
    return {
      container: this.#container,
      size: this.#size,
      digest: this.#hashing ? this.#hashing.digest! : this.#hash.finish(),
      outputDigest: this.#outputDigest(),
      error: this.#error,
    };
  }

  #outputDigest(): string | null {
    const decoder = this.#pipeline?.decoder;
    return decoder?.hashes === "output" && !this.#error ? decoder.digest : null;
  }

  /** Gives workers back; at any time. */
  close(): void {
    this.#pipeline?.close();
    this.#pipeline = null;
  }

  /** Gathers as much as it takes to know what the blob is, and whether it is worth other threads. */
  async #gather(bytes: Uint8Array): Promise<void> {
    this.#head!.push(bytes.slice());
    const { size, workers } = this.#options;
    // From a pipe nobody knows whether there will be enough for other threads.
    const mayShare = size === null && isShared("gzip", Number.POSITIVE_INFINITY, this.#options);
    const needed = mayShare ? Math.max(workers!.plan.minimum, DETECT_BYTES) : DETECT_BYTES;
    if (this.#size >= needed) await this.#start();
  }

  async #start(): Promise<void> {
    const head = this.#head!;
    this.#head = null;
    this.#container = detectContainer(firstBytes(head, DETECT_BYTES));
    this.#pipeline = await this.#share();
    const share = this.#pipeline?.decoder.hashes ?? null;
    this.#hashing = share === "input" ? this.#pipeline!.decoder : null;
    const { hashes, lanes } = this.#options;
    const queue = this.#pipeline?.queue ?? await LocalQueue.create(hashes, lanes);
    const places = this.#pipeline?.places ?? [];
    await this.#target.begin(this.#container, queue, share === "output", places);
    await this.#decode(async () => {
      this.#decoder = this.#pipeline?.decoder ?? await this.#ownDecoder();
    });
    for (const bytes of head) await this.#take(bytes);
  }

  async #share(): Promise<Pipeline | null> {
    const { workers, size, lanes, limits: { zstdWindow } } = this.#options;
    const container = this.#container;
    if (!isShared(container, size ?? this.#size, this.#options)) return null;
    return await workers!.pipeline(this.#target, lanes, { container, zstdWindow });
  }

  async #ownDecoder(): Promise<BlobDecoder> {
    const { hashes, limits: { zstdWindow } } = this.#options;
    const tools = await loadTools(this.#container, hashes);
    return decoderFor(this.#container, this.#target, tools, { zstdWindow });
  }

  async #take(bytes: Uint8Array): Promise<void> {
    if (!this.#hashing) this.#hash.update(bytes);
    const before = this.#hashing?.taken ?? 0;
    await this.#decode(() => this.#push(bytes));
    // A blob that cannot be decoded is still hashed to its end.
    if (this.#hashing && this.#error) {
      await this.#hashing.push(bytes.subarray(this.#hashing.taken - before));
    }
  }

  async #push(bytes: Uint8Array): Promise<void> {
    const target = this.#target;
    if (this.#pipeline || !target.ready) return await this.#decoder!.push(bytes);
    for (let at = 0; at < bytes.length; at += STEP) {
      await this.#decoder!.push(bytes.subarray(at, at + STEP));
      await target.ready();
    }
  }

  async #decode(step: () => void | Promise<void>): Promise<void> {
    if (this.#error) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof LayerproofError) || error instanceof WorkerFailed) throw error;
      this.#error = error;
      this.#pipeline?.decoder.abandon();
    }
  }
}

/** The first `length` bytes of some pieces, or all there are. */
function firstBytes(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes: number[] = [];
  for (const piece of pieces) {
    if (bytes.length >= length) break;
    bytes.push(...piece.subarray(0, length - bytes.length));
  }
  return Uint8Array.from(bytes);
}

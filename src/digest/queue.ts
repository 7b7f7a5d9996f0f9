/**
 * SHA-256 of many messages, some streamed, some whole, with results that come in order but maybe later: so that other
 * threads can do the work, and short messages are hashed many at a time.
 *
 * @module
 */
import type { BatchHasher, HashBackend, Hasher } from "./hasher.ts";

/** A digest has come: lower-case hex. */
export type OnDigest = (hex: string) => void;

/** One stream of messages. Messages of different lanes may be under way at the same time. */
export interface DigestLane {
  /** Bytes that stay as they are until the queue's next `flush`. */
  update(bytes: Uint8Array): void;
  /** Ends the message; its digest comes during this or a later call of the queue's methods. */
  finish(then: OnDigest): void;
}

/** Digests come in the order in which messages were finished, whatever their lane. */
export interface DigestQueue {
  lane(index: number): DigestLane;
  /** Calls `then` when all messages that were finished before have their digest. */
  after(then: () => void): void;
  /** The bytes given since the last call may be overwritten afterwards. */
  flush(): void;
  /** Hands out digests that have come; resolves when all have. @throws {WorkerFailed} */
  settle(): Promise<void>;
}

/** A message that is still to be hashed, or what has been hashed behind such a one. */
interface Waiting {
  readonly message: Uint8Array | null;
  readonly hex: string;
  readonly then: OnDigest;
}

/** A queue whose work is done by the calling thread. */
export class LocalQueue implements DigestQueue {
  readonly #lanes: readonly LocalLane[];
  readonly #batch: BatchHasher;
  /** Whole messages that wait for the others of their batch, and digests that wait for them. */
  #waiting: Waiting[] = [];

  private constructor(hashers: readonly Hasher[], batch: BatchHasher) {
    this.#batch = batch;
    const wait = (message: Uint8Array | null, hex: string, then: OnDigest) => this.#wait(message, hex, then);
    this.#lanes = hashers.map((hasher) => new LocalLane(hasher, wait));
  }

  static async create(hashes: Pick<HashBackend, "sha256" | "batch">, lanes: number): Promise<LocalQueue> {
    const hashers = await Promise.all(Array.from({ length: lanes }, () => hashes.sha256()));
    return new LocalQueue(hashers, await hashes.batch());
  }

  lane(index: number): DigestLane {
    return this.#lanes[index]!;
  }

  after(then: () => void): void {
    this.#wait(null, "", then);
  }

  flush(): void {
    for (const lane of this.#lanes) lane.flush();
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    const messages: Uint8Array[] = [];
    for (const { message } of waiting) if (message) messages.push(message);
    const digests = this.#batch.digestAll(messages);
    let next = 0;
    for (const { message, hex, then } of waiting) then(message ? digests[next++]! : hex);
  }

  settle(): Promise<void> {
    this.flush();
    return Promise.resolve();
  }

  #wait(message: Uint8Array | null, hex: string, then: OnDigest): void {
    if (!message && this.#waiting.length === 0) then(hex);
    else this.#waiting.push({ message, hex, then });
  }
}

/** Gathers pieces that lie behind one another in memory. */
export function joined(a: Uint8Array, b: Uint8Array): Uint8Array | null {
  if (a.buffer !== b.buffer || a.byteOffset + a.length !== b.byteOffset) return null;
  return new Uint8Array(a.buffer, a.byteOffset, a.length + b.length);
}

class LocalLane implements DigestLane {
  readonly #hasher: Hasher;
  readonly #wait: (message: Uint8Array | null, hex: string, then: OnDigest) => void;
  /** What has come and was not hashed yet: one piece. */
  #piece: Uint8Array | null = null;
  /** Whether something of the message was hashed. */
  #streaming = false;

  constructor(hasher: Hasher, wait: (message: Uint8Array | null, hex: string, then: OnDigest) => void) {
    this.#hasher = hasher;
    this.#wait = wait;
  }

  update(bytes: Uint8Array): void {
    const longer = this.#piece && joined(this.#piece, bytes);
    if (this.#piece && !longer) this.flush();
    this.#piece = longer ?? bytes;
  }

  finish(then: OnDigest): void {
    if (this.#piece && !this.#streaming) {
      const message = this.#piece;
      this.#piece = null;
      this.#wait(message, "", then);
      return;
    }
    this.flush();
    this.#streaming = false;
    this.#wait(null, this.#hasher.finish(), then);
  }

  /** Hashes what was only kept so far. */
  flush(): void {
    if (!this.#piece) return;
    this.#hasher.update(this.#piece);
    this.#piece = null;
    this.#streaming = true;
  }
}

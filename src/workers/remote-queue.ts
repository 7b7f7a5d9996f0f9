/**
 * Digests by another thread, of bytes that lie in the rings of decoding threads.
 *
 * @module
 */
import { type DigestLane, type DigestQueue, LocalQueue, type OnDigest } from "../digest/queue.ts";
import type { HashBackend } from "../digest/hasher.ts";
import type { WorkerFailed } from "../errors.ts";
import { Link } from "./link.ts";
import type { Reply, Request } from "./messages.ts";
import type { WorkerPort } from "./port.ts";
import { Ring } from "./ring.ts";
import { Signal } from "./signal.ts";

/** In the list of work, in place of an address: the message ends. */
const FINISH = -1;

/** Digests in one message: a slot can hold as many chunks as it has bytes. */
const MOST_DIGESTS = 4096;

/** A hashing worker. */
export class HashThread {
  readonly #link: Link;

  constructor(port: WorkerPort) {
    this.#link = new Link(port);
  }

  get state(): Link["state"] {
    return this.#link.state;
  }

  /** Is somebody's who does not listen yet. */
  reserve(): void {
    this.#link.attach({ reply() {}, died() {} });
  }

  /**
   * A new queue; its owner has the thread until it closes the queue.
   * @param onDeath is told when the thread dies: what it held of the rings is never released
   */
  queue(lanes: number, rings: readonly Ring[], onDeath: (error: WorkerFailed) => void): RemoteQueue {
    return new RemoteQueue(this.#link, lanes, rings, onDeath);
  }

  /** Ends the worker; resolves when it has ended. */
  close(): Promise<void> {
    return this.#link.close();
  }
}

let queues = 0;

export class RemoteQueue implements DigestQueue {
  readonly #link: Link;
  readonly #lanes: readonly DigestLane[];
  readonly #rings: ReadonlyMap<ArrayBufferLike, { readonly ring: Ring; readonly index: number }>;
  readonly #number = queues++;
  /** Four numbers each: lane, address in the buffer of a ring, length, index of the ring. */
  #work: number[] = [];
  /** Slots that `#work` speaks of, each held by us: ring and slot. */
  #held: [number, number][] = [];
  /** What is to be called next, with a digest or without. */
  #expected: { readonly then: OnDigest; readonly digest: boolean }[] = [];
  #digests: string[] = [];
  #failure: WorkerFailed | null = null;
  readonly #signal = new Signal();

  constructor(
    link: Link,
    lanes: number,
    rings: readonly Ring[],
    onDeath: (error: WorkerFailed) => void,
  ) {
    this.#link = link;
    this.#rings = new Map(rings.map((ring, index) => [ring.buffer, { ring, index }]));
    this.#lanes = Array.from({ length: lanes }, (_, lane) => ({
      update: (bytes: Uint8Array) => this.#update(lane, bytes),
      finish: (then: OnDigest) => {
        this.#work.push(lane, FINISH, 0, 0);
        this.#expected.push({ then, digest: true });
      },
    }));
    link.attach({
      reply: (reply) => {
        if (reply.kind !== "digests" || reply.queue !== this.#number) return;
        for (const digest of reply.digests) this.#digests.push(digest);
        this.#signal.notify();
      },
      died: (error) => {
        this.#failure = error;
        this.#signal.notify();
        onDeath(error);
      },
    });
    link.post({ kind: "queue", queue: this.#number, lanes, rings: rings.map(({ buffer }) => buffer) });
  }

  lane(index: number): DigestLane {
    return this.#lanes[index]!;
  }

  after(then: () => void): void {
    if (this.#expected.length === 0) then();
    else this.#expected.push({ then, digest: false });
  }

  flush(): void {
    this.#send();
    this.#handOut();
  }

  async settle(): Promise<void> {
    this.#send();
    while (true) {
      this.#handOut();
      if (this.#failure) throw this.#failure;
      if (this.#expected.length === 0) return;
      await this.#signal.wait();
    }
  }

  /** Gives the thread back. */
  close(): void {
    this.#send();
    this.#link.detach();
  }

  #update(lane: number, bytes: Uint8Array): void {
    const { ring, index } = this.#rings.get(bytes.buffer)!;
    const slot = ring.slotOf(bytes);
    const last = this.#held.at(-1);
    if (!last || last[0] !== index || last[1] !== slot) {
      ring.retain(slot);
      this.#held.push([index, slot]);
    }
    this.#work.push(lane, bytes.byteOffset, bytes.length, index);
  }

  #send(): void {
    if (this.#work.length === 0) return;
    this.#link.post({ kind: "hash", queue: this.#number, work: this.#work, held: this.#held });
    this.#work = [];
    this.#held = [];
  }

  #handOut(): void {
    let used = 0;
    let done = 0;
    for (const { then, digest } of this.#expected) {
      if (digest && used === this.#digests.length) break;
      done++;
      then(digest ? this.#digests[used++]! : "");
    }
    this.#digests.splice(0, used);
    this.#expected.splice(0, done);
  }
}

/** The worker's side of queues. */
export class HashService {
  readonly #hashes: HashBackend;
  readonly #reply: (reply: Reply) => void;
  #queue: LocalQueue | null = null;
  #rings: readonly Ring[] = [];
  #bytes: readonly Uint8Array[] = [];

  constructor(hashes: HashBackend, reply: (reply: Reply) => void) {
    this.#hashes = hashes;
    this.#reply = reply;
  }

  async begin({ lanes, rings }: Request & { kind: "queue" }): Promise<void> {
    this.#rings = rings.map((buffer) => new Ring(buffer));
    this.#bytes = rings.map((buffer) => new Uint8Array(buffer));
    this.#queue = await LocalQueue.create(this.#hashes, lanes);
  }

  hash({ queue, work, held }: Request & { kind: "hash" }): void {
    let digests: string[] = [];
    const keep: OnDigest = (hex) => {
      if (digests.push(hex) === MOST_DIGESTS) send();
    };
    const send = () => {
      this.#reply({ kind: "digests", queue, digests });
      digests = [];
    };
    for (let at = 0; at < work.length; at += 4) {
      const lane = this.#queue!.lane(work[at]!);
      const address = work[at + 1]!;
      if (address === FINISH) lane.finish(keep);
      else lane.update(this.#bytes[work[at + 3]!]!.subarray(address, address + work[at + 2]!));
    }
    this.#queue!.flush();
    for (const [ring, slot] of held) this.#rings[ring]!.release(slot);
    if (digests.length > 0) send();
  }
}

/**
 * This side of one decoding worker: sends it compressed bytes, hands on what it replies.
 *
 * @module
 */
import type { WorkerFailed } from "../errors.ts";
import { Link } from "./link.ts";
import type { Reply, Request } from "./messages.ts";
import type { WorkerPort } from "./port.ts";
import { INPUT_SIZE, INPUT_SLOTS, Ring } from "./ring.ts";

/** Gets the replies of decoding workers. */
export interface ThreadUser {
  reply(thread: Thread, reply: Reply): void;
  died(error: WorkerFailed): void;
}

export class Thread {
  /** Resolves when the worker is up. @throws {WorkerFailed} */
  readonly ready: Promise<void>;
  readonly #link: Link;
  #user: ThreadUser | null = null;
  #ring: Ring | null = null;
  readonly #freeInputs = Array.from({ length: INPUT_SLOTS }, (_, slot) => slot);

  constructor(port: WorkerPort) {
    let up: () => void, down: (error: WorkerFailed) => void;
    this.ready = new Promise((resolve, reject) => [up, down] = [resolve, reject]);
    // Whoever waits for it will know.
    this.ready.catch(() => {});
    this.#link = new Link(port, (reply) => {
      if (reply.kind === "taken") this.#freeInputs.push(reply.slot);
      else if (reply.kind === "ring") {
        this.#ring = new Ring(reply.buffer, reply.memory);
        up();
      } else if (reply.kind === "output" && !this.#user) this.ring.release(reply.slot);
    }, (error) => down(error));
    this.#link.post({ kind: "ring" });
  }

  /** There when the thread is ready. */
  get ring(): Ring {
    return this.#ring!;
  }

  get state(): Link["state"] {
    return this.#link.state;
  }

  /** Is somebody's who does not listen yet: what a user before has left is still given back. */
  reserve(): void {
    this.#link.attach({ reply() {}, died() {} });
  }

  /** Works for `user` from now on, who has to release what comes. */
  attach(user: ThreadUser): void {
    this.#user = user;
    this.#link.attach({
      reply: (reply) => user.reply(this, reply),
      died: (error) => user.died(error),
    });
  }

  /** Works for nobody. All tasks below `nextTask` are cancelled. */
  detach(nextTask: number): void {
    this.ring.cancel(nextTask, -1);
    this.#user = null;
    this.#link.detach();
  }

  start(request: Omit<Request & { kind: "start" }, "kind">): void {
    this.#ask({ kind: "start", ...request });
  }

  mark(task: number): void {
    this.#ask({ kind: "mark", task });
  }

  end(task: number): void {
    this.#ask({ kind: "end", task });
  }

  /** Sends as much of `bytes` as an input slot takes; 0 when none is free. */
  send(task: number, bytes: Uint8Array): number {
    const slot = this.#freeInputs.pop();
    if (slot === undefined) return 0;
    const length = Math.min(bytes.length, INPUT_SIZE);
    this.ring.input(slot).set(length === bytes.length ? bytes : bytes.subarray(0, length));
    this.#ask({ kind: "input", task, slot, length });
    return length;
  }

  /** Cancels all tasks and ends the worker; resolves when it has ended. */
  close(): Promise<void> {
    this.#ring?.cancelAll();
    return this.#link.close();
  }

  #ask(request: Request): void {
    this.ring.announce();
    this.#link.post(request);
  }
}

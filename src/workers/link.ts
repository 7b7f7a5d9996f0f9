/**
 * A worker as the thread that uses it sees it: one user at a time, and a typed error when it dies.
 *
 * @module
 */
import { WorkerFailed } from "../errors.ts";
import { messageOf } from "../source/source.ts";
import type { Reply, Request } from "./messages.ts";
import type { WorkerPort } from "./port.ts";

/** Gets a worker's replies while it works for one blob. */
export interface LinkUser {
  reply(reply: Reply): void;
  died(error: WorkerFailed): void;
}

export class Link {
  readonly #port: WorkerPort;
  readonly #onDeath: (error: WorkerFailed) => void;
  #user: LinkUser | null = null;
  #failure: WorkerFailed | null = null;

  /**
   * @param always gets every reply first, whoever the user is
   * @param onDeath is told of the worker's death, whoever the user is
   */
  constructor(
    port: WorkerPort,
    always: (reply: Reply) => void = () => {},
    onDeath: (error: WorkerFailed) => void = () => {},
  ) {
    this.#port = port;
    this.#onDeath = onDeath;
    port.listen(
      (message) => {
        try {
          const reply = message as Reply;
          if (reply.kind === "broken") return this.#die(reply.reason);
          always(reply);
          this.#user?.reply(reply);
        } catch (error) {
          // Nobody could catch it out here, where the platform calls.
          this.#die(messageOf(error));
        }
      },
      (reason) => this.#die(reason),
    );
    port.hold(false);
  }

  get state(): "dead" | "idle" | "busy" {
    return this.#failure ? "dead" : this.#user ? "busy" : "idle";
  }

  /** Works for `user` from now on, and keeps the process alive. A user who comes too late is told of the death, too. */
  attach(user: LinkUser): void {
    this.#user = user;
    this.#port.hold(true);
    const failure = this.#failure;
    if (failure) queueMicrotask(() => user.died(failure));
  }

  /** Works for nobody: replies that are still on their way are dropped. */
  detach(): void {
    this.#user = null;
    this.#port.hold(false);
  }

  post(request: Request): void {
    this.#port.post(request);
  }

  /** Ends the worker when it has done what it was asked, and tells its user; resolves when it has ended. */
  async close(): Promise<void> {
    if (this.#failure) return;
    this.#fail(new WorkerFailed("worker-ended", "The worker threads were ended while they were needed"));
    await this.#port.close();
  }

  #die(reason: string): void {
    if (this.#failure) return;
    this.#port.terminate();
    this.#fail(
      new WorkerFailed("worker-died", `A worker thread died: ${reason}`, {
        advice: "Nothing was proved. Try again with --jobs 1; if that works, memory may be short.",
      }),
    );
  }

  #fail(failure: WorkerFailed): void {
    this.#failure = failure;
    this.#onDeath(failure);
    this.#user?.died(failure);
  }
}

/**
 * A worker as the thread that uses it sees it: one user at a time, and a typed error when it dies.
 *
 * @module
 */
import { WorkerFailed } from "../errors.ts";
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
        const reply = message as Reply;
        if (reply.kind === "broken") return this.#die(reply.reason);
        always(reply);
        this.#user?.reply(reply);
      },
      (reason) => this.#die(reason),
    );
    port.hold(false);
  }

  get state(): "dead" | "idle" | "busy" {
    return this.#failure ? "dead" : this.#user ? "busy" : "idle";
  }

  /** Whether nobody gets the replies. */
  get isIdle(): boolean {
    return this.#user === null;
  }

  /** Works for `user` from now on, and keeps the process alive. */
  attach(user: LinkUser): void {
    this.#user = user;
    this.#port.hold(true);
  }

  /** Is somebody's who does not listen yet. */
  reserve(): void {
    this.attach({ reply() {}, died() {} });
  }

  /** Works for nobody: replies that are still on their way are dropped. */
  detach(): void {
    this.#user = null;
    this.#port.hold(false);
  }

  post(request: Request): void {
    this.#port.post(request);
  }

  /** Ends the worker when it has done what it was asked; resolves when it has ended. */
  async close(): Promise<void> {
    const dead = this.#failure !== null;
    this.#failure ??= new WorkerFailed("worker-ended", "The worker was ended");
    if (!dead) await this.#port.close();
  }

  #die(reason: string): void {
    if (this.#failure) return;
    this.#failure = new WorkerFailed("worker-died", `A worker thread died: ${reason}`, {
      advice: "Nothing was proved. Try again with --jobs 1; if that works, memory may be short.",
    });
    this.#port.terminate();
    this.#onDeath(this.#failure);
    this.#user?.died(this.#failure);
  }
}

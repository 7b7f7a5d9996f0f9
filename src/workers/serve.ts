/**
 * The worker's side: decodes what it is sent, into the memory that both sides share, or hashes what is there.
 *
 * @module
 */
import type { CodecEvents, SkippableStart, StreamDecoder, UnitEnd, UnitStart } from "../codec/events.ts";
import type { Container } from "../codec/detect.ts";
import { type CodecTools, decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { LayerproofError } from "../errors.ts";
import { messageOf } from "../source/source.ts";
import { EventWriter } from "./events.ts";
import { errorText, type Reply, type Request } from "./messages.ts";
import { HashService } from "./remote-queue.ts";
import { OUTPUT_SIZE, OUTPUT_SLOTS, Ring, TaskCancelled } from "./ring.ts";

/**
 * Answers requests until the worker ends.
 * @param hashes for the checksums of members and frames
 * @returns what to call with each request
 */
export function serve(
  hashes: Promise<HashBackend>,
  reply: (message: Reply) => void,
): (request: Request) => void {
  const service = hashes.then((backend) => new Service(backend, reply));
  // One after the other: loading the tools of a container is asynchronous.
  let last: Promise<void> = Promise.resolve();
  return (request) => {
    last = last.then(async () => (await service).handle(request)).catch((error) =>
      reply({ kind: "broken", reason: messageOf(error) })
    );
  };
}

class Service {
  readonly #hashes: HashBackend;
  readonly #reply: (message: Reply) => void;
  readonly #tools = new Map<Container, CodecTools>();
  #ring: Ring | null = null;
  #output: Output | null = null;
  #decoder: StreamDecoder | null = null;
  readonly #hash: HashService;

  constructor(hashes: HashBackend, reply: (message: Reply) => void) {
    this.#hashes = hashes;
    this.#reply = reply;
    this.#hash = new HashService(hashes, reply);
  }

  handle(request: Request): void | Promise<void> {
    if ("task" in request) this.#ring!.begin();
    switch (request.kind) {
      case "ring":
        this.#ring = new Ring(request.buffer);
        this.#output = new Output(this.#ring, this.#reply);
        return;
      case "start":
        return this.#start(request);
      case "input":
        if (!this.#ring!.isCancelled(request.task)) {
          this.#step(
            request.task,
            (decoder) => decoder.push(this.#ring!.input(request.slot).subarray(0, request.length)),
          );
        }
        return this.#reply({ kind: "taken", slot: request.slot });
      case "mark":
        return this.#step(request.task, ({ atBoundary }) => {
          this.#output!.flush();
          this.#reply({ kind: "marked", task: request.task, atBoundary });
        });
      case "queue":
        return this.#hash.begin(request);
      case "hash":
        return this.#hash.hash(request);
      case "end":
        return this.#step(request.task, (decoder) => {
          decoder.end();
          this.#output!.flush();
          this.#reply({ kind: "ended", task: request.task });
          this.#decoder = null;
        });
    }
  }

  async #start({ task, container, blobOffset, zstdWindow }: Request & { kind: "start" }): Promise<void> {
    let tools = this.#tools.get(container);
    if (!tools) {
      tools = await loadTools(container, this.#hashes);
      this.#tools.set(container, tools);
    }
    this.#output!.begin(task);
    this.#decoder = decoderFor(container, this.#output!, tools, { zstdWindow, blobOffset });
  }

  /** One step of a task that goes on; a task that failed or was cancelled takes no more steps. */
  #step(task: number, step: (decoder: StreamDecoder) => void): void {
    if (!this.#decoder || this.#output!.task !== task) return;
    try {
      step(this.#decoder);
      if (!this.#ring!.isAsked) this.#output!.flush();
    } catch (error) {
      this.#decoder = null;
      if (error instanceof TaskCancelled) return;
      if (!(error instanceof LayerproofError)) throw error;
      // What was decoded in front of the error counts, as it does when one thread does it all.
      this.#output!.flush();
      this.#reply({ kind: "wrong", task, error: errorText(error) });
    }
  }
}

/** Lays events and bytes down in output slots, one slot after the other. */
class Output implements CodecEvents {
  readonly #ring: Ring;
  readonly #reply: (message: Reply) => void;
  readonly #events = new EventWriter(new Float64Array(0));
  #task = -1;
  #slot = 0;
  #held = false;
  #filled = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(ring: Ring, reply: (message: Reply) => void) {
    this.#ring = ring;
    this.#reply = reply;
  }

  get task(): number {
    return this.#task;
  }

  begin(task: number): void {
    this.#task = task;
    // A slot that a cancelled task has half filled is filled anew.
    this.#restart();
  }

  /** Sends the slot, if there is anything in it. */
  flush(): void {
    if (this.#events.length === 0) return;
    this.#reply({
      kind: "output",
      task: this.#task,
      slot: this.#slot,
      bytes: this.#filled,
      numbers: this.#events.length,
    });
    this.#held = false;
    this.#slot = (this.#slot + 1) % OUTPUT_SLOTS;
    this.#restart();
  }

  #restart(): void {
    this.#filled = 0;
    this.#events.restart(this.#ring.events(this.#slot));
  }

  /** Makes room for one more event and, if possible, bytes. */
  #open(): void {
    if (this.#held && (!this.#events.hasRoom || this.#filled === OUTPUT_SIZE)) this.flush();
    if (this.#held) return;
    this.#ring.acquire(this.#slot, this.#task);
    this.#held = true;
    this.#bytes = this.#ring.output(this.#slot);
  }

  /** @param note tells the events of bytes in the slot */
  #copy(bytes: Uint8Array, note: (count: number) => void): void {
    for (let at = 0; at < bytes.length;) {
      this.#open();
      const count = Math.min(bytes.length - at, OUTPUT_SIZE - this.#filled);
      this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      note(count);
      at += count;
    }
  }

  readonly #noteData = (count: number): void => this.#events.data(count);
  readonly #noteSkippable = (count: number): void => this.#events.skippableData(count);

  data(bytes: Uint8Array): void {
    this.#copy(bytes, this.#noteData);
  }

  skippableData(bytes: Uint8Array): void {
    this.#copy(bytes, this.#noteSkippable);
  }

  unitStart(unit: UnitStart): void {
    this.#open();
    this.#events.unitStart(unit);
  }

  unitEnd(unit: UnitEnd): void {
    this.#open();
    this.#events.unitEnd(unit);
  }

  skippableStart(frame: SkippableStart): void {
    this.#open();
    this.#events.skippableStart(frame);
  }

  skippableEnd(): void {
    this.#open();
    this.#events.skippableEnd();
  }

  zeroPadding(blobOffset: number): void {
    this.#open();
    this.#events.zeroPadding(blobOffset);
  }
}

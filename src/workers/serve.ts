/**
 * The worker's side: decodes what it is sent, into the memory that both sides share, or hashes what is there.
 *
 * @module
 */
import type { CodecEvents, SkippableStart, StreamDecoder, UnitEnd, UnitStart } from "../codec/events.ts";
import type { Container } from "../codec/detect.ts";
import { type CodecTools, decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend, Hasher } from "../digest/hasher.ts";
import { LayerproofError } from "../errors.ts";
import type { OutputArea } from "../kernel/inflate.ts";
import { kernelsRun } from "../kernel/load.ts";
import { kernelMove, type Move } from "../kernel/move.ts";
import { messageOf } from "../source/source.ts";
import { EventWriter } from "./events.ts";
import { errorText, type Reply, type Request, type WantedDigest } from "./messages.ts";
import { HashService } from "./remote-queue.ts";
import { HISTORY_AT, OUTPUT_SIZE, OUTPUT_SLOTS, Ring, ringMemory, TaskCancelled } from "./ring.ts";

/**
 * Answers requests until the worker ends.
 * @param hashes for the checksums of members and frames
 * @param close ends the worker
 * @returns what to call with each request
 */
export function serve(
  hashes: Promise<HashBackend>,
  reply: (message: Reply) => void,
  close: () => void,
): (request: Request) => void {
  const service = hashes.then((backend) => new Service(backend, reply));
  // One after the other: loading the tools of a container is asynchronous.
  let last: Promise<void> = Promise.resolve();
  return (request) => {
    if (request.kind === "close") return void last.then(close);
    last = last.then(async () => (await service).handle(request)).catch((error) =>
      reply({ kind: "broken", reason: messageOf(error) })
    );
  };
}

class Service {
  readonly #hashes: HashBackend;
  readonly #reply: (message: Reply) => void;
  readonly #tools = new Map<Container, CodecTools>();
  #memory: WebAssembly.Memory | null = null;
  #ring: Ring | null = null;
  #output: Output | null = null;
  #decoder: StreamDecoder | null = null;
  /** Hashes input or output of this task. */
  #hasher: Hasher | null = null;
  #digest: { readonly task: number; readonly of: WantedDigest } | null = null;
  readonly #hash: HashService;

  constructor(hashes: HashBackend, reply: (message: Reply) => void) {
    this.#hashes = hashes;
    this.#reply = reply;
    this.#hash = new HashService(hashes, reply);
  }

  handle(request: Exclude<Request, { kind: "close" }>): void | Promise<void> {
    if ("task" in request) this.#ring!.begin();
    switch (request.kind) {
      case "ring":
        return this.#makeRing();
      case "start":
        return this.#start(request);
      case "input":
        if (this.#digest?.task === request.task && this.#digest.of === "input") {
          this.#hasher!.update(this.#ring!.input(request.slot).subarray(0, request.length));
        }
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
        return this.#end(request.task);
    }
  }

  #end(task: number): void {
    let whole = false;
    this.#step(task, (decoder) => {
      decoder.end();
      this.#output!.flush();
      whole = true;
    });
    this.#decoder = null;
    const wanted = this.#digest?.task === task && (whole || this.#digest.of === "input");
    const digest = wanted ? this.#hasher!.finish() : null;
    if (whole || digest) this.#reply({ kind: "ended", task, digest });
  }

  async #makeRing(): Promise<void> {
    this.#memory = ringMemory();
    const buffer = this.#memory.buffer as unknown as SharedArrayBuffer;
    this.#ring = new Ring(buffer);
    const move = kernelsRun ? await kernelMove(this.#memory) : null;
    this.#output = new Output(this.#ring, this.#memory, move, this.#reply);
    this.#reply({ kind: "ring", buffer, memory: this.#memory });
  }

  async #start(
    { task, container, blobOffset, zstdWindow, digest }: Request & { kind: "start" },
  ): Promise<void> {
    if (digest) {
      this.#hasher ??= await this.#hashes.sha256();
      // A task before may have ended in the middle.
      this.#hasher.finish();
      this.#digest = { task, of: digest };
    }
    let tools = this.#tools.get(container);
    if (!tools) {
      tools = await loadTools(container, this.#hashes, {
        place: { memory: this.#memory!, area: this.#output!, history: HISTORY_AT },
      });
      this.#tools.set(container, tools);
    }
    this.#output!.beginTask(task, digest === "output" ? this.#hasher : null);
    this.#decoder = decoderFor(container, this.#output!, tools, { zstdWindow, blobOffset });
  }

  /** One step of a task that goes on; a task that failed or was cancelled takes no more steps. */
  #step(task: number, step: (decoder: StreamDecoder) => void): void {
    if (!this.#decoder || this.#output!.task !== task) return;
    try {
      step(this.#decoder);
      if (!this.#ring!.isAsked) this.#output!.flushEarly();
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

/**
 * Lays events and bytes down in output slots, one slot after the other. The inflate kernel writes its output where it is
 * to lie; what comes from elsewhere is moved there.
 */
class Output implements CodecEvents, OutputArea {
  readonly #ring: Ring;
  /** That of the ring; when it has grown, views of it are on another buffer. */
  readonly #memory: WebAssembly.Memory;
  #grown: ArrayBufferLike | null = null;
  readonly #move: Move | null;
  /** What hashes the decoded bytes, or null; and the addresses of those that it has not taken yet. */
  #hash: Hasher | null = null;
  #hashFrom = 0;
  #hashTo = 0;
  readonly #reply: (message: Reply) => void;
  readonly #events = new EventWriter(new Float64Array(0));
  #task = -1;
  #slot = OUTPUT_SLOTS - 1;
  /** Whether the slot is ours. */
  #held = false;
  /** Addresses: of the first byte that was not sent, of the next byte, and of the slot's end. */
  #sent = 0;
  #at = 0;
  #end = 0;
  /** Numbers of events that were sent. */
  #sentNumbers = 0;

  constructor(ring: Ring, memory: WebAssembly.Memory, move: Move | null, reply: (message: Reply) => void) {
    this.#ring = ring;
    this.#memory = memory;
    this.#move = move;
    this.#reply = reply;
  }

  get task(): number {
    return this.#task;
  }

  /**
   * What a task before has left unsent was cancelled.
   * @param hash takes all decoded bytes, as of each `flush`
   */
  beginTask(task: number, hash: Hasher | null): void {
    this.#task = task;
    this.#hash = hash;
    this.#hashFrom = this.#hashTo = 0;
    this.#at = this.#sent;
    this.#events.truncate(this.#sentNumbers);
  }

  /** Sends what has not been sent. */
  flush(): void {
    const numbers = this.#events.length - this.#sentNumbers;
    if (numbers === 0) return;
    const slot = this.#slot;
    this.#ring.retain(slot);
    this.#reply({
      kind: "output",
      task: this.#task,
      slot,
      address: this.#sent,
      bytes: this.#at - this.#sent,
      first: this.#sentNumbers,
      numbers,
    });
    this.#sent = this.#at;
    this.#sentNumbers = this.#events.length;
    this.#events.seal();
    // Only now: the other thread has something to do meanwhile.
    this.#hashRun();
  }

  /**
   * Sends what there is although the slot has room: nothing more may come for a while. Each time costs the list of events
   * some room, so that this is not done for ever: a slot that a stream is in the middle of cannot be left.
   */
  flushEarly(): void {
    if (this.#events.hasRoom) this.flush();
  }

  /** Makes room for an event, and for at least one byte. */
  #open(): void {
    if (!this.#held || this.#at === this.#end || !this.#events.hasRoom) this.#nextSlot();
  }

  #nextSlot(): void {
    if (this.#held) {
      this.flush();
      this.#held = false;
      this.#ring.release(this.#slot);
    }
    const next = (this.#slot + 1) % OUTPUT_SLOTS;
    this.#ring.acquire(next, this.#task);
    if (next === 0) this.#ring.wrapWindow();
    this.#slot = next;
    this.#held = true;
    this.#at = this.#sent = this.#ring.outputAt(next);
    this.#end = this.#at + OUTPUT_SIZE;
    this.#events.restart(this.#ring.events(next));
    this.#sentNumbers = 0;
  }

  // For the inflate kernel

  begin(): number {
    this.#open();
    return this.#at;
  }

  get end(): number {
    return this.#end;
  }

  next(): number {
    this.#nextSlot();
    return this.#at;
  }

  // From the decoder

  data(bytes: Uint8Array): void {
    const inPlace = bytes.byteOffset === this.#at && this.#isOurs(bytes);
    if (!inPlace) return this.#copy(bytes, this.#noteData);
    this.#at += bytes.length;
    this.#noteData(bytes.length);
  }

  skippableData(bytes: Uint8Array): void {
    this.#copy(bytes, this.#noteSkippable);
  }

  /** @param count of bytes in front of `#at` */
  readonly #noteData = (count: number): void => {
    this.#events.data(count);
    if (!this.#hash) return;
    const from = this.#at - count;
    if (this.#hashTo !== from) {
      this.#hashRun();
      this.#hashFrom = from;
    }
    this.#hashTo = this.#at;
  };
  readonly #noteSkippable = (count: number): void => this.#events.skippableData(count);

  /** @param note tells the events of bytes in the slot */
  #copy(bytes: Uint8Array, note: (count: number) => void): void {
    for (let from = 0; from < bytes.length;) {
      this.#open();
      const count = Math.min(bytes.length - from, this.#end - this.#at);
      if (this.#move && this.#isOurs(bytes)) this.#move(this.#at, bytes.byteOffset + from, count);
      else {
        this.#ring.output(this.#at, count).set(
          count === bytes.length ? bytes : bytes.subarray(from, from + count),
        );
      }
      this.#at += count;
      note(count);
      from += count;
    }
  }

  /** Whether bytes lie in the memory of the ring. */
  #isOurs({ buffer }: Uint8Array): boolean {
    if (buffer === this.#grown || buffer === this.#ring.buffer) return true;
    this.#grown = this.#memory.buffer;
    return buffer === this.#grown;
  }

  #hashRun(): void {
    const length = this.#hashTo - this.#hashFrom;
    if (length > 0) this.#hash!.update(this.#ring.output(this.#hashFrom, length));
    this.#hashFrom = this.#hashTo;
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

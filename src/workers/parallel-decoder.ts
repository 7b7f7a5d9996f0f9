/**
 * A decoder whose work is done by other threads; events come in order, as if one thread did it all.
 *
 * The stream is fed to one thread after the other, in tasks. A task begins where a unit (gzip member, zstd frame) seems
 * to begin, which is a guess, made to keep several threads busy: the output of a task counts only when the task in front
 * of it has ended, with a whole unit, exactly where it begins. Otherwise the guess was wrong: the later tasks are
 * cancelled, and the one in front goes on with their bytes, which are kept until then. So every event is what a single
 * decoder would have told.
 *
 * @module
 */
import type { Container } from "../codec/detect.ts";
import type { BlobDecoder, CodecEvents } from "../codec/events.ts";
import type { WorkerFailed } from "../errors.ts";
import { findUnit } from "./boundaries.ts";
import { replay } from "./events.ts";
import { errorOf, type Reply, type WantedDigest } from "./messages.ts";
import { Signal } from "./signal.ts";
import type { Thread, ThreadUser } from "./thread.ts";

/** Compressed bytes that are kept for the case that a guess was wrong. */
const MAX_KEPT = 16 * 1024 * 1024;
/** Wrong guesses after which no more are made. */
const MAX_WRONG = 3;

export interface ParallelOptions {
  readonly container: Container;
  /** Largest zstd window in bytes. */
  readonly zstdWindow: number;
  /** Shortest part of the stream that is given to a thread, in compressed bytes. */
  readonly taskSize: number;
  /** What the only thread is to hash; null where there are several. */
  readonly digest: WantedDigest | null;
}

/** A part of the stream, and the thread that decodes it. */
interface Task {
  readonly number: number;
  readonly thread: Thread;
  /** What the thread has replied and has not been told yet. */
  readonly replies: Reply[];
  /** Compressed bytes sent; kept until it is known that the task begins where it should (null from then on). */
  sent: number;
  kept: Uint8Array[] | null;
  /** Whether it is to end here. */
  marked: boolean;
}

let nextTask = 0;

export class ParallelDecoder implements BlobDecoder, ThreadUser {
  readonly #events: CodecEvents;
  readonly #threads: readonly Thread[];
  readonly #options: ParallelOptions;
  /** In the order of the stream; the first one's output is next. */
  readonly #tasks: Task[] = [];
  /** Bytes of cancelled tasks, to be sent again. */
  #again: Uint8Array[] = [];
  #keptBytes = 0;
  #inOffset = 0;
  #outSize = 0;
  /** Output in front of the first task. */
  #base = 0;
  #units = 0;
  /** Units told when the last guess turned out wrong. */
  #unitsAtWrong = 0;
  #wrong = 0;
  #failure: WorkerFailed | null = null;
  readonly #signal = new Signal();

  readonly dataLasts = true;
  /** What the only thread hashes as well; null where there are several, each of which sees only parts. */
  readonly hashes: WantedDigest | null;
  #digest: string | null = null;
  #abandoned = false;
  /** The task that was told that there are no more bytes. */
  #ending = -1;

  /** @param threads that are idle; they are this decoder's until `close` */
  constructor(events: CodecEvents, threads: readonly Thread[], options: ParallelOptions) {
    this.#events = this.#counting(events);
    this.#threads = threads;
    this.hashes = options.digest;
    this.#options = options;
    for (const thread of threads) thread.attach(this);
    this.#begin(0);
  }

  /**
   * Takes the next bytes of the blob; resolves when there is room for more. Events are told during the call, of these
   * bytes or of earlier ones.
   * @throws what the decoder throws, and what a handler of the events throws
   * @throws {WorkerFailed}
   */
  async push(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const end = this.#taskEnd(bytes, at);
      const count = await this.#send(bytes.subarray(at, end));
      at += count;
      this.#inOffset += count;
      if (at === end && end < bytes.length) await this.#split();
    }
    await this.#tell();
  }

  /** Tells that there are no more bytes; resolves when all events have been told. Throws as `push`. */
  async end(): Promise<void> {
    while (this.#tasks.length > 0) {
      await this.#resend();
      const last = this.#tasks.at(-1)!;
      if (this.#ending !== last.number) {
        this.#ending = last.number;
        last.thread.end(last.number);
      }
      await this.#tell();
      if (this.#tasks.length > 0 && this.#again.length === 0) await this.#reply();
    }
  }

  /** From now on no events are told, and nothing is decoded; bytes are still hashed, if they are at all. */
  abandon(): void {
    this.#abandoned = true;
    if (this.hashes !== "input") {
      for (const task of this.#tasks) this.#drop(task);
      this.#tasks.length = 0;
    }
    for (const thread of this.#threads) thread.ring.cancel(nextTask, -1);
  }

  /** Bytes of the blob that were sent so far; all that were pushed, unless a call has thrown. */
  get taken(): number {
    return this.#inOffset;
  }

  /** SHA-256 in lower-case hex of what `hashes` says, when `end` has resolved; null where not all could be decoded. */
  get digest(): string | null {
    return this.#digest;
  }

  /** Gives the threads back, whatever they are doing. */
  close(): void {
    for (const task of this.#tasks) this.#drop(task);
    this.#tasks.length = 0;
    for (const thread of this.#threads) thread.detach(nextTask);
  }

  // From the threads

  reply(thread: Thread, reply: Reply): void {
    if ("task" in reply) {
      const task = this.#tasks.find(({ number }) => number === reply.task);
      if (task) task.replies.push(reply);
      else if (reply.kind === "output") thread.ring.release(reply.slot);
    }
    this.#signal.notify();
  }

  died(error: WorkerFailed): void {
    this.#failure ??= error;
    this.#signal.notify();
  }

  /** Whether one of the threads that share the work has died. */
  get failed(): boolean {
    return this.#failure !== null;
  }

  async #reply(): Promise<void> {
    if (!this.#failure) await this.#signal.wait();
    if (this.#failure) throw this.#failure;
  }

  // Towards the threads

  /** Ends the last task here, and begins another as soon as a thread is free. */
  async #split(): Promise<void> {
    const last = this.#tasks.at(-1)!;
    last.thread.mark(last.number);
    last.marked = true;
    while (this.#tasks.length === this.#threads.length) {
      await this.#reply();
      await this.#tell();
    }
    // What was drained may have told that no unit begins here, or that an earlier guess was wrong.
    const goesOn = !last.marked || (this.#tasks.length > 0 && this.#tasks.at(-1) !== last);
    if (!goesOn) this.#begin(this.#inOffset);
  }

  /** Begins a task on a thread that has none: a decoder keeps its state until it is known that it is at its end. */
  #begin(blobOffset: number): void {
    const number = nextTask++;
    const thread = this.#threads.find((thread) => this.#tasks.every((task) => task.thread !== thread))!;
    this.#tasks.push({
      number,
      thread,
      replies: [],
      sent: 0,
      kept: this.#tasks.length > 0 ? [] : null,
      marked: false,
    });
    const { container, zstdWindow } = this.#options;
    thread.start({ task: number, container, zstdWindow, blobOffset, digest: this.hashes });
  }

  /** Where the current task is to end: at the next unit, if it is long enough by then; or at the end of `bytes`. */
  #taskEnd(bytes: Uint8Array, at: number): number {
    const guessing = this.#threads.length > 1 && this.#units > this.#unitsAtWrong && this.#wrong < MAX_WRONG;
    if (!guessing) return bytes.length;
    const from = at + Math.max(1, this.#options.taskSize - this.#tasks.at(-1)!.sent);
    const unit = from < bytes.length ? findUnit(this.#options.container, bytes, from) : -1;
    return unit < 0 ? bytes.length : unit;
  }

  /** Sends some of `bytes` to the last task, behind what is to be sent again; returns how many. */
  async #send(bytes: Uint8Array): Promise<number> {
    while (true) {
      await this.#tell();
      await this.#resend();
      const task = this.#tasks.at(-1)!;
      const count = this.#keptBytes < MAX_KEPT || !task.kept ? task.thread.send(task.number, bytes) : 0;
      if (count > 0) {
        task.sent += count;
        this.#keep(task, bytes, count);
        return count;
      }
      await this.#reply();
    }
  }

  #keep(task: Task, bytes: Uint8Array, count: number): void {
    if (!task.kept) return;
    task.kept.push(bytes.slice(0, count));
    this.#keptBytes += count;
  }

  /** Sends the bytes of cancelled tasks to the one that goes on with them, which then is the only one. */
  async #resend(): Promise<void> {
    while (this.#again.length > 0) {
      const task = this.#tasks[0]!;
      const [bytes] = this.#again;
      const count = task.thread.send(task.number, bytes!);
      task.sent += count;
      if (count === bytes!.length) this.#again.shift();
      else if (count > 0) this.#again[0] = bytes!.subarray(count);
      else await this.#reply();
      await this.#tell();
    }
  }

  // In the order of the stream

  /** Tells what has come, which is never more than the rings hold, and waits until whoever was told is ready for more. */
  async #tell(): Promise<void> {
    this.#drain();
    if (this.#events.ready && !this.#abandoned) await this.#events.ready();
  }

  /** Tells all events that have come, as far as they are next. */
  #drain(): void {
    if (this.#failure) throw this.#failure;
    for (let task = this.#tasks[0]; task && task.replies.length > 0; task = this.#tasks[0]) {
      const reply = task.replies.shift()!;
      switch (reply.kind) {
        case "output":
          if (this.#abandoned) {
            task.thread.ring.release(reply.slot);
            break;
          }
          try {
            const { ring } = task.thread;
            const numbers = ring.events(reply.slot).subarray(reply.first, reply.first + reply.numbers);
            replay(numbers, ring.output(reply.address, reply.bytes), this.#base, this.#events);
          } finally {
            // Also where a handler has thrown: what it was given before is not hashed yet.
            this.#events.dataEnd?.();
            task.thread.ring.release(reply.slot);
          }
          break;
        case "marked":
          if (reply.atBoundary) this.#next();
          else this.#guessedWrong();
          break;
        case "ended":
          this.#digest = reply.digest;
          this.#tasks.shift();
          break;
        case "wrong":
          if (!this.#abandoned) throw errorOf(reply.error);
          break;
      }
    }
  }

  /** The first task has ended where the second begins. */
  #next(): void {
    this.#tasks.shift();
    this.#base = this.#outSize;
    const [task] = this.#tasks;
    if (task) this.#forget(task);
  }

  /** The first task goes on behind its end: what the later ones did is for nothing. */
  #guessedWrong(): void {
    this.#wrong++;
    this.#unitsAtWrong = this.#units;
    const [front, ...later] = this.#tasks;
    front!.marked = false;
    this.#tasks.length = 1;
    this.#again = later.flatMap(({ kept }) => kept!);
    for (const thread of this.#threads) thread.ring.cancel(nextTask, front!.number);
    for (const task of later) this.#drop(task);
  }

  #drop(task: Task): void {
    this.#forget(task);
    for (const reply of task.replies) {
      if (reply.kind === "output") task.thread.ring.release(reply.slot);
    }
  }

  #forget(task: Task): void {
    for (const { length } of task.kept ?? []) this.#keptBytes -= length;
    task.kept = null;
  }

  #counting(events: CodecEvents): CodecEvents {
    return {
      unitStart: (unit) => events.unitStart(unit),
      data: (bytes) => {
        this.#outSize += bytes.length;
        events.data(bytes);
      },
      unitEnd: (unit) => {
        this.#units++;
        events.unitEnd(unit);
      },
      skippableStart: (frame) => events.skippableStart(frame),
      skippableData: (bytes) => events.skippableData(bytes),
      skippableEnd: () => events.skippableEnd(),
      zeroPadding: (blobOffset) => events.zeroPadding(blobOffset),
      dataEnd: () => events.dataEnd?.(),
      ...events.ready && { ready: () => events.ready!() },
    };
  }
}

/**
 * What takes the tar stream besides the checks: its shape, a tar-split that is made of it, and whoever wants the bytes.
 *
 * @module
 */
import type { HashBackend } from "../digest/hasher.ts";
import { LayerproofError } from "../errors.ts";
import { kernelCrc64 } from "../kernel/crc64.ts";
import { kernelsRun } from "../kernel/load.ts";
import type { HashPlace } from "../kernel/staging.ts";
import type { TarEntry } from "../tar/entry.ts";
import { Disassembler } from "../tarsplit/disassemble.ts";
import type { ByteSink, TarSplitSink } from "./options.ts";
import { StreamShape } from "./stream-shape.ts";

/** Whoever takes the bytes has failed, of which the layer knows nothing; `cause` is what was thrown. */
export class SinkFailed extends Error {
  constructor(cause: unknown) {
    super("a sink failed", { cause });
  }
}

/** A step of somebody else's. @throws {SinkFailed} also by the promise that it gives */
export function toSink<T>(step: () => T): T {
  try {
    const result = step();
    if (!(result instanceof Promise)) return result;
    return result.catch((cause) => {
      throw new SinkFailed(cause);
    }) as T;
  } catch (cause) {
    throw new SinkFailed(cause);
  }
}

/** Told of each piece of the stream before the tar reader and behind it, and of what the reader tells of it. */
export class StreamTaps {
  /** Awaited before much more comes; absent where nobody wants bytes. */
  readonly ready?: () => Promise<void>;
  readonly #tar: ByteSink | undefined;
  readonly #tarSplit: TarSplitSink | undefined;
  #split: Disassembler | null;
  /** What the shape is hashed with, where somebody wants it. */
  #watched: HashBackend | null = null;
  #shape: StreamShape | null = null;
  #piece: Uint8Array = new Uint8Array(0);
  /** How far into the piece the shape has been told. */
  #told = 0;

  private constructor(
    tar: ByteSink | undefined,
    tarSplit: TarSplitSink | undefined,
    split: Disassembler | null,
  ) {
    this.#tar = tar;
    this.#tarSplit = tarSplit;
    this.#split = split;
    if (!tar && !tarSplit) return;
    this.ready = async () => {
      await toSink(() => tar?.ready?.());
      await toSink(() => tarSplit?.ready?.());
    };
  }

  static async create(tar: ByteSink | undefined, tarSplit: TarSplitSink | undefined): Promise<StreamTaps> {
    if (!tarSplit) return new StreamTaps(tar, tarSplit, null);
    const { duplicates = "refuse" } = tarSplit;
    const write = (lines: Uint8Array): void => toSink(() => tarSplit.write(lines));
    return new StreamTaps(tar, tarSplit, await Disassembler.create(write, { duplicates }));
  }

  /** To be called before the first byte: there may be a tar-split, with which the stream is to be compared. */
  watchShape(hashes: HashBackend): void {
    this.#watched = hashes;
  }

  /** A stream begins that can have a tar-split. @param places where kernels find it as it lies */
  async begin(places: readonly HashPlace[]): Promise<void> {
    if (!kernelsRun || !this.#watched) return;
    this.#shape = new StreamShape(await this.#watched.sha256(), await kernelCrc64(...places));
  }

  /** The stream cannot be read to its end. */
  dropShape(): void {
    this.#shape = null;
  }

  /** null where nobody asked, or it cannot be had; complete after `end`. */
  get shape(): StreamShape | null {
    return this.#shape;
  }

  /** The bytes of the stream, whether a tar or not. */
  output(bytes: Uint8Array): void {
    if (this.#tar) toSink(() => this.#tar!.write(bytes));
  }

  /** The next piece is about to be pushed to the tar reader. */
  piece(bytes: Uint8Array): void {
    this.#piece = bytes;
    this.#told = 0;
    this.#apart((split) => split.piece(bytes));
  }

  /** The reader has taken the piece. */
  pieceEnd(): void {
    this.#apart((split) => split.pieceEnd());
    if (this.#told < this.#piece.length) this.#shape?.around(this.#piece.subarray(this.#told));
  }

  entry(entry: TarEntry): void {
    this.#apart((split) => split.entry(entry));
  }

  payload(bytes: Uint8Array): void {
    this.#apart((split) => split.payload(bytes));
    if (!this.#shape) return;
    const at = bytes.byteOffset - this.#piece.byteOffset;
    if (at > this.#told) this.#shape.around(this.#piece.subarray(this.#told, at));
    this.#shape.content(bytes);
    this.#told = at + bytes.length;
  }

  entryEnd(): void {
    this.#apart((split) => split.entryEnd());
    this.#shape?.contentEnd();
  }

  /** The tar has been read to its end. */
  end(): void {
    this.#shape?.finish();
    this.#apart((split) => split.end());
  }

  /** A step of making the tar-split. What has none is a layer nevertheless. */
  #apart(step: (split: Disassembler) => void): void {
    if (!this.#split) return;
    try {
      step(this.#split);
    } catch (error) {
      if (!(error instanceof LayerproofError)) throw error;
      this.#split = null;
      this.#tarSplit!.failed(error);
    }
  }
}

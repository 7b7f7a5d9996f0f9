/**
 * A strict, streaming reader of tar-splits.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import { parseLine } from "./parse-line.ts";
import type { TarSplitFile, TarSplitRecord } from "./record.ts";

export type { TarSplitFile, TarSplitRecord, TarSplitSegment } from "./record.ts";

/** Is told of each line when it has come to its end, in order. */
export interface TarSplitHandler {
  /** Raw bytes of the archive, perhaps none; the handler's to keep. */
  segment(bytes: Uint8Array): void;
  /** An entry of the archive, and the place of its payload. */
  file(file: TarSplitFile): void;
}

export interface TarSplitReadOptions {
  /**
   * Most bytes of a line, newline not counted; by default 6 MiB: 4 MiB of headers in base64, and a name. What the
   * reference writes fits unless one entry has more than that in long names and PAX records; most of its lines are short
   * of a kilobyte, the longest behind the archive's end 1.4 MB.
   */
  readonly maxLine?: number;
}

const DEFAULT_MAX_LINE = 6 * 2 ** 20;
const NEWLINE = 0x0a;

/**
 * Cuts a tar-split into lines and reads them; keeps no more than the line that has not come to its end.
 *
 * It takes the JSON lines: what gunzips or decompresses them pushes what it gives.
 */
export class TarSplitReader {
  readonly #handler: TarSplitHandler;
  readonly #maxLine: number;
  /** Pieces of the line that has not ended, and their length. */
  #held: Uint8Array[] = [];
  #heldLength = 0;
  #position = 0;

  constructor(handler: TarSplitHandler, options: TarSplitReadOptions = {}) {
    this.#handler = handler;
    this.#maxLine = options.maxLine ?? DEFAULT_MAX_LINE;
  }

  /**
   * Takes the next bytes, of any number; what it needs of them later is copied.
   * @throws {FormatError} `tarsplit-malformed`; the message has the number of the line, from 1
   * @throws {LimitExceeded} `tarsplit-line-limit`; after any error the reader must not be used any more
   */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, at);
      const piece = bytes.subarray(at, newline < 0 ? bytes.length : newline);
      this.#checkLength(this.#heldLength + piece.length);
      if (newline < 0) {
        this.#held.push(piece.slice());
        this.#heldLength += piece.length;
        return;
      }
      this.#line(piece);
      at = newline + 1;
    }
  }

  /**
   * Tells that all bytes have come.
   * @throws {FormatError} `tarsplit-truncated` where the last line has no newline
   */
  end(): void {
    if (this.#heldLength === 0) return;
    throw new FormatError("tarsplit-truncated", `Line ${this.#position + 1} of the tar-split has no end`, {
      advice: "The tar-split is cut short: fetch or make it again.",
    });
  }

  #line(last: Uint8Array): void {
    let line = last;
    if (this.#heldLength > 0) {
      line = new Uint8Array(this.#heldLength + last.length);
      let at = 0;
      for (const piece of [...this.#held, last]) {
        line.set(piece, at);
        at += piece.length;
      }
      this.#held = [];
      this.#heldLength = 0;
    }
    const record = parseLine(line, this.#position++);
    if (record.kind === "segment") this.#handler.segment(record.bytes);
    else this.#handler.file(record);
  }

  #checkLength(length: number): void {
    if (length <= this.#maxLine) return;
    throw new LimitExceeded(
      "tarsplit-line-limit",
      `Line ${this.#position + 1} of the tar-split has more than ${this.#maxLine} bytes`,
      {
        expected: `<= ${this.#maxLine}`,
        actual: `>= ${length}`,
        advice: "Raise the limit if you trust the tar-split.",
      },
    );
  }
}

/**
 * The records of a tar-split, for `for await`.
 * @param pieces the JSON lines in pieces of any size; the next one is asked for when the records of one are taken
 * @throws {FormatError | LimitExceeded} as `TarSplitReader`, and what `pieces` throws
 */
export async function* readTarSplit(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: TarSplitReadOptions = {},
): AsyncGenerator<TarSplitRecord, void, void> {
  let records: TarSplitRecord[] = [];
  let position = 0;
  const reader = new TarSplitReader({
    segment: (bytes) => records.push({ kind: "segment", bytes, position: position++ }),
    file: (file) => {
      records.push(file);
      position++;
    },
  }, options);
  for await (const piece of pieces) {
    reader.push(piece);
    yield* records;
    records = [];
  }
  reader.end();
}

/**
 * Takes a tar archive apart into a tar-split, in step with the tar reader of a pass that is going on anyway.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import { type Crc64, kernelCrc64 } from "../kernel/crc64.ts";
import type { TarEntry } from "../tar/entry.ts";
import { BLOCK_SIZE, isZeroBlock, parseHeader } from "../tar/header.ts";
import { escapeName } from "../tar/names.ts";
import type { TarHandler } from "../tar/reader.ts";
import { SparseExpander } from "../tar/sparse.ts";
import { cleanPath } from "./clean-path.ts";
import { LineWriter } from "./lines.ts";

export interface DisassembleOptions {
  /**
   * The reference refuses archives in which two entries have one name after `path.Clean`, because a tree that was
   * extracted from them has only the last one's content. `"keep"` writes a line for each all the same: `assembleTar`
   * makes the archive again with a `getFile` that tells them apart by the record it is given (CRC-64, size, position).
   * The reference's own reader refuses such a tar-split. By default `"refuse"`.
   */
  readonly duplicates?: "refuse" | "keep";
  /**
   * What becomes of sparse members' payloads (map and data, as stored). `"stored"`, the default, leaves them in segments
   * of at most 1 MiB behind a line of size 0: the archive can be made again from nothing but this, by the reference as
   * well, and the sizes add up to that of the archive. `"reference"` writes what the reference does, the expanded file's
   * size and CRC-64; no program can make the archive again from that, since the stored bytes are in neither place.
   */
  readonly sparse?: "stored" | "reference";
  /** Most bytes of an expanded member whose CRC-64 `sparse: "reference"` computes; by default 2^36. */
  readonly maxExpanded?: number;
  /** Most bytes of a sparse map inside a payload, for `sparse: "reference"`; by default 1 MiB. */
  readonly mapLimit?: number;
  /** Computes the CRC-64 of payloads. Give one that works in the decoder's memory to save a copy. */
  readonly crc64?: Crc64;
}

/** Raw bytes in a segment behind the end of the archive, as the reference cuts them, and of a sparse member. */
const PIECE = 2 ** 20;
/**
 * Raw bytes in a segment of headers. The reference knows no bound. Long name, long link and PAX records of 1 MiB each
 * (Go's limit) fit; only what repeats them for one entry is cut, so that a line is never longer than its reader takes.
 */
const MAX_HEADERS = 2 ** 22;

/**
 * Writes the JSON lines of vbatts/tar-split, byte for byte as `tar-split disasm` does except where the options say
 * otherwise, in constant memory (but for the names, which are kept to find equal ones).
 *
 * It is a handler of a `TarReader` that the caller owns, and is told of each piece before the reader and behind it:
 *
 * ```ts
 * const split = await Disassembler.create((lines) => file.writeSync(lines));
 * const reader = new TarReader(split, limits);
 * for (const piece of tar) {
 *   split.piece(piece);
 *   reader.push(piece); // calls entry, payload and entryEnd
 *   split.pieceEnd();
 * }
 * reader.end();
 * split.end();
 * ```
 *
 * Payloads are hashed where they are and never copied. After an error it must not be used any more.
 *
 * Where the reference cuts: a segment ends where an entry's payload begins (behind a global header's records), then the
 * entry's line comes, whatever its kind and size; padding begins the next segment. The last segment of the entries ends
 * behind the second zero block, and what follows comes in segments of 1 MiB. There are no empty segments.
 */
export class Disassembler implements TarHandler {
  readonly #lines: LineWriter;
  readonly #crc64: Crc64;
  readonly #options: DisassembleOptions;
  /** Clean names of the entries so far, or null where equal ones are kept. */
  readonly #seen: Set<string> | null;

  #view: Uint8Array = new Uint8Array(0);
  /** Offset of the view in the archive, and of the first byte that is in no line yet. */
  #viewOffset = 0;
  #offset = 0;

  /** Offset where the next header, or the end of the archive, is to be, and the block there. */
  #next = 0;
  readonly #block = new Uint8Array(BLOCK_SIZE);
  /** Offset behind the second zero block once the first one has come. */
  #end: number | null = null;

  #entry: TarEntry | null = null;
  #expander: SparseExpander | null = null;

  /** @param sink gets the lines as UTF-8, in batches that are cut anywhere and valid only during the call */
  constructor(
    sink: (bytes: Uint8Array) => void,
    options: DisassembleOptions & { readonly crc64: Crc64 },
  ) {
    this.#lines = new LineWriter(sink);
    this.#crc64 = options.crc64;
    this.#options = options;
    this.#seen = options.duplicates === "keep" ? null : new Set();
  }

  /** As the constructor, with the kernel's CRC-64 unless one is given. */
  static async create(
    sink: (bytes: Uint8Array) => void,
    options: DisassembleOptions = {},
  ): Promise<Disassembler> {
    return new Disassembler(sink, { ...options, crc64: options.crc64 ?? await kernelCrc64() });
  }

  /** The next piece of the archive is about to be pushed to the reader. */
  piece(view: Uint8Array): void {
    this.#view = view;
    this.#viewOffset = this.#offset;
  }

  /** The reader has taken the piece. */
  pieceEnd(): void {
    this.#rawTo(this.#viewOffset + this.#view.length);
  }

  /** The archive has ended, and the reader with it: writes what is left. */
  end(): void {
    this.#lines.endSegment();
    this.#lines.flush();
  }

  /**
   * @throws {FormatError} `tarsplit-duplicate-path` unless `duplicates` is `"keep"`
   * @throws {LimitExceeded} `tarsplit-sparse-limit` where `sparse` is `"reference"`
   */
  entry(entry: TarEntry): void {
    this.#checkName(entry);
    this.#rawTo(this.#payloadOffset(entry));
    this.#lines.endSegment();
    this.#next = alignUp(this.#offset + entry.storedSize);
    this.#entry = entry;
    if (!entry.sparse) return;
    if (this.#options.sparse === "reference") this.#expander = this.#expanderFor(entry);
    else this.#lines.file(entry.name, 0, null);
  }

  payload(bytes: Uint8Array): void {
    if (this.#isStored()) return this.#rawTo(this.#offset + bytes.length, PIECE);
    if (this.#expander) this.#expander.push(bytes);
    else this.#crc64.update(bytes);
    this.#offset += bytes.length;
  }

  entryEnd(): void {
    const entry = this.#entry!;
    if (this.#isStored()) this.#lines.endSegment();
    else {
      this.#expander?.end();
      const size = this.#expander ? entry.size : entry.storedSize;
      const crc64 = this.#crc64.finish();
      this.#lines.file(entry.name, size, size > 0 ? crc64 : null);
    }
    this.#entry = this.#expander = null;
  }

  /** Whether the current payload goes into segments. */
  #isStored(): boolean {
    return this.#entry!.sparse !== null && this.#expander === null;
  }

  /** Where the headers of an entry end. The entry of a global header comes when its records have gone by. */
  #payloadOffset(entry: TarEntry): number {
    if (entry.kind !== "pax-global") return entry.payloadOffset;
    const block = this.#headerBlock(entry.headerOffset);
    return entry.headerOffset + BLOCK_SIZE + parseHeader(block, entry.headerOffset).size;
  }

  /** The header block that the current segment begins with, behind the padding. */
  #headerBlock(offset: number): Uint8Array {
    this.#rawTo(Math.max(this.#offset, offset + BLOCK_SIZE));
    return this.#block;
  }

  /** Puts the bytes of the view up to an offset in the archive into the segment, in segments of at most `limit`. */
  #rawTo(offset: number, limit = MAX_HEADERS): void {
    while (this.#offset < offset) {
      const { stop, room } = this.#bound(limit);
      const from = this.#offset - this.#viewOffset;
      const take = Math.min(offset - this.#offset, stop - this.#offset, room);
      const bytes = this.#view.subarray(from, from + take);
      this.#lines.segment(bytes);
      this.#keepBlock(bytes);
      this.#offset += take;
      if (this.#offset === this.#end || take === room) this.#lines.endSegment();
      else if (this.#offset === this.#next + BLOCK_SIZE && isZeroBlock(this.#block)) {
        this.#end = this.#offset + BLOCK_SIZE;
      }
    }
  }

  /** The next offset at which something changes, and how many bytes the segment may still get. */
  #bound(limit: number): { stop: number; room: number } {
    const length = this.#lines.segmentLength;
    if (this.#offset < this.#next + BLOCK_SIZE) {
      return { stop: this.#next + BLOCK_SIZE, room: limit - length };
    }
    if (this.#end === null) return { stop: Infinity, room: limit - length };
    if (this.#offset < this.#end) return { stop: this.#end, room: limit - length };
    return { stop: Infinity, room: PIECE - length };
  }

  /** Copies the part of `bytes` (which begin at the current offset) that lies in the block at `#next`. */
  #keepBlock(bytes: Uint8Array): void {
    const at = this.#offset - this.#next;
    if (at >= BLOCK_SIZE || at + bytes.length <= 0) return;
    this.#block.set(bytes.subarray(Math.max(0, -at)), Math.max(0, at));
  }

  #checkName(entry: TarEntry): void {
    if (!this.#seen) return;
    const path = cleanPath(entry.name);
    if (!this.#seen.has(path)) {
      this.#seen.add(path);
      return;
    }
    const shown = escapeName(path);
    throw new FormatError(
      "tarsplit-duplicate-path",
      `Cannot make a tar-split: two entries have the path ${shown}`,
      {
        entry: shown,
        tarOffset: entry.headerOffset,
        advice: "podman and other users of tar-split refuse this layer: build it without the duplicate.",
      },
    );
  }

  #expanderFor(entry: TarEntry): SparseExpander {
    const { maxExpanded = 2 ** 36, mapLimit = 2 ** 20 } = this.#options;
    if (entry.size > maxExpanded) {
      throw new LimitExceeded(
        "tarsplit-sparse-limit",
        `The sparse member ${escapeName(entry.name)} has ${entry.size} bytes, the limit is ${maxExpanded}`,
        {
          entry: escapeName(entry.name),
          tarOffset: entry.headerOffset,
          expected: `<= ${maxExpanded}`,
          actual: `${entry.size}`,
        },
      );
    }
    const sink = (bytes: Uint8Array) => this.#crc64.update(bytes);
    return new SparseExpander(entry.sparse!, entry.size, { sink, offset: entry.headerOffset, mapLimit });
  }
}

function alignUp(offset: number): number {
  return Math.ceil(offset / BLOCK_SIZE) * BLOCK_SIZE;
}

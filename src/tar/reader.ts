/**
 * A tar stream, cut into entries and payloads: one reader for every use.
 *
 * It is pushed with pieces of any size and tells a handler what it sees; nothing is kept but the headers of the
 * current entry. It reads what Go's archive/tar reads (podman, containerd), in the same way: PAX values win over
 * header fields, also for the size; links, devices and directories have no payload whatever their size field says.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import type { TarEntry } from "./entry.ts";
import { EntryHeaders, sizeOf, type TarLimits } from "./entry-headers.ts";
import { BLOCK_SIZE, checksumMatches, isZeroBlock, parseHeader, type RawHeader } from "./header.ts";

/** How the archive ends, told once. */
export interface TarEnd {
  /** Zero blocks directly behind the last entry. */
  readonly zeroBlocks: number;
  /** Offset of the first byte behind the entries that is not zero, or null. */
  readonly dataOffset: number | null;
  /** Offset where the entries end, and the length of everything behind. */
  readonly entriesEnd: number;
  readonly trailerLength: number;
}

/** Payload views are valid only during the call. A sparse member's payload is given as stored. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  payload(bytes: Uint8Array): void;
  entryEnd(): void;
}

type State = "header" | "special" | "sparse" | "payload" | "padding" | "trailer";

export class TarReader {
  readonly #handler: TarHandler;
  readonly #limits: TarLimits;
  readonly #block = new Uint8Array(BLOCK_SIZE);
  #blockLength = 0;
  #state: State = "header";
  #offset = 0;
  /** Bytes left in the current payload, special payload or padding. */
  #left = 0;
  #padding = 0;
  #entries = 0;
  /** Payload of a PAX or long-name header, in whole. */
  #special:
    | { typeflag: string; bytes: Uint8Array; length: number; offset: number; header: RawHeader }
    | null = null;
  readonly #headers: EntryHeaders;

  #zeroBlocks = 0;
  #entriesEnd = 0;
  #dataOffset: number | null = null;

  constructor(handler: TarHandler, limits: TarLimits) {
    this.#handler = handler;
    this.#limits = limits;
    this.#headers = new EntryHeaders(limits);
  }

  get entries(): number {
    return this.#entries;
  }

  /** Whether the end-of-archive marker has gone by. */
  get ended(): boolean {
    return this.#state === "trailer";
  }

  /** @throws {FormatError | LimitExceeded}; the reader must not be used afterwards */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const used = this.#step(bytes, at);
      at += used;
      this.#offset += used;
    }
  }

  /** Bytes of the current payload that are still to come; 0 between payloads. */
  get payloadLeft(): number {
    return this.#state === "payload" ? this.#left : 0;
  }

  /** Passes over the rest of the current payload, for which there are no bytes; the handler is not given any. */
  skipPayload(): void {
    if (this.#state !== "payload") return;
    this.#offset += this.#left;
    this.#left = 0;
    this.#endPayload();
  }

  /** Tells that the stream has ended. @throws {FormatError} `tar-truncated` inside a header or payload */
  end(): TarEnd {
    const partial = this.#state === "header" && this.#blockLength > 0 && this.#zeroBlocks === 0;
    const zeros = !this.#headers.isOpen && isZeroBlock(this.#block.subarray(0, this.#blockLength));
    if (partial && !zeros) throw this.#truncated("a header");
    if (this.#state === "payload") throw this.#truncated("the data of an entry");
    if (this.#state === "special" || this.#state === "sparse" || this.#headers.isOpen) {
      throw this.#truncated("the headers of an entry");
    }
    // Padding cut off behind the last payload: nothing is lost, and Go reads it as the end.
    if (this.#zeroBlocks === 0 && this.#state !== "trailer") {
      this.#entriesEnd = this.#offset - this.#blockLength;
    }
    if (this.#state === "header" && this.#zeroBlocks === 1) {
      this.#trailer(this.#block.subarray(0, this.#blockLength), this.#offset - this.#blockLength);
    }
    return {
      zeroBlocks: this.#zeroBlocks,
      dataOffset: this.#dataOffset,
      entriesEnd: this.#entriesEnd,
      trailerLength: this.#offset - this.#entriesEnd,
    };
  }

  #step(bytes: Uint8Array, at: number): number {
    switch (this.#state) {
      case "payload": {
        const take = Math.min(this.#left, bytes.length - at);
        this.#handler.payload(take === bytes.length ? bytes : bytes.subarray(at, at + take));
        this.#left -= take;
        if (this.#left === 0) this.#endPayload();
        return take;
      }
      case "padding": {
        const take = Math.min(this.#left, bytes.length - at);
        this.#left -= take;
        if (this.#left === 0) this.#state = "header";
        return take;
      }
      case "special":
        return this.#specialPayload(bytes, at);
      case "trailer":
        this.#trailer(at === 0 ? bytes : bytes.subarray(at), this.#offset);
        return bytes.length - at;
      case "header":
      case "sparse":
        return this.#headerBlock(bytes, at);
    }
  }

  /** Gathers one block. Always in memory of its own: text decoders refuse memory that threads share. */
  #headerBlock(bytes: Uint8Array, at: number): number {
    const missing = BLOCK_SIZE - this.#blockLength;
    if (bytes.length - at < missing) {
      this.#block.set(bytes.subarray(at), this.#blockLength);
      this.#blockLength += bytes.length - at;
      return bytes.length - at;
    }
    const block = this.#block;
    block.set(bytes.subarray(at, at + missing), this.#blockLength);
    const offset = this.#offset - this.#blockLength;
    this.#blockLength = 0;
    if (this.#state === "sparse") this.#sparseBlock(block, offset);
    else this.#header(block, offset);
    return missing;
  }

  #header(block: Uint8Array, offset: number): void {
    if (isZeroBlock(block)) return this.#zeroBlock(offset);
    if (this.#zeroBlocks > 0) {
      // A lone zero block: Go refuses, GNU tar takes it for the end. What follows is data behind the end.
      this.#state = "trailer";
      this.#trailer(block, offset);
      return;
    }
    if (!checksumMatches(block)) {
      throw new FormatError(
        "tar-bad-checksum",
        `Cannot read tar header at offset ${offset}: its checksum is wrong`,
        {
          tarOffset: offset,
          advice: "The archive is damaged, or is no tar archive from here on.",
        },
      );
    }
    const header = parseHeader(block, offset);
    this.#headers.open(header.typeflag, offset);
    if ("xgLK".includes(header.typeflag)) return this.#beginSpecial(header, offset);
    if (header.typeflag === "S" && this.#headers.sparse(header, block, offset)) {
      this.#state = "sparse";
      return;
    }
    this.#beginEntry(header, offset + BLOCK_SIZE);
  }

  #zeroBlock(offset: number): void {
    if (this.#headers.isOpen) throw this.#truncated("the headers of an entry");
    if (this.#zeroBlocks++ === 0) this.#entriesEnd = offset;
    if (this.#zeroBlocks === 2) this.#state = "trailer";
  }

  #trailer(bytes: Uint8Array, offset: number): void {
    if (this.#dataOffset !== null) return;
    const at = firstNonZero(bytes);
    if (at < bytes.length) this.#dataOffset = offset + at;
  }

  #beginSpecial(header: RawHeader, offset: number): void {
    const size = sizeOf(header.size, offset);
    if (size > this.#limits.pax) {
      throw new LimitExceeded(
        "tar-header-limit",
        `The extended header at offset ${offset} claims ${size} bytes, the limit is ${this.#limits.pax}`,
        {
          tarOffset: offset,
          expected: `<= ${this.#limits.pax}`,
          actual: `${size}`,
          advice: "Raise --limit-pax if you trust the layer.",
        },
      );
    }
    this.#special = { typeflag: header.typeflag, bytes: new Uint8Array(size), length: 0, offset, header };
    this.#left = size;
    this.#padding = paddingOf(size);
    this.#state = "special";
    if (size === 0) this.#endSpecial();
  }

  #specialPayload(bytes: Uint8Array, at: number): number {
    const special = this.#special!;
    const take = Math.min(this.#left, bytes.length - at);
    special.bytes.set(bytes.subarray(at, at + take), special.length);
    special.length += take;
    this.#left -= take;
    if (this.#left === 0) this.#endSpecial();
    return take;
  }

  #endSpecial(): void {
    const { typeflag, bytes, offset, header } = this.#special!;
    this.#special = null;
    this.#afterPayload();
    const global = this.#headers.extend(typeflag, bytes, header, offset);
    if (!global) return;
    this.#emit(global);
    this.#handler.entryEnd();
  }

  #sparseBlock(block: Uint8Array, offset: number): void {
    const header = this.#headers.moreSparse(block, offset);
    if (!header) return;
    this.#state = "header";
    this.#beginEntry(header, offset + BLOCK_SIZE);
  }

  #beginEntry(header: RawHeader, payloadOffset: number): void {
    const entry = this.#headers.take(header, payloadOffset);
    this.#emit(entry);
    this.#left = entry.storedSize;
    this.#padding = paddingOf(entry.storedSize);
    this.#state = "payload";
    if (entry.storedSize === 0) this.#endPayload();
  }

  #emit(entry: TarEntry): void {
    if (++this.#entries > this.#limits.entries) {
      throw new LimitExceeded("entries-limit", `The archive has more than ${this.#limits.entries} entries`, {
        tarOffset: entry.headerOffset,
        advice: "Raise --limit-entries if you trust the layer.",
      });
    }
    this.#handler.entry(entry);
  }

  #endPayload(): void {
    this.#handler.entryEnd();
    this.#afterPayload();
  }

  #afterPayload(): void {
    this.#left = this.#padding;
    this.#state = this.#left > 0 ? "padding" : "header";
  }

  #truncated(where: string): FormatError {
    return new FormatError("tar-truncated", `The tar stream ends at offset ${this.#offset} inside ${where}`, {
      tarOffset: this.#offset,
      advice: "The layer is cut short, or was built from an archive that was.",
    });
  }
}

function paddingOf(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
}

/** Index of the first byte that is not zero, or the length. Trailers can be gigabytes of zeros, hence words. */
function firstNonZero(bytes: Uint8Array): number {
  let at = 0;
  const end = bytes.length;
  while (at < end && (bytes.byteOffset + at) % 4 !== 0) {
    if (bytes[at] !== 0) return at;
    at++;
  }
  if (end - at < 4) {
    while (at < end && bytes[at] === 0) at++;
    return at;
  }
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, Math.floor((end - at) / 4));
  let word = 0;
  while (word < words.length && words[word] === 0) word++;
  at += 4 * word;
  while (at < end && bytes[at] === 0) at++;
  return at;
}

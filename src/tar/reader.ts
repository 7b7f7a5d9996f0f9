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
import type { EntryKind, SparseExtent, TarEntry } from "./entry.ts";
import {
  BLOCK_SIZE,
  checksumMatches,
  isZeroBlock,
  parseHeader,
  type RawHeader,
  sparseContinues,
  sparseExtents,
  sparseRealSize,
} from "./header.ts";
import { decodeName, encodeName } from "./names.ts";
import { malformed, parsePax, type PaxRecords } from "./pax.ts";
import { applyPax, type MergedHeader } from "./merge.ts";
import { checkExtents, sparseMalformed } from "./sparse.ts";

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

export interface TarLimits {
  readonly pax: number;
  readonly path: number;
  readonly entries: number;
}

type State = "header" | "special" | "sparse" | "payload" | "padding" | "trailer";

const KINDS: Readonly<Record<string, EntryKind>> = {
  "0": "file",
  "7": "file",
  S: "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
  g: "pax-global",
};

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
  /** Offset of the first header block of the entry that is being gathered, or -1 between entries. */
  #headerOffset = -1;

  /** Payload of a PAX or long-name header, in whole. */
  #special:
    | { typeflag: string; bytes: Uint8Array; length: number; offset: number; header: RawHeader }
    | null = null;
  #pax: PaxRecords | null = null;
  #longName: string | null = null;
  #longLink: string | null = null;
  #sparseHeader: { header: RawHeader; extents: SparseExtent[]; realSize: number } | null = null;

  #zeroBlocks = 0;
  #entriesEnd = 0;
  #dataOffset: number | null = null;

  constructor(handler: TarHandler, limits: TarLimits) {
    this.#handler = handler;
    this.#limits = limits;
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

  /** Tells that the stream has ended. @throws {FormatError} `tar-truncated` inside a header or payload */
  end(): TarEnd {
    const partial = this.#state === "header" && this.#blockLength > 0 && this.#zeroBlocks === 0;
    const zeros = this.#headerOffset < 0 && isZeroBlock(this.#block.subarray(0, this.#blockLength));
    if (partial && !zeros) throw this.#truncated("a header");
    if (this.#state === "payload") throw this.#truncated("the data of an entry");
    if (this.#state === "special" || this.#state === "sparse" || this.#headerOffset >= 0) {
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
    if (this.#headerOffset < 0) this.#headerOffset = offset;
    else if (header.typeflag === "g") {
      // GNU tar keeps the extended header for the entry behind the global one, Go forgets it.
      throw malformed("it stands between an entry's extended header and the entry", offset);
    }
    if ("xgLK".includes(header.typeflag)) return this.#beginSpecial(header, offset);
    if (header.typeflag === "S") {
      // star uses the same flag for another layout.
      if (header.format !== "gnu") throw sparseMalformed("its header is not in GNU format", offset);
      const extents = sparseExtents(block, 386, 4, offset);
      this.#sparseHeader = { header, extents, realSize: sparseRealSize(block, offset) };
      if (sparseContinues(block, 482)) {
        this.#state = "sparse";
        return;
      }
    }
    this.#beginEntry(header, offset + BLOCK_SIZE);
  }

  #zeroBlock(offset: number): void {
    if (this.#headerOffset >= 0) throw this.#truncated("the headers of an entry");
    if (this.#zeroBlocks++ === 0) this.#entriesEnd = offset;
    if (this.#zeroBlocks === 2) this.#state = "trailer";
  }

  #trailer(bytes: Uint8Array, offset: number): void {
    if (this.#dataOffset !== null) return;
    const at = firstNonZero(bytes);
    if (at < bytes.length) this.#dataOffset = offset + at;
  }

  #beginSpecial(header: RawHeader, offset: number): void {
    const size = this.#size(header.size, offset);
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
    if (typeflag === "x") this.#pax = parsePax(bytes, offset);
    else if (typeflag === "L") this.#longName = this.#longText(bytes, offset);
    else if (typeflag === "K") this.#longLink = this.#longText(bytes, offset);
    else {
      const pax = parsePax(bytes, offset);
      this.#emit(
        this.#entry(applyPax(header, null, offset), "pax-global", {
          storedSize: 0,
          pax,
          payloadOffset: offset,
        }),
      );
      this.#handler.entryEnd();
    }
  }

  /** GNU long names end at the first NUL, however many follow. */
  #longText(bytes: Uint8Array, offset: number): string {
    const end = bytes.indexOf(0);
    const name = end < 0 ? bytes : bytes.subarray(0, end);
    if (name.length > this.#limits.path) throw this.#pathLimit(name.length, offset);
    return decodeName(name);
  }

  #sparseBlock(block: Uint8Array, offset: number): void {
    const sparse = this.#sparseHeader!;
    sparse.extents.push(...sparseExtents(block, 0, 21, offset));
    if (sparse.extents.length * 24 > this.#limits.pax) {
      throw new LimitExceeded(
        "sparse-map-limit",
        `The sparse map at offset ${offset} is over ${this.#limits.pax} bytes`,
        {
          tarOffset: offset,
        },
      );
    }
    if (sparseContinues(block, 504)) return;
    this.#state = "header";
    this.#beginEntry(sparse.header, offset + BLOCK_SIZE);
  }

  #beginEntry(header: RawHeader, payloadOffset: number): void {
    const offset = this.#headerOffset;
    const merged = applyPax(header, this.#pax, offset);
    // An empty long name is none.
    if (this.#longName) merged.name = this.#longName;
    if (this.#longLink) merged.linkName = this.#longLink;
    // v7 has no directories; a trailing slash tells (POSIX keeps that for typeflag NUL).
    if (merged.typeflag === "\0") merged.typeflag = merged.name.endsWith("/") ? "5" : "0";
    const kind = KINDS[merged.typeflag] ?? "unknown";
    const size = this.#size(merged.size, offset);
    const stored = kind === "file" || kind === "unknown" ? size : 0;
    this.#checkPath(merged.name, offset);
    this.#checkPath(merged.linkName, offset);
    if (this.#sparseHeader) {
      merged.sparse = { form: "gnu", extents: this.#sparseHeader.extents };
      merged.realSize = this.#size(this.#sparseHeader.realSize, offset);
    }
    if (merged.sparse?.extents) checkExtents(merged.sparse.extents, merged.realSize ?? size, offset);
    this.#emit(this.#entry(merged, kind, { storedSize: stored, pax: this.#pax, payloadOffset }));
    this.#left = stored;
    this.#padding = paddingOf(stored);
    this.#state = "payload";
    if (stored === 0) this.#endPayload();
  }

  #entry(
    header: MergedHeader,
    kind: EntryKind,
    { storedSize, pax, payloadOffset }: { storedSize: number; pax: PaxRecords | null; payloadOffset: number },
  ): TarEntry {
    return {
      name: header.name,
      kind,
      typeflag: header.typeflag,
      format: pax && kind !== "pax-global" ? "pax" : header.format,
      size: header.realSize ?? (kind === "pax-global" ? 0 : header.size),
      storedSize,
      mode: header.mode,
      uid: header.uid,
      gid: header.gid,
      userName: header.userName,
      groupName: header.groupName,
      mtime: header.time,
      linkName: header.linkName,
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      xattrs: xattrsOf(pax),
      pax,
      sparse: header.sparse,
      headerOffset: this.#headerOffset,
      payloadOffset,
    };
  }

  #emit(entry: TarEntry): void {
    if (++this.#entries > this.#limits.entries) {
      throw new LimitExceeded("entries-limit", `The archive has more than ${this.#limits.entries} entries`, {
        tarOffset: entry.headerOffset,
        advice: "Raise --limit-entries if you trust the layer.",
      });
    }
    this.#headerOffset = -1;
    if (entry.kind !== "pax-global") {
      this.#pax =
        this.#longName =
        this.#longLink =
        this.#sparseHeader =
          null;
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

  #size(size: number, offset: number): number {
    if (size >= 0) return size;
    throw new FormatError(
      "tar-bad-number",
      `Cannot read tar header at offset ${offset}: its size is negative`,
      { tarOffset: offset },
    );
  }

  #truncated(where: string): FormatError {
    return new FormatError("tar-truncated", `The tar stream ends at offset ${this.#offset} inside ${where}`, {
      tarOffset: this.#offset,
      advice: "The layer is cut short, or was built from an archive that was.",
    });
  }

  #checkPath(path: string, offset: number): void {
    // A character of the string stands for three bytes at most.
    if (3 * path.length <= this.#limits.path) return;
    const { length } = encodeName(path);
    if (length > this.#limits.path) throw this.#pathLimit(length, offset);
  }

  #pathLimit(length: number, offset: number): LimitExceeded {
    return new LimitExceeded(
      "path-limit",
      `A path at offset ${offset} has ${length} bytes, the limit is ${this.#limits.path}`,
      {
        tarOffset: offset,
        advice: "Raise --limit-path if you trust the layer.",
      },
    );
  }
}

function paddingOf(size: number): number {
  return (BLOCK_SIZE - (size % BLOCK_SIZE)) % BLOCK_SIZE;
}

const XATTR = "SCHILY.xattr.";

function xattrsOf(pax: PaxRecords | null): Map<string, Uint8Array> | null {
  if (!pax) return null;
  let xattrs: Map<string, Uint8Array> | null = null;
  for (const [key, value] of pax) {
    // An empty value deletes a record (POSIX), so it is no attribute for Go either.
    if (key.startsWith(XATTR) && value.length > 0) (xattrs ??= new Map()).set(key.slice(XATTR.length), value);
  }
  return xattrs;
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

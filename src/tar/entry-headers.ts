/**
 * The headers of one entry: extended headers, GNU long names and sparse maps come in blocks of their own in front of, or
 * behind, the header that they belong to, and are gathered here until the entry is whole.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import type { EntryKind, SparseExtent, TarEntry } from "./entry.ts";
import { type RawHeader, sparseContinues, sparseExtents, sparseRealSize } from "./header.ts";
import { applyPax, type MergedHeader } from "./merge.ts";
import { decodeName, encodeName } from "./names.ts";
import { malformed, parsePax, type PaxRecords } from "./pax.ts";
import { checkExtents, sparseMalformed } from "./sparse.ts";

export interface TarLimits {
  readonly pax: number;
  readonly path: number;
  readonly entries: number;
}

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

export class EntryHeaders {
  readonly #limits: TarLimits;
  /** Offset of the first header block, or -1 between entries. */
  #offset = -1;
  #pax: PaxRecords | null = null;
  #longName: string | null = null;
  #longLink: string | null = null;
  #sparse: { header: RawHeader; extents: SparseExtent[]; realSize: number } | null = null;

  constructor(limits: TarLimits) {
    this.#limits = limits;
  }

  /** Whether there are headers of an entry that has not begun. */
  get isOpen(): boolean {
    return this.#offset >= 0;
  }

  /** A header block of any kind comes. @throws {FormatError} where it cannot stand here */
  open(typeflag: string, offset: number): void {
    if (this.#offset < 0) this.#offset = offset;
    else if (typeflag === "g") {
      // GNU tar keeps the extended header for the entry behind the global one, Go forgets it.
      throw malformed("it stands between an entry's extended header and the entry", offset);
    }
  }

  /**
   * The payload of a special header (`x`, `g`, `L`, `K`) has come.
   * @returns the entry that a global header is; null for what belongs to the entry that follows
   */
  extend(typeflag: string, bytes: Uint8Array, header: RawHeader, offset: number): TarEntry | null {
    if (typeflag === "x") this.#pax = parsePax(bytes, offset);
    else if (typeflag === "L") this.#longName = this.#longText(bytes, offset);
    else if (typeflag === "K") this.#longLink = this.#longText(bytes, offset);
    else {
      const pax = parsePax(bytes, offset);
      const merged = applyPax(header, null, offset);
      const entry = this.#entry(merged, "pax-global", { storedSize: 0, pax, payloadOffset: offset });
      this.#offset = -1;
      return entry;
    }
    return null;
  }

  /** The header block of an old GNU sparse member comes. Returns whether its map goes on in the next block. */
  sparse(header: RawHeader, block: Uint8Array, offset: number): boolean {
    // star uses the same flag for another layout.
    if (header.format !== "gnu") throw sparseMalformed("its header is not in GNU format", offset);
    const extents = sparseExtents(block, 386, 4, offset);
    this.#sparse = { header, extents, realSize: sparseRealSize(block, offset) };
    return sparseContinues(block, 482);
  }

  /** The map goes on. Returns the member's header when it is whole, else null. */
  moreSparse(block: Uint8Array, offset: number): RawHeader | null {
    const { header, extents } = this.#sparse!;
    extents.push(...sparseExtents(block, 0, 21, offset));
    if (extents.length * 24 > this.#limits.pax) {
      throw new LimitExceeded(
        "sparse-map-limit",
        `The sparse map at offset ${offset} is over ${this.#limits.pax} bytes`,
        {
          tarOffset: offset,
        },
      );
    }
    return sparseContinues(block, 504) ? null : header;
  }

  /** The entry that all headers together tell of; the next one's headers may come. */
  take(header: RawHeader, payloadOffset: number): TarEntry {
    const offset = this.#offset;
    const merged = applyPax(header, this.#pax, offset);
    // An empty long name is none.
    if (this.#longName) merged.name = this.#longName;
    if (this.#longLink) merged.linkName = this.#longLink;
    // v7 has no directories; a trailing slash tells (POSIX keeps that for typeflag NUL).
    if (merged.typeflag === "\0") merged.typeflag = merged.name.endsWith("/") ? "5" : "0";
    const kind = KINDS[merged.typeflag] ?? "unknown";
    const size = sizeOf(merged.size, offset);
    const storedSize = kind === "file" || kind === "unknown" ? size : 0;
    this.#checkPath(merged.name, offset);
    this.#checkPath(merged.linkName, offset);
    if (this.#sparse) {
      merged.sparse = { form: "gnu", extents: this.#sparse.extents };
      merged.realSize = sizeOf(this.#sparse.realSize, offset);
    }
    if (merged.sparse?.extents) checkExtents(merged.sparse.extents, merged.realSize ?? size, offset);
    const entry = this.#entry(merged, kind, { storedSize, pax: this.#pax, payloadOffset });
    this.#offset = -1;
    this.#pax =
      this.#longName =
      this.#longLink =
      this.#sparse =
        null;
    return entry;
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
      atime: header.accessTime,
      ctime: header.changeTime,
      linkName: header.linkName,
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      xattrs: xattrsOf(pax),
      pax,
      sparse: header.sparse,
      headerOffset: this.#offset,
      payloadOffset,
    };
  }

  /** GNU long names end at the first NUL, however many follow. */
  #longText(bytes: Uint8Array, offset: number): string {
    const end = bytes.indexOf(0);
    const name = end < 0 ? bytes : bytes.subarray(0, end);
    if (name.length > this.#limits.path) throw this.#pathLimit(name.length, offset);
    return decodeName(name);
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

/** A size that is none below zero. @throws {FormatError} `tar-bad-number` */
export function sizeOf(size: number, offset: number): number {
  if (size >= 0) return size;
  throw new FormatError(
    "tar-bad-number",
    `Cannot read tar header at offset ${offset}: its size is negative`,
    { tarOffset: offset },
  );
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

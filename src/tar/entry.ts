/**
 * One member of a tar archive, as its headers say.
 *
 * @module
 */

/** Seconds since 1970-01-01T00:00:00Z (may be negative), and 0 to 999,999,999 nanoseconds on top. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export type EntryKind =
  | "file"
  | "dir"
  | "symlink"
  | "hardlink"
  | "char"
  | "block"
  | "fifo"
  | "pax-global"
  | "unknown";

export type TarFormat = "v7" | "ustar" | "star" | "gnu" | "pax";

/** A piece of a sparse file that the archive holds; everything between pieces is zeros. Bytes in the expanded file. */
export interface SparseExtent {
  readonly offset: number;
  readonly length: number;
}

/** How a sparse member is written; the map of PAX 1.0 lies at the start of the payload and is not read here. */
export interface SparseInfo {
  readonly form: "gnu" | "0.x" | "1.0";
  readonly extents: readonly SparseExtent[] | null;
}

/**
 * Names are strings in which each byte that is not part of valid UTF-8 stands as U+DC80 to U+DCFF (see `names.ts`):
 * lossless, and equal exactly if the bytes are equal.
 */
export interface TarEntry {
  readonly name: string;
  readonly kind: EntryKind;
  /** The type flag as one character (`"0"` for NUL). */
  readonly typeflag: string;
  readonly format: TarFormat;
  /** Size of the file in bytes; for a sparse member the expanded size. */
  readonly size: number;
  /** Payload bytes in the archive, without padding. */
  readonly storedSize: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: string;
  readonly groupName: string;
  readonly mtime: Timestamp;
  /** Of PAX records and GNU headers; null where there is none. */
  readonly atime: Timestamp | null;
  readonly ctime: Timestamp | null;
  readonly linkName: string;
  readonly devMajor: number;
  readonly devMinor: number;
  /** From `SCHILY.xattr.` records, raw values; null where there is none. */
  readonly xattrs: ReadonlyMap<string, Uint8Array> | null;
  /** All PAX records of this entry, raw values; null where there is none. */
  readonly pax: ReadonlyMap<string, Uint8Array> | null;
  readonly sparse: SparseInfo | null;
  /** Offset in the tar stream of the first header block that belongs to this entry (PAX and long-name headers included). */
  readonly headerOffset: number;
  /** Offset in the tar stream of the payload. */
  readonly payloadOffset: number;
}

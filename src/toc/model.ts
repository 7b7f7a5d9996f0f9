/**
 * One table of contents for all dialects: what stands behind a dialect never knows which it was.
 *
 * @module
 */
import type { EntryKind, Timestamp } from "../tar/entry.ts";

/** A piece of a file that a lazy reader fetches, decodes and checks by itself. Bytes. */
export interface TocChunk {
  /** Offset in the file. */
  readonly chunkOffset: number;
  readonly length: number;
  /** Offset in the blob of the gzip member or zstd frame that begins it. */
  readonly offset: number;
  /** Offset of the chunk in that member's output (eStargz with shared members). */
  readonly innerOffset: number;
  /** null where the TOC has none: the whole-file digest then is all there is. */
  readonly digest: string | null;
  /** A run of zeros, which a reader need not fetch. */
  readonly zeros: boolean;
}

/** One file of the TOC. Absent numbers and strings are 0 and "", as their writers leave such values out. */
export interface TocFile {
  readonly name: string;
  readonly kind: EntryKind;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: string;
  readonly groupName: string;
  /** Whether this entry itself gives the name; else it is the last one that was given for the id. */
  readonly namesUser: boolean;
  readonly namesGroup: boolean;
  /** null for absent, year 1 and 1970: writers use all three for "no time" */
  readonly mtime: Timestamp | null;
  readonly atime: Timestamp | null;
  readonly ctime: Timestamp | null;
  readonly linkName: string;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array> | null;
  /** Digest of the whole content. */
  readonly digest: string | null;
  readonly chunks: readonly TocChunk[];
  /** First byte in the blob behind the last chunk's frame (containers/storage), or null. */
  readonly endOffset: number | null;
}

export interface Toc {
  readonly files: readonly TocFile[];
  /** SHA-256 of the compressed tar-split (containers/storage since 1.54). */
  readonly tarSplitDigest: string | null;
  /** Chunks of all files. */
  readonly chunks: number;
}

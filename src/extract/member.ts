/**
 * What is to stand at one path of an extracted layer: the plan makes members of entries, and the writer headers of them.
 *
 * @module
 */
import type { SparseInfo, Timestamp } from "../tar/entry.ts";
import { EPOCH } from "../tar/write.ts";

export type MemberKind = "file" | "dir" | "symlink" | "hardlink" | "char" | "block" | "fifo";

/** Names are lossless strings; paths are clean: no leading slash, no `.`, no `..`, the root is `""`. */
export interface Member {
  readonly path: string;
  readonly kind: MemberKind;
  /** Bytes of a file's content, holes included. */
  readonly size: number;
  /** 0 to 0o7777. */
  readonly mode: number;
  /** 0 to 2^32 - 2, as the group. */
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  /** A symbolic link's target as it is, a hard link's target as a clean path. */
  readonly link: string;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Those that may be set, without overlayfs's own. */
  readonly xattrs: ReadonlyMap<string, Uint8Array> | null;
  /** A directory that hides what lower layers have in it. */
  readonly opaque: boolean;
  /** How a sparse file's payload is written. */
  readonly sparse: SparseInfo | null;
}

const PLAIN = {
  size: 0,
  uid: 0,
  gid: 0,
  mtime: EPOCH,
  link: "",
  devMajor: 0,
  devMinor: 0,
  xattrs: null,
  opaque: false,
  sparse: null,
} as const;

/** A directory that the layer only implies. */
export function impliedDirectory(path: string): Member {
  return { ...PLAIN, path, kind: "dir", mode: 0o755 };
}

/** A directory that is being filled: its own attributes come when all is in it. */
export function openDirectory(path: string): Member {
  return { ...PLAIN, path, kind: "dir", mode: 0o700 };
}

/** What overlayfs takes for a deletion (kernel documentation, overlayfs, "whiteouts and opaque directories"). */
export function whiteoutNode(path: string): Member {
  return { ...PLAIN, path, kind: "char", mode: 0 };
}

/** Whether it is a 0:0 character device, which needs no privilege since Linux 5.8. */
export function isWhiteoutNode({ kind, devMajor, devMinor }: Member): boolean {
  return kind === "char" && devMajor === 0 && devMinor === 0;
}

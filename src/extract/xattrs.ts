/**
 * Extended attributes: which of a layer's may be set at all, and how GNU tar wants their names.
 *
 * @module
 */
import type { TarEntry } from "../tar/entry.ts";
import type { Tally } from "./tally.ts";

/** The namespaces of Linux (xattr(7)). */
const NAMESPACES = ["user.", "trusted.", "security.", "system."];

/** overlayfs's own marks: with them a layer would steer the mount it is used in. */
const OVERLAY = ["trusted.overlay.", "user.overlay."];

/** The label is the host's, given by its policy. */
const SELINUX = "security.selinux";

/**
 * The attributes of an entry that belong on a disk; null where there is none.
 * @param tally told of the others, by name
 */
export function settableXattrs(entry: TarEntry, tally: Tally): ReadonlyMap<string, Uint8Array> | null {
  if (!entry.xattrs) return null;
  const kept = new Map<string, Uint8Array>();
  for (const [key, value] of entry.xattrs) {
    if (isSettable(key, entry.kind)) kept.set(key, value);
    else tally.add("xattr", entry.name, key);
  }
  return kept.size > 0 ? kept : null;
}

function isSettable(key: string, kind: TarEntry["kind"]): boolean {
  if (!NAMESPACES.some((prefix) => key.startsWith(prefix) && key.length > prefix.length)) return false;
  if (isForeign(key)) return false;
  // Linux has user.* on files and directories only; a hard link is the file that it leads to.
  return !key.startsWith("user.") || kind === "file" || kind === "dir" || kind === "hardlink";
}

/** Whether an attribute is nothing that a layer may say: overlayfs's marks and the host's label. */
export function isForeign(key: string): boolean {
  return key === SELINUX || OVERLAY.some((prefix) => key.startsWith(prefix));
}

/** The marks of an opaque directory, for mounts with and without `userxattr`. */
export const OPAQUE_TRUSTED = "trusted.overlay.opaque";
export const OPAQUE_USER = "user.overlay.opaque";
/** Their value. */
export const OPAQUE_VALUE: Uint8Array = new Uint8Array([0x79]);

/** GNU tar writes `=` and `%` in attribute names as `%3D` and `%25`. */
export function encodeKey(key: string): string {
  return key.replaceAll("%", "%25").replaceAll("=", "%3D");
}

export function decodeKey(key: string): string {
  return key.replace(/%3D|%25/g, (code) => code === "%25" ? "%" : "=");
}

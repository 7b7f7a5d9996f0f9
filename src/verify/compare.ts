/**
 * One file of a TOC against the tar entry of the same name: every attribute that the dialect records.
 *
 * @module
 */
import type { Timestamp } from "../tar/entry.ts";
import type { ComparedEntry } from "./entry-log.ts";
import { escapeName, replacedName } from "../tar/names.ts";
import { canonicalPath } from "../tar/paths.ts";
import type { TocFile } from "../toc/model.ts";
import { toHex } from "../digest/digest.ts";

/** What a dialect's TOC records. */
export interface DialectTraits {
  /** Whole seconds (eStargz writers) or nanoseconds (containers/storage). */
  readonly mtime: "seconds" | "nanoseconds";
  /** Whether user and group names are recorded. */
  readonly ownerNames: boolean;
  /** Whether the times of the last access and change are recorded, where the tar has them. */
  readonly accessTimes: boolean;
}

/** An attribute that the two views show differently; values are printable. */
export interface Difference {
  readonly attribute: string;
  readonly toc: string;
  readonly tar: string;
}

/** All differences in attributes; contents are compared by digest elsewhere. */
export function compareAttributes(toc: TocFile, tar: ComparedEntry, traits: DialectTraits): Difference[] {
  const found: Difference[] = [];
  const check = (attribute: string, a: string | number, b: string | number) => {
    if (a !== b) found.push({ attribute, toc: escapeName(String(a)), tar: escapeName(String(b)) });
  };
  // Paths were matched when cleaned; a reader that does not clean sees another one.
  if (toc.name !== tar.name && canonicalPath(toc.name).escapes !== canonicalPath(tar.name).escapes) {
    check("name", toc.name, replacedName(tar.name));
  }
  check("type", toc.kind, tar.kind);
  if (toc.kind !== tar.kind) return found;
  if (tar.kind === "file") check("size", toc.size, tar.size);
  // Type bits in a mode are ignored in favour of the type.
  if (permissions(toc.mode) !== permissions(tar.mode)) check("mode", octal(toc.mode), octal(tar.mode));
  check("uid", toc.uid, tar.uid);
  check("gid", toc.gid, tar.gid);
  if (traits.ownerNames) {
    // A TOC leaves a name out where it is the last one seen for the id, so it cannot say "no name" again.
    const silent = (name: string, named: boolean) => name === "" && !named;
    if (!silent(tar.userName, toc.namesUser)) check("userName", toc.userName, replacedName(tar.userName));
    if (!silent(tar.groupName, toc.namesGroup)) {
      check("groupName", toc.groupName, replacedName(tar.groupName));
    }
  }
  if (!sameTime(toc.mtime, tar.mtime, traits.mtime)) check("mtime", showTime(toc.mtime), showTime(tar.mtime));
  if (traits.accessTimes) {
    for (const name of ["atime", "ctime"] as const) {
      if (sameTime(toc[name], tar[name], traits.mtime)) continue;
      check(name, showTime(toc[name]), showTime(tar[name]));
    }
  }
  if (tar.kind === "symlink") check("linkName", toc.linkName, replacedName(tar.linkName));
  if (tar.kind === "hardlink") {
    check("linkName", canonicalPath(toc.linkName).path, canonicalPath(replacedName(tar.linkName)).path);
  }
  if (tar.kind === "char" || tar.kind === "block") {
    check("devMajor", toc.devMajor, tar.devMajor);
    check("devMinor", toc.devMinor, tar.devMinor);
  }
  if (toc.xattrs || tar.xattrs) found.push(...compareXattrs(toc, tar));
  return found;
}

function compareXattrs(toc: TocFile, tar: ComparedEntry): Difference[] {
  const found: Difference[] = [];
  // A TOC cannot hold a name that is not UTF-8; its writers replace such bytes.
  const inTar = new Map([...tar.xattrs ?? []].map(([name, value]) => [replacedName(name), value]));
  for (const name of new Set([...toc.xattrs?.keys() ?? [], ...inTar.keys()])) {
    const show = (value: Uint8Array | undefined) => (value ? toHex(value) : "absent");
    const [a, b] = [show(toc.xattrs?.get(name)), show(inTar.get(name))];
    if (a !== b) found.push({ attribute: `xattr ${escapeName(name)}`, toc: shorten(a), tar: shorten(b) });
  }
  return found;
}

function permissions(mode: number): number {
  return mode & 0o7777;
}

function octal(mode: number): string {
  return permissions(mode).toString(8).padStart(4, "0");
}

const NO_TIME: Timestamp = { seconds: 0, nanoseconds: 0 };
const YEAR_1 = -62135596800;

/** Absent, year 1 and 1970 are one value; a TOC of whole seconds may be rounded either way. */
function sameTime(
  toc: Timestamp | null,
  tar: Timestamp | null,
  resolution: DialectTraits["mtime"],
): boolean {
  const a = toc ?? NO_TIME;
  const b = !tar || (tar.seconds === YEAR_1 && tar.nanoseconds === 0) ? NO_TIME : tar;
  const seconds = a.seconds - b.seconds;
  if (resolution === "nanoseconds") return seconds === 0 && a.nanoseconds === b.nanoseconds;
  if (a.nanoseconds !== 0) return seconds === 0 && a.nanoseconds === b.nanoseconds;
  return seconds === 0 || (seconds === 1 && b.nanoseconds > 0);
}

function showTime(time: Timestamp | null): string {
  if (!time) return "absent";
  return time.nanoseconds === 0
    ? `${time.seconds}`
    : `${time.seconds}.${String(time.nanoseconds).padStart(9, "0")}`;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}... (${text.length / 2} bytes)` : text;
}

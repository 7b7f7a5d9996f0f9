/**
 * What an entry means to a reader of the tar, PAX records applied: the attributes that a TOC and a tar-split name.
 */
import { Buffer } from "node:buffer";
import { bytes, type BytesLike } from "./bytes.ts";
import {
  DEFAULT_MTIME,
  defaultMode,
  type HeaderFields,
  type NumberField,
  TYPE,
  typeflagOf,
} from "./tar-header.ts";
import { type Entry, paxPairs } from "./tar.ts";

/** A time: whole seconds since 1970, and nine digits behind the point. */
export interface Time {
  readonly seconds: number;
  readonly fraction: string;
}

/** The attributes of a member. */
export interface Attributes {
  readonly name: Uint8Array;
  /** The name a TOC gives: UTF-8 with U+FFFD for what is none. */
  readonly textName: string;
  /** The type as a TOC writes it; null for what has no TOC entry (a PAX global header). */
  readonly type: "dir" | "reg" | "symlink" | "hardlink" | "char" | "block" | "fifo" | null;
  readonly linkName: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly userName: string;
  readonly groupName: string;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly mtime: Time;
  /** Access and change time, which only PAX records give. */
  readonly atime: Time | null;
  readonly ctime: Time | null;
  /** Values in base64. */
  readonly xattrs: Readonly<Record<string, string>>;
}

const TYPES: Readonly<Record<string, Attributes["type"]>> = {
  "\0": "reg",
  [TYPE.file]: "reg",
  [TYPE.contiguous]: "reg",
  [TYPE.hardlink]: "hardlink",
  [TYPE.symlink]: "symlink",
  [TYPE.char]: "char",
  [TYPE.block]: "block",
  [TYPE.dir]: "dir",
  [TYPE.fifo]: "fifo",
};

/** The attributes of `entry`. */
export function attributes(entry: Entry): Attributes {
  const pax = new Map(paxPairs(entry.pax ?? {}));
  const typeflag = typeflagOf(entry);
  const name = bytes(pax.get("path") ?? joinPrefix(entry));
  const xattrs: Record<string, string> = {};
  for (const [key, value] of Object.entries(entry.xattrs ?? {})) xattrs[key] = base64(value);
  for (const [key, value] of pax) {
    if (key.startsWith("SCHILY.xattr.")) xattrs[key.slice(13)] = base64(value);
  }
  const number = (key: string, field: NumberField | undefined): number => numberOf(pax.get(key), field);
  const optional = (key: string): Time | null => pax.has(key) ? timeOf(pax.get(key)!) : null;
  return {
    name,
    textName: text(name),
    type: TYPES[typeflag] ?? null,
    linkName: text(pax.get("linkpath") ?? entry.linkname),
    mode: entry.mode === undefined ? defaultMode(typeflag) : number("", entry.mode),
    uid: number("uid", entry.uid),
    gid: number("gid", entry.gid),
    userName: text(pax.get("uname") ?? entry.uname),
    groupName: text(pax.get("gname") ?? entry.gname),
    devMajor: number("", entry.devmajor),
    devMinor: number("", entry.devminor),
    mtime: timeOf(pax.get("mtime") ?? String(numberOf(undefined, entry.mtime ?? DEFAULT_MTIME))),
    atime: optional("atime"),
    ctime: optional("ctime"),
    xattrs,
  };
}

/** A time as RFC 3339, in UTC. */
export function rfc3339({ seconds, fraction = "" }: { seconds: number; fraction?: string }): string {
  const digits = fraction.replace(/0+$/, "");
  return new Date(seconds * 1000).toISOString().slice(0, -5) + (digits ? `.${digits}` : "") + "Z";
}

/** Base64 of some bytes. */
export function base64(value: BytesLike): string {
  return Buffer.from(bytes(value)).toString("base64");
}

function text(value: BytesLike | undefined): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes(value ?? ""));
}

function joinPrefix(entry: HeaderFields): BytesLike {
  const { prefix, name = "" } = entry;
  if (prefix === undefined || prefix.length === 0) return name;
  return Uint8Array.from([...bytes(prefix), 0x2f, ...bytes(name)]);
}

/** The PAX value in decimal, else the header's number; raw header text is read as octal. */
function numberOf(record: BytesLike | undefined, field: NumberField | undefined): number {
  if (record !== undefined) return Number(text(record));
  if (typeof field === "number" || typeof field === "bigint") return Number(field);
  return parseInt(text(field), 8) || 0;
}

/** A time in decimal; the fraction counts forward, also before 1970. */
function timeOf(value: BytesLike): Time {
  const [, sign, whole, digits = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text(value)) ?? [];
  const fraction = digits.slice(0, 9).padEnd(9, "0");
  if (sign !== "-") return { seconds: Number(whole), fraction };
  if (Number(fraction) === 0) return { seconds: -Number(whole), fraction };
  return { seconds: -Number(whole) - 1, fraction: String(1e9 - Number(fraction)).padStart(9, "0") };
}

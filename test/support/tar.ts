/**
 * Tar archives from a list of entries, whole or as a stream.
 *
 * `tar([{ name: "a", data: "hi" }])` gives a sound archive; each header byte can be set (see `tar-header.ts`), and a
 * `Uint8Array` in the list goes in as it is. PAX records follow POSIX.1-2017 pax, long names of GNU tar its manual,
 * "Basic Tar Format".
 */
import { bytes, type BytesLike, collect, concat } from "./bytes.ts";
import {
  BLOCK,
  DEFAULT_MTIME,
  type HeaderFields,
  type NumberField,
  octal,
  padded,
  padding,
  tarHeader,
  TYPE,
  typeflagOf,
} from "./tar-header.ts";

export {
  base256,
  BLOCK,
  DEFAULT_MTIME,
  headerSum,
  octal,
  padded,
  padding,
  tarHeader,
  TYPE,
} from "./tar-header.ts";
export type { Checksum, HeaderFields, NumberField } from "./tar-header.ts";

/** Which extension carries what a plain header cannot hold. `ustar` and `v7` have none: they cut. */
export type TarFormat = "pax" | "gnu" | "ustar" | "v7";

/** PAX records: in this order, and a list may hold a key twice. */
export type PaxRecords = Readonly<Record<string, BytesLike>> | readonly (readonly [string, BytesLike])[];

/** One member: its header fields, its content, and the extensions in front of it. */
export interface Entry extends HeaderFields {
  readonly name: BytesLike;
  /** Seconds since 1970; a fraction, or a time octal cannot hold, goes to a PAX record in the `pax` format. */
  readonly mtime?: NumberField;
  /** The payload. An iterable needs `size` and is read once for each time the archive is made. */
  readonly data?: BytesLike | Iterable<Uint8Array>;
  /** More PAX records; they win over those made here (a `path` given here leaves the header's name cut, not split). */
  readonly pax?: PaxRecords;
  /** Extended attributes, written as `SCHILY.xattr.*` records. */
  readonly xattrs?: Readonly<Record<string, BytesLike>>;
  /** Forces a GNU long name (and long link) even if it is short, or (false) forbids it. */
  readonly gnuLong?: boolean;
  /** Instead of the zeros behind the payload. */
  readonly padding?: Uint8Array;
}

/** A member in three pieces; a tar archive is these in order, then the end. */
export interface EntryParts {
  /** The entry it was made of; absent for raw bytes in the list. */
  readonly entry?: Entry;
  /** Everything up to the payload: extension headers with their data, then the header. */
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  readonly padding: Uint8Array;
}

/** What a list for `tar` holds: entries, raw bytes, or parts made elsewhere (sparse members). */
export type TarItem = Entry | Uint8Array | EntryParts;

/** What surrounds the members. */
export interface TarOptions {
  readonly format?: TarFormat;
  /** No zero blocks at the end. */
  readonly noEnd?: boolean;
  /** Zero blocks behind the two that end the archive. */
  readonly zeroBlocks?: number;
  /** Pads the archive with zeros to a multiple of this many bytes; GNU tar's is 10240. */
  readonly recordSize?: number;
  /** Bytes at the very end. */
  readonly trailing?: BytesLike | Iterable<Uint8Array>;
}

/** One PAX record, `LENGTH KEY=VALUE\n`, where the length counts itself. */
export function paxRecord(key: string, value: BytesLike): Uint8Array<ArrayBuffer> {
  const body = concat(bytes(` ${key}=`), bytes(value), bytes("\n"));
  let length = body.length;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return concat(bytes(String(length)), body);
}

/** A PAX extended header: header block, records, padding. `fields` may change the block. */
export function paxHeader(
  records: PaxRecords | Uint8Array,
  options: HeaderFields & { readonly global?: boolean } = {},
): Uint8Array<ArrayBuffer> {
  const { global, ...fields } = options;
  const body = records instanceof Uint8Array
    ? records
    : concat(...paxPairs(records).map(([key, value]) => paxRecord(key, value)));
  const typeflag = global ? TYPE.paxGlobal : TYPE.pax;
  const name = global ? "pax_global_header" : "PaxHeaders/entry";
  return concat(tarHeader({ name, typeflag, size: body.length, ...fields }), padded(body));
}

/** GNU's member for a long name (or link target), with its NUL; `trailingNuls` says how many (default 1). */
export function gnuLongName(
  name: BytesLike,
  options: HeaderFields & { readonly link?: boolean; readonly trailingNuls?: number } = {},
): Uint8Array<ArrayBuffer> {
  const { link, trailingNuls = 1, ...fields } = options;
  const body = concat(bytes(name), new Uint8Array(trailingNuls));
  const typeflag = link ? TYPE.gnuLongLink : TYPE.gnuLongName;
  const header = { name: "././@LongLink", typeflag, mode: 0o644, mtime: 0, size: body.length };
  return concat(tarHeader({ ...header, magic: "gnu", ...fields }), padded(body));
}

/** The bytes of one member: extension headers, header, payload, padding. */
export function entry(item: Entry, format: TarFormat = "pax"): Uint8Array<ArrayBuffer> {
  const parts = entryParts(item, format);
  return concat(parts.header, parts.data, parts.padding);
}

/** One member of the list in three pieces. An iterable payload is read into memory. */
export function entryParts(item: TarItem, format: TarFormat = "pax"): EntryParts {
  if (item instanceof Uint8Array) {
    return { header: item, data: new Uint8Array(0), padding: new Uint8Array(0) };
  }
  if ("header" in item) return item;
  const payload = item.data ?? "";
  const data = typeof payload === "string" || payload instanceof Uint8Array
    ? bytes(payload)
    : collect(payload);
  const header = entryHeader(item, data.length, format);
  return { entry: item, header, data, padding: item.padding ?? padding(data.length) };
}

/** Zero blocks that end an archive. */
export function endOfArchive(blocks = 2): Uint8Array<ArrayBuffer> {
  return new Uint8Array(BLOCK * blocks);
}

/** An archive in pieces: the members, and everything behind the last one. */
export function tarParts(
  items: Iterable<TarItem>,
  options: TarOptions = {},
): { parts: EntryParts[]; tail: Uint8Array } {
  const parts = Array.from(items, (item) => entryParts(item, options.format));
  let length = 0;
  for (const part of parts) length += part.header.length + part.data.length + part.padding.length;
  return { parts, tail: collect(tarTail(length, options)) };
}

/** A whole archive. */
export function tar(items: Iterable<TarItem>, options: TarOptions = {}): Uint8Array<ArrayBuffer> {
  return collect(tarStream(items, options));
}

/**
 * An archive piece by piece, in constant memory if `items` and their payloads are generators. A payload that is not
 * as long as its entry's `size` says is an error: the archive would be broken without anybody having asked for it.
 */
export function* tarStream(items: Iterable<TarItem>, options: TarOptions = {}): Generator<Uint8Array> {
  let length = 0;
  for (const item of items) {
    const streamed = streamedPayload(item);
    if (streamed === null) {
      const { header, data, padding } = entryParts(item, options.format);
      for (const piece of [header, data, padding]) {
        length += piece.length;
        if (piece.length > 0) yield piece;
      }
      continue;
    }
    const { size } = streamed.item;
    if (typeof size !== "number") throw new TypeError("Cannot stream a payload: its entry has no size");
    const header = entryHeader(streamed.item, size, options.format ?? "pax");
    yield header;
    let count = 0;
    for (const piece of streamed.data) {
      count += piece.length;
      yield piece;
    }
    if (count !== size) {
      throw new RangeError(`Cannot stream a payload: it has ${count} bytes, its entry says ${size}`);
    }
    yield padding(size);
    length += header.length + size + padding(size).length;
  }
  yield* tarTail(length, options);
}

/** A payload of `size` bytes that repeats `piece`, for members too large for memory. */
export function* repeated(piece: Uint8Array, size: number): Generator<Uint8Array> {
  for (let left = size; left > 0; left -= piece.length) {
    yield left < piece.length ? piece.subarray(0, left) : piece;
  }
}

function streamedPayload(item: TarItem): { item: Entry; data: Iterable<Uint8Array> } | null {
  if (item instanceof Uint8Array || "header" in item) return null;
  const { data } = item;
  if (data === undefined || typeof data === "string" || data instanceof Uint8Array) return null;
  return { item, data };
}

/** Everything behind the last member, in pieces of at most 1 MiB. */
function* tarTail(length: number, options: TarOptions): Generator<Uint8Array> {
  const end = BLOCK * ((options.noEnd ? 0 : 2) + (options.zeroBlocks ?? 0));
  const record = options.recordSize ?? 1;
  const zeros = end + (record - (length + end) % record) % record;
  if (zeros > 0) yield* repeated(new Uint8Array(Math.min(zeros, 2 ** 20)), zeros);
  const { trailing = "" } = options;
  if (typeof trailing !== "string" && !(trailing instanceof Uint8Array)) yield* trailing;
  else if (trailing.length > 0) yield bytes(trailing);
}

/** Records as a list, whichever way they were given. */
export function paxPairs(records: PaxRecords): readonly (readonly [string, BytesLike])[] {
  return Array.isArray(records) ? records : Object.entries(records as Readonly<Record<string, BytesLike>>);
}

/** All headers of an entry, with what its format needs for what the plain header cannot hold. */
function entryHeader(item: Entry, dataLength: number, format: TarFormat): Uint8Array {
  const magic = item.magic ?? ({ pax: "ustar", ustar: "ustar", gnu: "gnu", v7: "v7" } as const)[format];
  const fields: HeaderFields = { ...item, magic, typeflag: typeflagOf(item), size: item.size ?? dataLength };
  const given = paxPairs(item.pax ?? {});
  const xattrs = Object.entries(item.xattrs ?? {}).map(([key, value]) =>
    [`SCHILY.xattr.${key}`, value] as const
  );
  const own = format === "pax" ? neededRecords(fields) : [];
  const records = [...own, ...xattrs].filter(([key]) => !given.some(([other]) => other === key)).concat(
    given,
  );
  const before: Uint8Array[] = [];
  if (records.length > 0) {
    before.push(
      paxHeader(records, { name: paxHeaderName(item.name), mtime: Math.max(0, wholeSeconds(fields.mtime)) }),
    );
  }
  const long = (text: BytesLike): boolean => item.gnuLong ?? (format === "gnu" && bytes(text).length > 100);
  const linkname = item.linkname ?? "";
  if (linkname.length > 0 && long(linkname)) before.push(gnuLongName(linkname, { link: true }));
  if (long(item.name)) before.push(gnuLongName(item.name));
  const replaced = Object.fromEntries(own.map(([key]) => [HEADER_OF[key]!, placeholder(key, fields)]));
  return concat(...before, tarHeader({ ...fields, ...replaced }));
}

const HEADER_OF: Readonly<Record<string, string>> = {
  path: "name",
  linkpath: "linkname",
  size: "size",
  uid: "uid",
  gid: "gid",
  mtime: "mtime",
  uname: "uname",
  gname: "gname",
};

/** The PAX records without which a ustar header would lose something: not ASCII, too long, or out of octal's range. */
function neededRecords(fields: HeaderFields): (readonly [string, BytesLike])[] {
  const out: (readonly [string, BytesLike])[] = [];
  const text = (key: string, value: BytesLike | undefined, width: number): void => {
    if (value === undefined) return;
    const isText = typeof value === "string";
    if (bytes(value).length > width || (isText && /[^\0-\x7f]/.test(value))) out.push([key, value]);
  };
  const number = (key: string, value: HeaderFields["uid"], width: number): void => {
    if (typeof value !== "number" && typeof value !== "bigint") return;
    if (octal(value, width) === null) out.push([key, String(value)]);
  };
  // A caller who sets the prefix splits the name himself.
  if (fields.prefix === undefined) text("path", fields.name, 100);
  text("linkpath", fields.linkname, 100);
  number("size", fields.size, 12);
  number("uid", fields.uid, 8);
  number("gid", fields.gid, 8);
  number("mtime", fields.mtime, 12);
  text("uname", fields.uname, 32);
  text("gname", fields.gname, 32);
  return out;
}

/** What stands in the header in place of a value that went to a PAX record: text cut to ASCII, numbers 0. */
function placeholder(key: string, fields: HeaderFields): BytesLike | number {
  const value = fields[HEADER_OF[key] as keyof HeaderFields] as BytesLike | number | bigint;
  if (typeof value === "string") return value.replace(/[^\0-\x7f]/g, "");
  if (value instanceof Uint8Array) return value;
  return key === "mtime" ? Math.max(0, wholeSeconds(value)) : 0;
}

function wholeSeconds(mtime: HeaderFields["mtime"]): number {
  const value = typeof mtime === "number" ? Math.floor(mtime) : DEFAULT_MTIME;
  return octal(value, 12) === null ? 0 : value;
}

function paxHeaderName(name: BytesLike): BytesLike {
  if (typeof name !== "string") return "PaxHeaders/entry";
  const path = name.replace(/[^\0-\x7f]/g, "").replace(/\/$/, "");
  const slash = path.lastIndexOf("/") + 1;
  return `${path.slice(0, slash)}PaxHeaders/${path.slice(slash)}`.slice(0, 100);
}

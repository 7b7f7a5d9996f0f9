/**
 * The JSON text of a TOC (eStargz specification, "TOC"; containers/storage `pkg/chunked`) → `Toc`.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import type { EntryKind } from "../tar/entry.ts";
import { escapeName } from "../tar/names.ts";
import { badEntry, Fields, isObject, type JsonObject } from "./fields.ts";
import { foldedKeys, lookAlike, parseStrictJson } from "../json/strict.ts";
import type { Toc, TocChunk, TocFile } from "./model.ts";

const KINDS: Readonly<Record<string, EntryKind>> = {
  reg: "file",
  dir: "dir",
  symlink: "symlink",
  hardlink: "hardlink",
  char: "char",
  block: "block",
  fifo: "fifo",
};

/** Fields that some reader knows. Go's encoding/json takes `Name` for `name`, so such look-alikes are refused. */
const EXACT: ReadonlySet<string> = new Set(
  ("version entries tarSplitDigest name type size modtime accesstime changetime linkName mode uid gid userName " +
    "groupName devMajor devMinor NumLink xattrs digest offset endOffset chunkOffset chunkSize chunkDigest " +
    "chunkType innerOffset").split(" "),
);
const KNOWN = foldedKeys([...EXACT]);

/**
 * @param json the exact bytes that were hashed
 * @param maxEntries most entries (chunks included)
 * @throws {FormatError} `toc-…` with the entry's name
 * @throws {LimitExceeded} `entries-limit`
 */
export function parseToc(json: Uint8Array, maxEntries: number): Toc {
  // An entry is an object, and may hold another one (xattrs); the root and the array come on top.
  const root = parseStrictJson(json, { what: "the TOC", code: "toc-json", maxNodes: 2 * maxEntries + 2 });
  // Go writes an empty list as null.
  const entries: unknown = isObject(root) ? root["entries"] ?? [] : null;
  if (!isObject(root) || !Array.isArray(entries)) {
    throw new FormatError("toc-json", "Cannot read the TOC: it is not an object with an array of entries");
  }
  if (entries.length > maxEntries) {
    throw new LimitExceeded("entries-limit", `The TOC has more than ${maxEntries} entries`, {
      advice: "Raise --limit-entries if you trust the layer.",
    });
  }
  checkKeys(root, "(top level)");
  const top = new Fields(root, "(top level)");
  if (top.integer("version") !== 1) {
    throw new FormatError(
      "toc-version",
      `Cannot read the TOC: its version is ${top.integer("version")}, only 1 is defined`,
    );
  }
  const files: TocFile[] = [];
  const names = new NameMemory();
  let chunks = 0;
  for (let i = 0; i < entries.length;) {
    const first = entryAt(entries, i);
    const type = first.text("type");
    if (type === "chunk") {
      throw badEntry("toc-chunk-without-file", first.name, "a chunk does not follow its file");
    }
    let end = i + 1;
    while (end < entries.length && isChunkOf(entries[end])) end++;
    const file = readFile(
      first,
      type,
      names,
      end === i + 1 ? NO_FIELDS : entries.slice(i + 1, end).map((_, at) => entryAt(entries, i + 1 + at)),
    );
    chunks += file.chunks.length;
    files.push(file);
    i = end;
  }
  return { files, tarSplitDigest: top.digest("tarSplitDigest"), chunks };
}

const NO_FIELDS: readonly Fields[] = [];

function entryAt(entries: readonly unknown[], index: number): Fields {
  const entry = entries[index];
  if (!isObject(entry)) throw badEntry("toc-bad-field", `number ${index}`, "it is not an object");
  const name = typeof entry["name"] === "string" ? entry["name"] : `number ${index}`;
  checkKeys(entry, name);
  const fields = new Fields(entry, name);
  if (fields.text("name").includes("\0")) throw badEntry("toc-bad-field", name, "its name holds a NUL");
  return fields;
}

function checkKeys(object: JsonObject, name: string): void {
  for (const key in object) {
    if (EXACT.has(key)) continue;
    const known = lookAlike(key, KNOWN);
    if (known === undefined) continue;
    const what = `the key ${escapeName(key.slice(0, 100))} differs from ${known} only in case`;
    throw badEntry("toc-ambiguous-key", name, what);
  }
}

function isChunkOf(entry: unknown): boolean {
  return isObject(entry) && entry["type"] === "chunk";
}

/** Owner names stand only where they differ from what was last said of the id (eStargz specification, "userName"). */
class NameMemory {
  readonly #users = new Map<number, string>();
  readonly #groups = new Map<number, string>();

  user(id: number, name: string): string {
    return remember(this.#users, id, name);
  }

  group(id: number, name: string): string {
    return remember(this.#groups, id, name);
  }
}

function remember(names: Map<number, string>, id: number, name: string): string {
  if (name === "") return names.get(id) ?? "";
  names.set(id, name);
  return name;
}

function readFile(fields: Fields, type: string, names: NameMemory, rest: readonly Fields[]): TocFile {
  const kind = KINDS[type];
  if (!kind) {
    throw badEntry("toc-bad-field", fields.name, `its type ${JSON.stringify(type.slice(0, 40))} is unknown`);
  }
  const uid = fields.natural("uid");
  const gid = fields.natural("gid");
  const size = fields.natural("size");
  if (kind !== "file" && rest.length > 0) {
    throw badEntry("toc-chunk-without-file", fields.name, "it is no file, but has chunks");
  }
  return {
    name: fields.name,
    kind,
    size,
    mode: fields.integer("mode"),
    uid,
    gid,
    userName: names.user(uid, fields.text("userName")),
    groupName: names.group(gid, fields.text("groupName")),
    namesUser: fields.text("userName") !== "",
    namesGroup: fields.text("groupName") !== "",
    mtime: fields.time("modtime"),
    atime: fields.time("accesstime"),
    ctime: fields.time("changetime"),
    linkName: fields.text("linkName"),
    devMajor: fields.integer("devMajor"),
    devMinor: fields.integer("devMinor"),
    xattrs: fields.xattrs("xattrs"),
    digest: fields.digest("digest"),
    chunks: kind === "file" && size > 0 ? readChunks([fields, ...rest], size) : [],
    endOffset: fields.natural("endOffset") || null,
  };
}

/** Chunks must cover the file without gap or overlap; a size of 0 on the last one means "the rest". */
function readChunks(parts: readonly Fields[], size: number): TocChunk[] {
  const chunks: TocChunk[] = [];
  let position = 0;
  parts.forEach((part, index) => {
    const { name } = part;
    if (name !== parts[0]!.name) {
      throw badEntry("toc-chunk-without-file", name, "the chunk follows another file");
    }
    const chunkOffset = part.natural("chunkOffset");
    const last = index === parts.length - 1;
    if (chunkOffset > position) {
      throw badEntry("toc-chunk-gap", name, `no chunk covers bytes ${position} to ${chunkOffset}`);
    }
    if (chunkOffset < position) {
      throw badEntry("toc-chunk-overlap", name, `two chunks cover byte ${chunkOffset}`);
    }
    const length = part.natural("chunkSize") || (last ? size - position : 0);
    if (length === 0) {
      throw badEntry("toc-chunk-gap", name, `the chunk at ${chunkOffset} has no size, and is not the last`);
    }
    if (length > size - position) {
      throw badEntry("toc-chunk-overlap", name, `the chunk at ${chunkOffset} leaves the file`);
    }
    const type = part.text("chunkType");
    if (type !== "" && type !== "zeros") {
      throw badEntry("toc-bad-field", name, `the chunk type ${JSON.stringify(type.slice(0, 40))} is unknown`);
    }
    chunks.push({
      chunkOffset,
      length,
      offset: part.natural("offset"),
      innerOffset: part.natural("innerOffset"),
      digest: part.digest("chunkDigest") ?? (parts.length === 1 ? part.digest("digest") : null),
      zeros: type === "zeros",
    });
    position += length;
  });
  if (position < size) {
    throw badEntry("toc-chunk-gap", parts[0]!.name, `no chunk covers bytes ${position} to ${size}`);
  }
  return chunks;
}

/**
 * The files of a layer as a tree in a few large arrays: some 60 bytes a file, and its name.
 *
 * A node is what a file system calls an inode: a number, the root's is 0. Hard links are several names of one node.
 *
 * @module
 */
import { FormatError } from "../errors.ts";
import type { Timestamp } from "../tar/entry.ts";
import { decodeName, encodeName, escapeName } from "../tar/names.ts";
import { toHex } from "../digest/digest.ts";
import type { TocFile } from "../toc/model.ts";
import { ChunkTable } from "./chunk-table.ts";
import { BytePool, Column } from "./columns.ts";
import { NameTable } from "./name-table.ts";

/** What a node is. A whiteout deletes what lower layers have of its name. */
export type NodeKind = "file" | "dir" | "symlink" | "char" | "block" | "fifo" | "whiteout";

/** What a layer tells of a node. Numbers that a TOC leaves out are 0. */
export interface NodeStat {
  readonly kind: NodeKind;
  /** Permission bits, with setuid, setgid and sticky: 12 bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file, or of a symbolic link's target; else 0. */
  readonly size: number;
  readonly mtime: Timestamp;
  /** Names of the node; of a directory 2, and one for each directory in it. */
  readonly nlink: number;
  /** Of devices. */
  readonly devMajor: number;
  readonly devMinor: number;
  /** Of directories: hides what lower layers have in it. */
  readonly opaque: boolean;
}

/** One name in a directory. */
export interface DirectoryEntry {
  /** Lossless, as `decodeName` gives it; `encodeName` gives the bytes. */
  readonly name: string;
  readonly node: number;
  readonly kind: NodeKind;
}

const KINDS: readonly NodeKind[] = ["file", "dir", "symlink", "char", "block", "fifo", "whiteout"];
export const DIR = KINDS.indexOf("dir");
const FILE = KINDS.indexOf("file");
const SYMLINK = KINDS.indexOf("symlink");
const WHITEOUT = KINDS.indexOf("whiteout");
/** Flags of a node. */
const OPAQUE = 1;
/** A directory that only others' paths tell of. */
const IMPLIED = 2;

export const ROOT = 0;
/** No entry. */
const NONE = 0xffffffff;
/** chown takes the highest number for "as it is". */
const MAX_ID = 2 ** 32 - 2;

export class LayerTree {
  readonly names: NameTable;
  readonly chunks: ChunkTable;

  readonly #kinds: Column<Uint8Array>;
  readonly #flags: Column<Uint8Array>;
  readonly #modes: Column<Uint16Array>;
  readonly #uids: Column<Uint32Array>;
  readonly #gids: Column<Uint32Array>;
  readonly #sizes: Column<Float64Array>;
  readonly #seconds: Column<Float64Array>;
  readonly #nanoseconds: Column<Uint32Array>;
  readonly #links: Column<Uint32Array>;
  /** A directory's first entry, a file's first chunk, a symbolic link's place in `#targets`, a device's major number. */
  readonly #first: Column<Uint32Array>;
  /** A directory's last entry, a file's number of chunks, a device's minor number. */
  readonly #second: Column<Uint32Array>;
  /** The entry that first named the node. */
  readonly #entries: Column<Uint32Array>;
  /** By entry: the node, and the next entry of its directory. */
  readonly #nodes: Column<Uint32Array>;
  readonly #next: Column<Uint32Array>;
  readonly #targets = new BytePool(1024);
  /** Place in `#attributes` + 1. */
  readonly #xattrs: Column<Uint32Array>;
  readonly #attributes: ReadonlyMap<string, Uint8Array>[] = [];
  /** Sets of attributes come again and again: all files of a system have one of few SELinux labels. */
  readonly #sets = new Map<string, number>();
  /** Digests of whole files of which the chunks do not have one each. */
  readonly #digests = new Map<number, string>();

  /** @param files and chunks that will probably be added */
  constructor(files: number, chunks: number) {
    this.names = new NameTable(files);
    this.chunks = new ChunkTable(chunks);
    const words = () => new Column(new Uint32Array(files));
    this.#kinds = new Column(new Uint8Array(files));
    this.#flags = new Column(new Uint8Array(files));
    this.#modes = new Column(new Uint16Array(files));
    [this.#uids, this.#gids, this.#nanoseconds, this.#links] = [words(), words(), words(), words()];
    [this.#first, this.#second, this.#entries] = [words(), words(), words()];
    [this.#nodes, this.#next, this.#xattrs] = [words(), words(), words()];
    this.#sizes = new Column(new Float64Array(files));
    this.#seconds = new Column(new Float64Array(files));
    this.#addNode(DIR, NONE);
    this.#flags.values[ROOT] = IMPLIED;
  }

  /** Nodes, whiteouts and implied directories included. */
  get length(): number {
    return this.#kinds.length;
  }

  // Building

  /** The node of that name in a directory, or -1. */
  child(directory: number, name: string | Uint8Array): number {
    const entry = this.names.find(directory, name);
    return entry < 0 ? -1 : this.#nodes.values[entry]!;
  }

  isDirectory(node: number): boolean {
    return this.#kinds.values[node] === DIR;
  }

  isImplied(node: number): boolean {
    return (this.#flags.values[node]! & IMPLIED) !== 0;
  }

  /** A new directory of which nothing is known: the caller knows that the name is free. */
  addImplied(directory: number, name: string): number {
    const node = this.#addNamed(directory, name, DIR);
    this.#flags.values[node] = IMPLIED;
    return node;
  }

  /** A new node of a TOC's file: the caller knows that the name is free. */
  add(directory: number, name: string, file: TocFile, whiteout = false): number {
    const kind = whiteout ? WHITEOUT : KINDS.indexOf(file.kind as NodeKind);
    const node = this.#addNamed(directory, name, kind);
    this.describe(node, file);
    return node;
  }

  /** Another name of a node: the caller knows that the name is free, and that the node is no directory. */
  link(directory: number, name: string, node: number): void {
    this.#addEntry(directory, name, node);
    this.#links.values[node]!++;
  }

  setOpaque(directory: number): void {
    this.#flags.values[directory]! |= OPAQUE;
  }

  /** Gives a node the attributes and the content of a TOC's file. @throws {FormatError} `toc-number` */
  describe(node: number, file: TocFile): void {
    this.#flags.values[node]! &= ~IMPLIED;
    this.#modes.values[node] = ((file.mode % 0o10000) + 0o10000) % 0o10000;
    this.#uids.values[node] = bounded(file, "uid", file.uid, MAX_ID);
    this.#gids.values[node] = bounded(file, "gid", file.gid, MAX_ID);
    this.#seconds.values[node] = file.mtime?.seconds ?? 0;
    this.#nanoseconds.values[node] = file.mtime?.nanoseconds ?? 0;
    this.#xattrs.values[node] = file.xattrs ? this.#setOf(file.xattrs) : 0;
    const kind = this.#kinds.values[node];
    if (kind === FILE) {
      this.#sizes.values[node] = file.size;
      this.#second.values[node] = file.chunks.length;
      this.#first.values[node] = this.chunks.add(file);
      if (file.digest !== null && file.chunks.some(({ digest }) => digest === null)) {
        this.#digests.set(node, file.digest);
      }
    } else if (kind === SYMLINK) this.#setTarget(node, file.linkName);
    else if (file.kind === "char" || file.kind === "block") {
      this.#first.values[node] = bounded(file, "major device number", file.devMajor, 2 ** 12 - 1);
      this.#second.values[node] = bounded(file, "minor device number", file.devMinor, 2 ** 20 - 1);
    }
  }

  /** Nothing will be added any more. `exact` and `end` as in `ChunkTable.finish`. */
  finish(exact: boolean, end: number): void {
    const lengths = new Float64Array(exact ? 0 : this.chunks.length);
    for (let node = 0; !exact && node < this.length; node++) {
      if (this.#kinds.values[node] !== FILE) continue;
      const [first, last] = this.chunkRange(node);
      for (let chunk = first; chunk < last; chunk++) lengths[chunk] = this.chunkLength(node, chunk);
    }
    this.chunks.finish(exact, end, (chunk) => lengths[chunk]!);
    this.names.trim();
    for (const column of [this.#kinds, this.#flags, this.#modes, this.#uids, this.#gids]) column.trim();
    for (const column of [this.#nanoseconds, this.#links, this.#first, this.#second]) column.trim();
    for (const column of [this.#entries, this.#nodes, this.#next, this.#xattrs]) column.trim();
    this.#sizes.trim();
    this.#seconds.trim();
    this.#targets.trim();
    this.#sets.clear();
  }

  // Reading

  kind(node: number): NodeKind {
    return KINDS[this.#kinds.values[node]!]!;
  }

  size(node: number): number {
    return this.#sizes.values[node]!;
  }

  stat(node: number): NodeStat {
    const kind = this.kind(node);
    const device = kind === "char" || kind === "block";
    return {
      kind,
      mode: this.#modes.values[node]!,
      uid: this.#uids.values[node]!,
      gid: this.#gids.values[node]!,
      size: this.#sizes.values[node]!,
      mtime: { seconds: this.#seconds.values[node]!, nanoseconds: this.#nanoseconds.values[node]! },
      nlink: this.#links.values[node]!,
      devMajor: device ? this.#first.values[node]! : 0,
      devMinor: device ? this.#second.values[node]! : 0,
      opaque: (this.#flags.values[node]! & OPAQUE) !== 0,
    };
  }

  /** The names in a directory, in the order of the TOC; whiteouts last. */
  *entries(directory: number): Generator<DirectoryEntry, void, void> {
    for (let entry = this.#first.values[directory]!; entry !== NONE; entry = this.#next.values[entry]!) {
      const node = this.#nodes.values[entry]!;
      yield { name: decodeName(this.names.bytes(entry)), node, kind: this.kind(node) };
    }
  }

  /** Extended attributes, raw values; null where there are none. */
  xattrs(node: number): ReadonlyMap<string, Uint8Array> | null {
    const place = this.#xattrs.values[node]!;
    return place === 0 ? null : this.#attributes[place - 1]!;
  }

  /** The bytes of a symbolic link's target. */
  target(node: number): Uint8Array {
    const start = this.#first.values[node]!;
    return this.#targets.bytes.slice(start, start + this.#sizes.values[node]!);
  }

  /** The directory that holds a node's first name; the root's is the root. */
  parent(node: number): number {
    return node === ROOT ? ROOT : this.names.parent(this.#entries.values[node]!);
  }

  /** The node's first path, without a slash in front; the root's is empty. */
  path(node: number): string {
    const parts: string[] = [];
    for (let at = node; at !== ROOT; at = this.parent(at)) {
      parts.push(decodeName(this.names.bytes(this.#entries.values[at]!)));
    }
    return parts.reverse().join("/");
  }

  /** The digest of a whole file where its chunks do not have one each; else null. */
  fileDigest(node: number): string | null {
    return this.#digests.get(node) ?? null;
  }

  /** A file's chunks: the first, and the one behind the last. */
  chunkRange(node: number): readonly [first: number, end: number] {
    const first = this.#first.values[node]!;
    return [first, first + this.#second.values[node]!];
  }

  /** Bytes of a chunk of that file. */
  chunkLength(node: number, chunk: number): number {
    const [, end] = this.chunkRange(node);
    const next = chunk + 1 < end ? this.chunks.start(chunk + 1) : this.size(node);
    return next - this.chunks.start(chunk);
  }

  /** The chunk that holds byte `offset` of a file that has it. */
  chunkAt(node: number, offset: number): number {
    let [low, high] = this.chunkRange(node);
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.chunks.start(middle) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  #addNamed(directory: number, name: string, kind: number): number {
    const entry = this.#addEntry(directory, name, this.length);
    return this.#addNode(kind, entry);
  }

  #addNode(kind: number, entry: number): number {
    const node = this.length;
    this.#kinds.push(kind);
    this.#flags.push(0);
    this.#modes.push(kind === DIR ? 0o755 : 0);
    for (const column of [this.#uids, this.#gids, this.#nanoseconds, this.#xattrs]) column.push(0);
    this.#sizes.push(0);
    this.#seconds.push(0);
    this.#links.push(kind === DIR ? 2 : 1);
    this.#first.push(kind === DIR ? NONE : 0);
    this.#second.push(kind === DIR ? NONE : 0);
    this.#entries.push(entry);
    // A directory has `..`.
    if (kind === DIR && entry !== NONE) this.#links.values[this.names.parent(entry)]!++;
    return node;
  }

  #addEntry(directory: number, name: string, node: number): number {
    const entry = this.names.findOrAdd(directory, name);
    this.#nodes.push(node);
    this.#next.push(NONE);
    const last = this.#second.values[directory]!;
    if (last === NONE) this.#first.values[directory] = entry;
    else this.#next.values[last] = entry;
    this.#second.values[directory] = entry;
    return entry;
  }

  #setTarget(node: number, target: string): void {
    const bytes = encodeName(target);
    this.#targets.reserve(bytes.length);
    this.#targets.bytes.set(bytes, this.#targets.length);
    this.#first.values[node] = this.#targets.length;
    this.#sizes.values[node] = bytes.length;
    this.#targets.length += bytes.length;
  }

  #setOf(xattrs: ReadonlyMap<string, Uint8Array>): number {
    const key = [...xattrs].map(([name, value]) => `${name}\0${toHex(value)}`).join("\0\0");
    let place = this.#sets.get(key);
    if (place === undefined) {
      this.#attributes.push(xattrs);
      this.#sets.set(key, place = this.#attributes.length);
    }
    return place;
  }
}

function bounded(file: TocFile, what: string, value: number, most: number): number {
  if (value >= 0 && value <= most) return value;
  const entry = escapeName(file.name);
  throw new FormatError("toc-number", `Cannot use the TOC entry ${entry}: its ${what} is ${value}`, {
    entry,
    expected: `0 to ${most}`,
    actual: `${value}`,
    advice: "Linux has no such number: build the layer again.",
  });
}

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
import { BytePool, resized } from "./columns.ts";
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

  #length = 0;
  #kinds: Uint8Array;
  #flags: Uint8Array;
  #modes: Uint16Array;
  #uids: Uint32Array;
  #gids: Uint32Array;
  #sizes: Float64Array;
  #seconds: Float64Array;
  #nanoseconds: Uint32Array;
  #links: Uint32Array;
  /** A directory's first entry, a file's first chunk, a symbolic link's place in `#targets`, a device's major number. */
  #first: Uint32Array;
  /** A directory's last entry, a file's number of chunks, a device's minor number. */
  #second: Uint32Array;
  /** The entry that first named the node. */
  #entries: Uint32Array;
  /** By entry: the node, and the next entry of its directory. */
  #nodes: Uint32Array;
  #next: Uint32Array;
  readonly #targets = new BytePool(1024);
  /** Place in `#attributes` + 1. */
  #xattrs: Uint32Array;
  readonly #attributes: ReadonlyMap<string, Uint8Array>[] = [];
  /** Sets of attributes come again and again: all files of a system have one of few SELinux labels. */
  readonly #sets = new Map<string, number>();
  /** Digests of whole files that their chunks' digests do not make superfluous. */
  readonly #digests = new Map<number, string>();

  /** @param files and chunks that will probably be added */
  constructor(files: number, chunks: number) {
    this.names = new NameTable(files);
    this.chunks = new ChunkTable(chunks);
    const nodes = files + 1;
    this.#kinds = new Uint8Array(nodes);
    this.#flags = new Uint8Array(nodes);
    this.#modes = new Uint16Array(nodes);
    this.#uids = new Uint32Array(nodes);
    this.#gids = new Uint32Array(nodes);
    this.#sizes = new Float64Array(nodes);
    this.#seconds = new Float64Array(nodes);
    this.#nanoseconds = new Uint32Array(nodes);
    this.#links = new Uint32Array(nodes);
    this.#first = new Uint32Array(nodes);
    this.#second = new Uint32Array(nodes);
    this.#entries = new Uint32Array(nodes);
    this.#xattrs = new Uint32Array(nodes);
    this.#nodes = new Uint32Array(files);
    this.#next = new Uint32Array(files);
    this.#addNode(DIR, NONE);
    this.#flags[ROOT] = IMPLIED;
  }

  /** Nodes, whiteouts and implied directories included. */
  get length(): number {
    return this.#length;
  }

  // Building

  /** The node of that name in a directory, or -1. */
  child(directory: number, name: string | Uint8Array): number {
    const entry = this.names.find(directory, name);
    return entry < 0 ? -1 : this.#nodes[entry]!;
  }

  isDirectory(node: number): boolean {
    return this.#kinds[node] === DIR;
  }

  isImplied(node: number): boolean {
    return (this.#flags[node]! & IMPLIED) !== 0;
  }

  /** A new directory of which nothing is known. Its name is the one that `child` has just not found there. */
  addImplied(directory: number): number {
    const node = this.#addNamed(directory, DIR);
    this.#flags[node] = IMPLIED;
    return node;
  }

  /** A new node of a TOC's file. Its name is the one that `child` has just not found there. */
  add(directory: number, file: TocFile, whiteout = false): number {
    const kind = whiteout ? WHITEOUT : KINDS.indexOf(file.kind as NodeKind);
    const node = this.#addNamed(directory, kind);
    this.describe(node, file);
    return node;
  }

  /** Another name of a node, which is no directory: the one that `child` has just not found there. */
  link(directory: number, node: number): void {
    this.#addEntry(directory, node);
    this.#links[node]!++;
  }

  setOpaque(directory: number): void {
    this.#flags[directory]! |= OPAQUE;
  }

  /** Gives a node the attributes and the content of a TOC's file. @throws {FormatError} `toc-number` */
  describe(node: number, file: TocFile): void {
    this.#flags[node]! &= ~IMPLIED;
    this.#modes[node] = ((file.mode % 0o10000) + 0o10000) % 0o10000;
    this.#uids[node] = bounded(file, "uid", file.uid, MAX_ID);
    this.#gids[node] = bounded(file, "gid", file.gid, MAX_ID);
    this.#seconds[node] = file.mtime?.seconds ?? 0;
    this.#nanoseconds[node] = file.mtime?.nanoseconds ?? 0;
    this.#xattrs[node] = file.xattrs ? this.#setOf(file.xattrs) : 0;
    const kind = this.#kinds[node];
    if (kind === FILE) {
      this.#sizes[node] = file.size;
      this.#second[node] = file.chunks.length;
      this.#first[node] = this.chunks.add(file);
      if (file.digest !== null && !isSaidByChunks(file)) this.#digests.set(node, file.digest);
    } else if (kind === SYMLINK) this.#setTarget(node, file.linkName);
    else if (file.kind === "char" || file.kind === "block") {
      this.#first[node] = bounded(file, "major device number", file.devMajor, 2 ** 12 - 1);
      this.#second[node] = bounded(file, "minor device number", file.devMinor, 2 ** 20 - 1);
    }
  }

  /** Nothing will be added any more. `exact` and `end` as in `ChunkTable.finish`. */
  finish(exact: boolean, end: number): void {
    const lengths = new Float64Array(exact ? 0 : this.chunks.length);
    for (let node = 0; !exact && node < this.length; node++) {
      if (this.#kinds[node] !== FILE) continue;
      const [first, last] = this.chunkRange(node);
      for (let chunk = first; chunk < last; chunk++) lengths[chunk] = this.chunkLength(node, chunk);
    }
    this.chunks.finish(exact, end, (chunk) => lengths[chunk]!);
    this.names.trim();
    if (this.#length < this.#kinds.length) this.#resizeNodes(this.#length);
    if (this.names.length < this.#nodes.length) this.#resizeEntries(this.names.length);
    this.#targets.trim();
    this.#sets.clear();
  }

  // Reading

  kind(node: number): NodeKind {
    return KINDS[this.#kinds[node]!]!;
  }

  size(node: number): number {
    return this.#sizes[node]!;
  }

  stat(node: number): NodeStat {
    const kind = this.kind(node);
    const device = kind === "char" || kind === "block";
    return {
      kind,
      mode: this.#modes[node]!,
      uid: this.#uids[node]!,
      gid: this.#gids[node]!,
      size: this.#sizes[node]!,
      mtime: { seconds: this.#seconds[node]!, nanoseconds: this.#nanoseconds[node]! },
      nlink: this.#links[node]!,
      devMajor: device ? this.#first[node]! : 0,
      devMinor: device ? this.#second[node]! : 0,
      opaque: (this.#flags[node]! & OPAQUE) !== 0,
    };
  }

  /** The names in a directory, in the order of the TOC; whiteouts last. */
  *entries(directory: number): Generator<DirectoryEntry, void, void> {
    for (let entry = this.#first[directory]!; entry !== NONE; entry = this.#next[entry]!) {
      const node = this.#nodes[entry]!;
      yield { name: decodeName(this.names.bytes(entry)), node, kind: this.kind(node) };
    }
  }

  /** Extended attributes, raw values; null where there are none. */
  xattrs(node: number): ReadonlyMap<string, Uint8Array> | null {
    const place = this.#xattrs[node]!;
    return place === 0 ? null : this.#attributes[place - 1]!;
  }

  /** The bytes of a symbolic link's target. */
  target(node: number): Uint8Array {
    const start = this.#first[node]!;
    return this.#targets.bytes.slice(start, start + this.#sizes[node]!);
  }

  /** The directory that holds a node's first name; the root's is the root. */
  parent(node: number): number {
    return node === ROOT ? ROOT : this.names.parent(this.#entries[node]!);
  }

  /** The node's first path, without a slash in front; the root's is empty. */
  path(node: number): string {
    const parts: string[] = [];
    for (let at = node; at !== ROOT; at = this.parent(at)) {
      parts.push(decodeName(this.names.bytes(this.#entries[at]!)));
    }
    return parts.reverse().join("/");
  }

  /** The digest of a whole file where a chunk has none, or where the only chunk has another one; else null. */
  fileDigest(node: number): string | null {
    return this.#digests.get(node) ?? null;
  }

  /** Whether the only chunk has another digest than the file: one of them cannot be met. */
  contradicts(node: number): boolean {
    return this.#second[node] === 1 && this.#digests.has(node) &&
      this.chunks.digest(this.#first[node]!) !== null;
  }

  /** A file's chunks: the first, and the one behind the last. */
  chunkRange(node: number): readonly [first: number, end: number] {
    const first = this.#first[node]!;
    return [first, first + this.#second[node]!];
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

  #addNamed(directory: number, kind: number): number {
    const entry = this.#addEntry(directory, this.#length);
    return this.#addNode(kind, entry);
  }

  #addNode(kind: number, entry: number): number {
    const node = this.#length++;
    if (node === this.#kinds.length) this.#resizeNodes(2 * node + 16);
    this.#kinds[node] = kind;
    this.#entries[node] = entry;
    if (kind !== DIR) {
      this.#links[node] = 1;
      return node;
    }
    this.#modes[node] = 0o755;
    this.#links[node] = 2;
    this.#first[node] = NONE;
    this.#second[node] = NONE;
    // It has `..`.
    if (entry !== NONE) this.#links[this.names.parent(entry)]!++;
    return node;
  }

  #addEntry(directory: number, node: number): number {
    const entry = this.names.addMissing(directory);
    if (entry === this.#nodes.length) this.#resizeEntries(2 * entry + 16);
    this.#nodes[entry] = node;
    this.#next[entry] = NONE;
    const last = this.#second[directory]!;
    if (last === NONE) this.#first[directory] = entry;
    else this.#next[last] = entry;
    this.#second[directory] = entry;
    return entry;
  }

  #resizeNodes(length: number): void {
    this.#kinds = resized(this.#kinds, length);
    this.#flags = resized(this.#flags, length);
    this.#modes = resized(this.#modes, length);
    this.#uids = resized(this.#uids, length);
    this.#gids = resized(this.#gids, length);
    this.#sizes = resized(this.#sizes, length);
    this.#seconds = resized(this.#seconds, length);
    this.#nanoseconds = resized(this.#nanoseconds, length);
    this.#links = resized(this.#links, length);
    this.#first = resized(this.#first, length);
    this.#second = resized(this.#second, length);
    this.#entries = resized(this.#entries, length);
    this.#xattrs = resized(this.#xattrs, length);
  }

  #resizeEntries(length: number): void {
    this.#nodes = resized(this.#nodes, length);
    this.#next = resized(this.#next, length);
  }

  #setTarget(node: number, target: string): void {
    const bytes = encodeName(target);
    this.#targets.reserve(bytes.length);
    this.#targets.bytes.set(bytes, this.#targets.length);
    this.#first[node] = this.#targets.length;
    this.#sizes[node] = bytes.length;
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

/** Whether who checks the chunks need not check the file. */
function isSaidByChunks({ digest, chunks }: TocFile): boolean {
  if (chunks.length === 1) return chunks[0]!.digest === digest;
  for (const chunk of chunks) if (chunk.digest === null) return false;
  return true;
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

/**
 * A layer that is read lazily: its tree is in memory, contents are fetched when they are asked for, and nothing is handed
 * out that was not checked.
 *
 * @module
 */
import { UsageError } from "../errors.ts";
import { escapeName } from "../tar/names.ts";
import type { ChunkFetcher, ChunkOfFile } from "./fetcher.ts";
import { type DirectoryEntry, type LayerTree, type NodeKind, type NodeStat, ROOT } from "./tree.ts";

/** What is known of a layer as a whole. */
export interface LayerFacts {
  /** What its source is called. */
  readonly name: string;
  /** `verified`: by a TOC digest from outside. `consistent`: by nobody's word but the blob's. */
  readonly trust: "verified" | "consistent";
  /** From the outside value to the TOC; empty for `consistent`. */
  readonly chain: readonly string[];
  /** The digest that the layer's dialect calls the TOC digest, computed. */
  readonly tocDigest: string;
  /** The kind of TOC, in words. */
  readonly dialect: string;
  /** Bytes of the blob. */
  readonly size: number;
  /**
   * Bytes of the tar, by a tar-split whose digest is in the TOC: as good as the TOC is. null where there is none, or it is
   * larger than `limits.toc`.
   */
  readonly uncompressedSize: number | null;
  /** Digest of the compressed tar-split that was checked, or null. */
  readonly tarSplitDigest: string | null;
  /** First byte of the blob behind what the image's maker wants to have at once (a landmark); 0 for nothing, null unknown. */
  readonly prefetchEnd: number | null;
}

/** One file that can be read at random. */
export interface LayerFile {
  readonly node: number;
  /** Bytes. */
  readonly size: number;
  /**
   * The bytes from `offset` on: `length` of them, less only where the file ends. They are the caller's own.
   *
   * What fails stays no secret and is not kept: the next call fetches again.
   * @throws {DigestMismatch} `chunk-digest-mismatch`, `file-digest-mismatch`: with `entry`, `blobOffset`, `expected`, `actual`
   * @throws {FormatError} `chunk-position`, `chunk-damaged`, `chunk-length`, `chunk-no-digest`
   * @throws {LimitExceeded} of the decoder
   * @throws {UsageError} `read-range`: no range, or one over 1 GiB
   * @throws {SourceError} and what else the source throws
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes of chunks that are asked for at once in one read. */
const BATCH = 8 * 2 ** 20;
const MAX_READ = 2 ** 30;

/** See `openLayer`. A node is a number that means something in this layer only. */
export class Layer {
  /** The root directory. */
  readonly root = ROOT;
  readonly facts: LayerFacts;
  readonly #tree: LayerTree;
  readonly #fetcher: ChunkFetcher;

  constructor(facts: LayerFacts, tree: LayerTree, fetcher: ChunkFetcher) {
    this.facts = facts;
    this.#tree = tree;
    this.#fetcher = fetcher;
  }

  /** Number of nodes: they are numbered from 0, which is the root. */
  get nodes(): number {
    return this.#tree.length;
  }

  /**
   * The node at a path from the root, or null. Symbolic links are not followed, `..` is not resolved: it is found nowhere.
   * @param path slashes in front, doubled or at the end do not count; a string is lossless as in `decodeName`
   */
  lookup(path: string | Uint8Array): number | null {
    let node: number = ROOT;
    for (const part of typeof path === "string" ? path.split("/") : split(path)) {
      if (part.length === 0 || isDot(part)) continue;
      const next = this.child(node, part);
      if (next === null) return null;
      node = next;
    }
    return node;
  }

  /** The node of that name in a directory, or null. @throws {UsageError} `no-such-node` */
  child(directory: number, name: string | Uint8Array): number | null {
    this.#check(directory);
    const node = this.#tree.child(directory, name);
    return node < 0 ? null : node;
  }

  /** The directory that holds a node (the first of its names, where it has several); the root's is the root. */
  parent(node: number): number {
    this.#check(node);
    return this.#tree.parent(node);
  }

  /** The path of a node from the root, without a slash in front (the first, where it has several). */
  path(node: number): string {
    this.#check(node);
    return this.#tree.path(node);
  }

  /** Names in a directory, whiteouts among them. @throws {UsageError} `not-a-directory` */
  readdir(directory: number): IterableIterator<DirectoryEntry> {
    this.#expect(directory, "dir", "not-a-directory");
    return this.#tree.entries(directory);
  }

  stat(node: number): NodeStat {
    this.#check(node);
    return this.#tree.stat(node);
  }

  /** Extended attributes by name, raw values, which are not to be written to; null where there are none. */
  xattrs(node: number): ReadonlyMap<string, Uint8Array> | null {
    this.#check(node);
    return this.#tree.xattrs(node);
  }

  /** The bytes of a symbolic link's target. @throws {UsageError} `not-a-symlink` */
  readlink(node: number): Uint8Array {
    this.#expect(node, "symlink", "not-a-symlink");
    return this.#tree.target(node);
  }

  /** @throws {UsageError} `not-a-file` */
  open(node: number): LayerFile {
    this.#expect(node, "file", "not-a-file");
    const size = this.#tree.size(node);
    return { node, size, read: (offset, length) => this.#read(node, size, offset, length) };
  }

  async #read(node: number, size: number, offset: number, length: number): Promise<Uint8Array> {
    const valid = [offset, length].every((value) => Number.isSafeInteger(value) && value >= 0);
    if (!valid || length > MAX_READ) {
      throw new UsageError("read-range", `Cannot read ${length} bytes at offset ${offset}`, {
        advice: `Give numbers that are not negative, and read ${MAX_READ} bytes at most at once.`,
      });
    }
    const range = { start: offset, end: Math.min(size, offset + length) };
    const out = new Uint8Array(Math.max(0, range.end - range.start));
    if (out.length === 0) return out;
    const first = this.#tree.chunkAt(node, range.start);
    const last = this.#tree.chunkAt(node, range.end - 1);
    const put = (bytes: Uint8Array, at: number): void => {
      const from = Math.max(0, range.start - at);
      const to = Math.min(bytes.length, range.end - at);
      out.set(bytes.subarray(from, to), at + from - range.start);
    };
    let batch: ChunkOfFile[] = [];
    let batched = 0;
    const flush = async () => {
      const chunks = batch;
      [batch, batched] = [[], 0];
      const contents = await this.#fetcher.chunks(chunks);
      contents.forEach((bytes, index) => put(bytes, this.#tree.chunks.start(chunks[index]!.chunk)));
    };
    for (let chunk = first; chunk <= last; chunk++) {
      const one = { node, chunk };
      if (this.#tree.chunks.zeros(chunk)) {
        this.#fetcher.checkZeros(one);
        continue;
      }
      const start = this.#tree.chunks.start(chunk);
      const chunkLength = this.#tree.chunkLength(node, chunk);
      if (this.#tree.chunks.digest(chunk) === null || this.#tree.contradicts(node)) {
        out.set(await this.#fetcher.file(node, range));
        return out;
      }
      if (!this.#fetcher.fits(one)) {
        const part = {
          start: Math.max(range.start, start),
          end: Math.min(range.end, start + chunkLength),
        };
        put(await this.#fetcher.long(one, part), part.start);
        continue;
      }
      if (batched + chunkLength > BATCH) await flush();
      batch.push(one);
      batched += chunkLength;
    }
    await flush();
    return out;
  }

  #check(node: number): void {
    if (Number.isInteger(node) && node >= 0 && node < this.#tree.length) return;
    throw new UsageError("no-such-node", `The layer ${this.facts.name} has no node ${node}`);
  }

  #expect(node: number, kind: NodeKind, code: string): void {
    this.#check(node);
    const actual = this.#tree.kind(node);
    if (actual === kind) return;
    const entry = escapeName(this.#tree.path(node));
    throw new UsageError(code, `${entry} is a ${actual}, no ${kind}`, { entry });
  }
}

const SLASH = 0x2f;
const DOT = 0x2e;

function* split(path: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < path.length;) {
    const slash = path.indexOf(SLASH, at);
    const end = slash < 0 ? path.length : slash;
    yield path.subarray(at, end);
    at = end + 1;
  }
}

function isDot(part: string | Uint8Array): boolean {
  return part === "." || (part.length === 1 && part[0] === DOT);
}

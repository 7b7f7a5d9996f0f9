/**
 * Chunks by number: out of the cache, or fetched, decoded and checked. Whatever it gives has the digest that the TOC says.
 *
 * @module
 */
import { type CodecTools, loadTools } from "../codec/open.ts";
import type { BatchHasher, HashBackend } from "../digest/hasher.ts";
import { DigestMismatch } from "../errors.ts";
import { readExactly, type SeekableSource } from "../source/tail.ts";
import { escapeName } from "../tar/names.ts";
import type { ChunkCache } from "./cache.ts";
import type { Unit } from "./chunk-table.ts";
import { stretchDecoder } from "./decode.ts";
import { type ChunkName, named, noDigest, wrongDigest, wrongLength, wrongPlace } from "./errors.ts";
import type { LayerTree } from "./tree.ts";
import { atMost, type DecodedUnit, TOO_LONG, TOO_SHORT, UnitReader } from "./units.ts";

/** What is decoded at once and kept until it is checked; longer chunks and files are decoded without being kept. */
export const KEPT = 32 * 2 ** 20;
/** Bytes of the blob that are read at once of what is not kept. */
const WINDOW = 2 ** 20;
/** Compressed bytes that are decoded at once of it: 1 KiB can become 32 MiB. */
const STEP = 1024;
/** Milliseconds after which others get a turn. */
const TURN_MS = 20;
/** How many long chunks are decoded at a time: each may need a window of 128 MiB. */
const LONG_AT_ONCE = 2;

/** Digests of runs of zeros that are remembered. */
const MAX_ZEROS = 1000;

const ZEROS = new Uint8Array(64 * 1024);

export interface FetcherOptions {
  readonly container: "gzip" | "zstd";
  readonly hashes: HashBackend;
  readonly zstdWindow: number;
  readonly cache: ChunkCache;
}

/** One chunk of a file, by numbers. */
export interface ChunkOfFile {
  readonly node: number;
  readonly chunk: number;
}

/** A range of a file. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export class ChunkFetcher {
  readonly #source: SeekableSource;
  readonly #tree: LayerTree;
  readonly #units: UnitReader;
  readonly #batch: BatchHasher;
  readonly #options: FetcherOptions;
  /** What is under way, by number of the chunk, and of whole files by node. */
  readonly #chunks = new Map<number, Promise<Uint8Array>>();
  readonly #files = new Map<number, Promise<Uint8Array>>();
  /** Digests of runs of zeros, by length. */
  readonly #zeros = new Map<number, string>();
  readonly #idle: CodecTools[] = [];
  #long = 0;
  readonly #waiting: (() => void)[] = [];

  private constructor(
    source: SeekableSource,
    tree: LayerTree,
    units: UnitReader,
    batch: BatchHasher,
    options: FetcherOptions,
  ) {
    this.#source = source;
    this.#tree = tree;
    this.#units = units;
    this.#batch = batch;
    this.#options = options;
  }

  static async create(
    source: SeekableSource,
    tree: LayerTree,
    options: FetcherOptions,
  ): Promise<ChunkFetcher> {
    const tools = await loadTools(options.container, options.hashes);
    const units = new UnitReader(source, tools, options.zstdWindow);
    return new ChunkFetcher(source, tree, units, await options.hashes.batch(), options);
  }

  /**
   * Holds a run of zeros against its digest, if it has one and is no longer than what is kept of other chunks (a sparse file
   * may have terabytes): no byte of it comes from the blob.
   * @throws {DigestMismatch} `chunk-digest-mismatch`
   */
  checkZeros(one: ChunkOfFile): void {
    const digest = this.#tree.chunks.digest(one.chunk);
    const length = this.#tree.chunkLength(one.node, one.chunk);
    if (digest === null || length > KEPT) return;
    let actual = this.#zeros.get(length);
    if (actual === undefined) {
      actual = `sha256:${this.#batch.digestAll([new Uint8Array(length)])[0]}`;
      if (this.#zeros.size === MAX_ZEROS) this.#zeros.clear();
      this.#zeros.set(length, actual);
    }
    if (actual !== digest) throw wrongDigest(this.#name(one), digest, actual);
  }

  /** Whether a chunk is fetched by `chunks`; else by `long`. */
  fits({ node, chunk }: ChunkOfFile): boolean {
    return this.#tree.chunks.unit(chunk, this.#tree.chunkLength(node, chunk)).extent <= KEPT;
  }

  /**
   * Chunks that have digests and fit into memory. The caller does not write to them.
   * @throws {FormatError} `chunk-position`, `chunk-damaged`, `chunk-length`
   * @throws {DigestMismatch} `chunk-digest-mismatch`
   * @throws what decoder and source throw
   */
  chunks(wanted: readonly ChunkOfFile[]): Promise<Uint8Array[]> {
    const starting: Starting[] = [];
    const results = wanted.map((one) => {
      const pending = this.#chunks.get(one.chunk);
      if (pending) return pending;
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
      // Who waits for several is told of one failure, and the others are no surprise.
      promise.catch(() => {});
      this.#chunks.set(one.chunk, promise);
      starting.push({ ...one, resolve, reject });
      return promise;
    });
    if (starting.length > 0) {
      this.#start(starting).catch((error) => starting.forEach((one) => this.#failed(one, error)));
    }
    return Promise.all(results);
  }

  /** A part of a chunk that has a digest and does not fit into memory. @throws as `chunks` */
  async long(one: ChunkOfFile, range: Range): Promise<Uint8Array> {
    const digest = this.#tree.chunks.digest(one.chunk)!;
    const start = this.#tree.chunks.start(one.chunk);
    const { bytes, actual } = await this.#streamed(one.node, [one.chunk], {
      start: range.start - start,
      end: range.end - start,
    });
    if (actual !== digest) throw wrongDigest(this.#name(one), digest, actual);
    return bytes;
  }

  /**
   * A part of a file whose chunks have no digests of their own, or another one than the file: all of it is read.
   * @throws {DigestMismatch} `file-digest-mismatch`, and as `chunks`
   * @throws {FormatError} `chunk-no-digest`: the file has none either
   */
  async file(node: number, range: Range): Promise<Uint8Array> {
    const digest = this.#tree.fileDigest(node);
    const [first, end] = this.#tree.chunkRange(node);
    if (digest === null) throw noDigest(this.#name({ node, chunk: first }));
    const size = this.#tree.size(node);
    const chunks = Array.from({ length: end - first }, (_, index) => first + index);
    if (size > KEPT) return await this.#wholeFile(node, chunks, range, digest);
    let pending = this.#files.get(node);
    if (!pending) {
      pending = this.#keptFile(node, chunks, size, digest).finally(() => this.#files.delete(node));
      this.#files.set(node, pending);
    }
    return (await pending).subarray(range.start, range.end);
  }

  async #keptFile(
    node: number,
    chunks: readonly number[],
    size: number,
    digest: string,
  ): Promise<Uint8Array> {
    const cached = await this.#cached(digest, size);
    if (cached) return cached;
    const bytes = await this.#wholeFile(node, chunks, { start: 0, end: size }, digest);
    this.#cache(digest, bytes);
    return bytes;
  }

  async #wholeFile(
    node: number,
    chunks: readonly number[],
    range: Range,
    digest: string,
  ): Promise<Uint8Array> {
    const { bytes, actual } = await this.#streamed(node, chunks, range);
    if (actual === digest) return bytes;
    const entry = escapeName(this.#tree.path(node));
    throw new DigestMismatch(
      "file-digest-mismatch",
      `The SHA-256 of the file ${entry} is ${actual}, the TOC says ${digest}`,
      {
        entry,
        blobOffset: this.#tree.chunks.offset(chunks[0]!),
        expected: digest,
        actual,
        advice: "The blob is damaged, or is not the one that the TOC is of: fetch it again.",
      },
    );
  }

  async #start(starting: readonly Starting[]): Promise<void> {
    const missing: Starting[] = [];
    await Promise.all(starting.map(async (one) => {
      const { length, digest } = this.#facts(one);
      const cached = await this.#cached(digest, length);
      if (cached) this.#done(one, cached);
      else missing.push(one);
    }));
    const placed = missing.flatMap((one) => {
      try {
        return [{ one, unit: this.#unit(one) }];
      } catch (error) {
        this.#failed(one, error);
        return [];
      }
    });
    const units = this.#units.read(placed.map(({ unit }) => unit));
    for (const { one, unit } of placed) {
      units.get(unit.offset)!.then((decoded) => this.#take(one, unit, decoded.bytes, decoded.problem))
        .then((bytes) => this.#done(one, bytes), (error) => this.#failed(one, error));
    }
  }

  /** The chunk in a unit's output, checked. */
  #take(
    one: ChunkOfFile,
    unit: Unit,
    output: Uint8Array,
    problem: DecodedUnit["problem"],
  ): Uint8Array {
    const { length, digest } = this.#facts(one);
    const start = this.#tree.chunks.inner(one.chunk);
    const name = () => this.#name(one);
    if (problem === TOO_LONG) throw wrongLength(name(), `more than ${length}`);
    if (output.length < start + length) {
      if (problem !== null && problem !== TOO_SHORT) throw named(name(), problem);
      throw wrongLength(name(), `${Math.max(0, output.length - start)}`);
    }
    const whole = start === 0 && output.buffer.byteLength === length;
    const bytes = whole ? output : output.slice(start, start + length);
    const actual = `sha256:${this.#batch.digestAll([bytes])[0]}`;
    if (actual !== digest) {
      this.#units.forget(unit.offset);
      throw wrongDigest(name(), digest, actual);
    }
    this.#cache(digest, bytes);
    return bytes;
  }

  #done({ chunk, resolve }: Starting, bytes: Uint8Array): void {
    this.#chunks.delete(chunk);
    resolve(bytes);
  }

  #failed({ chunk, reject }: Starting, error: unknown): void {
    this.#chunks.delete(chunk);
    reject(error);
  }

  #facts({ node, chunk }: ChunkOfFile): { readonly length: number; readonly digest: string } {
    return { length: this.#tree.chunkLength(node, chunk), digest: this.#tree.chunks.digest(chunk)! };
  }

  /** Where a chunk lies, which must be inside of the blob. @throws {FormatError} `chunk-position` */
  #unit(one: ChunkOfFile): Unit {
    const unit = this.#tree.chunks.unit(one.chunk, this.#tree.chunkLength(one.node, one.chunk));
    const { offset, end, extent, exact } = unit;
    const whole = exact && (this.#tree.chunks.inner(one.chunk) !== 0 || end - offset > atMost(extent));
    if (offset >= end || end > this.#source.size || whole || !Number.isSafeInteger(extent)) {
      throw wrongPlace(this.#name(one), end);
    }
    return unit;
  }

  #name({ node, chunk }: ChunkOfFile): ChunkName {
    const [first, end] = this.#tree.chunkRange(node);
    return {
      name: this.#tree.path(node),
      whole: end - first === 1,
      chunkOffset: this.#tree.chunks.start(chunk),
      length: this.#tree.chunkLength(node, chunk),
      offset: this.#tree.chunks.offset(chunk),
    };
  }

  async #cached(digest: string, length: number): Promise<Uint8Array | null> {
    try {
      const bytes = await this.#options.cache.get(digest);
      // A digest of another length is a lie of this TOC, which the bytes in the blob will show.
      return bytes?.length === length ? bytes : null;
    } catch {
      return null;
    }
  }

  #cache(digest: string, bytes: Uint8Array): void {
    this.#options.cache.put(digest, bytes).catch(() => {});
  }

  /** Decodes chunks one after the other, hashes all of them together, and keeps a range (from the first one's start). */
  async #streamed(
    node: number,
    chunks: readonly number[],
    range: Range,
  ): Promise<{ readonly bytes: Uint8Array; readonly actual: string }> {
    const bytes = new Uint8Array(range.end - range.start);
    const tools = await this.#acquire();
    try {
      const sha256 = await this.#options.hashes.sha256();
      let position = 0;
      const take = (piece: Uint8Array) => {
        sha256.update(piece);
        const from = Math.max(0, range.start - position);
        const to = Math.min(piece.length, range.end - position);
        if (from < to) bytes.set(piece.subarray(from, to), position + from - range.start);
        position += piece.length;
      };
      for (const chunk of chunks) await this.#decode({ node, chunk }, tools, take);
      return { bytes, actual: `sha256:${sha256.finish()}` };
    } finally {
      this.#release(tools);
    }
  }

  async #decode(one: ChunkOfFile, tools: CodecTools, take: (piece: Uint8Array) => void): Promise<void> {
    const isDue = clock();
    const { chunks } = this.#tree;
    const length = this.#tree.chunkLength(one.node, one.chunk);
    if (chunks.zeros(one.chunk)) {
      for (let left = length; left > 0; left -= ZEROS.length) {
        take(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
        if (isDue()) await turn();
      }
      return;
    }
    const { offset, end, exact } = this.#unit(one);
    const name = () => this.#name(one);
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        throw named(name(), error);
      }
    };
    const stretch = {
      blobOffset: offset,
      skip: chunks.inner(one.chunk),
      length,
      tooLong: exact ? () => wrongLength(name(), `more than ${length}`) : null,
    };
    const decoder = stretchDecoder(tools, this.#options.zstdWindow, stretch, take);
    for (let at = offset; at < end && !decoder.done;) {
      const bytes = await readExactly(this.#source, at, Math.min(WINDOW, end - at));
      for (let from = 0; from < bytes.length && !decoder.done; from += STEP) {
        attempt(() => decoder.push(bytes.subarray(from, from + STEP)));
        if (isDue()) await turn();
      }
      at += bytes.length;
    }
    attempt(() => decoder.end());
    if (decoder.length < length) throw wrongLength(name(), `${decoder.length}`);
  }

  async #acquire(): Promise<CodecTools> {
    while (this.#long >= LONG_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#long++;
    try {
      return this.#idle.pop() ?? await loadTools(this.#options.container, this.#options.hashes);
    } catch (error) {
      this.#long--;
      this.#waiting.shift()?.();
      throw error;
    }
  }

  #release(tools: CodecTools): void {
    this.#idle.push(tools);
    this.#long--;
    this.#waiting.shift()?.();
  }
}

interface Starting extends ChunkOfFile {
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** Whether it is time to give others a turn: true every 20 milliseconds. */
function clock(): () => boolean {
  let last = performance.now();
  return () => {
    const now = performance.now();
    if (now - last < TURN_MS) return false;
    last = now;
    return true;
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

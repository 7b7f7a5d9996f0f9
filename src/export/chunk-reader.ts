/**
 * Reads one file of a zstd:chunked layer after the other, chunk by chunk.
 *
 * @module
 */
import { stretchDecoder } from "../chunk/decode.ts";
import { named, what, wrongDigest, wrongLength } from "../chunk/errors.ts";
import { type CodecTools, loadTools } from "../codec/open.ts";
import type { BatchHasher, HashBackend, Hasher } from "../digest/hasher.ts";
import { DigestMismatch, LayerproofError, SourceError } from "../errors.ts";
import { escapeName } from "../tar/names.ts";
import type { TocFile } from "../toc/model.ts";
import type { SeekableSource } from "../source/tail.ts";
import { nameOf, type Place, placesOf } from "./chunk-places.ts";

/** Chunks up to this length are decoded once, and kept until they are checked. Writers make chunks of 64 KiB on average. */
const KEPT = 8 * 2 ** 20;
/** Bytes of the blob that are read at once. */
const WINDOW = 1 << 20;
/** Compressed bytes that are decoded at once of a longer chunk: 1 KiB can become 32 MiB. */
const STEP = 1024;
/** Bytes of zeros that are handed on at once. */
const ZEROS = 1 << 18;
/** Milliseconds after which others get a turn: Ctrl-C among them. */
const TURN_MS = 20;

/** Keeps hashes, decoder and buffers for file after file. One file at a time. */
export class ChunkReader {
  readonly #source: SeekableSource;
  readonly #tools: CodecTools;
  readonly #zstdWindow: number;
  readonly #batch: BatchHasher;
  readonly #chunk: Hasher;
  readonly #whole: Hasher;
  /** What is held back, what was handed on last, and what is being decoded. */
  readonly #buffers: Uint8Array[] = [EMPTY, EMPTY, EMPTY];
  #turn = 0;
  /** Bytes of the blob from `#windowAt` on. */
  #window: Uint8Array = EMPTY;
  #windowAt = 0;
  /** What is being read already. */
  #ahead: { readonly at: number; readonly bytes: Promise<Uint8Array> } | null = null;
  /** The file that is read, and the one that will probably be asked for then. */
  #file: TocFile | null = null;
  #next: TocFile | null = null;

  private constructor(
    source: SeekableSource,
    zstdWindow: number,
    tools: CodecTools,
    batch: BatchHasher,
    [chunk, whole]: readonly [Hasher, Hasher],
  ) {
    this.#source = source;
    this.#zstdWindow = zstdWindow;
    this.#tools = tools;
    this.#batch = batch;
    this.#chunk = chunk;
    this.#whole = whole;
  }

  static async create(source: SeekableSource, hashes: HashBackend, zstdWindow: number): Promise<ChunkReader> {
    const hashers = [await hashes.sha256(), await hashes.sha256()] as const;
    const tools = await loadTools("zstd", hashes);
    return new ChunkReader(source, zstdWindow, tools, await hashes.batch(), hashers);
  }

  /** Ready for another file, however the one before ended. */
  reset(): void {
    this.#chunk.finish();
    this.#whole.finish();
    this.#window = EMPTY;
  }

  /**
   * The file in pieces; `chunkFiles` says what is checked, and thrown. A piece is overwritten after the next but one.
   * @param next the file that will probably be asked for then: its first bytes are read meanwhile
   */
  async *file(file: TocFile, next: TocFile | null): AsyncGenerator<Uint8Array, void, void> {
    this.#file = file;
    this.#next = next;
    const places = placesOf(file, this.#source.size);
    // One chunk that is the whole file has been hashed already.
    const wants = file.digest !== null && !(places.length === 1 && places[0]!.digest === file.digest);
    let held: Uint8Array | null = null;
    for (const place of places) {
      if (!place.zeros && place.length <= KEPT) {
        const bytes = await this.#kept(file, place);
        if (wants) this.#whole.update(bytes);
        if (held) yield held;
        held = bytes;
        continue;
      }
      for await (const bytes of place.zeros ? this.#zeros(file, place) : this.#long(file, place)) {
        if (wants) this.#whole.update(bytes);
        if (held) yield held;
        held = bytes;
      }
    }
    if (wants) this.#checkWhole(file);
    if (held) yield held;
  }

  #checkWhole({ name, digest }: TocFile): void {
    const actual = `sha256:${this.#whole.finish()}`;
    if (actual === digest) return;
    const entry = escapeName(name);
    throw new DigestMismatch(
      "file-digest-mismatch",
      `The SHA-256 of the file ${entry} is ${actual}, the TOC says ${digest}`,
      {
        entry,
        expected: digest!,
        actual,
        advice: "Its chunks are as the TOC has them: the TOC contradicts itself, do not use this layer.",
      },
    );
  }

  /** A chunk that fits into a buffer, checked. */
  async #kept(file: TocFile, place: Place): Promise<Uint8Array> {
    const bytes = this.#buffer(place.length);
    let length = 0;
    const decoder = this.#decoder(file, place, (piece) => {
      bytes.set(piece, length);
      length += piece.length;
    });
    for (let at = place.offset; at < place.end;) {
      const piece = this.#windowed(at, place) ?? await this.#readFor(at, place);
      decoder.push(piece);
      at += piece.length;
    }
    decoder.end();
    check(file, place, `sha256:${this.#batch.digestAll([bytes])[0]}`);
    return bytes;
  }

  /** A chunk that may be of any length: decoded to be checked, and again to be handed on. */
  async *#long(file: TocFile, place: Place): AsyncGenerator<Uint8Array, void, void> {
    const sha256 = this.#chunk;
    for await (const bytes of this.#decoded(file, place)) sha256.update(bytes);
    check(file, place, `sha256:${sha256.finish()}`);
    for await (const bytes of this.#decoded(file, place)) {
      sha256.update(bytes);
      yield bytes;
    }
    if (`sha256:${sha256.finish()}` === place.digest) return;
    const { name } = this.#source;
    throw new SourceError(
      "source-changed",
      `The ${what(nameOf(file, place))} changed in ${name} while it was read`,
      {
        source: name,
        entry: escapeName(file.name),
        blobOffset: place.offset,
        advice: "Something writes to it: try again when it is complete.",
      },
    );
  }

  async *#decoded(file: TocFile, place: Place): AsyncGenerator<Uint8Array, void, void> {
    let pieces: Uint8Array[] = [];
    const decoder = this.#decoder(file, place, (piece) => pieces.push(piece.slice()));
    for (let at = place.offset; at < place.end;) {
      const bytes = this.#windowed(at, place) ?? await this.#readFor(at, place);
      for (let from = 0; from < bytes.length; from += STEP) {
        decoder.push(bytes.subarray(from, from + STEP));
        const decoded = pieces;
        pieces = [];
        yield* decoded;
        await this.#rest();
      }
      at += bytes.length;
    }
    decoder.end();
  }

  /** A run of zeros, which a digest may be of. */
  async *#zeros(file: TocFile, place: Place): AsyncGenerator<Uint8Array, void, void> {
    if (place.digest !== null) {
      for (const bytes of zeros(place.length)) {
        this.#chunk.update(bytes);
        await this.#rest();
      }
      check(file, place, `sha256:${this.#chunk.finish()}`);
    }
    yield* zeros(place.length);
  }

  /** Gives others a turn, now and then. */
  async #rest(): Promise<void> {
    if (performance.now() - this.#turn < TURN_MS) return;
    await new Promise((resolve) => setTimeout(resolve));
    this.#turn = performance.now();
  }

  /** Decodes one chunk, whose length is bounded; what is wrong with it has its name. */
  #decoder(
    file: TocFile,
    place: Place,
    data: (bytes: Uint8Array) => void,
  ): { push(bytes: Uint8Array): void; end(): void } {
    const { offset, length } = place;
    const tooLong = () => wrongLength(nameOf(file, place), `more than ${length}`);
    const stretch = { blobOffset: offset, skip: 0, length, tooLong };
    const decoder = stretchDecoder(this.#tools, this.#zstdWindow, stretch, data);
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        throw named(nameOf(file, place), error);
      }
    };
    return {
      push: (bytes) => attempt(() => decoder.push(bytes)),
      end() {
        attempt(() => decoder.end());
        if (decoder.length < length) throw wrongLength(nameOf(file, place), `${decoder.length}`);
      },
    };
  }

  #buffer(length: number): Uint8Array {
    const [next, ...others] = this.#buffers;
    const buffer = next.length >= length
      ? next
      : new Uint8Array(Math.max(length, Math.min(2 * length, KEPT)));
    this.#buffers.splice(0, 3, ...others, buffer);
    return buffer.subarray(0, length);
  }

  /** Bytes of the chunk from `at` on, as many as were read already; null if none were. */
  #windowed(at: number, { end }: Place): Uint8Array | null {
    const from = at - this.#windowAt;
    if (from < 0 || from >= this.#window.length) return null;
    return this.#window.subarray(from, from + end - at);
  }

  async #readFor(at: number, place: Place): Promise<Uint8Array> {
    const { runEnd } = place;
    const ahead = this.#ahead;
    const bytes =
      await (ahead?.at === at ? ahead.bytes : this.#source.read(at, Math.min(WINDOW, runEnd - at)));
    this.#window = bytes;
    this.#windowAt = at;
    const end = at + bytes.length;
    this.#ahead = end < runEnd ? this.#start(end, runEnd) : this.#startNext(end);
    return this.#windowed(at, place)!;
  }

  #start(at: number, runEnd: number): { readonly at: number; readonly bytes: Promise<Uint8Array> } {
    const bytes = this.#source.read(at, Math.min(WINDOW, runEnd - at));
    // The failure is met when the bytes are awaited; until then it is not an unhandled rejection.
    bytes.catch(() => {});
    return { at, bytes };
  }

  /** Reads the next file when this one ends at `end`, unless something is wrong with its place: that is for its own turn. */
  #startNext(end: number): { readonly at: number; readonly bytes: Promise<Uint8Array> } | null {
    const next = this.#next;
    const first = next?.chunks[0];
    if (end !== this.#file!.endOffset || !next || !first || first.zeros) return null;
    try {
      return this.#start(first.offset, placesOf(next, this.#source.size)[0]!.runEnd);
    } catch (error) {
      if (error instanceof LayerproofError) return null;
      throw error;
    }
  }
}

const EMPTY = new Uint8Array(0);

function* zeros(length: number): Generator<Uint8Array, void, void> {
  for (let left = length; left > 0; left -= ZEROS) yield new Uint8Array(Math.min(left, ZEROS));
}

function check(file: TocFile, place: Place, actual: string): void {
  if (actual !== place.digest) throw wrongDigest(nameOf(file, place), place.digest!, actual);
}

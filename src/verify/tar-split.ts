/**
 * The tar-split of a zstd:chunked layer: its digest first, then what it says of the tar, entry by entry.
 *
 * @module
 */
import type { CodecEvents } from "../codec/events.ts";
import { decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { DigestMismatch, FormatError, LayerproofError, LimitExceeded } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import { escapeName } from "../tar/names.ts";
import { type TarHandler, TarReader } from "../tar/reader.ts";
import { cleanPath } from "../tarsplit/clean-path.ts";
import { type TarSplitFile, TarSplitReader } from "../tarsplit/read.ts";
import type { BlobRange } from "../toc/footer-zstdchunked.ts";
import type { Limits } from "./options.ts";
import type { HashedPayload } from "./payload.ts";
import { StreamShape } from "./stream-shape.ts";
import type { TocCheck } from "./toc-check.ts";
import { NO_EVENTS } from "./toc-facts.ts";

/** What is known about a layer's tar-split. */
export interface TarSplitFacts {
  readonly range: BlobRange;
  /** SHA-256 of the compressed bytes; null where they could not be had. */
  readonly digest: string | null;
  /** Of the tar stream that it describes; null where it could not be read to its end. */
  readonly shape: StreamShape | null;
  readonly entries: number;
  /** What it says of entries, compared with the TOC. */
  readonly check: TocCheck;
  /** Why it could not be read. */
  readonly problem: LayerproofError | null;
}

/** A tar-split as it was found in the blob. */
export interface FoundTarSplit {
  readonly range: BlobRange;
  readonly compressed: Uint8Array;
  readonly digest: string;
}

/** What bounds the work on a tar-split. */
export interface TarSplitContext {
  readonly hashes: HashBackend;
  readonly limits: Limits;
  readonly signal: AbortSignal | null;
  /** Size of the tar, where it is known: a tar-split of more is not read on. */
  readonly tarSize: number | null;
}

/** Compressed bytes that are decoded at once: of zstd, 1 KiB can become 32 MiB. */
const STEP = 1024;
/** Milliseconds after which others get a turn: Ctrl-C among them. */
const TURN_MS = 20;

/**
 * Checks the digest, and then reads the tar-split (bytes that failed their digest are not parsed).
 * @param expected the digest that the TOC names, or null
 * @param check a comparison that the TOC was loaded into
 */
export async function examineTarSplit(
  { range, compressed, digest }: FoundTarSplit,
  expected: string | null,
  check: TocCheck,
  context: TarSplitContext,
): Promise<TarSplitFacts> {
  const { hashes, limits } = context;
  const shape = new StreamShape(await hashes.sha256());
  const walker = new Walker(shape, check, limits);
  let problem: LayerproofError | null = null;
  try {
    if (expected !== null && expected !== digest) throw wrongDigest(expected, digest);
    await decode(compressed, range, walker, context);
    walker.end();
    check.end();
  } catch (error) {
    if (!(error instanceof LayerproofError)) throw error;
    problem = error;
  }
  return { range, digest, shape: problem ? null : shape.finish(), entries: walker.entries, check, problem };
}

/** A tar-split that is announced and cannot be had, or is not read. */
export function unreadTarSplit(
  range: BlobRange,
  digest: string | null,
  check: TocCheck,
  problem: LayerproofError,
): TarSplitFacts {
  return { range, digest, shape: null, entries: 0, check, problem };
}

async function decode(
  compressed: Uint8Array,
  range: BlobRange,
  walker: Walker,
  { hashes, limits, signal, tarSize }: TarSplitContext,
): Promise<void> {
  const reader = new TarSplitReader(walker);
  let length = 0;
  const events: CodecEvents = {
    ...NO_EVENTS,
    data(bytes) {
      length += bytes.length;
      if (length > range.uncompressedLength) throw wrongLength(range, "more");
      reader.push(bytes);
    },
    unitEnd({ checksum }) {
      if (typeof checksum !== "string") {
        throw new FormatError(
          "tar-split-checksum",
          "The compressed tar-split is damaged: its checksum is wrong",
          {
            blobOffset: range.offset,
          },
        );
      }
    },
  };
  const decoder = decoderFor("zstd", events, await loadTools("zstd", hashes), limits);
  const most = Math.min(tarSize ?? Infinity, limits.total ?? Infinity);
  let turn = performance.now();
  for (let at = 0; at < compressed.length; at += STEP) {
    decoder.push(compressed.subarray(at, at + STEP));
    if (walker.size > most) throw tooLarge(walker.size, tarSize, most);
    if (performance.now() - turn < TURN_MS) continue;
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
    turn = performance.now();
  }
  decoder.end();
  if (length < range.uncompressedLength) throw wrongLength(range, `only ${length} bytes`);
  reader.end();
}

/** Reads the headers in a tar-split's segments as tar entries, and passes over the contents that it leaves out. */
class Walker implements TarHandler {
  readonly #shape: StreamShape;
  readonly #check: TocCheck;
  readonly #tar: TarReader;
  /** The entry whose headers came last, and whether its record has come. */
  #entry: TarEntry | null = null;
  #recorded = true;
  /** Clean names so far. The reference has each once; of directories, readers of TOCs merge those that are alike. */
  readonly #seen = new Set<string>();

  constructor(shape: StreamShape, check: TocCheck, limits: Limits) {
    this.#shape = shape;
    this.#check = check;
    this.#tar = new TarReader(this, limits);
  }

  get entries(): number {
    return this.#tar.entries;
  }

  /** Bytes of the tar so far. */
  get size(): number {
    return this.#shape.size;
  }

  end(): void {
    this.#tar.end();
  }

  // Records of the tar-split

  segment(bytes: Uint8Array): void {
    this.#shape.around(bytes);
    this.#tar.push(bytes);
  }

  file({ name, size, crc64 }: TarSplitFile): void {
    const entry = this.#entry;
    if (!entry || this.#recorded) throw outOfPlace(name, "no headers are in front of it");
    this.#recorded = true;
    if (entry.name !== name) {
      throw outOfPlace(name, `the headers in front of it are of ${escapeName(entry.name)}`);
    }
    // The same text, but not a part of a whole line, which would be kept with it.
    const path = cleanPath(entry.name);
    if (entry.kind !== "dir" && this.#seen.has(path)) {
      throw outOfPlace(name, "there is a record of this path already");
    }
    this.#seen.add(path);
    const stored = entry.sparse && size === 0;
    if (!stored && size !== entry.storedSize) {
      throw outOfPlace(name, `it has ${size} bytes, and ${entry.storedSize} by the headers in front of it`);
    }
    if (size === 0) return;
    this.#shape.skipped(size, crc64 ?? 0n);
    this.#tar.skipPayload();
  }

  // Entries in its segments

  entry(entry: TarEntry): void {
    this.#entry = entry;
    this.#recorded = false;
    this.#check.plan(entry, null);
  }

  payload(): void {
    const entry = this.#entry!;
    if (!entry.sparse) throw outOfPlace(entry.name, "content stands among the headers");
  }

  entryEnd(): void {
    const entry = this.#entry!;
    this.#check.add({ entry, hashed: NOT_HASHED, sparse: entry.sparse !== null, unitStart: null });
  }
}

const NOT_HASHED: HashedPayload = { segments: [], digest: null };

/** Of a tar-split whose compressed or uncompressed length is more than is read into memory. */
export function tarSplitLimit(length: number, limit: number): LimitExceeded {
  return new LimitExceeded("tar-split-limit", `The tar-split has ${length} bytes, the limit is ${limit}`, {
    expected: `<= ${limit}`,
    actual: `${length}`,
    advice: "The layer is checked without it; raise --limit-toc to check it too.",
  });
}

/** More than the tar can have. */
function tooLarge(size: number, tarSize: number | null, most: number): LayerproofError {
  if (tarSize !== null && size > tarSize) {
    return new FormatError(
      "tar-split-size",
      `The tar-split describes more than the ${tarSize} bytes of the tar`,
      {
        expected: `${tarSize}`,
        actual: `>= ${size}`,
      },
    );
  }
  return new LimitExceeded("total-limit", `The tar-split describes more than ${most} bytes`, {
    advice: "Raise --limit-total if you trust the layer.",
  });
}

function wrongDigest(expected: string, actual: string): DigestMismatch {
  return new DigestMismatch(
    "tar-split-digest-mismatch",
    `The SHA-256 of the tar-split is ${actual}, the TOC says ${expected}`,
    { expected, actual },
  );
}

function wrongLength(range: BlobRange, actual: string): FormatError {
  return new FormatError(
    "tar-split-length",
    `The tar-split is claimed to have ${range.uncompressedLength} bytes uncompressed, and has ${actual}`,
    { blobOffset: range.offset, expected: `${range.uncompressedLength}` },
  );
}

function outOfPlace(name: string, what: string): FormatError {
  const entry = escapeName(name.slice(0, 1000));
  return new FormatError("tar-split-order", `The tar-split's record of ${entry} is out of place: ${what}`, {
    entry,
    advice: "podman would rebuild another tar than the layer's: do not use this tar-split.",
  });
}

/**
 * The one pass over a layer: every byte is hashed, decompressed, cut into entries and hashed again, once.
 *
 * A failure of one stage stops the stages behind it only: a blob that does not decompress still gets its digest, a tar
 * that does not parse its diffID.
 *
 * @module
 */
import { type Container, DETECT_BYTES, detectContainer } from "../codec/detect.ts";
import type { BlobDecoder, CodecEvents, SkippableStart, UnitEnd, UnitStart } from "../codec/events.ts";
import { decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend, Hasher } from "../digest/hasher.ts";
import { type DigestLane, type DigestQueue, LocalQueue } from "../digest/queue.ts";
import { LayerproofError, LimitExceeded, WorkerFailed } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import { type TarEnd, type TarHandler, TarReader } from "../tar/reader.ts";
import { SparseExpander } from "../tar/sparse.ts";
import type { ParallelDecoder } from "../workers/parallel-decoder.ts";
import type { Pipeline, WorkerPool } from "../workers/pool.ts";
import { EstargzTail, TOC_NAME, TrailingFrames } from "./capture.ts";
import type { Findings } from "./findings.ts";
import type { Limits, ReportedEntry } from "./options.ts";
import { PayloadHasher } from "./payload.ts";
import { TocCheck } from "./toc-check.ts";
import { TreeChecker } from "./tree.ts";

/** Expanded content of sparse members is hashed for `onEntry` up to this size: a map can claim exabytes of holes. */
const MAX_EXPANDED = 2 ** 36;
/** The ratio is not looked at before this much has come out: small files of zeros compress a thousandfold. */
const RATIO_FROM = 64 * 2 ** 20;

export interface PassOptions {
  readonly limits: Limits;
  readonly hashes: HashBackend;
  readonly findings: Findings;
  /** The source is a pipe: its TOC comes last, and its bytes are to be kept. */
  readonly pipe: boolean;
  /** Size of the blob in bytes, or null for a pipe. */
  readonly size: number | null;
  readonly workers?: WorkerPool | undefined;
  readonly onEntry?: ((entry: ReportedEntry) => void) | undefined;
}

/** Units of the compressed stream, and their own checksums. */
export interface UnitTally {
  total: number;
  withChecksum: number;
  mismatched: number;
  first: { where: string; expected: string; actual: string } | null;
}

/** What the bytes themselves say when they have all gone by. */
export interface PassResult {
  readonly container: Container;
  readonly size: number;
  readonly digest: string;
  /** null where the blob could not be decompressed to its end */
  readonly diffID: string | null;
  readonly uncompressedSize: number | null;
  readonly codecError: LayerproofError | null;
  readonly tarError: LayerproofError | null;
  readonly entries: number;
  readonly flavours: ReadonlySet<string>;
  readonly units: UnitTally;
}

/** Lanes of the queue, for what is hashed of the decompressed stream: all of it, pieces of payloads, whole payloads. */
const DIFF = 0, PIECE = 1, WHOLE = 2;
const LANES = 3;

/**
 * Whether other threads are to have a share in the work on a blob of `size` bytes. Not with a limit for the ratio: they
 * run ahead, so that it would depend on them how much has been read when much comes out.
 */
export function isShared(
  container: Container,
  size: number,
  { workers, limits }: { readonly workers?: WorkerPool | undefined; readonly limits: Limits },
): boolean {
  const decoded = container === "gzip" || container === "zstd";
  return decoded && workers !== undefined && limits.ratio === null && size >= workers.plan.minimum;
}

export class LayerPass implements CodecEvents, TarHandler {
  readonly check: TocCheck;
  readonly trailing: TrailingFrames;
  readonly estargz: EstargzTail;

  readonly #options: PassOptions;
  readonly #blobHash: Hasher;
  readonly #entryHash: Hasher;
  readonly #tree: TreeChecker;
  readonly #tar: TarReader;
  readonly #flavours = new Set<string>();
  readonly #units: UnitTally = { total: 0, withChecksum: 0, mismatched: 0, first: null };

  /** Copies of the first pieces, until the decoder starts. */
  #head: Uint8Array[] | null = [];
  #container: Container = "empty";
  #pipeline: Pipeline | null = null;
  #decoder: BlobDecoder | null = null;
  /** What hashes the decompressed stream; there when the decoder is. */
  #queue!: DigestQueue;
  #diff!: DigestLane;
  #payload!: PayloadHasher;
  /** The decoder, where its thread hashes the blob as well. */
  #hashing: ParallelDecoder | null = null;
  #size = 0;
  #outSize = 0;
  #codecError: LayerproofError | null = null;
  #tarError: LayerproofError | null = null;
  #unit: UnitStart = { blobOffset: 0, outOffset: 0 };
  #entry: TarEntry | null = null;
  /** Offset of the unit that the current entry begins, or null if it lies further inside. */
  #unitStart: number | null = null;
  #payloadPosition = 0;
  #expander: SparseExpander | null = null;

  private constructor(options: PassOptions, hashers: readonly Hasher[]) {
    const [blob, tail, zeros, entry] = hashers as [Hasher, Hasher, Hasher, Hasher];
    this.#options = options;
    this.#blobHash = blob;
    this.#entryHash = entry;
    this.#tree = new TreeChecker(options.findings, options.limits.entries);
    this.#tar = new TarReader(this, options.limits);
    const keep = options.pipe ? options.limits.toc : 0;
    this.check = new TocCheck(options.findings, zeros, options.pipe);
    this.trailing = new TrailingFrames(tail, keep);
    this.estargz = new EstargzTail(tail, keep, options.limits);
  }

  static async create(options: PassOptions): Promise<LayerPass> {
    const hashers = await Promise.all(Array.from({ length: 4 }, () => options.hashes.sha256()));
    return new LayerPass(options, hashers);
  }

  /** Takes the next bytes of the blob; to be awaited before the next call. */
  async push(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#head) await this.#gather(bytes);
    else if (bytes.length > 0) await this.#take(bytes);
  }

  async #take(bytes: Uint8Array): Promise<void> {
    if (!this.#hashing) this.#blobHash.update(bytes);
    const before = this.#hashing?.taken ?? 0;
    await this.#decode(() => this.#decoder!.push(bytes));
    // A blob that cannot be decoded is still hashed to its end.
    if (this.#hashing && this.#codecError) {
      await this.#hashing.push(bytes.subarray(this.#hashing.taken - before));
    }
  }

  /** Ends the pass; the TOC's other direction and claims are the caller's. */
  async end(): Promise<PassResult> {
    if (this.#head) await this.#start();
    await this.#decode(() => this.#decoder!.end());
    if (this.#hashing && this.#codecError) await this.#hashing.end();
    let tarEnd: TarEnd | null = null;
    if (!this.#codecError && !this.#tarError) this.#read(() => tarEnd = this.#tar.end());
    if (tarEnd) {
      this.#tree.end({ estargz: this.estargz.footer !== null });
      this.#reportEnd(tarEnd);
    }
    let diff = "";
    this.#diff.finish((hex) => diff = hex);
    await this.#queue.settle();
    const digest = this.#hashing ? this.#hashing.digest! : this.#blobHash.finish();
    if (this.#container === "tar") diff = digest;
    this.close();
    const whole = this.#codecError === null;
    return {
      container: this.#container,
      size: this.#size,
      digest: `sha256:${digest}`,
      diffID: whole ? `sha256:${diff}` : null,
      uncompressedSize: whole ? this.#outSize : null,
      codecError: this.#codecError,
      tarError: this.#tarError,
      entries: this.#tar.entries,
      flavours: this.#flavours,
      units: this.#units,
    };
  }

  /** Gives workers back; at any time. */
  close(): void {
    this.#pipeline?.close();
    this.#pipeline = null;
    this.#decoder = null;
  }

  /** Gathers as much as it takes to know what the blob is, and whether it is worth other threads. */
  async #gather(bytes: Uint8Array): Promise<void> {
    this.#head!.push(bytes.slice());
    const { size, workers } = this.#options;
    // From a pipe nobody knows whether there will be enough for other threads.
    const mayShare = size === null && isShared("gzip", Number.POSITIVE_INFINITY, this.#options);
    const needed = mayShare ? Math.max(workers!.plan.minimum, DETECT_BYTES) : DETECT_BYTES;
    if (this.#size >= needed) await this.#start();
  }

  async #start(): Promise<void> {
    const head = this.#head!;
    this.#head = null;
    this.#container = detectContainer(concat(head, DETECT_BYTES));
    this.#pipeline = await this.#parallel();
    this.#hashing = this.#pipeline?.decoder.hashes ? this.#pipeline.decoder : null;
    this.#queue = this.#pipeline?.queue ?? await LocalQueue.create(this.#options.hashes, LANES);
    this.#diff = this.#queue.lane(DIFF);
    this.#payload = new PayloadHasher(this.#queue, this.#queue.lane(PIECE), this.#queue.lane(WHOLE));
    await this.#decode(async () => {
      this.#decoder = this.#pipeline?.decoder ?? await this.#ownDecoder();
    });
    for (const bytes of head) await this.#take(bytes);
  }

  async #parallel(): Promise<Pipeline | null> {
    const { workers, size, limits: { zstdWindow } } = this.#options;
    const container = this.#container;
    if (!isShared(container, size ?? this.#size, this.#options)) return null;
    return await workers!.pipeline(this, LANES, { container, zstdWindow });
  }

  async #ownDecoder(): Promise<BlobDecoder> {
    const { hashes, limits: { zstdWindow } } = this.#options;
    return decoderFor(this.#container, this, await loadTools(this.#container, hashes), { zstdWindow });
  }

  async #decode(step: () => void | Promise<void>): Promise<void> {
    if (this.#codecError) return;
    try {
      await step();
    } catch (error) {
      if (!(error instanceof LayerproofError) || error instanceof WorkerFailed) throw error;
      this.#codecError = error;
      this.#pipeline?.decoder.abandon();
    }
  }

  #read(step: () => void): void {
    if (this.#tarError) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof LayerproofError)) throw error;
      this.#tarError = error;
    }
  }

  // Codec events

  unitStart(unit: UnitStart): void {
    this.#unit = unit;
    this.#payload.unitStart();
    if (this.#container === "zstd") this.trailing.unitStart();
    else if (this.#container === "gzip") this.estargz.unitStart(unit, this.#tar.ended);
  }

  data(bytes: Uint8Array): void {
    const { total } = this.#options.limits;
    // What a limit cuts off must not depend on how the decoder cuts its output.
    const room = total === null ? bytes.length : Math.min(bytes.length, total - this.#outSize);
    if (room > 0) this.#takeOutput(room < bytes.length ? bytes.subarray(0, room) : bytes);
    if (room < bytes.length) {
      throw new LimitExceeded("total-limit", `The layer has more than ${total} bytes uncompressed`, {
        advice: "Raise --limit-total if you trust the layer.",
      });
    }
    this.#checkRatio();
  }

  #takeOutput(bytes: Uint8Array): void {
    // The diffID of an uncompressed tar is its blob's digest.
    if (this.#container !== "tar") this.#diff.update(bytes);
    this.#outSize += bytes.length;
    this.#read(() => this.#tar.push(bytes));
    if (this.#container === "gzip") this.estargz.data(bytes);
    if (!this.#decoder!.dataLasts) this.#queue.flush();
  }

  dataEnd(): void {
    this.#queue.flush();
  }

  unitEnd(unit: UnitEnd): void {
    this.#units.total++;
    if (unit.checksum === "absent") return;
    this.#units.withChecksum++;
    if (unit.checksum === "ok") return;
    this.#units.mismatched++;
    const [expected, actual] = [unit.checksum.expected, unit.checksum.actual].map((sum) =>
      `0x${sum.toString(16).padStart(8, "0")}`
    );
    const where = `bytes ${unit.blobOffset} to ${unit.endOffset} of the blob`;
    this.#units.first ??= { where, expected: expected!, actual: actual! };
    const what = this.#container === "gzip"
      ? "the CRC-32 or length of a gzip member"
      : "the checksum of a zstd frame";
    this.#options.findings.add(
      "checksum-mismatch",
      "error",
      `${what} is ${actual}, it says ${expected}`,
      null,
      unit.blobOffset,
    );
  }

  skippableStart(frame: SkippableStart): void {
    this.trailing.skippableStart(frame);
  }

  skippableData(bytes: Uint8Array): void {
    this.trailing.skippableData(bytes);
  }

  skippableEnd(): void {
    this.trailing.skippableEnd();
  }

  zeroPadding(blobOffset: number): void {
    this.#options.findings.add(
      "gzip-zero-padding",
      "info",
      "zero bytes follow the last gzip member",
      null,
      blobOffset,
    );
  }

  #checkRatio(): void {
    const { ratio } = this.#options.limits;
    if (ratio === null || this.#outSize <= RATIO_FROM || this.#outSize <= ratio * this.#size) return;
    throw new LimitExceeded("ratio-limit", `The layer decompresses to more than ${ratio} times its size`, {
      advice: "Raise --limit-ratio if you trust the layer.",
    });
  }

  // Tar events

  entry(entry: TarEntry): void {
    this.#flavours.add(entry.format);
    this.#tree.entry(entry);
    this.#entry = entry;
    this.#unitStart = entry.headerOffset === this.#unit.outOffset ? this.#unit.blobOffset : null;
    this.#payloadPosition = entry.payloadOffset;
    const { cuts, whole } = this.#mayHaveToc() ? this.check.plan(entry, this.#unitStart) : NO_PLAN;
    this.#payload.begin(cuts, whole);
    const beginsMember = this.#container === "gzip" && this.#unitStart !== null;
    if (beginsMember && entry.kind === "file" && entry.name === TOC_NAME) {
      this.estargz.entryStart(this.#unit, entry.storedSize);
    }
    this.#expander = this.#expanderFor(entry);
  }

  payload(bytes: Uint8Array): void {
    this.#payload.update(bytes, this.#unit, this.#payloadPosition);
    this.#payloadPosition += bytes.length;
    this.estargz.payload(bytes);
    if (this.#expander) this.#expander.push(bytes);
    else if (this.#options.onEntry) this.#entryHash.update(bytes);
  }

  entryEnd(): void {
    const entry = this.#entry!;
    this.#entry = null;
    this.#expander?.end();
    this.estargz.entryEnd();
    if (this.#mayHaveToc()) {
      const unitStart = this.#unitStart;
      this.#payload.end((hashed) =>
        this.check.add({ entry, hashed, sparse: entry.sparse !== null, unitStart })
      );
    }
    const { onEntry } = this.#options;
    if (!onEntry) return;
    const sha256 = this.#entryHash.finish();
    const hashed = entry.kind === "file" && (!entry.sparse || entry.size <= MAX_EXPANDED);
    onEntry({ ...entry, sha256: hashed ? sha256 : null });
  }

  #mayHaveToc(): boolean {
    return this.#container === "gzip" || this.#container === "zstd";
  }

  #expanderFor(entry: TarEntry): SparseExpander | null {
    if (!entry.sparse) return null;
    const hashed = this.#options.onEntry !== undefined && entry.size <= MAX_EXPANDED;
    const sink = hashed ? (bytes: Uint8Array) => this.#entryHash.update(bytes) : null;
    return new SparseExpander(entry.sparse, entry.size, {
      sink,
      offset: entry.headerOffset,
      mapLimit: this.#options.limits.pax,
    });
  }

  #reportEnd(end: TarEnd): void {
    const { findings } = this.#options;
    const at = end.entriesEnd;
    if (end.zeroBlocks === 0) {
      findings.add(
        "tar-no-end",
        "warning",
        "the two zero blocks at the end of the archive are missing",
        null,
        at,
      );
    } else if (end.zeroBlocks === 1) {
      findings.add(
        "tar-lone-zero-block",
        "warning",
        "only one zero block ends the archive: Go refuses more data behind it",
        null,
        at,
      );
    }
    const dataOffset = end.dataOffset !== null && this.estargz.isTocAt(end.dataOffset)
      ? null
      : end.dataOffset;
    if (dataOffset !== null) {
      const what =
        "bytes other than zeros follow the end of the archive: no reader extracts them, and podman's partial pulls fail";
      findings.add("data-after-end", "warning", what, null, dataOffset);
    } else if (end.dataOffset === null && end.trailerLength > recordPadding(at)) {
      findings.add(
        "tar-extra-end",
        "info",
        `${end.trailerLength} zero bytes end the archive, ${recordPadding(at)} at most are usual`,
        null,
        at,
      );
    }
  }
}

const NO_PLAN = { cuts: "none", whole: false } as const;
/** Archives are padded to records of 20 blocks (POSIX.1-2024 "pax", -b). */
const RECORD = 10240;

/** Zero bytes that an archive with entries up to `end` has when it is padded to whole records. */
function recordPadding(end: number): number {
  return Math.ceil((end + 1024) / RECORD) * RECORD - end;
}

/** The first `length` bytes of some pieces, or all there are. */
function concat(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes: number[] = [];
  for (const piece of pieces) {
    if (bytes.length >= length) break;
    bytes.push(...piece.subarray(0, length - bytes.length));
  }
  return Uint8Array.from(bytes);
}

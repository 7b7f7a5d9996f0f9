/**
 * The one pass over a layer: every byte is hashed, decompressed, cut into entries and hashed again, once.
 *
 * A failure of one stage stops the stages behind it only: a blob that does not decompress still gets its digest, a tar
 * that does not parse its diffID.
 *
 * @module
 */
import type { Container } from "../codec/detect.ts";
import type { SkippableStart, UnitEnd, UnitStart } from "../codec/events.ts";
import type { HashBackend, Hasher } from "../digest/hasher.ts";
import type { DigestLane, DigestQueue } from "../digest/queue.ts";
import { LayerproofError, LimitExceeded } from "../errors.ts";
import type { HashPlace } from "../kernel/staging.ts";
import type { TarEntry } from "../tar/entry.ts";
import { type TarEnd, type TarHandler, TarReader } from "../tar/reader.ts";
import { SparseExpander } from "../tar/sparse.ts";
import type { WorkerPool } from "../workers/pool.ts";
import { EstargzTail, TOC_NAME, TrailingFrames } from "./capture.ts";
import { BlobFeed, type FeedTarget } from "./feed.ts";
import type { Findings } from "./findings.ts";
import type { ByteSink, Limits, ReportedEntry, TarSplitSink } from "./options.ts";
import { PayloadHasher } from "./payload.ts";
import type { StreamShape } from "./stream-shape.ts";
import { StreamTaps } from "./taps.ts";
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
  /** Size of the blob in bytes, or null for a pipe: then its TOC comes last, and its bytes are to be kept. */
  readonly size: number | null;
  readonly workers?: WorkerPool | undefined;
  readonly onEntry?: ((entry: ReportedEntry) => void) | undefined;
  readonly tarSplit?: TarSplitSink | undefined;
  readonly tar?: ByteSink | undefined;
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
  /** What a tar-split has to say of the stream; null where nobody asked, or it cannot be had. */
  readonly shape: StreamShape | null;
}

/** Lanes of the queue, for what is hashed of the decompressed stream: all of it, pieces of payloads, whole payloads. */
const DIFF = 0, PIECE = 1, WHOLE = 2;
const LANES = 3;

export class LayerPass implements FeedTarget, TarHandler {
  readonly check: TocCheck;
  readonly trailing: TrailingFrames;
  readonly estargz: EstargzTail;

  readonly #options: PassOptions;
  readonly #feed: BlobFeed;
  readonly #entryHash: Hasher;
  readonly #tree: TreeChecker;
  readonly #tar: TarReader;
  readonly #flavours = new Set<string>();
  readonly #units: UnitTally = { total: 0, withChecksum: 0, mismatched: 0, first: null };

  #container: Container = "empty";
  /** What hashes the decompressed stream; there from `begin` on. */
  #queue!: DigestQueue;
  /** Of all output, where it is hashed nowhere else. */
  #diff: DigestLane | null = null;
  #payload!: PayloadHasher;
  #outSize = 0;
  #tarError: LayerproofError | null = null;
  #unit: UnitStart = { blobOffset: 0, outOffset: 0 };
  #entry: TarEntry | null = null;
  /** Offset of the unit that the current entry begins, or null if it lies further inside. */
  #unitStart: number | null = null;
  #payloadPosition = 0;
  #expander: SparseExpander | null = null;
  /** Who else takes the stream. */
  readonly #taps: StreamTaps;

  /** Where tar and tar-split go must not be flooded. */
  readonly ready?: () => Promise<void>;

  private constructor(options: PassOptions, hashers: readonly Hasher[], taps: StreamTaps) {
    const [blob, tail, zeros, entry] = hashers as [Hasher, Hasher, Hasher, Hasher];
    this.#options = options;
    this.#taps = taps;
    if (taps.ready) this.ready = taps.ready;
    this.#feed = new BlobFeed(this, blob, { ...options, lanes: LANES });
    this.#entryHash = entry;
    this.#tree = new TreeChecker(options.findings, options.limits.entries);
    this.#tar = new TarReader(this, options.limits);
    const pipe = options.size === null;
    const keep = pipe ? options.limits.toc : 0;
    this.check = new TocCheck(options.findings, zeros, pipe);
    this.trailing = new TrailingFrames(tail, keep);
    this.estargz = new EstargzTail(tail, keep, options.limits);
  }

  static async create(options: PassOptions): Promise<LayerPass> {
    const hashers = await Promise.all(Array.from({ length: 4 }, () => options.hashes.sha256()));
    return new LayerPass(options, hashers, await StreamTaps.create(options.tar, options.tarSplit));
  }

  /** To be called before the first byte: there may be a tar-split, with which the stream is to be compared. */
  watchShape(): void {
    this.#taps.watchShape(this.#options.hashes);
  }

  /** Takes the next bytes of the blob; to be awaited before the next call. */
  async push(bytes: Uint8Array): Promise<void> {
    await this.#feed.push(bytes);
  }

  /** Ends the pass; the TOC's other direction and claims are the caller's. */
  async end(): Promise<PassResult> {
    const { container, size, digest, outputDigest, error: codecError } = await this.#feed.end();
    let tarEnd: TarEnd | null = null;
    if (!codecError && !this.#tarError) this.#read(() => tarEnd = this.#tar.end());
    if (!tarEnd) this.#taps.dropShape();
    else {
      this.#taps.end();
      this.#tree.end({ estargz: this.estargz.footer !== null });
      this.#reportEnd(tarEnd);
    }
    // That of an uncompressed tar is its blob's digest.
    let diff = container === "tar" ? digest : outputDigest;
    this.#diff?.finish((hex) => diff = hex);
    await this.#queue.settle();
    if (!codecError && diff === null) throw new Error("the digest of the decompressed stream is missing");
    this.close();
    return {
      container,
      size,
      digest: `sha256:${digest}`,
      diffID: codecError ? null : `sha256:${diff}`,
      uncompressedSize: codecError ? null : this.#outSize,
      codecError,
      tarError: this.#tarError,
      entries: this.#tar.entries,
      flavours: this.#flavours,
      units: this.#units,
      shape: this.#taps.shape,
    };
  }

  /** Gives workers back; at any time. */
  close(): void {
    this.#feed.close();
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

  // From the feed

  async begin(
    container: Container,
    queue: DigestQueue,
    outputDigest: boolean,
    places: readonly HashPlace[],
  ): Promise<void> {
    this.#container = container;
    if (container === "zstd") await this.#taps.begin(places);
    this.#queue = queue;
    if (container !== "tar" && !outputDigest) this.#diff = queue.lane(DIFF);
    this.#payload = new PayloadHasher(queue, queue.lane(PIECE), queue.lane(WHOLE));
  }

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
    this.#diff?.update(bytes);
    this.#outSize += bytes.length;
    this.#taps.output(bytes);
    this.#read(() => {
      this.#taps.piece(bytes);
      this.#tar.push(bytes);
      this.#taps.pieceEnd();
    });
    if (this.#container === "gzip") this.estargz.data(bytes);
    if (!this.#feed.dataLasts) this.#queue.flush();
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
    if (ratio === null || this.#outSize <= RATIO_FROM || this.#outSize <= ratio * this.#feed.size) return;
    throw new LimitExceeded("ratio-limit", `The layer decompresses to more than ${ratio} times its size`, {
      advice: "Raise --limit-ratio if you trust the layer.",
    });
  }

  // Tar events

  entry(entry: TarEntry): void {
    this.#taps.entry(entry);
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
    this.#taps.payload(bytes);
    this.#payload.update(bytes, this.#unit, this.#payloadPosition);
    this.#payloadPosition += bytes.length;
    this.estargz.payload(bytes);
    if (this.#expander) this.#expander.push(bytes);
    else if (this.#options.onEntry) this.#entryHash.update(bytes);
  }

  entryEnd(): void {
    const entry = this.#entry!;
    this.#entry = null;
    this.#taps.entryEnd();
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

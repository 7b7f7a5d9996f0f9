/**
 * What `verifyLayer` may be told: expectations from outside, limits, callbacks.
 *
 * @module
 */
import type { HashBackend } from "../digest/hasher.ts";
import type { LayerproofError } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { WorkerPool } from "../workers/pool.ts";

/** An OCI descriptor (image-spec, descriptor.md), as far as a layer needs it. */
export interface Descriptor {
  readonly mediaType?: string;
  readonly digest?: string;
  readonly size?: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Values that came from outside the blob. Each carries the name of where it came from, for the chain of trust. */
export interface Expectations {
  readonly digest?: Expected<string>;
  readonly size?: Expected<number>;
  readonly diffID?: Expected<string>;
  readonly uncompressedSize?: Expected<number>;
  readonly tocDigest?: Expected<string>;
  readonly descriptor?: Expected<Descriptor>;
}

/** One outside value and the steps by which it reached us, outermost first, e.g. `["--digest"]`. */
export interface Expected<T> {
  readonly value: T;
  readonly from: readonly string[];
}

/** Bounds on untrusted numbers. Bytes unless said otherwise; `null` means no bound. */
export interface Limits {
  /** TOC, compressed and uncompressed each. */
  readonly toc: number;
  /** PAX header, GNU long name, sparse map. */
  readonly pax: number;
  readonly zstdWindow: number;
  /** Number of tar entries (and of TOC entries). */
  readonly entries: number;
  /** Bytes of one path. */
  readonly path: number;
  /** Uncompressed over compressed bytes, tested once 64 MiB have come out. */
  readonly ratio: number | null;
  /** Uncompressed bytes of the layer. */
  readonly total: number | null;
}

export const DEFAULT_LIMITS: Limits = {
  toc: 150 * 2 ** 20,
  pax: 2 ** 20,
  zstdWindow: 2 ** 27,
  entries: 5_000_000,
  path: 64 * 1024,
  ratio: null,
  total: null,
};

/** The limits that count: a field that is `undefined` is not given, and must not take the default's place. */
export function limitsWith(given: Partial<Limits> = {}): Limits {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(set) };
}

/** A tar entry as it is reported by `onEntry`, with the SHA-256 (hex) of its content where it is a regular file. */
export interface ReportedEntry extends TarEntry {
  readonly sha256: string | null;
}

/** Progress of the pass over the blob. */
export interface Progress {
  readonly bytes: number;
  /** null for a pipe */
  readonly total: number | null;
}

/** Takes bytes in order, as they are made. What they are, only the report says: until then they are nobody's. */
export interface ByteSink {
  /** @param bytes valid only during the call */
  write(bytes: Uint8Array): void;
  /** Awaited before more of the layer is read: so a slow disk does not fill the memory. */
  ready?(): void | Promise<void>;
}

/** Takes the tar-split of a layer as it is made: JSON lines as UTF-8, cut anywhere. */
export interface TarSplitSink extends ByteSink {
  /** There is no tar-split of this tar, and what was written is not complete. The layer's report is not touched by it. */
  failed(error: LayerproofError): void;
  /**
   * Two entries with one path: the reference implementation makes no tar-split of them ("refuse", the default). "keep"
   * writes one that only this package takes.
   */
  readonly duplicates?: "refuse" | "keep";
}

export interface VerifyOptions {
  readonly expect?: Expectations;
  /** An external TOC: its JSON, or the TOC image's layer (a gzip-compressed tar that holds `stargz.index.json`). */
  readonly toc?: Uint8Array;
  /**
   * Whether to read TOC and tar-split alone, a few small ranges of the blob. "verified" then speaks of them, and of the
   * uncompressed size that a tar-split gives; digest and diffID are "not checked", and nothing is said of contents.
   */
  readonly metadataOnly?: boolean;
  readonly limits?: Partial<Limits>;
  /** SHA-256 and CRC-32; the portable ones by default. */
  readonly hashes?: HashBackend;
  /** Threads that share the work on large layers; without them, the calling thread does it all. */
  readonly workers?: WorkerPool;
  /** Called for every tar entry, after its content. Asks for content digests, which cost one more hash of each file. */
  readonly onEntry?: (entry: ReportedEntry) => void;
  /** Takes the layer's tar-split, made in the same pass. It is complete when the report has no error, nor `failed` one. */
  readonly tarSplit?: TarSplitSink;
  /** Takes the uncompressed tar. */
  readonly tar?: ByteSink;
  /** Takes the blob. */
  readonly blob?: ByteSink;
  /** Called after every piece of the source. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops the work; `verifyLayer` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

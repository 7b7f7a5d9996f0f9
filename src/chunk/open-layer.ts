/**
 * Opens a layer by its TOC digest: a few small ranges of the blob are read, whatever its size is.
 *
 * @module
 */
import { DETECT_BYTES } from "../codec/detect.ts";
import { defaultHashes } from "../digest/default.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { DigestMismatch, FormatError, LimitExceeded, UsageError } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { type SeekableSource, withEnds } from "../source/tail.ts";
import { escapeName } from "../tar/names.ts";
import type { TocAnnotations } from "../toc/annotations.ts";
import type { Toc } from "../toc/model.ts";
import { type Expecting, gatherExpectations } from "../verify/expect.ts";
import { Findings } from "../verify/findings.ts";
import { containerOf, isSeekable, locateToc, type Subject } from "../verify/load-toc.ts";
import { tarSplitOf } from "../verify/metadata.ts";
import { type Descriptor, type Expectations, type Limits, limitsWith } from "../verify/options.ts";
import { TAR_SPLIT, TocCheck } from "../verify/toc-check.ts";
import { examineToc, type TocFacts } from "../verify/toc-facts.ts";
import { buildTree, PREFETCH_LANDMARK, type RepairedNames } from "./build-tree.ts";
import { type ChunkCache, MemoryChunkCache } from "./cache.ts";
import { ChunkFetcher } from "./fetcher.ts";
import { Layer, type LayerFacts } from "./layer.ts";

export interface OpenLayerOptions {
  /** The TOC digest, in the dialect of the layer: of the compressed TOC (containers/storage), or of its JSON (stargz). */
  readonly tocDigest?: string;
  /** The layer's descriptor in a manifest that somebody vouches for. */
  readonly descriptor?: Descriptor;
  /** The same and more, each with the name of where it came from. */
  readonly expect?: Expectations;
  /** Whether to open a layer although no digest of its TOC is given: it is `consistent` then, at best. */
  readonly untrusted?: boolean;
  /** An external TOC: its JSON, or the TOC image's layer (a gzip-compressed tar that holds `stargz.index.json`). */
  readonly toc?: Uint8Array;
  readonly limits?: Partial<Limits>;
  /** SHA-256; the kernels by default. */
  readonly hashes?: HashBackend;
  /** Verified chunks, perhaps shared with other layers; 64 MiB of memory for this layer alone by default. */
  readonly cache?: ChunkCache;
  /** Bytes at the blob's end that are read at first, where nothing tells how long TOC and footer are; 256 KiB by default. */
  readonly tail?: number;
  /** Stops the opening; `openLayer` then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const TAIL = 256 * 2 ** 10;
const CACHE = 64 * 2 ** 20;

/**
 * Reads footer (or annotations) and TOC, checks the TOC's digest before it is parsed, and builds the tree, by the rules of
 * `buildTree`. Where the TOC names its tar-split, that is checked too: it gives the size of the tar, and the names that are
 * not UTF-8, which a TOC cannot hold.
 *
 * @param source of the blob, which can be read at random
 * @throws {UsageError} `layer-untrusted`: no TOC digest is given; `layer-needs-ranges`: the source is a pipe; what is wrong
 * with the expectations
 * @throws {DigestMismatch} `toc-digest-mismatch`, `tar-split-digest-mismatch`
 * @throws {FormatError} `layer-no-toc`, `layer-size`, `uncompressed-size`, `tar-split-missing`, `toc-tar-split-mismatch`;
 * what is wrong with footer, TOC, tar-split and tree: `toc-…`, `tar-split-…`, those of `buildTree`
 * @throws {LimitExceeded} `toc-limit`, `entries-limit`, and others
 * @throws {SourceError}
 */
export async function openLayer(source: LayerSource, options: OpenLayerOptions = {}): Promise<Layer> {
  const expecting = gatherExpectations(expectationsOf(options));
  if (expecting.toc.length === 0 && !options.untrusted) throw untrusted(source.name);
  if (!isSeekable(source)) {
    throw new UsageError(
      "layer-needs-ranges",
      `${source.name} is a pipe, of which only the whole can be read`,
      {
        advice: "Give a file or a blob of a registry.",
      },
    );
  }
  checkNumber("layer-size", "the blob", expecting.size?.value, source.size);
  const limits = limitsWith(options.limits);
  const hashes = options.hashes ?? defaultHashes();
  const tail = tailOf(source.size, expecting.annotations, options.tail ?? TAIL);
  const subject = {
    source: await withEnds(source, DETECT_BYTES, tail),
    expecting,
    annotations: expecting.annotations,
    external: options.toc ?? null,
    limits,
    hashes,
    findings: new Findings(),
  };
  options.signal?.throwIfAborted();
  const container = await containerOf(subject);
  const facts = await tocOf(container, subject);
  options.signal?.throwIfAborted();
  const { toc } = facts;
  const tarSplit = toc.tarSplitDigest === null
    ? null
    : await checkTarSplit(facts, subject, options.signal ?? null);
  checkNumber("uncompressed-size", "the tar", expecting.uncompressedSize?.value, tarSplit?.size ?? undefined);
  const stargz = facts.traits.ownerNames;
  const tree = buildTree(toc, {
    stargz,
    repaired: tarSplit?.repaired ?? new Map(),
    maxNodes: limits.entries,
  });
  tree.finish(!stargz, facts.offset ?? source.size);
  const trusted = expecting.toc[0];
  const layerFacts: LayerFacts = {
    name: source.name,
    trust: trusted ? "verified" : "consistent",
    chain: trusted ? [...trusted.from, "TOC"] : [],
    tocDigest: facts.tocDigest!,
    dialect: facts.dialect,
    size: source.size,
    uncompressedSize: tarSplit?.size ?? null,
    tarSplitDigest: tarSplit?.size == null ? null : toc.tarSplitDigest,
    prefetchEnd: stargz ? prefetchEnd(toc) : null,
  };
  const fetcher = await ChunkFetcher.create(source, tree, {
    container: facts.family === "estargz" ? "gzip" : "zstd",
    hashes,
    zstdWindow: limits.zstdWindow,
    cache: options.cache ?? new MemoryChunkCache(CACHE),
  });
  return new Layer(layerFacts, tree, fetcher);
}

function expectationsOf({ tocDigest, descriptor, expect }: OpenLayerOptions): Expectations {
  return {
    ...(tocDigest === undefined ? {} : { tocDigest: { value: tocDigest, from: ["TOC digest"] } }),
    ...(descriptor === undefined ? {} : { descriptor: { value: descriptor, from: ["descriptor"] } }),
    ...expect,
  };
}

/** How much of the end is read at first: from the TOC on, where the annotations tell where it is. */
function tailOf(size: number, annotations: TocAnnotations | null, guess: number): number {
  const toc = annotations?.tocPosition;
  if (!toc) return guess;
  const start = Math.min(toc.offset, annotations.tarSplitPosition?.offset ?? toc.offset) - 8;
  // Positions are nobody's word yet; long ones are read when the limits have been checked.
  return start >= 0 && start < size && size - start <= 2 ** 24 ? size - start : guess;
}

/** The TOC, with the digest that is expected. */
async function tocOf(
  container: Parameters<typeof locateToc>[0],
  subject: Subject & { readonly source: SeekableSource },
): Promise<TocFacts & { readonly toc: Toc }> {
  const { source, expecting, hashes, limits } = subject;
  const { found } = await locateToc(container, subject);
  if (!found) {
    throw new FormatError("layer-no-toc", `${source.name} has no TOC (${container})`, {
      source: source.name,
      advice: "Only layers with a TOC can be read lazily: read it as a whole.",
    });
  }
  const facts = await examineToc(found, { hashes, expected: expecting.toc, limits, strict: true });
  if (facts.problem) throw facts.problem;
  checkDigests(facts, expecting);
  return { ...facts, toc: facts.toc! };
}

/** Every digest from outside, also those of bytes that this dialect does not have. */
function checkDigests(
  { jsonDigest, compressedDigest, tocDigest, dialect }: TocFacts,
  { toc }: Expecting,
): void {
  for (const { digest, of, from } of toc) {
    const actual = { json: jsonDigest, compressed: compressedDigest, dialect: tocDigest }[of];
    if (actual === digest) continue;
    throw new DigestMismatch(
      "toc-digest-mismatch",
      `The TOC digest (${dialect}) is ${actual ?? "none of that kind"}, ${from.at(-1)} says ${digest}`,
      {
        expected: digest,
        actual: actual ?? "absent",
        advice: "It is another layer, or the blob is damaged.",
      },
    );
  }
}

/** @returns the size of the tar, null where the tar-split is too large to be read */
async function checkTarSplit(
  facts: TocFacts & { readonly toc: Toc },
  subject: Subject & { readonly source: SeekableSource },
  signal: AbortSignal | null,
): Promise<
  { readonly size: number | null; readonly repaired: ReadonlyMap<Toc["files"][number], RepairedNames> }
> {
  if (!facts.tarSplit) {
    throw new FormatError(
      "tar-split-missing",
      "The TOC names a tar-split, and neither footer nor annotations do",
      {
        expected: facts.toc.tarSplitDigest!,
        actual: "absent",
        advice: "The footer or the annotations are not of this blob.",
      },
    );
  }
  const check = new TocCheck(subject.findings, await subject.hashes.sha256(), false, TAR_SPLIT);
  check.load(facts);
  const { facts: tarSplit } = await tarSplitOf(subject.source, facts, check, subject, signal);
  const { problem, shape } = tarSplit!;
  const { mismatched, first } = check.entries;
  if (problem instanceof LimitExceeded && mismatched === 0) return { size: null, repaired: new Map() };
  if (problem) throw problem;
  if (mismatched > 0 && first) {
    const entry = escapeName(first.where);
    throw new FormatError(
      "toc-tar-split-mismatch",
      `TOC and tar-split disagree about ${entry}: ${first.expected}, ${first.actual}`,
      { entry, expected: first.expected, actual: first.actual, advice: "Do not use this layer." },
    );
  }
  return { size: shape!.size, repaired: check.unheld };
}

/** Where the landmark of prioritized files lies; 0 where a landmark says that there are none. */
function prefetchEnd({ files }: Toc): number | null {
  for (const { name, chunks } of files) {
    if (name === PREFETCH_LANDMARK) return chunks[0]?.offset ?? null;
    if (name === ".no.prefetch.landmark") return 0;
  }
  return null;
}

function checkNumber(
  code: string,
  what: string,
  expected: number | undefined,
  actual: number | undefined,
): void {
  if (expected === undefined || actual === undefined || expected === actual) return;
  throw new FormatError(code, `The size of ${what} is ${actual}, and ${expected} is expected`, {
    expected: `${expected}`,
    actual: `${actual}`,
    advice: "It is another layer, or what is expected is wrong.",
  });
}

function untrusted(name: string): UsageError {
  return new UsageError("layer-untrusted", `Nothing vouches for the TOC of ${name}`, {
    source: name,
    advice: "Give a TOC digest or the layer's descriptor; or open it as untrusted, which proves nothing.",
  });
}

/**
 * From the bytes of a TOC to what is known about it: digests first, and only then its content.
 *
 * @module
 */
import type { HashBackend } from "../digest/hasher.ts";
import { DigestMismatch, FormatError, LayerproofError, LimitExceeded } from "../errors.ts";
import type { BlobRange } from "../toc/footer-zstdchunked.ts";
import type { Toc } from "../toc/model.ts";
import { parseToc } from "../toc/parse.ts";
import { decoderFor, loadTools } from "../codec/open.ts";
import type { CodecEvents, UnitEnd } from "../codec/events.ts";
import type { DialectTraits } from "./compare.ts";
import type { TocExpectation } from "./expect.ts";
import type { Limits } from "./options.ts";

export type TocFamily = "estargz" | "zstd:chunked";

/** How the blob's own footer (or an annotation alone) announced the TOC. */
export type TocForm = "estargz" | "legacy" | "external" | "40-byte" | "56-byte" | "64-byte" | "no footer";

/** What is known about a layer's TOC. */
export interface TocFacts {
  readonly family: TocFamily;
  readonly form: TocForm;
  readonly dialect: string;
  readonly traits: DialectTraits;
  /** For reports: where the bytes lie. */
  readonly where: string;
  /** Offset in the blob of the TOC's gzip member, or of its compressed bytes; null if it lies elsewhere. */
  readonly offset: number | null;
  readonly jsonDigest: string | null;
  readonly compressedDigest: string | null;
  /** The digest that this dialect calls the TOC digest. */
  readonly tocDigest: string | null;
  readonly toc: Toc | null;
  /** Why there is no `toc`. */
  readonly problem: LayerproofError | null;
  readonly tarSplit: BlobRange | null;
}

/** The bytes of a TOC as they were found. */
export interface FoundToc {
  readonly family: TocFamily;
  readonly form: TocForm;
  readonly where: string;
  readonly offset: number | null;
  /** zstd:chunked only. */
  readonly compressed: Uint8Array | null;
  /** What the footer or annotation says the compressed bytes become. */
  readonly uncompressedLength: number | null;
  readonly json: Uint8Array | null;
  readonly problem: LayerproofError | null;
  readonly tarSplit: BlobRange | null;
}

/** Hashes, checks against what was expected, and parses, in this order (bytes that failed their digest are not parsed). */
export async function examineToc(
  found: FoundToc,
  { hashes, expected, limits, strict = false }: {
    hashes: HashBackend;
    expected: readonly TocExpectation[];
    limits: Limits;
    /** Not to parse a TOC either whose digest cannot be the one that is expected, whatever its dialect is. */
    strict?: boolean;
  },
): Promise<TocFacts> {
  const sha256 = await hashes.sha256();
  const hash = (bytes: Uint8Array) => {
    sha256.update(bytes);
    return `sha256:${sha256.finish()}`;
  };
  let { json, problem } = found;
  let toc: Toc | null = null;
  const compressedDigest = found.compressed && hash(found.compressed);
  let jsonDigest: string | null = null;
  try {
    if (problem) throw problem;
    if (compressedDigest) checkExpected(compressedDigest, "compressed", expected);
    // Only one kind of footer leaves open which bytes the digest is of.
    if (strict && compressedDigest && found.form !== "40-byte") checkDialect([compressedDigest], expected);
    if (found.compressed) {
      json = await inflateToc(found.compressed, found.uncompressedLength!, hashes, limits);
    }
    jsonDigest = json && hash(json);
    if (jsonDigest) checkExpected(jsonDigest, "json", expected);
    if (strict && jsonDigest && !compressedDigest) checkDialect([jsonDigest], expected);
    else if (strict && jsonDigest && found.form === "40-byte") {
      checkDialect([compressedDigest!, jsonDigest], expected);
    }
    if (json) toc = parseToc(json, limits.entries);
  } catch (error) {
    if (!(error instanceof LayerproofError)) throw error;
    problem = error;
  }
  const stargz = found.form === "40-byte" && isStargzWriter(toc, json, expected);
  const ownDigest = found.family === "estargz" || stargz ? jsonDigest : compressedDigest;
  return {
    family: found.family,
    form: found.form,
    dialect: dialectOf(found.form, stargz),
    traits: found.family === "estargz" || stargz ? STARGZ_TRAITS : STORAGE_TRAITS,
    where: found.where,
    offset: found.offset,
    jsonDigest,
    compressedDigest,
    tocDigest: ownDigest,
    toc,
    problem,
    tarSplit: found.tarSplit,
  };
}

const STARGZ_TRAITS: DialectTraits = { mtime: "seconds", ownerNames: true, accessTimes: false };
const STORAGE_TRAITS: DialectTraits = { mtime: "nanoseconds", ownerNames: false, accessTimes: true };

function dialectOf(form: TocForm, stargz: boolean): string {
  switch (form) {
    case "estargz":
      return "eStargz";
    case "legacy":
      return "stargz (47-byte footer)";
    case "external":
      return "eStargz with external TOC";
    case "40-byte":
      return stargz
        ? "stargz-snapshotter (40-byte footer)"
        : "containers/storage up to 1.46 (40-byte footer)";
    case "56-byte":
      return "containers/storage 1.47 to 1.49 (broken 56-byte footer)";
    case "64-byte":
      return "containers/storage since 1.50 (64-byte footer)";
    case "no footer":
      return "containers/storage (no footer, found by annotation)";
  }
}

/**
 * Both write the 40-byte footer; only containers/storage records where a file's last frame ends. Where no file has
 * content, the annotations tell, or that only stargz-snapshotter indents its JSON.
 */
function isStargzWriter(
  toc: Toc | null,
  json: Uint8Array | null,
  expected: readonly TocExpectation[],
): boolean {
  const withContent = toc?.files.find((file) => file.chunks.length > 0);
  if (withContent) return withContent.endOffset === null;
  const indented = json?.[0] === 0x7b && json[1] === 0x0a && json[2] === 0x09;
  return indented || expected.some(({ of }) => of === "json");
}

/** Stops before parsing when an annotation that names exactly these bytes says otherwise. */
function checkExpected(digest: string, of: "json" | "compressed", expected: readonly TocExpectation[]): void {
  const wrong = expected.find((expectation) => expectation.of === of && expectation.digest !== digest);
  if (!wrong) return;
  const bytes = of === "json" ? "the TOC's JSON text" : "the compressed TOC";
  throw new DigestMismatch(
    "toc-digest-mismatch",
    `The SHA-256 of ${bytes} is ${digest}, ${wrong.from.at(-1)} says ${wrong.digest}`,
    {
      expected: wrong.digest,
      actual: digest,
    },
  );
}

/** Stops before parsing when a digest of whichever bytes the dialect hashes is none of those it could be. */
function checkDialect(digests: readonly string[], expected: readonly TocExpectation[]): void {
  const wrong = expected.find(({ of, digest }) => of === "dialect" && !digests.includes(digest));
  if (!wrong) return;
  throw new DigestMismatch(
    "toc-digest-mismatch",
    `The TOC digest is ${digests.join(" or ")}, ${wrong.from.at(-1)} says ${wrong.digest}`,
    { expected: wrong.digest, actual: digests.join(" or ") },
  );
}

/** Decompresses a zstd:chunked TOC; stops at the first byte more than was claimed. */
async function inflateToc(
  compressed: Uint8Array,
  claimed: number,
  hashes: HashBackend,
  limits: Limits,
): Promise<Uint8Array> {
  if (claimed > limits.toc) throw tocLimit("uncompressed", claimed, limits.toc);
  const output = new Uint8Array(claimed);
  let length = 0;
  const events = {
    ...NO_EVENTS,
    data(bytes: Uint8Array) {
      if (length + bytes.length > claimed) throw wrongLength(claimed, "more");
      output.set(bytes, length);
      length += bytes.length;
    },
    unitEnd: refuseWrongChecksum,
  };
  const decoder = decoderFor("zstd", events, await loadTools("zstd", hashes), limits);
  decoder.push(compressed);
  decoder.end();
  if (length < claimed) throw wrongLength(claimed, `only ${length} bytes`);
  return output;
}

export const NO_EVENTS: CodecEvents = {
  unitStart() {},
  data() {},
  unitEnd() {},
  skippableStart() {},
  skippableData() {},
  skippableEnd() {},
  zeroPadding() {},
};

/** For compressed TOCs of which nothing but this checksum may be known. @throws {FormatError} */
export function refuseWrongChecksum({ checksum }: UnitEnd): void {
  if (typeof checksum === "string") return;
  throw new FormatError("toc-checksum", "The compressed TOC is damaged: its checksum is wrong", {
    expected: String(checksum.expected),
    actual: String(checksum.actual),
  });
}

export function tocLimit(what: string, length: number, limit: number): LimitExceeded {
  return new LimitExceeded("toc-limit", `The TOC has ${length} bytes ${what}, the limit is ${limit}`, {
    expected: `<= ${limit}`,
    actual: `${length}`,
    advice: "The layer is read as a plain stream; raise --limit-toc to check it by its TOC.",
  });
}

function wrongLength(claimed: number, actual: string): FormatError {
  return new FormatError(
    "toc-length",
    `The TOC is claimed to have ${claimed} bytes uncompressed, and has ${actual}`,
    {
      expected: `${claimed}`,
      advice: "The position (footer or manifest-position annotation) lies about the TOC.",
    },
  );
}

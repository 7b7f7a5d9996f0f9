/**
 * Annotations on a layer's descriptor that speak of a TOC: claims from outside, of every dialect.
 *
 * @module
 */
import { parseDigest } from "../digest/digest.ts";
import { FormatError } from "../errors.ts";
import { type BlobRange, TOC_TYPE_CRFS } from "./footer-zstdchunked.ts";

export const ESTARGZ_TOC_DIGEST = "containerd.io/snapshot/stargz/toc.digest";
export const ESTARGZ_UNCOMPRESSED_SIZE = "io.containers.estargz.uncompressed-size";
/** containers/storage since 1.44; before that, and stargz-snapshotter to this day, without `github`. */
const PREFIXES = ["io.github.containers.zstd-chunked.", "io.containers.zstd-chunked."] as const;

/** What the annotations of one descriptor claim about its TOC. */
export interface TocAnnotations {
  /** Digest of the JSON text (eStargz, and stargz-snapshotter's zstd:chunked). */
  readonly jsonDigest: string | null;
  /** Digest of the compressed TOC (zstd:chunked). */
  readonly compressedDigest: string | null;
  readonly tocPosition: BlobRange | null;
  readonly tarSplitPosition: BlobRange | null;
  readonly uncompressedSize: number | null;
}

/** A descriptor that can be read in two ways. */
export class AmbiguousToc extends FormatError {}

/**
 * @throws {AmbiguousToc} `ambiguous-toc`: an eStargz and a containers/storage TOC at once, or two prefixes that disagree
 * @throws {FormatError} `annotation-malformed`
 * @throws {UsageError | UnsupportedError} for malformed digests
 */
export function parseTocAnnotations(annotations: Readonly<Record<string, string>>): TocAnnotations {
  const single = singleValues(annotations);
  const size = annotations[ESTARGZ_UNCOMPRESSED_SIZE];
  return {
    ...parseTocDigests(annotations),
    tocPosition: position(single["manifest-position"], "manifest-position", 4),
    tarSplitPosition: position(single["tarsplit-position"], "tarsplit-position", 3),
    uncompressedSize: size === undefined ? null : naturals(size, ESTARGZ_UNCOMPRESSED_SIZE, 1)[0]!,
  };
}

/**
 * The digests alone: they are to be met whatever the positions beside them look like.
 * @throws {AmbiguousToc | UsageError | UnsupportedError} as `parseTocAnnotations`
 */
export function parseTocDigests(
  annotations: Readonly<Record<string, string>>,
): Pick<TocAnnotations, "jsonDigest" | "compressedDigest"> {
  const json = annotations[ESTARGZ_TOC_DIGEST];
  const checksum = singleValues(annotations)["manifest-checksum"];
  // stargz-snapshotter's zstd:chunked carries both, but only under its own prefix.
  if (json !== undefined && annotations[`${PREFIXES[0]}manifest-checksum`] !== undefined) {
    throw ambiguous(`both ${ESTARGZ_TOC_DIGEST} and ${PREFIXES[0]}manifest-checksum are set`);
  }
  return {
    jsonDigest: json === undefined ? null : parseDigest(json, `the annotation ${ESTARGZ_TOC_DIGEST}`),
    compressedDigest: checksum === null ? null : parseDigest(checksum, "the annotation manifest-checksum"),
  };
}

type Key = "manifest-checksum" | "manifest-position" | "tarsplit-position";

/** Each value under either prefix. @throws {AmbiguousToc} */
function singleValues(
  annotations: Readonly<Record<string, string>>,
): Record<Key, string | null> {
  const single = (key: Key): string | null => {
    const values = PREFIXES.map((prefix) => annotations[prefix + key]).filter((value) => value !== undefined);
    if (new Set(values).size > 1) throw ambiguous(`${PREFIXES[0]}${key} and ${PREFIXES[1]}${key} disagree`);
    return values[0] ?? null;
  };
  return {
    "manifest-checksum": single("manifest-checksum"),
    "manifest-position": single("manifest-position"),
    "tarsplit-position": single("tarsplit-position"),
  };
}

/** `offset:length:uncompressed`, with `:type` behind it for a TOC. */
function position(text: string | null, key: string, fields: number): BlobRange | null {
  if (text === null) return null;
  const [offset, length, uncompressedLength, type] = naturals(text, key, fields);
  if (type !== undefined && type !== TOC_TYPE_CRFS) {
    throw malformedAnnotation(key, text, `TOC type ${type} is unknown`);
  }
  return { offset: offset!, length: length!, uncompressedLength: uncompressedLength! };
}

function naturals(text: string, key: string, fields: number): number[] {
  const parts = text.split(":");
  const numbers = parts.map((part) => (/^[0-9]{1,16}$/.test(part) ? Number(part) : Number.NaN));
  if (parts.length !== fields) {
    throw malformedAnnotation(key, text, `${parts.length} fields, expected ${fields}`);
  }
  if (!numbers.every(Number.isSafeInteger)) {
    throw malformedAnnotation(key, text, "a field is no number below 2^53");
  }
  return numbers;
}

function malformedAnnotation(key: string, text: string, what: string): FormatError {
  return new FormatError(
    "annotation-malformed",
    `Cannot use the annotation ${key}: ${JSON.stringify(text.slice(0, 100))} (${what})`,
  );
}

function ambiguous(what: string): AmbiguousToc {
  return new AmbiguousToc("ambiguous-toc", `Cannot tell which TOC the descriptor means: ${what}`, {
    advice: "One layer must not be readable in two ways: build or push it again with one format.",
  });
}

/**
 * Finds the TOC: before the pass, by random access, or after it, in what a pipe left behind.
 *
 * Positions come from footers and annotations, which nobody vouches for: they are bounded by the limits and by the
 * blob's size before anything is read or allocated.
 *
 * @module
 */
import { decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { FormatError, LayerproofError, SourceError } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { TarReader } from "../tar/reader.ts";
import { ESTARGZ_FOOTER_MAX, findEstargzFooter } from "../toc/footer-estargz.ts";
import {
  type BlobRange,
  findZstdChunkedFooter,
  ZSTD_FOOTER_MAX,
  type ZstdChunkedFooter,
} from "../toc/footer-zstdchunked.ts";
import type { TocAnnotations } from "../toc/annotations.ts";
import { type EstargzTail, TOC_NAME, type TrailingFrames } from "./capture.ts";
import type { Limits } from "./options.ts";
import { type FoundToc, NO_EVENTS, refuseWrongChecksum, tocLimit } from "./toc-facts.ts";

/** What positions the annotations and the footer give, where there are both. */
export interface PositionClaim {
  readonly annotated: BlobRange;
  readonly footer: BlobRange;
}

export interface Located {
  readonly found: FoundToc | null;
  readonly positions: PositionClaim | null;
}

export interface LocateContext {
  readonly limits: Limits;
  readonly hashes: HashBackend;
  readonly annotations: TocAnnotations | null;
  /** An external TOC that the caller gave. */
  readonly external: Uint8Array | null;
}

/** Looks for a TOC in a gzip blob. @throws {SourceError} */
export async function locateEstargz(
  source: LayerSource & { size: number },
  context: LocateContext,
): Promise<Located> {
  const length = Math.min(ESTARGZ_FOOTER_MAX, source.size);
  const footer = findEstargzFooter(await source.read!(source.size - length, length));
  if (!footer) return NOT_FOUND;
  if (footer.kind === "external") return { found: await externalToc(context), positions: null };
  const end = source.size - footer.length;
  const size = end - footer.tocOffset;
  const found = await attempt(footer.kind, footer.tocOffset, async () => {
    if (size <= 0) throw outside("the footer", footer.tocOffset, 1, source.size);
    if (size > context.limits.toc) throw tocLimit("compressed", size, context.limits.toc);
    return await tocFromMember(await source.read!(footer.tocOffset, size), context);
  });
  return { found: { ...found, where: `bytes ${footer.tocOffset} to ${end} of the blob` }, positions: null };
}

/**
 * The TOC of an eStargz blob that came through a pipe.
 * @param end the last bytes of the blob
 */
export async function eStargzFromTail(
  end: Uint8Array,
  tail: EstargzTail,
  context: LocateContext,
): Promise<Located> {
  const footer = findEstargzFooter(end);
  if (!footer) return NOT_FOUND;
  if (footer.kind === "external") return { found: await externalToc(context), positions: null };
  const entry = tail.entry;
  const found = await attempt(footer.kind, footer.tocOffset, () => {
    if (entry?.unitOffset !== footer.tocOffset) {
      throw new FormatError(
        "toc-position",
        `The footer points at offset ${footer.tocOffset}, where no member holds a TOC`,
        {
          blobOffset: footer.tocOffset,
        },
      );
    }
    if (!entry.bytes) throw tocLimit("uncompressed", entry.size, context.limits.toc);
    return Promise.resolve(entry.bytes);
  });
  return { found: { ...found, where: `the member at ${footer.tocOffset} of the blob` }, positions: null };
}

async function attempt(
  form: "estargz" | "legacy",
  offset: number,
  read: () => Promise<Uint8Array>,
): Promise<FoundToc> {
  const { value, problem } = await settle(read);
  return {
    family: "estargz",
    form,
    where: "",
    offset,
    compressed: null,
    uncompressedLength: null,
    json: value,
    problem,
    tarSplit: null,
  };
}

/** An external TOC as given by the caller: JSON, or a gzip-compressed tar that holds it. */
async function externalToc(context: LocateContext): Promise<FoundToc> {
  const bytes = context.external;
  const { value, problem } = await settle(async () => {
    if (!bytes) {
      throw new FormatError("external-toc-missing", "The TOC lies in another image", {
        advice: "Give it with --toc: the JSON, or the layer of the TOC image (reference + -esgztoc).",
      });
    }
    if (bytes.length > context.limits.toc) throw tocLimit("in the file", bytes.length, context.limits.toc);
    return bytes[0] === 0x1f ? await tocFromMember(bytes, context, () => true) : bytes;
  });
  return {
    family: "estargz",
    form: "external",
    where: bytes ? "the external TOC" : "another image",
    offset: null,
    compressed: null,
    uncompressedLength: null,
    json: value,
    problem,
    tarSplit: null,
  };
}

/**
 * The JSON in a gzip-compressed tar that holds `stargz.index.json`.
 * @param isTocAt where its headers may begin. A footer points at a member that the TOC begins: another entry of that
 * name further in would be for other readers.
 */
async function tocFromMember(
  bytes: Uint8Array,
  { hashes, limits }: LocateContext,
  isTocAt = (headerOffset: number): boolean => headerOffset === 0,
): Promise<Uint8Array> {
  let json: Uint8Array | null = null;
  let filled = -1;
  const tar = new TarReader({
    entry(entry) {
      filled = -1;
      if (json || !isTocAt(entry.headerOffset) || entry.name !== TOC_NAME || entry.kind !== "file") return;
      if (entry.storedSize > limits.toc) throw tocLimit("uncompressed", entry.storedSize, limits.toc);
      json = new Uint8Array(entry.storedSize);
      filled = 0;
    },
    payload(piece) {
      if (filled < 0) return;
      json!.set(piece, filled);
      filled += piece.length;
    },
    entryEnd() {},
  }, limits);
  let length = 0;
  const events = {
    ...NO_EVENTS,
    data(piece: Uint8Array) {
      length += piece.length;
      // The TOC, its headers and padding; anything longer is not what the format has here.
      if (length > limits.toc + 4 * limits.pax) throw tocLimit("uncompressed", length, limits.toc);
      tar.push(piece);
    },
    unitEnd: refuseWrongChecksum,
  };
  const decoder = decoderFor("gzip", events, await loadTools("gzip", hashes), limits);
  decoder.push(bytes);
  decoder.end();
  tar.end();
  if (!json) throw new FormatError("toc-missing", `No ${TOC_NAME} where the footer says that the TOC is`);
  return json;
}

/** Looks for a TOC in a zstd blob. @throws {SourceError} */
export async function locateZstdChunked(
  source: LayerSource & { size: number },
  context: LocateContext,
): Promise<Located> {
  const length = Math.min(ZSTD_FOOTER_MAX, source.size);
  const footer = findZstdChunkedFooter(await source.read!(source.size - length, length));
  return await choose(footer, context, (range, from) => readFrame(source, range, "TOC", from));
}

/**
 * The payload of a skippable frame.
 * @param what is said to be there, and `from` who says so
 * @throws {FormatError} `toc-position` or `tar-split-position`: there is no such frame
 * @throws {SourceError}
 */
export async function readFrame(
  source: LayerSource & { size: number },
  { offset, length }: BlobRange,
  what: "TOC" | "tar-split",
  from: string,
): Promise<Uint8Array> {
  if (offset < 8 || offset + length > source.size) throw outside(from, offset, length, source.size, what);
  const frame = await source.read!(offset - 8, 8 + length);
  const view = new DataView(frame.buffer, frame.byteOffset, 8);
  const magic = view.getUint32(0, true);
  const skippable = magic >= 0x184d2a50 && magic <= 0x184d2a5f;
  if (!skippable || view.getUint32(4, true) !== length) throw noFrame(from, offset, length, what);
  return frame.subarray(8);
}

/**
 * The TOC of a zstd:chunked blob that came through a pipe.
 * @param end the last bytes of the blob
 */
export async function zstdChunkedFromFrames(
  end: Uint8Array,
  trailing: TrailingFrames,
  context: LocateContext,
): Promise<Located> {
  const footer = findZstdChunkedFooter(end);
  return await choose(footer, context, ({ offset, length }, from) => {
    const frame = trailing.frames.find((one) => one.offset === offset && one.length === length);
    if (!frame) throw noFrame(from, offset, length);
    if (!frame.bytes) throw tocLimit("compressed", length, context.limits.toc);
    return Promise.resolve(frame.bytes);
  });
}

/** Annotations win over the footer, which is the blob's own word. */
async function choose(
  footer: ZstdChunkedFooter | null,
  { annotations, limits }: LocateContext,
  read: (range: BlobRange, from: string) => Promise<Uint8Array>,
): Promise<Located> {
  const annotated = annotations?.tocPosition ?? null;
  const range = annotated ?? footer?.toc ?? null;
  if (!range) return NOT_FOUND;
  const { value, problem } = await settle(() => {
    if (range.length > limits.toc) throw tocLimit("compressed", range.length, limits.toc);
    if (range.uncompressedLength > limits.toc) {
      throw tocLimit("uncompressed", range.uncompressedLength, limits.toc);
    }
    return read(range, annotated ? "the annotation manifest-position" : "the footer");
  });
  // An annotation that points at no frame, on a blob without footer, is about another blob.
  if (!footer && problem) return { found: null, positions: null };
  return {
    found: {
      family: "zstd:chunked",
      form: footer?.kind ?? "no footer",
      where: `bytes ${range.offset} to ${range.offset + range.length} of the blob`,
      offset: range.offset,
      compressed: value,
      uncompressedLength: range.uncompressedLength,
      json: null,
      problem,
      tarSplit: annotations?.tarSplitPosition ?? footer?.tarSplit ?? null,
    },
    positions: annotated && footer ? { annotated, footer: footer.toc } : null,
  };
}

const NOT_FOUND: Located = { found: null, positions: null };

/** Problems of the TOC are reported, and the layer is still read; a source that fails is another matter. */
async function settle(
  read: () => Promise<Uint8Array>,
): Promise<{ value: Uint8Array | null; problem: LayerproofError | null }> {
  try {
    return { value: await read(), problem: null };
  } catch (error) {
    if (error instanceof LayerproofError && !(error instanceof SourceError)) {
      return { value: null, problem: error };
    }
    throw error;
  }
}

function outside(
  from: string,
  offset: number,
  length: number,
  size: number,
  what: "TOC" | "tar-split" = "TOC",
): FormatError {
  return new FormatError(
    `${what.toLowerCase()}-position`,
    `${from} places the ${what} at ${offset}, ${length} bytes long; the blob has ${size} bytes`,
    {
      blobOffset: offset,
      advice: "The footer or annotation is not of this blob.",
    },
  );
}

function noFrame(
  from: string,
  offset: number,
  length: number,
  what: "TOC" | "tar-split" = "TOC",
): FormatError {
  return new FormatError(
    `${what.toLowerCase()}-position`,
    `${from} places the ${what} at ${offset}, where no skippable frame of ${length} bytes is`,
    {
      blobOffset: offset,
      advice: "The footer or annotation is not of this blob.",
    },
  );
}

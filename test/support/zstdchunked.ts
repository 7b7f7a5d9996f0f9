/**
 * zstd:chunked layers in each layout of the wild: right by default, and wrong wherever a test wants it. After
 * containers/storage `pkg/chunked` and stargz-snapshotter `estargz/zstdchunked`.
 */
import { type Attributes, attributes, rfc3339, type Time } from "./attributes.ts";
import { bytes, concat, sha256 } from "./bytes.ts";
import { type Chunk, zeroRunChunks } from "./chunks.ts";
import { finishToc, TOC_DIGEST_ANNOTATION, UNCOMPRESSED_SIZE_ANNOTATION } from "./estargz.ts";
import { type BodyOptions, type StargzBody, stargzBody } from "./stargz-body.ts";
import { type TarItem, tarParts } from "./tar.ts";
import { type TarSplitLine, tarSplitLines, tarSplitText } from "./tar-split.ts";
import {
  defined,
  omitEmpty,
  omitEmptyXattrs,
  type Toc,
  type TocEntry,
  type TocHooks,
  ZERO_TIME,
} from "./toc.ts";
import { skippable, zstdFrame, type ZstdOptions } from "./zstd.ts";
import {
  type Dialect,
  type Layout,
  LAYOUTS,
  type Positions,
  zstdChunkedAnnotations,
  zstdChunkedFooter,
} from "./zstdchunked-footer.ts";

export interface ZstdChunkedOptions extends BodyOptions, TocHooks {
  /** Default `cs-1.55`, the newest. `lossless`, `landmark`, `minChunkSize` and `digests` are for `stargz` only. */
  readonly dialect?: Dialect;
  /** Zeros in a row that make a `zeros` chunk (containers/storage only); default 1024. */
  readonly minZeroRun?: number;
  /** How a payload is cut (containers/storage only), in place of `chunkSize` and `minZeroRun`. */
  readonly chunk?: (data: Uint8Array, entry: Attributes) => readonly Chunk[];
  /** How frames are compressed. */
  readonly zstd?: ZstdOptions;
  readonly compressToc?: (json: Uint8Array) => Uint8Array;
  /** Changes the lines of the tar-split. */
  readonly mutateTarSplit?: (lines: TarSplitLine[]) => TarSplitLine[] | void;
  /** Changes its text. */
  readonly mutateTarSplitJson?: (text: string) => string | Uint8Array;
  readonly compressTarSplit?: (text: Uint8Array) => Uint8Array;
  /** Changes what footer and annotations both say. */
  readonly mutatePositions?: (positions: Positions) => void;
  readonly mutateFooter?: (footer: Uint8Array) => Uint8Array;
  readonly mutateAnnotations?: (annotations: Record<string, string>) => void;
}

/** A layer and everything a test may want to know of it. */
export interface ZstdChunkedLayer {
  readonly blob: Uint8Array<ArrayBuffer>;
  /** sha256 of the blob. */
  readonly digest: string;
  readonly dialect: Dialect;
  /** The uncompressed bytes of the blob: of its frames, without the skippable ones. */
  readonly tar: Uint8Array;
  /** sha256 of `tar`. */
  readonly diffID: string;
  readonly toc: Toc;
  readonly tocJson: Uint8Array;
  readonly tocCompressed: Uint8Array;
  /** sha256 of the compressed TOC, which `manifest-checksum` gives in all layouts. */
  readonly manifestChecksum: string;
  /** The identity of the layer's TOC: `manifestChecksum`, but for `stargz` the sha256 of the JSON. */
  readonly tocDigest: string;
  /** JSON lines; null in layouts that have no tar-split. */
  readonly tarSplit: Uint8Array | null;
  readonly tarSplitCompressed: Uint8Array | null;
  /** sha256 of the compressed tar-split. */
  readonly tarSplitDigest: string | null;
  /** Footer and annotations' positions, changed by the hook. */
  readonly positions: Positions;
  /** The payload of the last skippable frame. */
  readonly footer: Uint8Array;
  readonly annotations: Record<string, string>;
}

/** A zstd:chunked layer of these entries. */
export function zstdChunked(items: Iterable<TarItem>, options: ZstdChunkedOptions = {}): ZstdChunkedLayer {
  const dialect = options.dialect ?? "cs-1.55";
  const layout = LAYOUTS[dialect];
  const isStargz = dialect === "stargz";
  const compress = (data: Uint8Array): Uint8Array => zstdFrame(data, options.zstd);
  const list = [...items];
  const body = isStargz ? stargzBody(list, compress, options) : storageBody(list, compress, layout, options);
  const split = layout.tarSplitDigest === null ? null : makeTarSplit(list, options);

  const made: Toc = { version: 1, entries: body.entries };
  if (layout.tarSplitDigest === "toc" && split !== null) made.tarSplitDigest = split.digest;
  const { toc, json } = finishToc(made, options, isStargz ? "\t" : "");
  const tocCompressed = options.compressToc?.(json) ?? zstdFrame(json);

  const frames = concat(...body.members);
  const tocOffset = frames.length + 8;
  const positions: Positions = {
    toc: { offset: tocOffset, length: tocCompressed.length, uncompressed: json.length },
    type: 1,
    tarSplit: split === null ? null : {
      offset: tocOffset + tocCompressed.length + 8,
      length: split.compressed.length,
      uncompressed: split.text.length,
    },
  };
  options.mutatePositions?.(positions);
  const madeFooter = zstdChunkedFooter(layout.footerLength, positions);
  const footer = options.mutateFooter?.(madeFooter) ?? madeFooter;
  const splitFrame = split === null ? new Uint8Array(0) : skippable(split.compressed);
  const blob = concat(frames, skippable(tocCompressed), splitFrame, skippable(footer));

  const manifestChecksum = sha256(tocCompressed);
  const annotations = zstdChunkedAnnotations(layout, positions, manifestChecksum, split?.digest ?? null);
  if (isStargz) {
    annotations[TOC_DIGEST_ANNOTATION] = sha256(json);
    annotations[UNCOMPRESSED_SIZE_ANNOTATION] = String(body.tar.length);
  }
  options.mutateAnnotations?.(annotations);
  return {
    blob,
    digest: sha256(blob),
    dialect,
    tar: body.tar,
    diffID: sha256(body.tar),
    toc,
    tocJson: json,
    tocCompressed,
    manifestChecksum,
    tocDigest: isStargz ? sha256(json) : manifestChecksum,
    tarSplit: split?.text ?? null,
    tarSplitCompressed: split?.compressed ?? null,
    tarSplitDigest: split?.digest ?? null,
    positions,
    footer,
    annotations,
  };
}

function makeTarSplit(items: readonly TarItem[], options: ZstdChunkedOptions) {
  const { parts, tail } = tarParts(items, options.tar);
  const made = tarSplitLines(parts, tail);
  const plain = tarSplitText(options.mutateTarSplit?.(made) ?? made);
  const text = bytes(options.mutateTarSplitJson?.(plain) ?? plain);
  const compressed = options.compressTarSplit?.(text) ?? zstdFrame(text);
  return { text, compressed, digest: sha256(compressed) };
}

/** Frames as containers/storage writes them: one for each chunk, one for all bytes between two payloads. */
function storageBody(
  items: readonly TarItem[],
  compress: (data: Uint8Array) => Uint8Array,
  layout: Layout,
  options: ZstdChunkedOptions,
): StargzBody {
  const { parts, tail } = tarParts(items, options.tar);
  const { chunkSize = 4 * 2 ** 20, minZeroRun = 1024 } = options;
  const cut = options.chunk ?? ((data: Uint8Array) => zeroRunChunks(data, chunkSize, minZeroRun));
  const members: Uint8Array[] = [];
  const tar: Uint8Array[] = [];
  const entries: TocEntry[] = [];
  let pending: Uint8Array[] = [];
  let offset = 0;
  const frame = (content: Uint8Array): void => {
    const member = compress(content);
    tar.push(content);
    members.push(member);
    offset += member.length;
  };
  const between = (): void => {
    const content = concat(...pending);
    pending = [];
    if (content.length > 0) frame(content);
  };
  for (const { entry, header, data, padding } of parts) {
    pending.push(header);
    const known = entry === undefined ? null : attributes(entry);
    if (known === null || known.type === null) {
      pending.push(data, padding);
      continue;
    }
    const rows = startRows(known, data, cut(data, known), layout);
    if (rows.length > 0 && data.length > 0) {
      between();
      for (const row of rows) {
        row.entry.offset = offset;
        frame(data.subarray(row.chunk.offset, row.chunk.offset + row.chunk.size));
      }
      rows[0]!.entry.endOffset = offset;
    }
    entries.push(...rows.map((row) => inOrder(row.entry)));
    pending.push(padding);
  }
  pending.push(tail);
  between();
  return { members, tar: concat(...tar), entries };
}

/** A member's entries without their offsets: the first has its attributes, the others are chunks. */
function startRows(known: Attributes, data: Uint8Array, chunks: readonly Chunk[], layout: Layout) {
  const list: readonly Chunk[] = chunks.length === 0 ? [{ offset: 0, size: 0, zeros: false }] : chunks;
  return list.map((chunk, at) => {
    const entry: TocEntry = at === 0
      ? firstEntry(known, data, layout)
      : { type: "chunk", name: known.textName, chunkOffset: chunk.offset };
    if (list.length > 1) {
      entry.chunkSize = chunk.size;
      entry.chunkDigest = sha256(data.subarray(chunk.offset, chunk.offset + chunk.size));
      if (chunk.zeros) entry.chunkType = "zeros";
    }
    return { entry, chunk };
  });
}

function firstEntry(known: Attributes, data: Uint8Array, layout: Layout): TocEntry {
  const time = (value: Time | null): string | undefined => {
    if (value === null) return layout.zeroTimes ? ZERO_TIME : undefined;
    return rfc3339(value);
  };
  return defined<TocEntry>({
    type: known.type ?? undefined,
    name: known.textName,
    linkName: omitEmpty(known.linkName),
    mode: omitEmpty(known.mode),
    size: omitEmpty(data.length),
    uid: omitEmpty(known.uid),
    gid: omitEmpty(known.gid),
    modtime: time(known.mtime),
    accesstime: time(known.atime),
    changetime: time(known.ctime),
    devMajor: omitEmpty(known.devMajor),
    devMinor: omitEmpty(known.devMinor),
    xattrs: omitEmptyXattrs(known),
    digest: data.length > 0 ? sha256(data) : undefined,
  });
}

/** The order in which the real writer puts its fields; it writes no user and group names. */
const ORDER = (
  "type name linkName mode size uid gid modtime accesstime changetime devMajor devMinor xattrs " +
  "digest offset endOffset chunkSize chunkOffset chunkDigest chunkType"
).split(" ");

function inOrder(entry: TocEntry): TocEntry {
  return defined<TocEntry>(Object.fromEntries(ORDER.map((key) => [key, entry[key]])));
}

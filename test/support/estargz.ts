/**
 * eStargz layers: right by default, and wrong wherever a test wants it. The format is that of
 * containerd/stargz-snapshotter, `docs/estargz.md`.
 */
import { bytes, concat, littleEndian, sha256 } from "./bytes.ts";
import { goJson } from "./go-json.ts";
import { gzipHeader, gzipMember, type GzipOptions } from "./gzip.ts";
import { type BodyOptions, stargzBody } from "./stargz-body.ts";
import { tar, type TarItem } from "./tar.ts";
import type { Toc, TocHooks } from "./toc.ts";

/** The kinds of footer; `external` says that the TOC lies in another blob. */
export type EstargzFooter = "estargz" | "legacy" | "external" | "none";

export interface EstargzOptions extends BodyOptions, TocHooks {
  /** Default `estargz`. `external` and `none` leave the TOC out of the blob; `external` keeps the source tar whole. */
  readonly footer?: EstargzFooter;
  /** Name of the TOC's tar entry; default `stargz.index.json`. */
  readonly tocName?: string;
  /** The TOC's offset as the footer states it. */
  readonly mutateTocOffset?: (offset: number) => number;
  readonly mutateFooter?: (footer: Uint8Array) => Uint8Array;
  readonly mutateAnnotations?: (annotations: Record<string, string>) => void;
  /** How members are compressed. */
  readonly gzip?: GzipOptions;
}

/** A layer and everything a test may want to know of it. */
export interface EstargzLayer {
  readonly blob: Uint8Array<ArrayBuffer>;
  /** sha256 of the blob. */
  readonly digest: string;
  /** The uncompressed bytes of the blob. */
  readonly tar: Uint8Array;
  /** sha256 of `tar`. */
  readonly diffID: string;
  readonly toc: Toc;
  readonly tocJson: Uint8Array;
  /** sha256 of the JSON text. */
  readonly tocDigest: string;
  /** Where the TOC's member starts; the length of the members if the TOC is not in the blob. */
  readonly tocOffset: number;
  readonly footer: Uint8Array;
  readonly annotations: Record<string, string>;
  /** The TOC as a gzipped tar, for the image that holds external TOCs; null unless the footer is `external`. */
  readonly externalTocBlob: Uint8Array<ArrayBuffer> | null;
}

export const TOC_DIGEST_ANNOTATION = "containerd.io/snapshot/stargz/toc.digest";
export const UNCOMPRESSED_SIZE_ANNOTATION = "io.containers.estargz.uncompressed-size";

/** An eStargz layer of these entries. */
export function estargz(items: Iterable<TarItem>, options: EstargzOptions = {}): EstargzLayer {
  const kind = options.footer ?? "estargz";
  const compress = (data: Uint8Array): Uint8Array => gzipMember(data, options.gzip);
  const lossless = options.lossless ?? kind === "external";
  const body = stargzBody(items, compress, { ...options, lossless });
  const { toc, json } = finishToc({ version: 1, entries: body.entries }, options, "\t");
  const tocTar = tar([{
    name: options.tocName ?? "stargz.index.json",
    typeflag: "0",
    mode: 0,
    mtime: 0,
    data: json,
  }]);
  const tocMember = compress(tocTar);
  const inBlob = kind === "estargz" || kind === "legacy";
  const members = concat(...body.members);
  const tocOffset = members.length;
  const made = estargzFooter(kind, options.mutateTocOffset?.(tocOffset) ?? tocOffset);
  const footer = options.mutateFooter?.(made) ?? made;
  const blob = concat(members, inBlob ? tocMember : new Uint8Array(0), footer);
  const whole = inBlob ? concat(body.tar, tocTar) : body.tar;
  const tocDigest = sha256(json);
  const annotations: Record<string, string> = {
    [TOC_DIGEST_ANNOTATION]: tocDigest,
    [UNCOMPRESSED_SIZE_ANNOTATION]: String(whole.length),
  };
  options.mutateAnnotations?.(annotations);
  return {
    blob,
    digest: sha256(blob),
    tar: whole,
    diffID: sha256(whole),
    toc,
    tocJson: json,
    tocDigest,
    tocOffset,
    footer,
    annotations,
    externalTocBlob: kind === "external" ? concat(tocMember) : null,
  };
}

/** A footer: an empty gzip member whose extra field points at the TOC. */
export function estargzFooter(kind: EstargzFooter, tocOffset: number): Uint8Array<ArrayBuffer> {
  if (kind === "none") return new Uint8Array(0);
  const text = kind === "external"
    ? "STARGZEXTERNALTOC"
    : tocOffset.toString(16).padStart(16, "0") + "STARGZ";
  const subfield = kind === "legacy"
    ? bytes(text)
    : concat(bytes("SG"), littleEndian(text.length, 2), bytes(text));
  // One empty stored block, as Go's compress/gzip writes it; CRC-32 and length of nothing are 0.
  return concat(gzipHeader({ extra: subfield }), Uint8Array.of(1, 0, 0, 0xff, 0xff), new Uint8Array(8));
}

/** Applies the hooks and gives the TOC with its JSON. */
export function finishToc(made: Toc, hooks: TocHooks, indent: string): { toc: Toc; json: Uint8Array } {
  const toc = hooks.mutateToc?.(made) ?? made;
  const json = goJson(toc, indent);
  return { toc, json: bytes(hooks.mutateTocJson?.(json) ?? json) };
}

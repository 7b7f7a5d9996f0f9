/** Reads the layers under `test/fixtures` as far as the builders' own tests need it; knows only whole and sound ones. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { concat } from "./bytes.ts";
import type { Chunk } from "./chunks.ts";
import type { LayerInput } from "./descriptor.ts";
import { run } from "./programs.ts";
import { randomBytes, randomText } from "./random.ts";
import type { Entry } from "./tar.ts";
import type { Toc, TocEntry } from "./toc.ts";

const DIRECTORY = join(import.meta.dirname!, "..", "fixtures");

export function fixture(path: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(DIRECTORY, path)));
}

/** What the index says of a layer, as far as it is the same for all that real tools made. */
export interface FixtureRow {
  readonly file: string;
  readonly digest: string;
  readonly size: number;
  readonly diffID: string;
  readonly uncompressedSize: number;
  readonly tocDigest: string | null;
  readonly annotations: Readonly<Record<string, string>>;
}

export const FIXTURES: readonly FixtureRow[] = JSON.parse(text(fixture("index.json"))).layers;

export function fixtureRow(file: string): FixtureRow {
  const row = FIXTURES.find((each) => each.file === file);
  if (!row) throw new Error(`no fixture ${file}`);
  return row;
}

/** A layer on its way into an image. */
export function fixtureLayer(file: string): LayerInput {
  const { diffID, annotations } = fixtureRow(file);
  return { blob: fixture(`layers/${file}`), diffID, annotations };
}

export function unzstd(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(zstdDecompressSync(data));
}

export function text(data: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
}

/** One row of a fixture's `*.list.json`: an entry as Go's archive/tar reads it. */
interface Row {
  readonly name: string;
  readonly type: string;
  readonly size?: number;
  readonly mode: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly uname?: string;
  readonly gname?: string;
  readonly mtime: readonly [number, number];
  readonly linkname?: string;
  readonly dev?: readonly [number, number];
  readonly xattrsB64?: Readonly<Record<string, string>>;
  readonly paxB64?: Readonly<Record<string, string>>;
}

export function decode(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function decodeAll(record: Readonly<Record<string, string>> = {}): Record<string, Uint8Array> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, decode(value)]));
}

/** The entries of a source tar, with the payloads that `content` knows. */
export function sourceEntries(name: string, content: ReadonlyMap<string, Uint8Array>): Entry[] {
  const rows = JSON.parse(text(fixture(`src/${name}.list.json`))) as Row[];
  return rows.map((row) => ({
    name: row.name,
    typeflag: row.type,
    mode: parseInt(row.mode, 8),
    uid: row.uid ?? 0,
    gid: row.gid ?? 0,
    mtime: row.mtime[0],
    linkname: row.linkname ?? "",
    uname: row.uname ?? "",
    gname: row.gname ?? "",
    ...(row.dev ? { devmajor: row.dev[0], devminor: row.dev[1] } : {}),
    xattrs: decodeAll(row.xattrsB64),
    pax: decodeAll(row.paxB64),
    data: content.get(row.name) ?? "",
  }));
}

/** The TOC of a zstd:chunked fixture with a 64-byte footer, and the payloads it points at. */
export function readChunked(
  path: string,
): { toc: Toc; content: Map<string, Uint8Array>; chunks: Map<string, Chunk[]> } {
  const blob = fixture(path);
  const footer = new DataView(blob.buffer, blob.length - 64);
  const offset = Number(footer.getBigUint64(0, true));
  const json = unzstd(blob.subarray(offset, offset + Number(footer.getBigUint64(8, true))));
  const toc = JSON.parse(text(json)) as Toc;
  const content = new Map<string, Uint8Array>();
  const chunks = new Map<string, Chunk[]>();
  toc.entries.forEach((entry, at) => {
    if (entry.offset === undefined || entry.type !== "reg") return;
    const rows = [entry];
    for (let next = at + 1; toc.entries[next]?.type === "chunk"; next++) rows.push(toc.entries[next]!);
    const ends = [...rows.slice(1).map((row) => row.offset), entry.endOffset];
    const parts = rows.map((row, index) => unzstd(blob.subarray(row.offset, ends[index])));
    content.set(entry.name!, concat(...parts));
    chunks.set(
      entry.name!,
      rows.map((row, index) => ({
        offset: row.chunkOffset ?? 0,
        size: parts[index]!.length,
        zeros: row.chunkType === "zeros",
      })),
    );
  });
  return { toc, content, chunks };
}

/** A TOC without what depends on the compressor. */
export function withoutOffsets(entries: readonly TocEntry[]): unknown[] {
  return entries.map((
    { offset, endOffset, ...rest },
  ) => [offset !== undefined, endOffset !== undefined, rest]);
}

/** The TOC's JSON in an eStargz or legacy fixture: its member is the last but the footer. */
export function readEstargzToc(path: string): string {
  const blob = fixture(path);
  const offset = parseInt(text(blob.subarray(-35, -19)), 16);
  const tocTar = run("gzip", ["-dc"], blob.subarray(offset)).stdout;
  return text(tocTar.subarray(512)).replace(/\0+$/, "");
}

/** Entries of every kind that a layer has, for layers whose bytes nobody else wrote. */
export const ITEMS: readonly Entry[] = [
  { name: "etc/", uid: 5, uname: "five" },
  { name: "etc/empty", uid: 5, uname: "five" },
  { name: "etc/motd", data: randomText(1000) },
  { name: "big", data: concat(randomBytes(5000), new Uint8Array(6000), randomText(9000)) },
  { name: "link", linkname: "etc/motd" },
  { name: "x".repeat(150), data: "long" },
  { name: "last", data: randomBytes(1024) },
];

/**
 * What a layer's tree must be, by the fixtures' lists (which Go's archive/tar made) and by the bytes of its source tar:
 * nothing of it comes from `src/`.
 */
import { Buffer } from "node:buffer";
import { decode, fixture, text, unzstd } from "../support/fixtures.ts";

/** A row of a `*.list.json`. */
export interface Row {
  readonly name: string;
  readonly nameB64?: string;
  readonly type: string;
  readonly size?: number;
  readonly mode: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime: readonly [number, number];
  readonly linkname?: string;
  readonly linknameB64?: string;
  readonly dev?: readonly [number, number];
  readonly xattrsB64?: Readonly<Record<string, string>>;
  readonly paxB64?: Readonly<Record<string, string>>;
  readonly sha256?: string;
}

export interface FixtureLayer {
  readonly path: string;
  readonly source: string;
  readonly format: string;
  readonly digest: string;
  readonly size: number;
  readonly diffID: string;
  readonly uncompressedSize: number;
  readonly tocDigest: string;
  readonly mediaType: string;
  readonly annotations?: Record<string, string>;
}

const index = JSON.parse(text(fixture("index.json"))) as {
  readonly layers: readonly FixtureLayer[];
  readonly sources: readonly { readonly name: string; readonly tar: string }[];
};

/** All layers of the fixtures that have a TOC. */
export const TOC_LAYERS = index.layers.filter(({ path }) => /\.(esgz|zstdchunked)$/.test(path));

export function layerOf(path: string): FixtureLayer {
  return TOC_LAYERS.find((layer) => layer.path === `layers/${path}`)!;
}

export function sourceName({ source }: FixtureLayer): string {
  return source.replace(/\.tar$/, "");
}

export function rowsOf(layer: FixtureLayer): Row[] {
  return JSON.parse(text(fixture(`src/${sourceName(layer)}.list.json`))) as Row[];
}

/** The tar that a layer was made of. */
export function tarOf(layer: FixtureLayer): Uint8Array {
  const { tar } = index.sources.find(({ name }) => name === sourceName(layer))!;
  const [path, compressed] = tar.split(" ");
  return compressed ? unzstd(fixture(path!)) : fixture(path!);
}

/** Headers that only tell of the next one. */
const SPECIAL = new Set(["x", "L", "K"]);

/** The payloads of a tar as they are stored, in the order of its list. */
export function payloads(archive: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at + 512 <= archive.length;) {
    const header = archive.subarray(at, at + 512);
    if (header.every((byte) => byte === 0)) break;
    const type = String.fromCharCode(header[156]!);
    const octal = text(header.subarray(124, 136)).replace(/[\0 ]+$/, "").trim();
    const size = "123456".includes(type) ? 0 : parseInt(octal || "0", 8);
    at += 512;
    // An old GNU sparse header may go on.
    if (type === "S" && header[482]) { while (archive[at + 504]) at += 512; }
    if (!SPECIAL.has(type)) found.push(archive.subarray(at, at + size));
    at += Math.ceil(size / 512) * 512;
  }
  return found;
}

/** A path that the tree must have. */
export interface Expected {
  readonly kind: string;
  readonly row: Row | null;
  readonly content: Uint8Array;
  opaque: boolean;
  /** The path that it shares its node with. */
  readonly same: string;
}

const latin1 = (bytes: Uint8Array | string) => Buffer.from(bytes as Uint8Array).toString("latin1");
/** The bytes of a name as a latin-1 string; with U+FFFD where a TOC alone cannot know them. */
export function nameBytes(name: string, base64: string | undefined, exact: boolean): string {
  return base64 !== undefined && exact ? latin1(decode(base64)) : latin1(Buffer.from(name, "utf8"));
}

/** What stargz writers add to layers. */
const OWN = new Set(["stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark"]);

export function isStargz({ format }: FixtureLayer): boolean {
  return format.startsWith("estargz") || format.includes("stargz-snapshotter");
}

function clean(name: string): string {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

const KINDS: Readonly<Record<string, string>> = {
  "0": "file",
  "7": "file",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
};

/**
 * All paths (latin-1 strings of bytes; the root is "").
 * @param exact whether names that are not UTF-8 are known
 */
export function expectedTree(layer: FixtureLayer, exact: boolean): Map<string, Expected> {
  const rows = rowsOf(layer);
  const contents = payloads(tarOf(layer));
  if (contents.length !== rows.length) throw new Error("The list is not of this tar");
  const tree = new Map<string, Expected>();
  const implied = (path: string): Expected => ({
    kind: "dir",
    row: null,
    content: new Uint8Array(0),
    opaque: false,
    same: path,
  });
  tree.set("", implied(""));
  const reach = (path: string): void => {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const parent = path.slice(0, slash);
      if (!tree.has(parent)) tree.set(parent, implied(parent));
    }
  };
  const whiteouts: [path: string, row: Row][] = [];
  const opaque: string[] = [];
  const links: [path: string, target: string][] = [];
  rows.forEach((row, at) => {
    const path = clean(nameBytes(row.name, row.nameB64, exact));
    if (row.type === "g" || (isStargz(layer) && OWN.has(path))) return;
    if (path.split("/").some((part) => part.startsWith(".wh..wh.") && part !== ".wh..wh..opq")) return;
    reach(path);
    const base = path.slice(path.lastIndexOf("/") + 1);
    const directory = path.slice(0, Math.max(0, path.lastIndexOf("/")));
    if (base === ".wh..wh..opq") return void opaque.push(directory);
    if (base.startsWith(".wh.")) {
      whiteouts.push([directory === "" ? base.slice(4) : `${directory}/${base.slice(4)}`, row]);
      return;
    }
    if (row.type === "1") {
      links.push([path, clean(nameBytes(row.linkname!, row.linknameB64, exact))]);
      return;
    }
    tree.set(path, { kind: KINDS[row.type]!, row, content: contents[at]!, opaque: false, same: path });
  });
  // No fixture that is opened has a link to a later link.
  for (const [path, target] of links) tree.set(path, tree.get(target)!);
  for (const path of opaque) tree.get(path)!.opaque = true;
  for (const [path, row] of whiteouts) {
    const found = tree.get(path);
    if (found) found.opaque ||= found.kind === "dir";
    else tree.set(path, { kind: "whiteout", row, content: new Uint8Array(0), opaque: false, same: path });
  }
  return tree;
}

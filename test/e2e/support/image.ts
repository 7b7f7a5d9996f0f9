/** Images of real layers (`test/fixtures`), each over a base layer in the same format whose files they hide. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Image, type LayerInput, sha256, type TarItem, writeOciLayout } from "../../support/mod.ts";

const FIXTURES = join(import.meta.dirname!, "..", "..", "fixtures");

interface Row {
  readonly path: string;
  readonly diffID: string;
  readonly uncompressedSize: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly mediaType: string;
  readonly digest: string;
  readonly tocDigest?: string;
}

/** A layer with what is known of it from outside. */
export interface Layer extends LayerInput {
  readonly digest: string;
  /** null: it has no table of contents. */
  readonly tocDigest: string | null;
  /** Bytes of the tar. */
  readonly uncompressedSize: number;
}

/** A layer of `test/fixtures`, with its annotations as the writer gives them. */
export function fixtureLayer(path: string): Layer {
  const rows = JSON.parse(readFileSync(join(FIXTURES, "index.json"), "utf8")).layers as Row[];
  const { diffID, uncompressedSize, annotations, mediaType, digest, tocDigest } = rows.find((row) =>
    row.path === path
  )!;
  const blob = readFileSync(join(FIXTURES, path));
  if (sha256(blob) !== digest) throw new Error(`${path} is not the fixture`);
  return {
    blob,
    diffID,
    uncompressedSize,
    mediaType,
    digest,
    tocDigest: tocDigest ?? null,
    ...(annotations && { annotations }),
  };
}

/** A layer that a builder made. */
export function builtLayer(
  { blob, tar, annotations, tocDigest }: {
    readonly blob: Uint8Array;
    readonly tar: Uint8Array;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly tocDigest?: string;
  },
): Layer {
  return {
    blob,
    diffID: sha256(tar),
    uncompressedSize: tar.length,
    digest: sha256(blob),
    tocDigest: tocDigest ?? null,
    ...(annotations && { annotations }),
  };
}

const MTIME = 1_700_000_000;

/** What `tree` hides with its whiteouts, and what stays. */
export const BASE: readonly TarItem[] = [
  { name: "wh/", mode: 0o700, uid: 7, mtime: MTIME },
  { name: "wh/removed", data: "to be removed\n", mtime: MTIME },
  { name: "wh/日本語", data: "to be removed\n", mtime: MTIME },
  { name: "wh/kept", data: "stays\n", mode: 0o4750, uid: 1000, gid: 4_000_000_000, mtime: MTIME },
  { name: "wh/opaque/", mtime: MTIME },
  { name: "wh/opaque/below", data: "to be hidden\n", mtime: MTIME },
  { name: "wh/opaque/sub/", mtime: MTIME },
  { name: "wh/opaque/sub/below", data: "to be hidden\n", mtime: MTIME },
];

/** Writes an image layout as `skopeo copy` takes it, with the config's history that converters ask for. */
export function writeLayout(directory: string, layers: readonly LayerInput[]): Image {
  const created = "2024-05-06T07:08:09Z";
  const history = layers.map((_, i) => ({ created, created_by: `layer ${i}` }));
  return writeOciLayout(directory, layers, { tag: "t", config: { created, history } });
}

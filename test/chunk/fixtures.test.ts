/** Every layer with a TOC of the fixtures, read lazily: the tree is what its list says, the contents are those of its tar. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { nativeHashes } from "../../src/digest/native.ts";
import { encodeName, type Layer, memorySource, openLayer } from "../../src/mod.ts";
import { fixture } from "../support/fixtures.ts";
import { sha256 } from "../support/mod.ts";
import { type Expected, expectedTree, type FixtureLayer, isStargz, nameBytes, TOC_LAYERS } from "./model.ts";

/** Why these are not opened. */
const REFUSED: Readonly<Record<string, string>> = {
  // A file where others have a directory: estargz.Build makes a TOC of it, containers/storage does not.
  dups: "parent-not-directory",
  "hostile-dotdot": "path-escapes-root",
  "hostile-dotdot-inside": "path-escapes-root",
  "hostile-file-as-dir": "parent-not-directory",
  "hostile-hardlink-dir": "hardlink-target",
  "hostile-hardlink-missing": "hardlink-target",
  "hostile-hardlink-out": "hardlink-target",
  "hostile-hardlink-self": "hardlink-target",
  "hostile-root-symlink": "root-not-directory",
  "hostile-through-symlink-inside": "parent-not-directory",
  "hostile-wh-dotdot": "whiteout-bad-name",
  "hostile-wh-empty": "whiteout-bad-name",
  // Their tar-splits are of another tar, as the real writer left them.
  "sparse-pax-0.0.zstdchunked": "tar-split-order",
  "sparse-pax-1.0.zstdchunked": "tar-split-order",
};

const withToc = ({ path }: FixtureLayer) =>
  path.includes("exttoc") ? { toc: fixture(path.replace(".esgz", ".toc.tar.gz")) } : {};

function open(layer: FixtureLayer): Promise<Layer> {
  const descriptor = { digest: layer.digest, size: layer.size, annotations: layer.annotations ?? {} };
  const source = memorySource(fixture(layer.path), layer.path);
  // Layers of the first stargz have no annotations.
  const tocDigest = layer.annotations ? {} : { tocDigest: layer.tocDigest };
  return openLayer(source, { descriptor, ...tocDigest, hashes: nativeHashes, ...withToc(layer) });
}

const latin1 = (name: string) => Buffer.from(encodeName(name)).toString("latin1");

/** All paths of a layer, with their nodes. */
function walk(layer: Layer): Map<string, number> {
  const found = new Map<string, number>([["", layer.root]]);
  const waiting: [path: string, node: number][] = [["", layer.root]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [path, directory] = next;
    for (const { name, node, kind } of layer.readdir(directory)) {
      const own = path === "" ? latin1(name) : `${path}/${latin1(name)}`;
      expect(found.has(own)).toBe(false);
      expect(kind).toBe(layer.stat(node).kind);
      found.set(own, node);
      if (kind === "dir") waiting.push([own, node]);
    }
  }
  return found;
}

describe("every fixture", () => {
  test("there are many, of all kinds", () => {
    expect(TOC_LAYERS.length).toBeGreaterThan(110);
  });

  test.each(TOC_LAYERS.map((layer) => [layer.path.slice("layers/".length), layer] as const))(
    "%s",
    async (name, fixtureLayer) => {
      const refused = REFUSED[name] ?? REFUSED[name.replace(/\..*/, "")];
      if (refused) return await expect(open(fixtureLayer)).rejects.toMatchObject({ code: refused });
      const layer = await open(fixtureLayer);
      const named = layer.facts.tarSplitDigest !== null;
      expect(layer.facts.trust).toBe("verified");
      if (named) expect(layer.facts.uncompressedSize).toBe(fixtureLayer.uncompressedSize);
      const expected = expectedTree(fixtureLayer, named);
      const nodes = walk(layer);
      expect([...nodes.keys()].sort()).toEqual([...expected.keys()].sort());
      for (const [path, node] of nodes) {
        expect(layer.lookup(Buffer.from(path, "latin1"))).toBe(node);
        await check(layer, path, node, expected.get(path)!, nodes, fixtureLayer, named);
      }
    },
  );
});

async function check(
  layer: Layer,
  path: string,
  node: number,
  expected: Expected,
  nodes: ReadonlyMap<string, number>,
  fixtureLayer: FixtureLayer,
  exact: boolean,
): Promise<void> {
  const stat = layer.stat(node);
  const { row } = expected;
  expect([path, stat.kind, stat.opaque]).toEqual([path, expected.kind, expected.opaque]);
  expect(node).toBe(nodes.get(expected.same));
  expect([path, stat.mode, stat.uid, stat.gid]).toEqual([
    path,
    row ? parseInt(row.mode, 8) & 0o7777 : 0o755,
    row?.uid ?? 0,
    row?.gid ?? 0,
  ]);
  const names = [...nodes.values()].filter((other) => other === node).length;
  const directories = expected.kind === "dir"
    ? [...layer.readdir(node)].filter(({ kind }) => kind === "dir")
    : [];
  expect([path, stat.nlink]).toEqual([path, expected.kind === "dir" ? 2 + directories.length : names]);
  expect([path, stat.devMajor, stat.devMinor]).toEqual([path, ...(row?.dev ?? [0, 0])]);
  checkTime(path, stat.mtime, row?.mtime ?? [0, 0], isStargz(fixtureLayer));
  const xattrs = Object.fromEntries(
    [...layer.xattrs(node) ?? []].map(([key, value]) => [key, Buffer.from(value).toString("base64")]),
  );
  expect([path, xattrs]).toEqual([path, row?.xattrsB64 ?? {}]);
  if (expected.kind === "symlink") {
    const target = Buffer.from(layer.readlink(node)).toString("latin1");
    expect(target).toBe(nameBytes(row!.linkname!, row!.linknameB64, exact));
    expect(stat.size).toBe(target.length);
  }
  if (expected.kind !== "file") return;
  expect([path, stat.size]).toEqual([path, expected.content.length]);
  await checkContent(layer, node, expected.content);
}

function checkTime(
  path: string,
  { seconds, nanoseconds }: { readonly seconds: number; readonly nanoseconds: number },
  [s, ns]: readonly [number, number],
  rounded: boolean,
): void {
  const year1 = s === -62135596800 && ns === 0;
  if (year1) expect([path, seconds, nanoseconds]).toEqual([path, 0, 0]);
  else if (rounded) {
    expect([path, Math.abs(seconds + nanoseconds / 1e9 - (s + ns / 1e9)) <= 1]).toEqual([path, true]);
  } else expect([path, seconds, nanoseconds]).toEqual([path, s, ns]);
}

async function checkContent(layer: Layer, node: number, content: Uint8Array): Promise<void> {
  const file = layer.open(node);
  const whole = await file.read(0, content.length + 100);
  expect(sha256(whole)).toBe(sha256(content));
  const edges = [
    0,
    1,
    511,
    4095,
    4096,
    4097,
    65_536,
    content.length >> 1,
    content.length - 1,
    content.length,
  ];
  const offsets = [...new Set(edges.filter((edge) => edge >= 0 && edge <= content.length))];
  const lengths = [0, 1, 4095, 4097, 70_000];
  for (const offset of offsets) {
    for (const length of lengths) {
      const part = await file.read(offset, length);
      const right = Buffer.compare(part, content.subarray(offset, offset + length)) === 0;
      expect([offset, length, right]).toEqual([offset, length, true]);
    }
  }
}

/** One lie at a time, in each field of footer, TOC, chunks, tar-split and annotations, with all digests made to fit. */
import { describe, expect, test } from "vitest";
import { MemoryChunkCache, type OpenLayerOptions } from "../../src/mod.ts";
import {
  estargz,
  type EstargzOptions,
  sha256,
  type Toc,
  type TocEntry,
  zstdChunked,
  type ZstdChunkedOptions,
} from "../support/mod.ts";
import { errorOf, HOLES, ITEMS, open, readAll, RIGHT } from "./support.ts";

const chunkSize = 4000;
const gz = (options: EstargzOptions = {}) => estargz(ITEMS, { chunkSize, ...options });
const zst = (options: ZstdChunkedOptions = {}) => zstdChunked(ITEMS, { chunkSize, ...options });

/** What vouches for a layer: its TOC digest alone. */
const by = ({ tocDigest }: { readonly tocDigest: string }) => ({ tocDigest });

/** Changes one entry of a TOC. */
function entry(
  name: string,
  index: number,
  change: (entry: TocEntry) => void,
): { mutateToc: (toc: Toc) => void } {
  return {
    mutateToc: (toc) =>
      void change(toc.entries.filter((one) => one.name?.replace(/\/$/, "") === name)[index]!),
  };
}

describe("a TOC that is not the one whose digest was given is not parsed", () => {
  const lies: readonly [
    what: string,
    hooks: { mutateToc?: (toc: Toc) => void; mutateTocJson?: () => string },
  ][] = [
    ["a size", entry("last", 0, (one) => one.size = 10)],
    ["a mode", entry("etc", 0, (one) => one.mode = 0o777)],
    ["an owner", entry("etc", 0, (one) => one.uid = 1)],
    ["a name", entry("last", 0, (one) => one.name = "first")],
    ["a type", entry("etc/empty", 0, (one) => one.type = "fifo")],
    ["a target", entry("link", 0, (one) => one.linkName = "etc/shadow")],
    ["a place", entry("last", 0, (one) => one.offset = 1)],
    ["a chunk's digest", entry("big", 1, (one) => one.chunkDigest = sha256("x"))],
    ["a file's digest", entry("big", 0, (one) => one.digest = sha256("x"))],
    ["text that is no JSON", { mutateTocJson: () => "}" }],
  ];
  test.each(lies)("%s", async (_, hooks) => {
    const expected = { name: "DigestMismatch", code: "toc-digest-mismatch" };
    const esgz = gz(hooks as EstargzOptions);
    await expect(open(esgz.blob, by(gz()))).rejects.toMatchObject(expected);
    await expect(open(esgz.blob, {}, { descriptor: { annotations: gz().annotations } })).rejects
      .toMatchObject(expected);
    for (const dialect of ["cs-1.43", "cs-1.47", "cs-1.55", "stargz"] as const) {
      const lie = zst({ dialect, ...hooks as ZstdChunkedOptions });
      const right = zst({ dialect });
      await expect(open(lie.blob, by(right))).rejects.toMatchObject(expected);
      const descriptor = { annotations: { ...lie.annotations, ...digestsOf(right.annotations) } };
      await expect(open(lie.blob, {}, { descriptor })).rejects.toMatchObject(expected);
    }
  });
});

/** The annotations that vouch for something. */
function digestsOf(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) => /manifest-checksum$|toc\.digest$/.test(key)),
  );
}

describe("a TOC that vouches for what the blob does not have: the file cannot be read, all others can", () => {
  const other = sha256("other");
  type Lie = [what: string, file: string, codes: string, hooks: { mutateToc: (toc: Toc) => void }];
  const lies: readonly Lie[] = [
    [
      "the digest of a chunk",
      "big",
      "chunk-digest-mismatch",
      entry("big", 1, (one) => one.chunkDigest = other),
    ],
    ["the digest of another chunk", "big", "chunk-digest-mismatch", {
      mutateToc: ({ entries }) => {
        const [first, second] = entries.filter(({ name }) => name === "big");
        [first!.chunkDigest, second!.chunkDigest] = [second!.chunkDigest!, first!.chunkDigest!];
      },
    }],
    ["a place inside of a unit", "last", "chunk-damaged", entry("last", 0, (one) => one.offset! += 20)],
    ["the place of another file", "last", "chunk-(length|digest-mismatch|damaged)", {
      mutateToc: ({ entries }) => {
        const find = (wanted: string) => entries.find(({ name }) => name === wanted)!;
        find("last").offset = find("holes").offset!;
      },
    }],
    ["a place behind the blob", "last", "chunk-position", entry("last", 0, (one) => one.offset = 2 ** 40)],
    [
      "a place beyond what can be added",
      "last",
      "chunk-position",
      entry("last", 0, (one) => {
        one.offset = Number.MAX_SAFE_INTEGER;
      }),
    ],
    [
      "a larger size",
      "last",
      "chunk-(length|damaged|digest-mismatch)",
      entry("last", 0, (one) => one.size! += 5000),
    ],
    ["a smaller size", "last", "chunk-(length|digest-mismatch)", entry("last", 0, (one) => one.size! -= 1)],
    [
      "an enormous size",
      "last",
      "chunk-(length|damaged|position)",
      entry("last", 0, (one) => one.size = 2 ** 50),
    ],
    ["a cut elsewhere", "big", "chunk-(length|digest-mismatch)", {
      mutateToc: ({ entries }) => {
        const [first, second] = entries.filter(({ name }) => name === "big");
        first!.chunkSize = 3999;
        second!.chunkOffset = 3999;
        second!.chunkSize = 4001;
      },
    }],
    [
      "the end of the file before its chunks",
      "last",
      "chunk-(position|damaged|length|digest-mismatch)|ok",
      entry("last", 0, (one) => {
        one.endOffset = 1;
      }),
    ],
    [
      "an inner offset",
      "last",
      "chunk-(position|length|digest-mismatch)",
      entry("last", 0, (one) => one.innerOffset = 7),
    ],
    [
      "an enormous inner offset",
      "last",
      "chunk-(position|length|damaged)",
      entry("last", 0, (one) => one.innerOffset = 2 ** 52),
    ],
    [
      "zeros where there are none",
      "big",
      "chunk-digest-mismatch",
      entry("big", 1, (one) => one.chunkType = "zeros"),
    ],
    [
      "the digest of a file of one chunk",
      "last",
      "(chunk|file)-digest-mismatch",
      entry("last", 0, (one) => one.digest = other),
    ],
  ];
  describe.each(lies)("%s", (lie, file, codes, hooks) => {
    test.each([
      ["eStargz", () => gz(hooks as EstargzOptions)],
      ["shared members", () => gz({ ...hooks as EstargzOptions, minChunkSize: 3000 })],
      ["cs-1.55", () => zst(hooks as ZstdChunkedOptions)],
      ["cs-1.43", () => zst({ dialect: "cs-1.43", ...hooks as ZstdChunkedOptions })],
      ["stargz", () => zst({ dialect: "stargz", ...hooks as ZstdChunkedOptions })],
    ])("%s", async (format, make) => {
      const made = make();
      const cache = new MemoryChunkCache(1 << 20);
      let layer;
      try {
        layer = await open(made.blob, by(made), { cache });
      } catch (error) {
        // Where the tar-split tells of sizes, it contradicts.
        expect((error as { code: string }).code).toBe("toc-tar-split-mismatch");
        return;
      }
      // A size beyond what can be read at once: any part of it fails.
      const node = layer.lookup(file)!;
      const { size } = layer.stat(node);
      const whole = new Map<string, string>();
      if (size > 2 ** 30) {
        whole.set(file, (await errorOf(layer.open(node).read(0, 100))).code);
        whole.set(file, (await errorOf(layer.open(node).read(size - 100, 100))).code);
      } else for (const [path, result] of await readAll(layer)) whole.set(path, result);
      const got = whole.get(file)!;
      if (!(codes.endsWith("|ok") && got === RIGHT.get(file))) {
        expect(got).toMatch(new RegExp(`^(${codes})$`));
      }
      // A place inside of a member that others share cuts that one short.
      const cut = (path: string) =>
        lie === "a place inside of a unit" && format === "shared members" && path === "same";
      const others = [...whole].filter(([path]) => path !== file && !cut(path));
      for (const [path, result] of others) expect([path, result]).toEqual([path, RIGHT.get(path)]);
      expect(await cache.get(other)).toBe(null);
    });
  });
});

describe("tar-splits", () => {
  test("another one than the TOC names", async () => {
    const layer = zst();
    const { offset, length } = layer.positions.tarSplit!;
    for (const at of [offset + 10, offset + (length >> 1), offset + length - 1]) {
      const blob = layer.blob.slice();
      blob[at]! ^= 1;
      await expect(open(blob, by(layer))).rejects.toMatchObject({
        name: "DigestMismatch",
        code: "tar-split-digest-mismatch",
        details: { expected: layer.tarSplitDigest },
      });
    }
  });

  test("one that the TOC names, and contradicts", async () => {
    const renamed = zst({
      mutateToc: (toc) => void (toc.entries.find(({ name }) => name === "last")!.mode = 0o600),
    });
    await expect(open(renamed.blob, by(renamed))).rejects.toMatchObject({ code: "toc-tar-split-mismatch" });
    const missing = zst({ mutateToc: (toc) => void toc.entries.pop() });
    await expect(open(missing.blob, by(missing))).rejects.toMatchObject({ code: "toc-tar-split-mismatch" });
    const short = zst({ mutateTarSplit: (lines) => lines.slice(0, -3) });
    await expect(open(short.blob, by(short))).rejects.toMatchObject({ name: "FormatError" });
  });

  test("a position without one, and none", async () => {
    const layer = zst();
    const none = zst({ mutatePositions: (positions) => positions.tarSplit = null });
    await expect(open(none.blob, by(layer))).rejects.toMatchObject({ code: "tar-split-missing" });
    for (const field of ["offset", "length", "uncompressed"] as const) {
      for (const shift of [-1, 1, 2 ** 40]) {
        const moved = zst({ mutatePositions: ({ tarSplit }) => void (tarSplit![field] += shift) });
        expect((await errorOf(open(moved.blob, by(layer)))).code).toMatch(
          /^tar-split-(position|length|digest-mismatch|limit)$/,
        );
      }
    }
  });

  test("one that the TOC does not name is nobody's word: it is not even read", async () => {
    const layer = zst({ dialect: "cs-1.50", mutateTarSplit: (lines) => lines.slice(2) });
    const opened = await open(layer.blob, by(layer));
    expect(opened.facts).toMatchObject({ uncompressedSize: null, tarSplitDigest: null, trust: "verified" });
  });

  test("one that is too long is left alone, and gives no size", async () => {
    const layer = zst();
    const limits = { toc: Math.max(layer.tocJson.length, layer.tocCompressed.length) };
    expect(layer.tarSplitCompressed!.length).toBeLessThan(limits.toc);
    const long = zst({ compressTarSplit: (text) => zstdLong(text, limits.toc) });
    const opened = await open(long.blob, by(long), { limits: { toc: limits.toc + 200 } });
    expect(opened.facts).toMatchObject({ uncompressedSize: null, tarSplitDigest: null });
  });
});

/** As it is, and skippable bytes behind it. */
function zstdLong(text: Uint8Array, length: number): Uint8Array {
  const layer = zst();
  const frame = layer.tarSplitCompressed!;
  expect(text.length).toBeGreaterThan(0);
  const out = new Uint8Array(frame.length + 8 + length + 200);
  out.set(frame);
  out.set([0x50, 0x2a, 0x4d, 0x18], frame.length);
  new DataView(out.buffer).setUint32(frame.length + 4, length + 200, true);
  return out;
}

describe("footers: they say where to look, and are believed nothing", () => {
  test("each field of the TOC's position", async () => {
    for (const dialect of ["cs-1.43", "cs-1.47", "cs-1.55", "stargz"] as const) {
      const right = zst({ dialect });
      for (const field of ["offset", "length", "uncompressed"] as const) {
        for (const shift of [-1, 1, 8, 2 ** 40]) {
          const moved = zst({ dialect, mutatePositions: ({ toc }) => void (toc[field] += shift) });
          const { code } = await errorOf(open(moved.blob, by(right)));
          expect(code).toMatch(/^toc-(position|digest-mismatch|length|limit)$/);
        }
      }
      const type = zst({ dialect, mutatePositions: (positions) => positions.type = 2 });
      await expect(open(type.blob, by(right))).rejects.toMatchObject({ code: "layer-no-toc" });
    }
    for (const shift of [-1, 1, 100, 2 ** 40]) {
      const moved = gz({ mutateTocOffset: (offset) => offset + shift });
      expect((await errorOf(open(moved.blob, by(gz())))).code).toMatch(
        /^(toc-(position|missing|digest-mismatch)|gzip-[a-z-]+|tar-[a-z-]+)$/,
      );
    }
  });

  test("no footer, and a footer that says that the TOC lies elsewhere", async () => {
    const layer = gz();
    await expect(open(gz({ footer: "none" }).blob, by(layer))).rejects.toMatchObject({
      code: "layer-no-toc",
    });
    const external = gz({ footer: "external" });
    await expect(open(external.blob, by(external))).rejects.toMatchObject({
      code: "external-toc-missing",
    });
    await expect(
      open(external.blob, {
        ...by(external),
        toc: gz(entry("last", 0, (one) => void (one.mode = 0))).tocJson,
      }),
    ).rejects.toMatchObject({
      code: "toc-digest-mismatch",
    });
  });
});

describe("annotations", () => {
  const described = (layer: { annotations: Record<string, string>; blob: Uint8Array }): OpenLayerOptions => ({
    descriptor: { digest: sha256(layer.blob), size: layer.blob.length, annotations: layer.annotations },
  });

  test("each of them changed", async () => {
    for (
      const dialect of ["cs-1.43", "cs-1.44", "cs-1.47", "cs-1.50", "cs-1.54", "cs-1.55", "stargz"] as const
    ) {
      const layer = zst({ dialect });
      for (const key of Object.keys(layer.annotations)) {
        const value = layer.annotations[key]!;
        const changed = { ...layer, annotations: { ...layer.annotations, [key]: another(value) } };
        const work = open(layer.blob, {}, described(changed));
        // Obsolete, and believed by nobody.
        if (key.endsWith("tarsplit-checksum")) await work;
        // Where the TOC names no tar-split, no one looks for it.
        else if (key.endsWith("tarsplit-position") && /1\.4|1\.50/.test(dialect)) await work;
        else if (key.endsWith("uncompressed-size")) await work;
        else {
          expect([key, (await errorOf(work)).code]).toEqual([
            key,
            expect.stringMatching(/^(toc|tar-split)-(digest-mismatch|position|length)$/),
          ]);
        }
      }
    }
  });

  test("the size of the blob, and that of the tar", async () => {
    const layer = zst();
    const size = { descriptor: { size: layer.blob.length - 1, annotations: layer.annotations } };
    await expect(open(layer.blob, {}, size)).rejects.toMatchObject({ code: "layer-size" });
    const expected = { uncompressedSize: { value: layer.tar.length + 1, from: ["test"] } };
    await expect(open(layer.blob, by(layer), { expect: expected })).rejects.toMatchObject({
      code: "uncompressed-size",
    });
  });

  test("of both formats at once, or of the other one", async () => {
    const [a, b] = [zst(), gz()];
    const both = { descriptor: { annotations: { ...a.annotations, ...b.annotations } } };
    await expect(open(a.blob, {}, both)).rejects.toMatchObject({ code: "ambiguous-toc" });
    for (const [blob, annotations] of [[a.blob, b.annotations], [b.blob, a.annotations]] as const) {
      await expect(open(blob, {}, { descriptor: { annotations } })).rejects.toMatchObject({
        code: expect.stringMatching(/^toc-digest-mismatch$|^layer-no-toc$/),
      });
    }
  });

  test("none: nobody vouches for the layer", async () => {
    const { blob } = zst();
    const expected = { name: "UsageError", code: "layer-untrusted" };
    await expect(open(blob, {})).rejects.toMatchObject(expected);
    await expect(open(blob, {}, { descriptor: { digest: sha256(blob) } })).rejects.toMatchObject(expected);
    const layer = await open(blob, {}, { untrusted: true });
    expect(layer.facts).toMatchObject({ trust: "consistent", chain: [] });
    expect([...await readAll(layer)].sort()).toEqual([...RIGHT].sort());
  });
});

function another(value: string): string {
  if (value.startsWith("sha256:")) return sha256(value);
  const [first, ...rest] = value.split(":");
  return [Number(first) + 1, ...rest].join(":");
}

test("a run of zeros: the digest is held against it although nothing is fetched", async () => {
  const layer = zst({
    mutateToc: ({ entries }) => {
      entries.find(({ chunkType }) => chunkType === "zeros")!.chunkDigest = sha256("other");
    },
  });
  const opened = await open(layer.blob, by(layer));
  const file = opened.open(opened.lookup("holes")!);
  expect((await errorOf(file.read(3500, 10))).details).toMatchObject({
    entry: "holes",
    expected: sha256("other"),
    actual: sha256(new Uint8Array(5000)),
  });
  expect(sha256(await file.read(0, 3000))).toBe(sha256(HOLES.subarray(0, 3000)));
});

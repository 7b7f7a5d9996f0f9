/** The tree that a TOC makes, by the rules that `buildTree` states. */
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeName, encodeName, type Layer } from "../../src/mod.ts";
import { type Entry, estargz, type TarItem, zstdChunked } from "../support/mod.ts";
import { errorOf, open } from "./support.ts";

async function layerOf(items: Iterable<TarItem>, stargz = false): Promise<Layer> {
  const { blob, tocDigest } = stargz ? estargz(items) : zstdChunked(items);
  return await open(blob, { tocDigest });
}

/** All paths, each with what it is. */
function tree(layer: Layer): string[] {
  const found: string[] = [];
  const waiting: [string, number][] = [["", layer.root]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [path, directory] = next;
    for (const { name, node, kind } of layer.readdir(directory)) {
      const own = `${path}${name}`;
      found.push(`${own} ${kind}${layer.stat(node).opaque ? " opaque" : ""}`);
      if (kind === "dir") waiting.push([`${own}/`, node]);
    }
  }
  return found.sort();
}

describe("paths", () => {
  test("are cleaned; what leads to them is made", async () => {
    const layer = await layerOf([{ name: "/a//b/./c", data: "x" }, { name: "./d/", mode: 0o700 }]);
    expect(tree(layer)).toEqual(["a dir", "a/b dir", "a/b/c file", "d dir"]);
    expect(layer.stat(layer.lookup("a/b")!)).toEqual({
      kind: "dir",
      mode: 0o755,
      uid: 0,
      gid: 0,
      size: 0,
      mtime: { seconds: 0, nanoseconds: 0 },
      nlink: 2,
      devMajor: 0,
      devMinor: 0,
      opaque: false,
    });
    for (const path of ["a/b/c", "/a/b/c", "a//b/./c", "./a/b/c/"]) {
      expect(layer.path(layer.lookup(path)!)).toBe("a/b/c");
      expect(layer.lookup(new TextEncoder().encode(path))).toBe(layer.lookup(path));
    }
    for (const path of ["a/b/d", "a/b/c/d", "a/../a", "..", "A"]) expect(layer.lookup(path)).toBe(null);
    for (const path of ["", "/", "."]) expect(layer.lookup(path)).toBe(layer.root);
    expect(layer.parent(layer.lookup("a/b")!)).toBe(layer.lookup("a"));
    expect(layer.parent(layer.root)).toBe(layer.root);
  });

  test("the root has the attributes of its entry", async () => {
    const layer = await layerOf([{ name: "./", mode: 0o1777, uid: 7, gid: 8 }]);
    expect(layer.stat(layer.root)).toMatchObject({ kind: "dir", mode: 0o1777, uid: 7, gid: 8, nlink: 2 });
  });

  test("no entries at all", async () => {
    expect(tree(await layerOf([]))).toEqual([]);
  });

  test("directories may come after what is in them", async () => {
    const layer = await layerOf([{ name: "a/b", data: "x" }, { name: "a/", mode: 0o711 }]);
    expect(layer.stat(layer.lookup("a")!).mode).toBe(0o711);
  });

  test("a directory counts those in it", async () => {
    const layer = await layerOf([{ name: "a/b/" }, { name: "a/c/" }, { name: "a/d", data: "x" }]);
    expect([layer.stat(layer.root).nlink, layer.stat(layer.lookup("a")!).nlink]).toEqual([3, 4]);
  });

  test("any names: what is there is found by its bytes, and nothing else", async () => {
    // Without bytes that begin a sequence and are left alone: the test's TOC writer replaces some of these at once, Go's does not.
    const raw = fc.uint8Array({ minLength: 1, maxLength: 12 }).map((name) =>
      name.map((byte) => byte >= 0xc0 && byte < 0xf8 ? 0xff : byte)
    );
    const utf8 = fc.string({ unit: "binary", minLength: 1, maxLength: 8 }).map((name) =>
      new TextEncoder().encode(name)
    );
    const bytes = fc.oneof(raw, utf8).map((name) =>
      name.map((byte) => byte === 0x2f || byte === 0 ? 0x61 : byte)
    )
      .filter((name) => !/^(\.|\.\.|\.wh\..*)$/s.test(Buffer.from(name).toString("latin1")));
    const latin1 = (name: Uint8Array) => Buffer.from(name).toString("latin1");
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(bytes, { maxLength: 30, selector: latin1 }), async (names) => {
        // Names that are not UTF-8 come from the tar-split.
        const layer = await layerOf(names.map((name) => ({ name, data: name })));
        const found = [...layer.readdir(layer.root)].map(({ name }) => latin1(encodeName(name)));
        expect(found).toEqual(names.map(latin1));
        for (const name of names) {
          const node = layer.lookup(name)!;
          expect(latin1(await layer.open(node).read(0, 100))).toBe(latin1(name));
          expect(layer.lookup(decodeName(name))).toBe(node);
          expect(layer.child(layer.root, name)).toBe(node);
          expect(latin1(encodeName(layer.path(node)))).toBe(latin1(name));
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe("names that are not UTF-8", () => {
  const raw = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
  const items: readonly Entry[] = [
    { name: raw("caf\xe9/") },
    { name: raw("caf\xe9/\xff"), data: "one" },
    { name: raw("caf\xe9/\xfe"), data: "two" },
    { name: "link", linkname: raw("caf\xe9/\xfe") },
    { name: "hard", typeflag: "1", linkname: raw("caf\xe9/\xff") },
  ];

  test("are those of the tar-split, also where the TOC cannot tell them apart", async () => {
    const layer = await layerOf(items);
    const one = layer.lookup(raw("caf\xe9/\xff"))!;
    const two = layer.lookup(raw("caf\xe9/\xfe"))!;
    expect(new TextDecoder().decode(await layer.open(one).read(0, 9))).toBe("one");
    expect(new TextDecoder().decode(await layer.open(two).read(0, 9))).toBe("two");
    expect([...layer.readlink(layer.lookup("link")!)]).toEqual([...raw("caf\xe9/\xfe")]);
    expect(layer.lookup("hard")).toBe(one);
    expect(layer.stat(one).nlink).toBe(2);
    expect(layer.lookup("caf\ufffd")).toBe(null);
  });

  test("have U+FFFD where there is none; two that are alike then are refused", async () => {
    const layer = await layerOf(items.slice(0, 2), true);
    expect(layer.lookup("caf\ufffd/\ufffd")).not.toBe(null);
    expect((await errorOf(layerOf(items.slice(0, 3), true))).code).toBe("toc-duplicate-entry");
  });
});

describe("hard links", () => {
  test("are names of one node, in either order and through each other", async () => {
    const layer = await layerOf([
      { name: "a", data: "x", mode: 0o640 },
      { name: "b", typeflag: "1", linkname: "/a" },
      { name: "d/c", typeflag: "1", linkname: "b" },
      { name: "e", typeflag: "1", linkname: "f" },
      { name: "f", typeflag: "1", linkname: "g" },
      { name: "g", linkname: "nowhere" },
    ]);
    expect(new Set(["a", "b", "d/c"].map((path) => layer.lookup(path))).size).toBe(1);
    expect(new Set(["e", "f", "g"].map((path) => layer.lookup(path))).size).toBe(1);
    expect(layer.stat(layer.lookup("d/c")!)).toMatchObject({ kind: "file", mode: 0o640, nlink: 3, size: 1 });
    expect(layer.stat(layer.lookup("e")!)).toMatchObject({ kind: "symlink", nlink: 3 });
    expect(layer.path(layer.lookup("d/c")!)).toBe("a");
  });

  const link = (name: string, linkname: string): Entry => ({ name, typeflag: "1", linkname });
  test.each<[what: string, items: readonly Entry[]]>([
    ["to nothing", [link("a", "b")]],
    ["to itself", [link("a", "a")]],
    ["in a circle", [link("a", "b"), link("b", "c"), link("c", "a")]],
    ["to a directory", [{ name: "d/" }, link("a", "d")]],
    ["to the root", [link("a", "/")]],
    ["out of the layer", [link("a", "../b"), { name: "b", data: "x" }]],
    ["through a file", [{ name: "b", data: "x" }, link("a", "b/c")]],
  ])("%s: refused", async (_, items) => {
    expect(await errorOf(layerOf(items))).toMatchObject({ code: "hardlink-target", details: { entry: "a" } });
  });

  test("ten thousand, each to the next one: no time", async () => {
    const items: Entry[] = Array.from({ length: 10_000 }, (_, at) => link(`l${at}`, `l${at + 1}`));
    items.push({ name: "l10000", data: "x" });
    const layer = await layerOf(items, true);
    expect(layer.stat(layer.lookup("l0")!).nlink).toBe(10_001);
  });
});

describe("whiteouts", () => {
  test("are nodes of the name that they hide; opaque directories have a mark", async () => {
    const layer = await layerOf([
      { name: "etc/.wh.passwd" },
      { name: "opt/" },
      { name: "opt/.wh..wh..opq" },
      { name: ".wh..wh..opq" },
      { name: ".wh..wh.plnk/" },
      { name: ".wh..wh.plnk/1.2", data: "x" },
      { name: "var/.wh..wh.aufs" },
    ]);
    expect(tree(layer)).toEqual(["etc dir", "etc/passwd whiteout", "opt dir opaque"]);
    expect(layer.stat(layer.root).opaque).toBe(true);
    expect(() => layer.open(layer.lookup("etc/passwd")!)).toThrow(
      expect.objectContaining({ code: "not-a-file" }),
    );
  });

  test("what the layer has itself wins", async () => {
    const layer = await layerOf([
      { name: ".wh.file" },
      { name: "file", data: "x" },
      { name: "dir/new", data: "x" },
      { name: ".wh.dir" },
      { name: ".wh.twice" },
      { name: "./.wh.twice" },
    ].slice(0, 5));
    expect(tree(layer)).toEqual(["dir dir opaque", "dir/new file", "file file", "twice whiteout"]);
  });

  test.each([".wh.", ".wh..", ".wh...", "a/.wh.b/c"])("%s: refused", async (name) => {
    expect((await errorOf(layerOf([{ name, data: "" }]))).code).toBe("whiteout-bad-name");
  });
});

describe("landmarks", () => {
  const items: readonly Entry[] = [{ name: "a", data: "first" }, { name: "b", data: "second" }];

  test("are hidden, and tell where the first part ends", async () => {
    const made = estargz(items, { landmark: "prefetch", prioritized: 1 });
    const layer = await open(made.blob, { tocDigest: made.tocDigest });
    expect(tree(layer)).toEqual(["a file", "b file"]);
    const { offset } = made.toc.entries.find(({ name }) => name === ".prefetch.landmark")!;
    expect(layer.facts.prefetchEnd).toBe(offset);
    const none = estargz(items, { landmark: "noprefetch" });
    expect((await open(none.blob, { tocDigest: none.tocDigest })).facts.prefetchEnd).toBe(0);
    expect((await layerOf(items, true)).facts.prefetchEnd).toBe(null);
  });

  test("are files like others where containers/storage wrote the layer", async () => {
    const layer = await layerOf([{ name: ".prefetch.landmark", data: "mine" }, {
      name: "stargz.index.json",
      data: "x",
    }]);
    expect(tree(layer)).toEqual([".prefetch.landmark file", "stargz.index.json file"]);
    expect(layer.facts.prefetchEnd).toBe(null);
  });
});

describe("entries for one path", () => {
  test("of directories of one mode: the last one counts", async () => {
    const layer = await layerOf([{ name: "a/", uid: 1 }, { name: "a/b", data: "x" }, {
      name: "./a",
      typeflag: "5",
      uid: 2,
    }], true);
    expect(layer.stat(layer.lookup("a")!).uid).toBe(2);
    expect(tree(layer)).toEqual(["a dir", "a/b file"]);
  });

  test.each<[what: string, code: string, items: readonly Entry[]]>([
    ["files", "toc-duplicate-entry", [{ name: "a", data: "x" }, { name: "a", data: "x" }]],
    ["a file and a directory", "toc-duplicate-entry", [{ name: "a/" }, { name: "a", data: "x" }]],
    ["a directory and a file", "toc-duplicate-entry", [{ name: "a", data: "x" }, { name: "a/" }]],
    ["directories of two modes", "toc-duplicate-entry", [{ name: "a/" }, { name: "a/", mode: 0o700 }]],
    ["a hard link and its target", "toc-duplicate-entry", [{ name: "a", data: "x" }, {
      name: "./a",
      typeflag: "1",
      linkname: "a",
    }]],
    ["a file and what is in it", "parent-not-directory", [{ name: "a", data: "x" }, {
      name: "a/b",
      data: "x",
    }]],
    ["what is in a file, and the file", "parent-not-directory", [{ name: "a/b", data: "x" }, {
      name: "a",
      data: "x",
    }]],
    ["a symbolic link and what is in it", "parent-not-directory", [{ name: "a", linkname: "b" }, {
      name: "a/b",
      data: "x",
    }]],
    ["a root that is none", "root-not-directory", [{ name: ".", data: "x" }]],
    ["a path out of the layer", "path-escapes-root", [{ name: "a/../../b", data: "x" }]],
  ])("%s: refused", async (_, code, items) => {
    expect((await errorOf(layerOf(items, true))).code).toBe(code);
  });
});

test("devices, FIFOs, attributes", async () => {
  const layer = await layerOf([
    { name: "c", typeflag: "3", devmajor: 10, devminor: 200 },
    { name: "b", typeflag: "4", devmajor: 8, devminor: 1 },
    { name: "f", typeflag: "6" },
    { name: "x", data: "x", xattrs: { "user.a": "1", "security.selinux": "label" } },
    { name: "y", data: "x", xattrs: { "user.a": "1", "security.selinux": "label" } },
    { name: "s", data: "x", mode: 0o104755 },
  ]);
  expect(layer.stat(layer.lookup("c")!)).toMatchObject({ kind: "char", devMajor: 10, devMinor: 200 });
  expect(layer.stat(layer.lookup("b")!)).toMatchObject({ kind: "block", devMajor: 8, devMinor: 1 });
  expect(layer.stat(layer.lookup("f")!)).toMatchObject({ kind: "fifo", devMajor: 0, devMinor: 0, size: 0 });
  expect(layer.stat(layer.lookup("s")!).mode).toBe(0o4755);
  const xattrs = layer.xattrs(layer.lookup("x")!)!;
  expect(new TextDecoder().decode(xattrs.get("security.selinux"))).toBe("label");
  // Sets that are alike are kept once.
  expect(layer.xattrs(layer.lookup("y")!)).toBe(xattrs);
  expect(layer.xattrs(layer.lookup("s")!)).toBe(null);
});

test("few paths of very many directories: bounded", async () => {
  const { blob, tocDigest } = estargz(
    Array.from({ length: 4 }, (_, at) => ({ name: `${at}/${"a/".repeat(400)}` })),
  );
  const error = await errorOf(open(blob, { tocDigest }, { limits: { entries: 1000 } }));
  expect(error).toMatchObject({ name: "LimitExceeded", code: "entries-limit" });
  expect((await open(blob, { tocDigest }, { limits: { entries: 2000 } })).nodes).toBe(1 + 4 * 401);
});

test("symbolic links to nothing: refused", async () => {
  const layer = zstdChunked([{ name: "a", typeflag: "2", linkname: "" }]);
  expect((await errorOf(open(layer.blob, { tocDigest: layer.tocDigest }))).code).toBe("symlink-empty");
});

test("numbers that Linux does not have: refused", async () => {
  for (const entry of [{ name: "a", uid: 2 ** 32 }, { name: "a", typeflag: "3", devmajor: 5000 }]) {
    expect((await errorOf(layerOf([{ data: "", ...entry }], true))).code).toBe("toc-number");
  }
});

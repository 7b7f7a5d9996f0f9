/** Each finding about the tree of entries, from the smallest archive that has it. */
import { describe, expect, test } from "vitest";
import type { Finding } from "../../src/mod.ts";
import { type Entry, latin1, paxHeader, sparse, tar, type TarItem } from "../support/mod.ts";
import { fixture } from "../support/fixtures.ts";
import { verifyBytes } from "./layers.ts";

type Short = readonly [code: string, severity: string, entry: string | null, offset: number | null];

async function findings(archive: Uint8Array): Promise<readonly Finding[]> {
  const report = await verifyBytes(archive);
  expect(report).toMatchObject({ result: "consistent", error: null });
  return report.findings;
}

async function shorts(items: readonly TarItem[]): Promise<Short[]> {
  const list = await findings(tar(items));
  return list.map(({ code, severity, entry, offset }) => [code, severity, entry, offset]);
}

const file = (name: Entry["name"], extra: Partial<Entry> = {}): Entry => ({ name, ...extra });
const symlink = (name: string, linkname: string): Entry => ({ name, linkname });
const hardlink = (name: string, linkname: string): Entry => ({ name, linkname, typeflag: "1" });

describe("clean archives have no findings", () => {
  test("every ordinary kind of entry", async () => {
    expect(
      await shorts([
        file("./"),
        file("a/"),
        file("a/file", { data: "x", mode: 0o755 }),
        file("implicit/parent/file"),
        symlink("a/link", "../../outside"),
        symlink("a/dangling", "nothing"),
        hardlink("a/hard", "a/file"),
        hardlink("a/hard2", "/a/../a/hard"),
        hardlink("a/hardsym", "a/link"),
        file("fifo", { typeflag: "6" }),
        file("null", { typeflag: "3", devmajor: 1, devminor: 3 }),
        file("disk", { typeflag: "4", devmajor: 0, devminor: 0 }),
        file("a/.wh.gone"),
        file("a/.wh..wh..opq"),
        file(".wh..wh..opq"),
        file("seven", { typeflag: "7" }),
        file("é-🦊"),
        file("sticky/", { mode: 0o1777 }),
        file("setgid-dir/", { mode: 0o2755 }),
        file("x", { xattrs: { "user.x": "y" } }),
        // A parent's entry may come behind those in it.
        file("implicit/"),
      ]),
    ).toEqual([]);
  });

  test("a whiteout of what the same layer puts a new directory's content under", async () => {
    expect(await shorts([file(".wh.dir"), file("dir/new")])).toEqual([]);
  });

  for (const name of ["small", "empty", "dotslash", "hostile-empty-component", "hostile-hardlink-abs"]) {
    test(`the fixture ${name}`, async () => expect(await findings(fixture(`src/${name}.tar`))).toEqual([]));
  }
});

describe("each finding comes with its severity, entry and offset", () => {
  const cases: [promise: string, items: TarItem[], want: Short[]][] = [
    ["a file twice", [file("a"), file("a")], [["duplicate-path", "error", "a", 512]]],
    ["the same path spelled differently", [file("a/b"), file("./a//b")], [[
      "duplicate-path",
      "error",
      "./a//b",
      512,
    ]]],
    ["a directory twice", [file("d/"), file("d")], [["duplicate-path", "error", "d", 512]]],
    ["the root twice", [file("./"), file("/")], [
      ["duplicate-path", "error", "/", 512],
      ["path-absolute", "warning", "/", 512],
    ]],
    ["three of a path", [file("a"), symlink("a", "b"), file("a/")], [
      ["duplicate-path", "error", "a", 512],
      ["duplicate-path", "error", "a/", 1024],
    ]],
    ["a path that leaves the root", [file("a/../../b")], [["path-escapes-root", "error", "a/../../b", 0]]],
    ["an absolute path", [file("/etc/x")], [["path-absolute", "warning", "/etc/x", 0]]],
    ["an absolute path that leaves the root", [file("/../x")], [["path-escapes-root", "error", "/../x", 0]]],
    ["a root that is a link", [symlink(".", "x")], [["root-not-directory", "error", ".", 0]]],
    ["a root that is a file", [file(".")], [["root-not-directory", "error", ".", 0]]],
    ["a name that is not UTF-8", [file(latin1("caf\xe9"))], [["name-not-utf8", "warning", "caf\\xE9", 0]]],
    ["a link target that is not UTF-8", [file("l", { typeflag: "2", linkname: latin1("\xff") })], [[
      "link-not-utf8",
      "warning",
      "l",
      0,
    ]]],
    ["a global header", [paxHeader({ comment: "x" }, { global: true }), file("a")], [[
      "pax-global-header",
      "warning",
      "pax_global_header",
      0,
    ]]],
    ["an unknown type", [file("z", { typeflag: "Z", data: "x" })], [["unknown-type", "error", "z", 0]]],
    ["a multi-volume part", [file("m", { typeflag: "M" })], [["unknown-type", "error", "m", 0]]],
    ["mode bits above the permissions", [file("m", { mode: 0o100644 })], [[
      "mode-extra-bits",
      "info",
      "m",
      0,
    ]]],
    ["a setuid file", [file("s", { mode: 0o4755 })], [["setuid", "info", "s", 0]]],
    ["a setgid file", [file("s", { mode: 0o2755 })], [["setgid", "info", "s", 0]]],
    ["file capabilities", [file("c", { xattrs: { "security.capability": "\u0001" } })], [[
      "capability",
      "info",
      "c",
      0,
    ]]],
    ["a 0/0 device", [file("w", { typeflag: "3", devmajor: 0, devminor: 0 })], [[
      "overlay-whiteout",
      "warning",
      "w",
      0,
    ]]],
    ["a path through a link that stays inside", [file("d/"), symlink("l", "d"), file("l/x")], [[
      "path-through-symlink",
      "warning",
      "l/x",
      1024,
    ]]],
    ["a path through an absolute link", [symlink("l", "/etc"), file("l/x")], [[
      "path-through-symlink",
      "error",
      "l/x",
      512,
    ]]],
    ["a path through a link that climbs out", [symlink("a/l", "../../x"), file("a/l/b/c")], [[
      "path-through-symlink",
      "error",
      "a/l/b/c",
      512,
    ]]],
    ["a parent that is a file", [file("f"), file("f/x")], [["parent-not-directory", "error", "f/x", 512]]],
    ["a parent that is a device", [file("f", { typeflag: "6" }), file("f/a/b")], [[
      "parent-not-directory",
      "error",
      "f/a/b",
      512,
    ]]],
    ["a whiteout without a name", [file("d/.wh.")], [["whiteout-bad-name", "error", "d/.wh.", 0]]],
    ["a whiteout of '.'", [file(".wh..")], [["whiteout-bad-name", "error", ".wh..", 0]]],
    ["a whiteout of '..'", [file(".wh...")], [["whiteout-bad-name", "error", ".wh...", 0]]],
    ["a whiteout that is a directory", [file("d/.wh.x/")], [["whiteout-type", "warning", "d/.wh.x/", 0]]],
    ["a whiteout with content", [file(".wh.x", { data: "x" })], [[
      "whiteout-with-content",
      "error",
      ".wh.x",
      0,
    ]]],
    ["an opaque mark with content", [file(".wh..wh..opq", { data: "x" })], [[
      "whiteout-with-content",
      "error",
      ".wh..wh..opq",
      0,
    ]]],
    ["a file and its whiteout", [file("d/a"), file("d/.wh.a")], [[
      "whiteout-and-entry",
      "error",
      "d/a",
      null,
    ]]],
    ["a whiteout and its file", [file(".wh.a"), file("a")], [["whiteout-and-entry", "error", "a", null]]],
    ["a hard link out of the layer", [hardlink("h", "../x")], [["hardlink-escapes-root", "error", "h", 0]]],
    ["a hard link to itself", [hardlink("d/h", "./d/h")], [["hardlink-self", "error", "d/h", 0]]],
    ["a hard link to nothing", [hardlink("h", "x")], [["hardlink-missing", "error", "h", 0]]],
    ["a hard link forward", [hardlink("h", "x"), file("x")], [["hardlink-forward", "error", "h", 0]]],
    ["a hard link to a directory", [file("d/"), hardlink("h", "d")], [[
      "hardlink-directory",
      "error",
      "h",
      512,
    ]]],
    ["a hard link to a directory without entry", [file("d/x"), hardlink("h", "d")], [[
      "hardlink-directory",
      "error",
      "h",
      512,
    ]]],
    ["a TOC's name", [file("stargz.index.json")], [["reserved-name", "info", "stargz.index.json", 0]]],
    ["a landmark's name", [file(".no.prefetch.landmark")], [[
      "reserved-name",
      "info",
      ".no.prefetch.landmark",
      0,
    ]]],
    ["a sparse member of old GNU", [sparse({ name: "s", realSize: 9, regions: [] }, "gnu")], [[
      "sparse-member",
      "error",
      "s",
      0,
    ]]],
    ["a sparse member of PAX", [sparse({ name: "s", realSize: 9, regions: [] }, "pax-1.0")], [[
      "sparse-member",
      "warning",
      "s",
      0,
    ]]],
  ];
  for (const [promise, items, want] of cases) {
    test(promise, async () => expect(await shorts(items)).toEqual(want));
  }
});

describe("trees that change under what was checked", () => {
  test("a link in place of a directory that has entries: what comes behind goes through it", async () => {
    for (const first of [[file("a/"), file("a/b/")], [file("a/b/")]]) {
      const list = await shorts([...first, symlink("a", "/etc"), file("a/b/passwd")]);
      const at = 512 * first.length;
      expect(list).toContainEqual(["path-through-symlink", "error", "a/b/passwd", at + 512]);
      const replaced = first.length === 2 ? "duplicate-path" : "parent-not-directory";
      expect(list).toContainEqual([replaced, "error", "a", at]);
    }
  });

  test("a file in place of a directory that has entries but none of its own", async () => {
    expect(await shorts([file("a/b/c"), file("a/b")])).toEqual([[
      "parent-not-directory",
      "error",
      "a/b",
      512,
    ]]);
  });

  test("a link that was replaced by a directory leads nowhere any more", async () => {
    expect(await shorts([symlink("l", "/etc"), file("l/"), file("l/x")])).toEqual([
      ["duplicate-path", "error", "l/", 512],
    ]);
  });
});

test("findings of one code are listed up to a hundred, the rest is counted", async () => {
  const list = await findings(tar(Array.from({ length: 250 }, () => file("a"))));
  expect(list.length).toBe(101);
  expect(list.at(-1)).toMatchObject({ code: "findings-omitted", severity: "error", entry: null });
  expect(list.at(-1)!.message).toMatch(/^149 more .*duplicate-path/);
});

test("names of hostile entries are printable in messages too", async () => {
  const escape = "\u001b[2J";
  const list = await findings(
    tar([
      symlink(`l${escape}`, `/${escape}`),
      file(`l${escape}/x`),
      hardlink("h", escape),
      hardlink("i", `../${escape}`),
    ]),
  );
  expect(list.length).toBe(3);
  // deno-lint-ignore no-control-regex -- control characters are exactly what must not be there
  for (const finding of list) expect(JSON.stringify(finding)).not.toMatch(/\\u001b|[\x00-\x1f]/);
});

describe("the fixtures named after a fault give its finding", () => {
  const NAMED: Readonly<Record<string, readonly Short[]>> = {
    "hostile-abs": [["path-absolute", "warning", "/abs/file", 1536]],
    "hostile-dotdot": [["path-escapes-root", "error", "../escape", 1536]],
    "hostile-dotdot-inside": [["path-escapes-root", "error", "d/../../escape2", 1536]],
    "hostile-file-as-dir": [["parent-not-directory", "error", "d/ok/below", 1536]],
    "hostile-hardlink-dir": [["hardlink-directory", "error", "d/hl-dir", 1536]],
    "hostile-hardlink-forward": [["hardlink-forward", "error", "d/hl-forward", 1536]],
    "hostile-hardlink-missing": [["hardlink-missing", "error", "d/hl-missing", 1536]],
    "hostile-hardlink-out": [["hardlink-escapes-root", "error", "d/hl-out", 1536]],
    "hostile-hardlink-self": [["hardlink-self", "error", "d/hl-self", 1536]],
    "hostile-landmark-name": [
      ["reserved-name", "info", ".prefetch.landmark", 1536],
      ["reserved-name", "info", ".no.prefetch.landmark", 2560],
    ],
    "hostile-mode-odd": [
      ["mode-extra-bits", "info", "d/x", 1536],
      ["setgid", "info", "d/x", 1536],
      ["setuid", "info", "d/x", 1536],
    ],
    "hostile-root-symlink": [["root-not-directory", "error", ".", 1536]],
    "hostile-through-symlink-inside": [["path-through-symlink", "warning", "in/through-symlink", 2048]],
    "hostile-toc-name": [["reserved-name", "info", "stargz.index.json", 1536]],
    "hostile-wh-dotdot": [["whiteout-bad-name", "error", "d/.wh...", 1536]],
    "hostile-wh-empty": [["whiteout-bad-name", "error", "d/.wh.", 1536]],
    "global": [["pax-global-header", "warning", "GlobalHead.0.0", 0]],
    "wh-types": [
      ["whiteout-and-entry", "error", "d/gone", null],
      ["overlay-whiteout", "warning", "d/zero-dev", 1536],
      ["whiteout-type", "warning", "d/.wh.dir/", 512],
      ["whiteout-type", "warning", "d/.wh.sym", 1024],
    ],
    "small-junk": [["data-after-end", "warning", null, 10240]],
    "small-noeof": [["tar-no-end", "warning", null, 9216]],
    "small-zeros": [["tar-extra-end", "info", null, 9216]],
    "zerobytes": [["tar-no-end", "warning", null, 0]],
  };
  for (const [name, want] of Object.entries(NAMED)) {
    test(name, async () => {
      const list = await findings(fixture(`src/${name}.tar`));
      expect(list.map(({ code, severity, entry, offset }) => [code, severity, entry, offset])).toEqual(want);
    });
  }

  const count = async (name: string) => {
    const counts: Record<string, number> = {};
    for (const { code } of await findings(fixture(`src/${name}.tar`))) counts[code] = (counts[code] ?? 0) + 1;
    return counts;
  };

  test("dups: each path that comes twice, and the file with its whiteout", async () => {
    const names = (await findings(fixture("src/dups.tar"))).map(({ code, entry }) => [code, entry]);
    expect(names).toEqual([
      ["duplicate-path", "d/f"],
      ["duplicate-path", "d/"],
      ["duplicate-path", "x/"],
      ["duplicate-path", "y"],
      ["duplicate-path", "s"],
      ["duplicate-path", "./z"],
      ["whiteout-and-entry", "w"],
    ]);
  });

  test("sparse: each of the three members", async () => {
    for (const form of ["gnu", "pax-0.0", "pax-1.0"]) {
      expect(await count(`sparse-${form}`)).toEqual({ "sparse-member": 3 });
    }
  });

  test("nonutf8: each of the names, and the link", async () => {
    expect(await count("nonutf8")).toEqual({ "name-not-utf8": 5, "link-not-utf8": 1 });
  });
});

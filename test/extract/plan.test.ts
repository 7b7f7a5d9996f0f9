/** What each kind of entry becomes, or why it is refused; no disk is touched. */
import { describe, expect, test } from "vitest";
import type { Member } from "../../src/extract/member.ts";
import { ExtractionPlan } from "../../src/extract/plan.ts";
import { type NotSet, Tally } from "../../src/extract/tally.ts";
import { tar, type TarItem } from "../support/mod.ts";
import { read } from "../tar/read.ts";
import { errorOf } from "./support.ts";

function plan(
  items: readonly TarItem[],
  nodes = 1000,
): { members: Member[]; end: Member[]; left: readonly NotSet[] } {
  const tally = new Tally();
  const made = new ExtractionPlan(nodes, tally);
  const members: Member[] = [];
  for (const { entry } of read(tar(items)).entries) {
    const { directories, member } = made.entry(entry);
    members.push(...directories, ...(member ? [member] : []));
  }
  return { members, end: [...made.end()], left: tally.list() };
}

const refusals: Readonly<Record<string, readonly [code: string, ...items: TarItem[]]>> = {
  "a name that leaves the root": ["extract-escapes", { name: "a/../../b" }],
  "a link that leaves the root": ["extract-link-target", { name: "a", typeflag: "1", linkname: "../b" }],
  "a path through a symbolic link": ["extract-not-a-directory", { name: "a", linkname: "/" }, {
    name: "a/b",
  }],
  "a path through a file": ["extract-not-a-directory", { name: "a" }, { name: "a/b/c" }],
  "a directory on a symbolic link": ["extract-type-change", { name: "a", linkname: "/" }, { name: "a/" }],
  "a file on an implied directory": ["extract-type-change", { name: "a/b" }, { name: "a" }],
  "an unknown type": ["extract-unknown-type", { name: "a", typeflag: "Z" }],
  "a whiteout of the directory above": ["extract-whiteout-name", { name: "a/.wh..." }],
  "a path through a whiteout": ["extract-whiteout-name", { name: ".wh.a/b" }],
  "the owner that chown does not set": ["extract-number", { name: "a", uid: 2 ** 32 - 1 }],
  "an owner below zero": ["extract-number", { name: "a", gid: -2 }],
  "a part of a path that Linux cannot have": ["extract-name-too-long", { name: "n".repeat(256) }],
  "the same in bytes": ["extract-name-too-long", { name: "é".repeat(128) }],
  "a path that Linux cannot have": ["extract-name-too-long", { name: "a/".repeat(2049) }],
  ...Object.fromEntries(
    ([
      ["mode", { mode: 0o4755 }],
      ["user", { uid: 1000 }],
      ["group", { gid: 1000 }],
      ["time", { mtime: 5 }],
      ["attribute", { xattrs: { "user.a": "2" } }],
    ] as const).map(([what, changes]) => [`a hard link with another ${what} than its file`, [
      "extract-link-attributes",
      { name: "a", xattrs: { "user.a": "1" } },
      { name: "b", typeflag: "1", linkname: "a", ...changes },
    ]]),
  ),
  "a device that Linux does not have": ["extract-number", {
    name: "a",
    typeflag: "3",
    devmajor: 4096,
    devminor: 0,
  }],
};

describe("refused", () => {
  for (const [name, [code, ...items]] of Object.entries(refusals)) {
    test(name, async () => {
      // deno-lint-ignore require-await -- what throws must be in a promise
      expect((await errorOf(async () => plan(items))).code).toBe(code);
    });
  }

  test("more paths than are allowed, implied ones included", async () => {
    // deno-lint-ignore require-await -- what throws must be in a promise
    expect((await errorOf(async () => plan([{ name: "a/b/c/d" }], 3))).code).toBe("entries-limit");
  });
});

test("a hard link to a link to a file agrees with the file", async () => {
  const items: TarItem[] = [{ name: "a", mode: 0o600 }, {
    name: "b",
    typeflag: "1",
    linkname: "a",
    mode: 0o600,
  }];
  const third: TarItem = { name: "c", typeflag: "1", linkname: "b" };
  expect(plan([...items, { ...third, mode: 0o600 }]).members.map(({ link }) => link)).toEqual(["", "a", "b"]);
  // deno-lint-ignore require-await -- what throws must be in a promise
  const error = await errorOf(async () => plan([...items, { ...third, mode: 0o700 }]));
  expect(error.code).toBe("extract-link-attributes");
});

test("a few bytes do not imply a million directories", async () => {
  const deep = (first: string) => ({ name: `${first}/${"a/".repeat(2000)}f` });
  const items = Array.from({ length: 51 }, (_, i) => deep(`d${i}`));
  // deno-lint-ignore require-await -- what throws must be in a promise
  expect((await errorOf(async () => plan(items, 10_000_000))).code).toBe("directories-limit");
});

test("directories are made open, and get their attributes at the end, outer ones first", () => {
  const { members, end } = plan([{ name: "a/b/f" }, { name: "a/", mode: 0o500, uid: 5 }]);
  expect(members.map(({ path, mode }) => [path, mode])).toEqual([["a", 0o700], ["a/b", 0o700], [
    "a/b/f",
    0o644,
  ]]);
  expect(end.map(({ path, mode, uid }) => [path, mode, uid])).toEqual([["", 0o755, 0], ["a", 0o500, 5], [
    "a/b",
    0o755,
    0,
  ]]);
});

describe("whiteouts", () => {
  const marks = (items: readonly TarItem[]) =>
    plan(items).end.filter(({ kind, opaque }) => kind === "char" || opaque).map((
      { path, kind },
    ) => [path, kind]);
  test("of what the layer has not", () => expect(marks([{ name: "a/.wh.b" }])).toEqual([["a/b", "char"]]));
  for (const [name, order] of [["before", 1], ["behind", -1]] as const) {
    const both = (item: TarItem) =>
      [{ name: ".wh.a" }, item][order === 1 ? "slice" : "reverse"]() as TarItem[];
    test(`${name} a file: the file alone`, () => expect(marks(both({ name: "a" }))).toEqual([]));
    test(`${name} a directory: opaque`, () => expect(marks(both({ name: "a/" }))).toEqual([["a", "dir"]]));
    test(`${name} an implied directory: opaque`, () =>
      expect(marks(both({ name: "a/b" }))).toEqual([["a", "dir"]]));
  }
  test("opaque ones, of the root too", () =>
    expect(marks([{ name: ".wh..wh..opq" }])).toEqual([["", "dir"]]));
  test("aufs's own are left out and counted", () => {
    const { members, left } = plan([{ name: ".wh..wh.plnk/" }, { name: ".wh..wh.plnk/1.2" }, {
      name: ".wh..wh.orph",
    }]);
    expect([members, left]).toEqual([[], [{ what: "aufs", count: 3, example: ".wh..wh.plnk/" }]]);
  });
});

test("attributes that a layer must not set are left out and counted by name", () => {
  const xattrs = {
    "trusted.overlay.redirect": "/x",
    "user.overlay.opaque": "y",
    "security.selinux": "x",
    "foo.bar": "1",
    "user.ok": "1",
  };
  const { members, left } = plan([{ name: "a", xattrs }]);
  expect([...members[0]!.xattrs!.keys()]).toEqual(["user.ok"]);
  expect(left.map(({ what, detail }) => `${what} ${detail}`)).toEqual(
    ["trusted.overlay.redirect", "user.overlay.opaque", "security.selinux", "foo.bar"].map((key) =>
      `xattr ${key}`
    ),
  );
});

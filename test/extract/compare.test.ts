/** A directory that was changed in one thing is told by that thing; one that was not, is told to be the same. */
import {
  chmodSync,
  chownSync,
  linkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, test } from "vitest";
import { tar, type TarItem } from "../support/mod.ts";
import { compare, errorOf, extracted, NOT_ROOT, ROOT, system } from "./support.ts";

const ITEMS: readonly TarItem[] = [
  { name: "d/", mode: 0o750, mtime: 1000 },
  { name: "d/file", data: "content", mode: 0o644, mtime: 1000.5, xattrs: { "user.a%=b": "v" } },
  { name: "d/second", typeflag: "1", linkname: "d/file", mtime: 1000.5 },
  { name: "d/link", linkname: "/d/file", mtime: 1000 },
  { name: "d/fifo", typeflag: "6", mtime: 1000 },
  { name: "o/", mtime: 1000 },
  { name: "o/.wh..wh..opq", data: "" },
  { name: "o/.wh.gone", data: "" },
];

/** What is changed in the directory, and the entries and fields that are told, each at least. */
const CHANGES: Readonly<Record<string, readonly [change: (at: string) => void, told: readonly string[]]>> = {
  mode: [(at) => chmodSync(`${at}/d/file`, 0o600), ["d/file mode 0644 0600", "d/second mode 0644 0600"]],
  "set-user-id": [(at) => chmodSync(`${at}/d`, 0o4750), ["d mode 0750 4750"]],
  mtime: [(at) => utimesSync(`${at}/d/file`, 1000, 1000), ["d/file mtime 1000 s + 500000000 ns 1000"]],
  "mtime of a directory": [(at) => utimesSync(`${at}/d`, 1001, 1001), ["d mtime 1000 1001"]],
  content: [
    (at) => {
      writeFileSync(`${at}/d/file`, "Content");
      utimesSync(`${at}/d/file`, 1000.5, 1000.5);
    },
    ["d/file content"],
  ],
  length: [(at) => writeFileSync(`${at}/d/file`, "content!"), ["d/file size 7 8"]],
  "an extra file": [(at) => writeFileSync(`${at}/o/extra`, ""), ["o/extra presence null file"]],
  "a missing file": [(at) => rmSync(`${at}/d/fifo`), ["d/fifo presence fifo null"]],
  "a missing whiteout": [(at) => rmSync(`${at}/o/gone`), ["o/gone presence char null"]],
  "a link to somewhere else": [
    (at) => {
      rmSync(`${at}/d/link`);
      symlinkSync("/d/else", `${at}/d/link`);
    },
    ["d/link link target /d/file /d/else"],
  ],
  "another type": [
    (at) => {
      rmSync(`${at}/d/fifo`);
      writeFileSync(`${at}/d/fifo`, "");
    },
    ["d/fifo type fifo file"],
  ],
  "a hard link that became a copy": [
    (at) => {
      rmSync(`${at}/d/second`);
      system("cp", ["--preserve=all", `${at}/d/file`, `${at}/d/second`]);
    },
    ["d/second hard link d/file d/second"],
  ],
  "a hard link that was none": [
    (at) => {
      rmSync(`${at}/d/fifo`);
      linkSync(`${at}/d/link`, `${at}/d/fifo`);
    },
    ["d/fifo type fifo symlink"],
  ],
  "a name": [
    (at) => renameSync(`${at}/o/gone`, `${at}/o/Gone`),
    ["o/gone presence char null", "o/Gone presence null char"],
  ],
};

/** What needs attributes, set by extraction from a layer that has them. */
describe("one change", () => {
  for (const [name, [change, told]] of Object.entries(CHANGES)) {
    test(name, async () => {
      const { directory, archive } = await extracted(ITEMS);
      expect(await compare(directory, archive)).toMatchObject({ differences: [], total: 0 });
      change(directory);
      const { differences, total } = await compare(directory, archive);
      expect(total).toBe(differences.length);
      const lines = differences.map(({ entry, field, expected, actual }) =>
        `${entry} ${field} ${expected} ${actual}`
      );
      for (const one of told) expect(lines.some((line) => line.startsWith(one)), lines.join("\n")).toBe(true);
    });
  }

  test.skipIf(!ROOT)(`owner (root only: ${NOT_ROOT})`, async () => {
    const { directory, archive } = await extracted([{ name: "f", data: "", uid: 5, gid: 6 }]);
    chownSync(`${directory}/f`, 7, 8);
    const { differences } = await compare(directory, archive);
    expect(differences).toEqual([
      { entry: "f", field: "uid", expected: "5", actual: "7" },
      { entry: "f", field: "gid", expected: "6", actual: "8" },
    ]);
  });

  const other = (xattrs: Record<string, string>): TarItem[] => [{ name: "f", data: "", xattrs }];
  const cases: Readonly<
    Record<string, readonly [Record<string, string>, Record<string, string>, unknown[]]>
  > = {
    "another value": [{ "user.a": "1" }, { "user.a": "2" }, [["xattr user.a", "0x31", "0x32"]]],
    "one more": [{}, { "user.b": "2" }, [["xattr user.b", null, "0x32"]]],
    "one less, of a name that GNU tar encodes": [{ "user.%3D": "1" }, {}, [["xattr user.%3D", "0x31", null]]],
    "the same name": [{ "user.%3D": "1" }, { "user.%3D": "1" }, []],
  };
  for (const [name, [want, have, told]] of Object.entries(cases)) {
    test(`extended attributes: ${name}`, async () => {
      const { directory } = await extracted(other(have));
      const { differences } = await compare(directory, tar(other(want)));
      expect(differences.map(({ field, expected, actual }) => [field, expected, actual])).toEqual(told);
    });
  }

  test("a directory that is not opaque, and one that should not be", async () => {
    const plain: TarItem[] = [{ name: "o/" }];
    const opaque: TarItem[] = [{ name: "o/" }, { name: "o/.wh..wh..opq", data: "" }];
    const one = await extracted(plain);
    expect((await compare(one.directory, tar(opaque))).differences).toMatchObject([{
      entry: "o",
      field: "opaque",
    }]);
    const two = await extracted(opaque);
    expect((await compare(two.directory, tar(plain))).total).toBe(1);
  });
});

test("many differences are counted, and the first are told", async () => {
  const { directory } = await extracted(Array.from({ length: 30 }, (_, i) => ({ name: `f${i}`, data: "" })));
  const { differences, total } = await compare(directory, tar([]), { maxDifferences: 7 });
  expect([differences.length, total]).toEqual([7, 30]);
});

test("what could not be set is left out, and that is told", async () => {
  const items: TarItem[] = [
    { name: "f", data: "", uid: 5, xattrs: { "trusted.x": "1" } },
    { name: "null", typeflag: "3", devmajor: 1, devminor: 3 },
  ];
  const abilities = {
    owner: false,
    devices: false,
    whiteouts: true,
    trusted: false,
    user: true,
    security: false,
    earliest: 0,
    latest: 2 ** 40,
  };
  const { directory, archive, report } = await extracted(items, { abilities });
  expect(report.notSet.map(({ what, count, example }) => [what, count, example])).toEqual([
    ["owner", 2, "f"],
    ["xattr", 1, "f"],
    ["device", 1, "null"],
  ]);
  const { total, leftOut } = await compare(directory, archive, { abilities });
  expect(total).toBe(0);
  expect(leftOut.join("\n")).toMatch(/owners .*\n1 devices .*\ntrusted\.\* .*\nsecurity\.\* /);
});

test("a directory that is not there cannot be read", async () => {
  expect((await errorOf(() => compare("/nonexistent/layerproof", tar([])))).code).toBe("source-read-failed");
});

/** Every archive of the fixtures is extracted; the system shows what its list says, and so does `compareDirectory`. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fixture, text } from "../support/fixtures.ts";
import { sha256 } from "../support/mod.ts";
import { type Source, sources, tarOf } from "../tarsplit/splitting.ts";
import { compare, errorOf, extract, newDirectory, ROOT, stat, system } from "./support.ts";

interface Row {
  readonly name: string;
  readonly type: string;
  readonly size?: number;
  readonly mode: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime: readonly [number, number];
  readonly linkname?: string;
  readonly dev?: readonly [number, number];
  readonly sha256?: string;
}

/** Why these are refused. */
const REFUSED: Readonly<Record<string, string>> = {
  dups: "extract-link-attributes",
  "hostile-dotdot": "extract-escapes",
  "hostile-dotdot-inside": "extract-escapes",
  "hostile-file-as-dir": "extract-not-a-directory",
  "hostile-hardlink-dir": "extract-link-target",
  "hostile-hardlink-forward": "extract-link-target",
  "hostile-hardlink-missing": "extract-link-target",
  "hostile-hardlink-out": "extract-link-target",
  "hostile-hardlink-self": "extract-link-target",
  "hostile-root-symlink": "extract-type-change",
  "hostile-through-symlink-inside": "extract-not-a-directory",
  "hostile-wh-dotdot": "extract-whiteout-name",
  "hostile-wh-empty": "extract-whiteout-name",
};

/** What GNU stat calls the types. Hard links are looked at apart. */
const TYPES: Readonly<Record<string, string>> = {
  "0": "regular file",
  "7": "regular file",
  S: "regular file",
  "2": "symbolic link",
  "3": "character special file",
  "4": "block special file",
  "5": "directory",
  "6": "fifo",
};

describe("what can be extracted is there as the layer has it", () => {
  for (const source of sources.filter(({ name }) => !(name in REFUSED))) {
    test(source.name, async () => {
      const archive = tarOf(source);
      const directory = newDirectory();
      await extract(archive, directory);
      const { differences, total } = await compare(directory, archive);
      expect(differences).toEqual([]);
      expect(total).toBe(0);
      checkRows(directory, rowsOf(source));
    });
  }
});

describe("what is refused", () => {
  for (const [name, code] of Object.entries(REFUSED)) {
    test(name, async () => {
      const archive = tarOf(sources.find((source) => source.name === name)!);
      const directory = newDirectory();
      const error = await errorOf(() => extract(archive, directory));
      expect(error.code).toBe(code);
      expect(error.details.entry).toBeDefined();
      expect((await errorOf(() => compare(newDirectory(), archive))).code).toBe(code);
      expect(existsSync(`${directory}/../escape`)).toBe(false);
    });
  }
});

test("whiteouts and opaque directories are what overlayfs takes for them", async () => {
  const directory = newDirectory();
  const report = await extract(tarOf(sources.find(({ name }) => name === "tree")!), directory);
  expect(report).toMatchObject({ entries: 119, whiteouts: 2, opaque: 1 });
  const whiteouts = ["wh/gone", "wh/gone-dir"].filter((path) => existsSync(`${directory}/${path}`));
  for (const line of stat(directory, "%F %t:%T", whiteouts)) expect(line).toBe("character special file 0:0");
  const raw = system("tar", [
    "--create",
    "--file=-",
    "--format=posix",
    "--xattrs",
    "--xattrs-include=*",
    "-C",
    directory,
    "--no-recursion",
    "./wh/opaque",
    "./etc/xattrdir",
  ]);
  // One mark, which root's mounts hide from containers; the layer's own on etc/xattrdir is none.
  expect(raw).toContain(`SCHILY.xattr.${ROOT ? "trusted" : "user"}.overlay.opaque=y\n`);
  expect(raw.split("overlay.opaque=y").length - 1).toBe(1);
  expect(raw).toContain("SCHILY.xattr.user.dir=on a directory\n");
});

function rowsOf({ name }: Source): Row[] {
  if (!existsSync(new URL(`../fixtures/src/${name}.list.json`, import.meta.url))) return [];
  const rows = JSON.parse(text(fixture(`src/${name}.list.json`))) as Row[];
  // Go's JSON has U+FFFD for what is not UTF-8.
  return rows.filter(({ type, name, linkname }) =>
    type !== "g" && !/(^|\/)\.wh\.|\ufffd/.test(name) && !linkname?.includes("\ufffd")
  );
}

/** Compares with what Go's archive/tar has read. */
function checkRows(directory: string, rows: readonly Row[]): void {
  const seen = stat(directory, "%F|%a|%u:%g|%.9Y|%s|%Hr:%Lr", rows.map(({ name }) => name));
  rows.forEach((row, index) => {
    const [type, mode, owner, mtime, size, device] = seen[index]!.split("|");
    if (row.type === "1") {
      const target = stat(directory, "%d:%i", [row.linkname!]);
      expect(stat(directory, "%d:%i", [row.name]), row.name).toEqual(target);
      return;
    }
    expect(type!.replace("empty ", ""), row.name).toBe(TYPES[row.type]);
    if (row.type !== "2") expect(parseInt(mode!, 8), row.name).toBe(parseInt(row.mode, 8) & 0o7777);
    if (ROOT) expect(owner, row.name).toBe(`${row.uid ?? 0}:${row.gid ?? 0}`);
    // 32 bits before 1970 is all that ext4 has.
    if (row.mtime[0] > -(2 ** 31)) expect(nanoseconds(mtime!), row.name).toBe(expectedTime(row));
    if (TYPES[row.type] === "regular file") {
      expect(Number(size), row.name).toBe(row.size ?? 0);
      if (row.sha256) {
        const digest = sha256(new Uint8Array(readFileSync(`${directory}/${row.name}`)));
        expect(digest.replace("sha256:", ""), row.name).toBe(row.sha256);
      }
    }
    if (row.type === "2") {
      expect(system("readlink", ["--no-newline", "--", `${directory}/${row.name}`])).toBe(
        latin1(row.linkname!),
      );
    }
    if (ROOT && row.dev && (row.type === "3" || row.type === "4")) {
      expect(device, row.name).toBe(row.dev.join(":"));
    }
  });
}

function latin1(name: string): string {
  return String.fromCharCode(...new TextEncoder().encode(name));
}

/** stat prints the fraction towards zero. */
function nanoseconds(time: string): bigint {
  return BigInt(time.replace(".", ""));
}

function expectedTime({ mtime: [seconds, fraction] }: Row): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(fraction);
}

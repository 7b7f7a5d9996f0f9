/** Archives made to break out: whatever they say, nothing outside of the directory is touched. */
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { probeAbilities } from "../../src/extract/abilities.ts";
import { LayerproofError } from "../../src/errors.ts";
import { type Entry, tar } from "../support/mod.ts";
import { compare, extract, listing, ROOT } from "./support.ts";

const component = fc.constantFrom(
  "a",
  "b",
  "c",
  "canary",
  "..",
  ".",
  "",
  "-x",
  "*",
  ".wh.a",
  ".wh.b",
  ".wh.canary",
  ".wh..wh..opq",
  ".wh..wh.plnk",
  ".wh.",
  ".wh..",
  ".wh...",
);
/** Most of them inside, so that there are archives that are taken. */
const mild = fc.array(fc.constantFrom("a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq"), {
  minLength: 1,
  maxLength: 3,
});
const wild = fc.array(component, { minLength: 1, maxLength: 4 });
const path = fc.tuple(
  fc.constantFrom("", "", "", "./", "/"),
  fc.oneof({ weight: 20, arbitrary: mild }, { weight: 1, arbitrary: wild }),
).map(([start, parts]) => start + parts.join("/"));
const target = fc.oneof(
  path,
  fc.constantFrom("../canary", "../../canary", "/etc/passwd", "/", "..", "a/../../canary"),
);

const entry: fc.Arbitrary<Entry> = fc.record({
  name: path,
  typeflag: fc.constantFrom("0", "0", "0", "1", "2", "5", "5", "5", "3", "6"),
  linkname: target,
  data: fc.constantFrom("", "one", "two"),
  mode: fc.constantFrom(0o755, 0o700, 0o4755, 0o777),
}).map(({ data, linkname, ...fields }) => ({
  ...fields,
  ...(fields.typeflag === "0" ? { data } : {}),
  ...(fields.typeflag === "1" || fields.typeflag === "2" ? { linkname } : {}),
}));

test("an archive is refused, or it is what a simple model says; what lies beside stays as it was", async () => {
  let taken = 0;
  const abilities = await probeAbilities(mkdtempSync(join(tmpdir(), "layerproof-hostile-")));
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 5 }), async (entries) => {
      const outer = mkdtempSync(join(tmpdir(), "layerproof-hostile-"));
      const directory = join(outer, "diff");
      mkdirSync(directory);
      mkdirSync(join(outer, "canary"));
      writeFileSync(join(outer, "canary/file"), "untouched");
      writeFileSync(join(outer, "a"), "untouched");
      symlinkSync("canary", join(outer, "b"));
      const beside = () =>
        listing(outer).filter((line) => !line.includes(" ./diff") && !line.endsWith(" ./"));
      const before = beside();
      const archive = tar(entries);
      const expected = model(entries);
      const found = await extract(archive, directory, { abilities }).then(() => "taken", (error) => {
        if (!(error instanceof LayerproofError)) throw error;
        return error.code;
      });
      expect(beside()).toEqual(before);
      if (expected === "refused") expect(found).toMatch(/^extract-/);
      else {
        taken++;
        expect(found).toBe("taken");
        expect(Object.fromEntries(walk(directory))).toEqual(Object.fromEntries(expected));
        expect((await compare(directory, archive)).differences).toEqual([]);
      }
      rmSync(outer, { recursive: true, force: true });
    }),
    { numRuns: 150, seed: 20 },
  );
  // A property of refusals alone would say little.
  expect(taken).toBeGreaterThan(20);
});

type Tree = Map<string, string>;

/** What the rules make of an archive, without a thought for memory: every path and what stands there. */
function model(entries: readonly Entry[]): Tree | "refused" {
  const tree: Tree = new Map();
  const whiteouts = new Set<string>();
  for (const { name, typeflag, linkname, data } of entries) {
    const path = clean(name as string);
    if (path === null) return "refused";
    const parts = path.split("/");
    const base = parts.at(-1)!;
    const aufs = (part: string) => part.startsWith(".wh..wh.") && part !== ".wh..wh..opq";
    if (parts.some(aufs)) continue;
    if (parts.slice(0, -1).some((part) => part.startsWith(".wh."))) return "refused";
    if ([".wh.", ".wh..", ".wh..."].includes(base)) return "refused";
    const link = clean((linkname ?? "") as string);
    if (!base.startsWith(".wh.")) {
      if (typeflag !== "5" && path === "") return "refused";
      if (typeflag === "2" && linkname === "") return "refused";
      if (typeflag === "1") {
        const aim = link === null ? undefined : tree.get(link);
        if (link === path || aim === undefined || aim === "dir") return "refused";
      }
    }
    for (let i = 1; i < parts.length; i++) {
      const parent = parts.slice(0, i).join("/");
      if ((tree.get(parent) ?? "dir") !== "dir") return "refused";
      tree.set(parent, "dir");
    }
    if (base === ".wh..wh..opq") continue;
    if (base.startsWith(".wh.")) {
      whiteouts.add([...parts.slice(0, -1), base.slice(4)].join("/"));
      continue;
    }
    if (path === "") continue;
    const before = tree.get(path);
    if (before !== undefined && (before === "dir") !== (typeflag === "5")) return "refused";
    if (typeflag === "5") tree.set(path, "dir");
    else if (typeflag === "0") tree.set(path, `file ${data}`);
    else if (typeflag === "1") tree.set(path, tree.get(link!)!);
    else tree.set(path, typeflag === "2" ? `link ${linkname}` : typeflag === "3" ? "char" : "fifo");
  }
  for (const path of whiteouts) if (!tree.has(path)) tree.set(path, "char");
  return tree;
}

function clean(name: string): string | null {
  const path = posix.normalize(name.replace(/^\/+/, "")).replace(/\/$/, "");
  if (path === ".." || path.startsWith("../")) return null;
  return path === "." ? "" : path;
}

function walk(directory: string, prefix = "", tree: Tree = new Map()): Tree {
  for (const name of readdirSync(join(directory, prefix))) {
    const path = prefix === "" ? name : `${prefix}/${name}`;
    const full = join(directory, path);
    const stat = lstatSync(full);
    if (stat.isDirectory()) {
      tree.set(path, "dir");
      walk(directory, path, tree);
    } else if (stat.isFile()) tree.set(path, `file ${readFileSync(full, "utf8")}`);
    else if (stat.isSymbolicLink()) tree.set(path, `link ${readlinkSync(full)}`);
    else tree.set(path, stat.isCharacterDevice() ? "char" : stat.isFIFO() ? "fifo" : "other");
  }
  return tree;
}

test("the directories below keep what they must have although they are made shut", async () => {
  const entries: Entry[] = [
    { name: "shut/", mode: 0o555, mtime: 7 },
    { name: "shut/in/", mode: 0o500, mtime: 8 },
    { name: "shut/in/file", data: "x" },
    { name: "shut/.wh.gone", data: "" },
  ];
  const outer = mkdtempSync(join(tmpdir(), "layerproof-hostile-"));
  const archive = tar(entries);
  await extract(archive, outer);
  expect((await compare(outer, archive)).differences).toEqual([]);
  expect(ROOT || lstatSync(join(outer, "shut")).mode % 0o1000).toBeTruthy();
});

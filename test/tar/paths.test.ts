import { posix } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { baseName, canonicalPath, parentPath } from "../../src/tar/paths.ts";

const part = fc.constantFrom("a", "b.c", "..", ".", "", "...", ".wh.x", "..a", "a..", " ", "é");
const path = fc.array(part, { maxLength: 8 }).map((parts) => parts.join("/"));

describe("paths", () => {
  test("the table of forms", () => {
    const cases: [name: string, path: string, escapes: boolean, absolute: boolean][] = [
      ["", "", false, false],
      [".", "", false, false],
      ["./", "", false, false],
      ["/", "", false, true],
      ["a", "a", false, false],
      ["a/", "a", false, false],
      ["./a/b", "a/b", false, false],
      ["a//b", "a/b", false, false],
      ["a/./b", "a/b", false, false],
      ["a/../b", "b", false, false],
      ["a/..", "", false, false],
      ["..", "", true, false],
      ["../a", "a", true, false],
      ["a/../../b", "b", true, false],
      ["a/b/../../../c/d", "c/d", true, false],
      ["/a", "a", false, true],
      ["//a", "a", false, true],
      ["/../a", "a", true, true],
      ["...", "...", false, false],
      ["..a/.b", "..a/.b", false, false],
      ["a/...", "a/...", false, false],
    ];
    for (const [name, want, escapes, absolute] of cases) {
      expect([name, canonicalPath(name)]).toEqual([name, { path: want, escapes, absolute }]);
    }
  });

  test("a canonical path stays what it is, and has no dots, empty parts or slashes at its ends", () => {
    fc.assert(fc.property(path, (name) => {
      const { path: clean } = canonicalPath(name);
      expect(canonicalPath(clean)).toEqual({ path: clean, escapes: false, absolute: false });
      if (clean !== "") expect(clean.split("/").every((one) => !["", ".", ".."].includes(one))).toBe(true);
    }));
  });

  test("it is what path.Clean makes of the name below the root, and tells exactly the names that leave it", () => {
    fc.assert(fc.property(path, (name) => {
      const { path: clean, escapes } = canonicalPath(name);
      expect(`/${clean}`).toBe(posix.normalize(`/${name}/.`).replace(/(.)\/$/, "$1"));
      const relative = posix.normalize(`./${name.replace(/^\/+/, "")}`);
      expect(escapes).toBe(relative === ".." || relative.startsWith("../"));
    }));
  });

  test("parent and base make up the path", () => {
    expect([parentPath(""), baseName("")]).toEqual(["", ""]);
    expect([parentPath("a"), baseName("a")]).toEqual(["", "a"]);
    expect([parentPath("a/b/c"), baseName("a/b/c")]).toEqual(["a/b", "c"]);
  });
});

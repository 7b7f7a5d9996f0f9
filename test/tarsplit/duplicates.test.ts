/** Entries whose paths are the same by the rules of Go's `path.Clean`. */
import { describe, expect, test } from "vitest";
import { latin1, sha256, tar } from "../support/mod.ts";
import { assemble, cutsOf, disassemble, errorOf, recordsOf } from "./splitting.ts";

describe("paths that are the same after path.Clean are refused", () => {
  const SAME: readonly (readonly [string, string])[] = [
    ["a", "a"],
    ["a", "./a"],
    ["a/", "a"],
    ["a/b", "a//b"],
    ["a/b", "a/./b"],
    ["b", "a/../b"],
    ["../b", "a/../../b"],
    ["/b", "/../b"],
    ["/b", "//b"],
    ["./", "."],
    ["", "./"],
    ["a/..", "."],
    ["/", "/.."],
    ["..", "a/../.."],
    ["../../a", "../../b/../a"],
  ];
  for (const [first, second] of SAME) {
    test(`${JSON.stringify(first)} and ${JSON.stringify(second)}`, async () => {
      const archive = tar([{ name: first, typeflag: "0" }, { name: "other" }, {
        name: second,
        typeflag: "0",
      }]);
      const error = await errorOf(() => disassemble(archive));
      expect(error.name).toBe("FormatError");
      expect(error.code).toBe("tarsplit-duplicate-path");
      expect(error.details.tarOffset).toBe(1024);
      expect(error.details.advice).toBeTypeOf("string");
    });
  }

  const OTHER: readonly (readonly [string, string])[] = [
    ["a", "/a"],
    ["a", "../a"],
    ["../a", "../../a"],
    ["a", "a "],
    ["a", "A"],
    ["...", ".."],
    ["a/...", "a"],
    [".a", "a"],
    ["a/b..", "a"],
    ["é", "e\u0301"],
  ];
  for (const [first, second] of OTHER) {
    test(`but not ${JSON.stringify(first)} and ${JSON.stringify(second)}`, async () => {
      const items = [first, second].map((name) => ({ name, typeflag: "0" }));
      const names = (await cutsOf(items)).filter((item) => typeof item === "string");
      expect(names).toEqual([first, second]);
    });
  }

  test("names of bytes: U+FFFD is not the byte that it replaces", async () => {
    await disassemble(tar([{ name: latin1("\xe9") }, { name: "\ufffd" }, { name: latin1("\xe8") }]));
    const twice = tar([{ name: latin1("\xe9") }, { name: latin1("./\xe9") }]);
    expect((await errorOf(() => disassemble(twice))).details.entry).toBe("\\xE9");
  });

  test("unless they are to be kept: both lines are there, and tell the contents apart", async () => {
    const archive = tar([{ name: "a", data: "first" }, { name: "a", data: "second" }, { name: "./a" }]);
    const out = await disassemble(archive, { duplicates: "keep" });
    const files = (await recordsOf(out)).filter((record) => record.kind === "file");
    expect(files.map(({ name, size, position }) => [name, size, position])).toEqual([
      ["a", 5, 1],
      ["a", 6, 3],
      ["./a", 0, 5],
    ]);
    const getFile = (_: string, { size }: { size: number }) => [Buffer.from(size === 5 ? "first" : "second")];
    expect(sha256(await assemble(await recordsOf(out), getFile))).toBe(sha256(archive));
  });
});

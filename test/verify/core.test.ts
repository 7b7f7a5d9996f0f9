/** The core, which is everything that `src/mod.ts` reaches, needs nothing but what the Web platform has. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { estargz, gzipMember, tar, zstdChunked, zstdFrame } from "../support/mod.ts";
import { runChild } from "./child.ts";

const SRC = join(import.meta.dirname!, "..", "..", "src");

/** Source without comments: what it says about `process` or `node:` is no use of it. */
function codeOf(path: string): string {
  return readFileSync(path, "utf8").replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** Specifiers of all static imports, re-exports and dynamic imports. */
function importsOf(code: string): string[] {
  const forms = [
    /\b(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"/g,
    /\bimport\s*"([^"]+)"/g,
    /\bimport\(\s*"([^"]+)"/g,
  ];
  return forms.flatMap((form) => Array.from(code.matchAll(form), (match) => match[1]!));
}

function graph(entry: string): { files: Map<string, string>; bare: Set<string> } {
  const files = new Map<string, string>();
  const bare = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    const code = codeOf(path);
    files.set(path, code);
    for (const specifier of importsOf(code)) {
      if (specifier.startsWith(".")) visit(join(dirname(path), specifier));
      else bare.add(specifier);
    }
  };
  visit(entry);
  return { files, bare };
}

describe("the core", () => {
  const { files, bare } = graph(join(SRC, "mod.ts"));

  test("is what the search for imports finds", () => {
    const names = [...files.keys()].map((path) => relative(SRC, path));
    expect(names).toEqual(
      expect.arrayContaining([
        "verify/pass.ts",
        "chunk/open-layer.ts",
        "codec/gzip.ts",
        "tar/reader.ts",
        "toc/parse.ts",
      ]),
    );
    expect(
      importsOf(
        `import a from "b";export * from "c";import "d";await import("e");import {\n x,\n} from "f";`,
      ),
    )
      .toEqual(["b", "c", "f", "d", "e"]);
  });

  test("imports its portable packages and no module of a platform", () => {
    expect([...bare].sort()).toEqual(["hash-wasm", "pako"]);
  });

  test("names no global of a platform", () => {
    for (const [path, code] of files) {
      const used = code.match(/\b(Deno|process|Buffer|require|__dirname|setImmediate)\b(?=[.(\[])/g) ?? [];
      expect([relative(SRC, path), used]).toEqual([relative(SRC, path), []]);
    }
  });

  test("verifies every format, and reads those with a TOC lazily, where no platform module can be resolved, without any permission", () => {
    const items = [{ name: "d/" }, { name: "d/f", data: "content" }];
    const plain = tar(items);
    const blobs = [plain, gzipMember(plain), zstdFrame(plain), estargz(items).blob, zstdChunked(items).blob];
    const output = runChild("core-child.ts", blobs.map((blob) => Buffer.from(blob).toString("base64")), []);
    expect(JSON.parse(output)).toEqual({
      results: Array(2 * blobs.length).fill("consistent"),
      contents: ["content", "content"],
    });
  });
});

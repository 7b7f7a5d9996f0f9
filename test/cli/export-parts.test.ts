/** `layerproof export tar` from chunks, and from a directory with its tar-split: the exact tar, or none. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fixture, text } from "../support/fixtures.ts";
import { randomBytes, sha256, zstdChunked } from "../support/mod.ts";
import { cli, DIGEST, shell, tempDir } from "./support.ts";

const LAYER = "test/fixtures/layers/tree.zstdchunked";
const TAR = new Uint8Array(gunzipSync(fixture("layers/tree.tar.gz")));
const DIFF_ID = sha256(TAR);
const { layers } = JSON.parse(text(fixture("index.json"))) as {
  layers: { path: string; tocDigest: string; digest: string; size: number; annotations: unknown }[];
};
const { tocDigest, digest, size, annotations } = layers.find(({ path }) =>
  path === "layers/tree.zstdchunked"
)!;

function descriptorFile(): string {
  const file = join(tempDir(), "descriptor.json");
  writeFileSync(file, JSON.stringify({ digest, size, annotations }));
  return file;
}

describe("from chunks", () => {
  const args = ["export", "tar", LAYER, "--from", "chunks"];

  test.each<[string, string[], said: string]>([
    ["nothing", [], "compared with no digest"],
    ["--diff-id", ["--diff-id", DIFF_ID], "as expected"],
    ["--toc-digest", ["--toc-digest", tocDigest], "proved by --toc-digest > TOC > tar-split"],
    ["--descriptor", ["--descriptor", descriptorFile()], "annotation manifest-checksum > TOC > tar-split"],
    [
      "all",
      ["--toc-digest", tocDigest, "--diff-id", DIFF_ID, "--uncompressed-size", "356352"],
      "as expected",
    ],
  ])("the exact tar; vouched for by %s", async (_, given, said) => {
    const file = join(tempDir(), "tar");
    const { status, stderr } = await cli([...args, ...given, "-o", file]);
    expect(stderr).toContain(`356352 bytes, ${DIFF_ID}, `);
    expect(stderr).toContain(said);
    expect(status).toBe(0);
    expect(sha256(readFileSync(file))).toBe(DIFF_ID);
  });

  test("through a pipe", () => {
    const run = `"$RUNTIME" ${
      "Deno" in globalThis ? "run -A --node-modules-dir=manual " : ""
    }src/cli/main.ts`;
    const { stdout, status } = shell(`${run} ${args.join(" ")} --diff-id ${DIFF_ID} | sha256sum`);
    expect([stdout, status]).toEqual([`${DIFF_ID.slice(7)}  -\n`, 0]);
  });

  test.each<[string, string[], status: number]>([
    ["diffID", ["--diff-id", DIGEST], 1],
    ["TOC digest", ["--toc-digest", DIGEST], 1],
    ["uncompressed size", ["--uncompressed-size", "356353"], 1],
    ["size", ["--size", "1"], 1],
  ])("another %s: no file, and through a pipe the status tells", async (_, given, status) => {
    const directory = tempDir();
    expect((await cli([...args, ...given, "-o", join(directory, "x")])).status).toBe(status);
    expect((await cli([...args, ...given])).status).toBe(status);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("a damaged chunk is named, and no file is left", async () => {
    const made = zstdChunked([{ name: "good", data: randomBytes(100) }, {
      name: "bad\n",
      data: randomBytes(9000),
    }]);
    const { offset } = made.toc.entries[1]!;
    const directory = tempDir();
    const layer = join(directory, "layer");
    const blob = made.blob.slice();
    blob[offset! + 4000]! ^= 1;
    writeFileSync(layer, blob);
    const ran = await cli(["export", "tar", layer, "--from", "chunks", "-o", join(directory, "x")]);
    expect(ran.stderr).toContain("content of bad\\x0A is");
    expect(ran.stderr).toContain("chunk-digest-mismatch");
    expect(ran.status).toBe(1);
    expect(readdirSync(directory)).toEqual(["layer"]);
  });

  test.each<[string, string[], status: number, code: string]>([
    ["eStargz", ["test/fixtures/layers/tree.esgz"], 3, "chunks-no-tar-split"],
    ["no TOC", ["test/fixtures/layers/tree.tar.gz"], 3, "chunks-no-toc"],
    ["standard input", ["-"], 2, "chunks-need-ranges"],
    ["a digest of the blob", [LAYER, "--digest", DIGEST], 2, "option-not-checked"],
    ["--layer-index alone", [LAYER, "--layer-index", "0"], 2, "option-needs-config"],
    ["a tar-split", [LAYER, "--tar-split", LAYER], 2, "options-exclude"],
  ])("%s", async (_, given, status, code) => {
    const directory = tempDir();
    const ran = await cli(["export", "tar", "--from", "chunks", "-o", join(directory, "x"), ...given]);
    expect(ran.stderr).toContain(code);
    expect(ran.status).toBe(status);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("not to a terminal", async () => {
    expect((await cli(args, undefined, { terminal: true })).stderr).toContain("output-is-terminal");
  });
});

describe("from a directory", () => {
  /** A tar of two files, by the builder, its tar-split, and the directory. */
  function extracted() {
    const files = { "a/one": randomBytes(5000), "a/two": randomBytes(600_000) };
    const items = Object.entries(files).map(([name, data]) => ({ name, data }));
    const { tarSplit, diffID } = zstdChunked(items);
    const directory = tempDir();
    mkdirSync(join(directory, "root/a"), { recursive: true });
    for (const { name, data } of items) writeFileSync(join(directory, "root", name), data);
    writeFileSync(join(directory, "split.gz"), gzipSync(tarSplit!));
    return { directory, diffID, root: join(directory, "root"), split: join(directory, "split.gz") };
  }

  test("the same as tarsplit assemble", async () => {
    const { directory, diffID, root, split } = extracted();
    const [a, b] = [join(directory, "a.tar"), join(directory, "b.tar")];
    const exported = await cli(["export", "tar", root, "--tar-split", split, "--diff-id", diffID, "-o", a]);
    expect(exported.stderr).toContain(`${diffID}, as expected`);
    expect((await cli(["tarsplit", "assemble", split, root, "-o", b])).status).toBe(0);
    expect([sha256(readFileSync(a)), sha256(readFileSync(b))]).toEqual([diffID, diffID]);
  });

  test("a changed file is named, and no tar is left", async () => {
    const { directory, root, split } = extracted();
    copyFileSync(split, join(root, "a/one"));
    const out = join(directory, "out");
    mkdirSync(out);
    const ran = await cli(["export", "tar", root, "--tar-split", split, "-o", join(out, "x")]);
    expect(ran.stderr).toContain("a/one");
    expect(ran.status).toBe(4);
    expect(readdirSync(out)).toEqual([]);
  });

  test.each<[string, string[], code: string]>([
    ["a directory without its tar-split", ["test"], "directory-needs-tar-split"],
    ["what cannot be checked", ["test", "--tar-split", LAYER, "--toc-digest", DIGEST], "option-not-checked"],
    ["a malformed digest", ["test", "--tar-split", LAYER, "--diff-id", "sha256:1"], "digest-malformed"],
  ])("%s", async (_, given, code) => {
    const ran = await cli(["export", "tar", ...given]);
    expect(ran.stderr).toContain(code);
    expect(ran.status).toBe(2);
  });

  test("a tar-split of a file that is no directory", async () => {
    const ran = await cli(["export", "tar", LAYER, "--tar-split", LAYER]);
    expect(ran.stderr).toContain("source-not-a-directory");
    expect(ran.status).toBe(4);
  });
});

/** `layerproof tarsplit`: to a tar-split and back, and no file where something is wrong. */
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync, zstdDecompressSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { fixture, unzstd } from "../support/fixtures.ts";
import { gzipMember, sha256, tar } from "../support/mod.ts";
import { cli, DIGEST, tempDir } from "./support.ts";

const LAYER = "test/fixtures/layers/tree.tar.gz";
const GOLDEN = unzstd(fixture("src/tree.tar-split.json.zst"));
const TAR = new Uint8Array(gunzipSync(fixture("layers/tree.tar.gz")));
const DIFF_ID = sha256(TAR);

/** A new directory, and in it the files of an archive, unpacked by the real tar. */
function unpacked(archive: Uint8Array): string {
  const directory = tempDir();
  const { status, stderr } = spawnSync("tar", ["-x", "--no-same-owner", "--exclude=dev", "-C", directory], {
    input: archive,
  });
  // What is no regular file may need privileges, and is not looked at.
  if (status !== 0 && /Cannot open/.test(stderr.toString())) throw new Error(stderr.toString());
  return directory;
}

describe("disassemble", () => {
  test("writes what the reference writes, compressed by the file's ending", async () => {
    const directory = tempDir();
    for (
      const [name, open] of [
        ["plain.json", (bytes: Uint8Array) => bytes],
        ["a.json.gz", gunzipSync],
        ["a.json.zst", zstdDecompressSync],
      ] as const
    ) {
      const file = join(directory, name);
      const { status, stdout, stderr } = await cli(["tarsplit", "disassemble", LAYER, "-o", file]);
      expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
      expect(stderr).toContain(DIFF_ID);
      expect(Buffer.from(open(readFileSync(file))).equals(GOLDEN)).toBe(true);
    }
    expect(readdirSync(directory)).toHaveLength(3);
  });

  test("to standard output, of every format", async () => {
    for (const name of ["tree.tar.gz", "tree.esgz", "tree.zstdchunked", "tree.tar.zst"]) {
      const { status, stdout } = await cli(["tarsplit", "disassemble", `test/fixtures/layers/${name}`]);
      expect(status, name).toBe(0);
      // An eStargz stream is the tar of its own entries.
      if (name !== "tree.esgz") expect(stdout === Buffer.from(GOLDEN).toString("latin1"), name).toBe(true);
    }
  });

  test("leaves no file when the layer is another one, and says why", async () => {
    const directory = tempDir();
    const file = join(directory, "split.json");
    const wrong = await cli(["tarsplit", "disassemble", "--digest", DIGEST, LAYER, "-o", file]);
    expect(wrong.status).toBe(1);
    expect(wrong.stderr).toContain("MISMATCH");
    expect(wrong.stderr).toContain("no tar-split was written");
    const cut = join(tempDir(), "cut.tar.gz");
    writeFileSync(cut, fixture("layers/tree.tar.gz").subarray(0, 5000));
    expect((await cli(["tarsplit", "disassemble", cut, "-o", file])).status).toBe(3);
    expect((await cli(["tarsplit", "disassemble", join(directory, "missing"), "-o", file])).status).toBe(4);
    expect(readdirSync(directory)).toEqual([]);
  });

  test("two entries with one path: refused as by the reference, or kept", async () => {
    const directory = tempDir();
    const layer = join(directory, "layer.tar.gz");
    writeFileSync(layer, gzipMember(tar([{ name: "a", data: "1" }, { name: "./a", data: "2" }])));
    const file = join(directory, "split");
    const refused = await cli(["tarsplit", "disassemble", layer, "-o", file]);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toContain("tarsplit-duplicate-path");
    expect(readdirSync(directory)).toEqual(["layer.tar.gz"]);
    expect((await cli(["tarsplit", "disassemble", "--duplicates", "keep", layer, "-o", file])).status).toBe(
      0,
    );
  });

  test("an output that cannot be written: exit status 4, nothing left", async () => {
    const missing = await cli(["tarsplit", "disassemble", LAYER, "-o", join(tempDir(), "no", "file")]);
    expect(missing.status).toBe(4);
    expect(missing.stderr).toContain("output-no-directory");
    const full = await cli(["tarsplit", "disassemble", LAYER, "-o", "/dev/full"]);
    expect(full.status).toBe(4);
    expect(full.stderr).toContain("the disk is full");
  });

  test("Ctrl-C leaves no file", async () => {
    const directory = tempDir();
    const { signal } = { signal: AbortSignal.abort(new Error("interrupted")) };
    const outcome = await cli(["tarsplit", "disassemble", LAYER, "-o", join(directory, "x")], undefined, {
      signal,
    });
    expect(outcome.status).toBe(130);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("assemble", () => {
  const split = join(tempDir(), "split.json.gz");
  beforeAll(() => writeFileSync(split, gzipSync(GOLDEN)));

  test("makes the very tar, from plain, gzip and zstd tar-splits", async () => {
    const directory = unpacked(TAR);
    const files = tempDir();
    const splits = {
      "a.json": GOLDEN,
      "b": gzipSync(GOLDEN),
      "c.gz": fixture("src/tree.tar-split.json.zst"),
    };
    for (const [name, content] of Object.entries(splits)) {
      writeFileSync(join(files, name), content);
      const out = join(files, `${name}.tar`);
      const args = ["tarsplit", "assemble", join(files, name), directory, "-o", out, "--diff-id", DIFF_ID];
      const { status, stdout, stderr } = await cli(args);
      expect({ status, stdout }).toEqual({ status: 0, stdout: "" });
      expect(stderr).toContain("as expected");
      expect(readFileSync(out).equals(TAR)).toBe(true);
    }
    const { stdout } = await cli(["tarsplit", "assemble", split, directory]);
    expect(stdout === Buffer.from(TAR).toString("latin1")).toBe(true);
  });

  test("names that are not UTF-8 are the bytes that they are", async () => {
    const layer = gunzipSync(fixture("layers/nonutf8.esgz"));
    const files = tempDir();
    const name = join(files, "split.zst");
    expect((await cli(["tarsplit", "disassemble", "test/fixtures/layers/nonutf8.esgz", "-o", name])).status)
      .toBe(0);
    const { status, stderr } = await cli(
      ["tarsplit", "assemble", name, unpacked(layer), "-o", join(files, "tar"), "--diff-id", sha256(layer)],
    );
    // Deno's paths are strings.
    expect(stderr).toContain("Deno" in globalThis ? "[raw-name]" : "as expected");
    expect(status).toBe("Deno" in globalThis ? 3 : 0);
  });

  const damage: Record<string, readonly [code: string, status: number, change: (file: string) => void]> = {
    changed: ["tarsplit-file-changed", 1, (file) => writeFileSync(file, readFileSync(file).fill(0x61, 0, 1))],
    short: ["tarsplit-file-short", 4, (file) => truncateSync(file, 1)],
    long: ["tarsplit-file-long", 4, (file) => appendFileSync(file, "x")],
    missing: ["tarsplit-file-missing", 4, (file) => rmSync(file)],
    "a directory": ["tarsplit-file-missing", 4, (file) => {
      rmSync(file);
      mkdirSync(file);
    }],
    "a symbolic link to the right file": ["tarsplit-file-missing", 4, (file) => {
      writeFileSync(`${file}.moved`, readFileSync(file));
      rmSync(file);
      symlinkSync(`${file}.moved`, file);
    }],
  };
  test.each(Object.keys(damage))("names a file that is %s, and leaves the output as it was", async (name) => {
    const [code, expected, change] = damage[name]!;
    const directory = unpacked(TAR);
    change(join(directory, "bin/busybox"));
    const files = tempDir();
    const out = join(files, "out.tar");
    writeFileSync(out, "before");
    const { status, stderr } = await cli(["tarsplit", "assemble", split, directory, "-o", out]);
    expect(stderr).toContain(code);
    expect(stderr).toContain("bin/busybox");
    expect(status).toBe(expected);
    expect(readdirSync(files)).toEqual(["out.tar"]);
    expect(readFileSync(out, "utf8")).toBe("before");
  });

  test("does not follow links in the middle of a path", async () => {
    const directory = unpacked(TAR);
    const elsewhere = tempDir();
    writeFileSync(join(elsewhere, "busybox"), readFileSync(join(directory, "bin/busybox")));
    rmSync(join(directory, "bin"), { recursive: true });
    symlinkSync(elsewhere, join(directory, "bin"));
    const { status, stderr } = await cli(["tarsplit", "assemble", split, directory]);
    expect(stderr).toContain("tarsplit-file-missing");
    expect(status).toBe(4);
  });

  test("another diffID: exit status 1, both values, no file", async () => {
    const files = tempDir();
    const args = ["tarsplit", "assemble", split, unpacked(TAR), "-o", join(files, "x"), "--diff-id", DIGEST];
    const { status, stderr } = await cli(args);
    expect(status).toBe(1);
    expect(stderr).toContain(DIFF_ID);
    expect(stderr).toContain(DIGEST);
    expect(readdirSync(files)).toEqual([]);
  });

  test("a tar-split that is none: exit status 3", async () => {
    const file = join(tempDir(), "x");
    writeFileSync(file, "no JSON\n");
    expect((await cli(["tarsplit", "assemble", file, "."])).status).toBe(3);
    expect((await cli(["tarsplit", "assemble", LAYER, "."])).status).toBe(3);
  });

  test("a directory that is none: exit status 4", async () => {
    const { status, stderr } = await cli(["tarsplit", "assemble", split, join(tempDir(), "missing")]);
    expect(stderr).toContain("source-not-a-directory");
    expect(status).toBe(4);
  });

  test("no tar on a terminal", async () => {
    const { status, stderr } = await cli(["tarsplit", "assemble", split, "."], undefined, { terminal: true });
    expect(status).toBe(2);
    expect(stderr).toContain("not for a terminal");
  });
});

test("help is there for the group and both commands", async () => {
  for (const args of [["tarsplit"], ["tarsplit", "disassemble"], ["tarsplit", "assemble"]]) {
    const { status, stdout } = await cli([...args, "--help"]);
    expect(status).toBe(0);
    expect(stdout).toContain("tar-split");
  }
  expect((await cli(["--help"])).stdout).toContain("tarsplit");
});

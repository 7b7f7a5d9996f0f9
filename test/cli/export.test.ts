/** `layerproof export`: exact bytes, or none. */
import { Buffer } from "node:buffer";
import { lstatSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fixture } from "../support/fixtures.ts";
import { gzipMember, randomBytes, sha256, tar, zstdFrame } from "../support/mod.ts";
import { cli, DIGEST, shell, tempDir } from "./support.ts";

const LAYERS = ["tree.tar.gz", "tree.tar.zst", "tree.zstdchunked"].map((name) =>
  `test/fixtures/layers/${name}`
);
const TAR = new Uint8Array(gunzipSync(fixture("layers/tree.tar.gz")));
const DIFF_ID = sha256(TAR);

describe("export tar", () => {
  test.each(LAYERS)("%s: the exact tar", async (layer) => {
    const file = join(tempDir(), "tar");
    const { status, stderr } = await cli(["export", "tar", layer, "--diff-id", DIFF_ID, "-o", file]);
    expect(stderr).toContain(`356352 bytes, ${DIFF_ID}, as expected`);
    expect(status).toBe(0);
    expect(readFileSync(file).equals(TAR)).toBe(true);
    const { stdout } = await cli(["export", "tar", layer]);
    expect(stdout === Buffer.from(TAR).toString("latin1")).toBe(true);
  });

  test("a layer so large that threads share the work", async () => {
    const archive = tar([{ name: "a", data: randomBytes(12_000_000) }, {
      name: "b",
      data: new Uint8Array(50_000_000),
    }]);
    const directory = tempDir();
    for (const blob of [gzipMember(archive), zstdFrame(archive)]) {
      writeFileSync(join(directory, "layer"), blob);
      const { status } = await cli(["export", "tar", join(directory, "layer"), "-o", join(directory, "tar")]);
      expect(status).toBe(0);
      expect(sha256(readFileSync(join(directory, "tar")))).toBe(sha256(archive));
    }
  });

  test("a little that becomes much does not pile up in memory", () => {
    const directory = tempDir();
    // 600 MB of zeros in 600 kB, and a reader who takes his time.
    const bomb = gzipMember(new Uint8Array(60_000_000));
    writeFileSync(join(directory, "layer"), Buffer.concat(Array(10).fill(bomb)));
    const script =
      `ulimit -v unlimited; "$RUNTIME" ${"Deno" in globalThis ? "run -A --node-modules-dir=manual " : ""}` +
      `test/cli/peak-child.ts export tar ${join(directory, "layer")} | (sleep 1; wc -c)`;
    const { stdout, stderr } = shell(script);
    expect(Number(stdout)).toBe(600_000_000);
    expect(Number(/peak (\d+)/.exec(stderr)![1])).toBeLessThan(400);
  });

  test("another diffID: no file, exit status 1; through a pipe the status tells", async () => {
    const directory = tempDir();
    const args = ["export", "tar", LAYERS[0]!, "--diff-id", DIGEST];
    expect((await cli([...args, "-o", join(directory, "x")])).status).toBe(1);
    expect((await cli(args)).status).toBe(1);
    const cut = join(tempDir(), "cut");
    writeFileSync(cut, fixture("layers/tree.tar.gz").subarray(0, 9000));
    expect((await cli(["export", "tar", cut, "-o", join(directory, "x")])).status).toBe(3);
    expect(readdirSync(directory)).toEqual([]);
  });
});

describe("export blob", () => {
  test.each(LAYERS)("%s: the exact blob", async (layer) => {
    const file = join(tempDir(), "blob");
    const bytes = readFileSync(layer);
    const { status } = await cli(["export", "blob", layer, "--digest", sha256(bytes), "-o", file]);
    expect(status).toBe(0);
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  test("from standard input", () => {
    const { stdout, status } = shell(
      `"$RUNTIME" ${"Deno" in globalThis ? "run -A --node-modules-dir=manual " : ""}src/cli/main.ts ` +
        `export blob - --digest ${sha256(readFileSync(LAYERS[0]!))} < ${LAYERS[0]} | cmp - ${
          LAYERS[0]
        } && echo same`,
    );
    expect({ stdout, status }).toEqual({ stdout: "same\n", status: 0 });
  });

  test("one flipped bit: no file", async () => {
    const directory = tempDir();
    const layer = join(tempDir(), "layer");
    const bytes = readFileSync(LAYERS[2]!);
    bytes[30_000]! ^= 1;
    writeFileSync(layer, bytes);
    const args = [
      "export",
      "blob",
      layer,
      "--digest",
      sha256(readFileSync(LAYERS[2]!)),
      "-o",
      join(directory, "x"),
    ];
    expect((await cli(args)).status).toBe(1);
    expect(readdirSync(directory)).toEqual([]);
  });
});

test("standard output that takes nothing: exit status 4", () => {
  const run = `"$RUNTIME" ${"Deno" in globalThis ? "run -A --node-modules-dir=manual " : ""}src/cli/main.ts`;
  for (const command of ["export tar", "export blob", "tarsplit disassemble"]) {
    const { status, stderr } = shell(`${run} ${command} ${LAYERS[0]} > /dev/full`);
    expect(stderr).toContain("output-failed");
    expect(status).toBe(4);
  }
});

test("a file keeps its mode, a link stays one, and the layer itself is not written over", async () => {
  const directory = tempDir();
  const [secret, link] = [join(directory, "secret"), join(directory, "link")];
  writeFileSync(secret, "before", { mode: 0o600 });
  symlinkSync(secret, link);
  expect((await cli(["export", "tar", LAYERS[0]!, "-o", link])).status).toBe(0);
  expect(statSync(secret).mode & 0o777).toBe(0o600);
  expect(lstatSync(link).isSymbolicLink()).toBe(true);
  expect(readFileSync(secret).equals(TAR)).toBe(true);
  const own = await cli(["tarsplit", "disassemble", secret, "-o", link]);
  expect({ status: own.status, size: statSync(secret).size }).toEqual({ status: 2, size: TAR.length });
});

test("not to a terminal, and not of an image", async () => {
  expect((await cli(["export", "tar", LAYERS[0]!], undefined, { terminal: true })).status).toBe(2);
  expect((await cli(["export", "tar", "oci:test"])).status).toBe(2);
});

/** `layerproof export oci`: the image as it was, or with the same config and diffIDs. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fixtureLayer as layer, fixtureRow as row } from "../support/fixtures.ts";
import { imageConfig, sha256, tar, writeOciLayout } from "../support/mod.ts";
import { cli, tempDir } from "./support.ts";

const FILES = ["tree.esgz", "tree.zstdchunked", "big.tar.gz"];
const REFERENCE = "registry.example/team/app:1";

async function stored(files: readonly string[] = FILES) {
  const layout = tempDir();
  const image = writeOciLayout(layout, files.map(layer));
  const store = join(tempDir(), "store");
  expect((await cli(["store", "create", `oci:${layout}`, store, "--reference", REFERENCE])).status).toBe(0);
  return { store, image, output: join(tempDir(), "image") };
}

interface Manifest {
  readonly mediaType: string;
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly mediaType: string; readonly digest: string; readonly size: number }[];
}

function blob(output: string, digest: string): Uint8Array {
  const bytes = new Uint8Array(readFileSync(join(output, "blobs/sha256", digest.slice(7))));
  expect(sha256(bytes)).toBe(digest);
  return bytes;
}

/** The manifest of a layout, every blob of which has the digest that names it. */
function manifestOf(output: string): { digest: string; manifest: Manifest } {
  const index = JSON.parse(readFileSync(join(output, "index.json"), "utf8"));
  expect(index.manifests).toHaveLength(1);
  expect(index.manifests[0].annotations).toEqual({ "org.opencontainers.image.ref.name": REFERENCE });
  const { digest } = index.manifests[0];
  const manifest = JSON.parse(new TextDecoder().decode(blob(output, digest))) as Manifest;
  for (const { digest, size } of manifest.layers) expect(blob(output, digest)).toHaveLength(size);
  expect(JSON.parse(readFileSync(join(output, "oci-layout"), "utf8"))).toEqual({
    imageLayoutVersion: "1.0.0",
  });
  return { digest, manifest };
}

function decompress(bytes: Uint8Array, mediaType: string): Uint8Array {
  if (mediaType.endsWith("+gzip")) return gunzipSync(bytes);
  return mediaType.endsWith("+zstd") ? zstdDecompressSync(bytes) : bytes;
}

describe("export oci", () => {
  test("as it was: the same manifest, config and blobs", async () => {
    const { store, image, output } = await stored();
    const { status, stdout } = await cli(["export", "oci", REFERENCE, store, "-o", output]);
    expect(status).toBe(0);
    expect(stdout.match(/as it was/g)).toHaveLength(3);
    const { digest } = manifestOf(output);
    expect(digest).toBe(image.manifestDescriptor.digest);
    const blobs = [digest, image.configDescriptor.digest, ...FILES.map((file) => row(file).digest)];
    expect(readdirSync(join(output, "blobs/sha256")).sort()).toEqual(
      blobs.map((each) => each.slice(7)).sort(),
    );
    expect((await cli(["verify", `oci:${output}`])).status).toBe(0);
  });

  test.each(["gzip", "zstd", "none"])(
    "--compression %s: another manifest, the same config and diffIDs",
    async (how) => {
      const { store, image, output } = await stored();
      const { status, stderr } = await cli(
        ["export", "oci", REFERENCE, store, "-o", output, "--compression", how],
      );
      expect(stderr).toBe("");
      expect(status).toBe(0);
      const { manifest } = manifestOf(output);
      expect(manifest.config.digest).toBe(image.configDescriptor.digest);
      const type = `application/vnd.oci.image.layer.v1.tar${how === "none" ? "" : `+${how}`}`;
      expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([type, type, type]);
      const diffIDs = manifest.layers.map(({ digest, mediaType }) =>
        sha256(decompress(blob(output, digest), mediaType))
      );
      expect(diffIDs).toEqual(FILES.map((file) => row(file).diffID));
      expect((await cli(["verify", `oci:${output}`])).status).toBe(0);
      // The same input gives the same bytes.
      const again = join(tempDir(), "image");
      await cli(["export", "oci", REFERENCE, store, "-o", again, "--compression", how]);
      expect(readFileSync(join(again, "index.json"), "utf8")).toBe(
        readFileSync(join(output, "index.json"), "utf8"),
      );
    },
  );

  test.each<[string, (path: string) => void]>([
    ["is gone", (path) => rmSync(path)],
    ["was changed", (path) => {
      const bytes = readFileSync(path);
      bytes[400]! ^= 1;
      rmSync(path);
      writeFileSync(path, bytes);
    }],
    ["goes on behind its end", (path) => {
      const bytes = readFileSync(path);
      rmSync(path);
      writeFileSync(path, Buffer.concat([bytes, bytes]));
    }],
  ])("a blob that %s is made again from the files and the tar-split", async (_, damage) => {
    const { store, image, output } = await stored();
    damage(join(store, ".layerproof/layers", row("tree.zstdchunked").digest.slice(7), "blob"));
    const { status, stdout } = await cli(["export", "oci", REFERENCE, store, "-o", output]);
    expect(status).toBe(0);
    expect(stdout.match(/as it was/g)).toHaveLength(2);
    expect(stdout).toContain("made anew");
    const { digest, manifest } = manifestOf(output);
    expect(digest).not.toBe(image.manifestDescriptor.digest);
    expect(manifest.config.digest).toBe(image.configDescriptor.digest);
    expect(
      manifest.layers.map(({ digest, mediaType }) => sha256(decompress(blob(output, digest), mediaType))),
    )
      .toEqual(FILES.map((file) => row(file).diffID));
    // What was made anew has no TOC, and must not seem to.
    expect(manifest.layers[1]).not.toHaveProperty("annotations");
    expect(manifest.layers[0]).toMatchObject({ annotations: row("tree.esgz").annotations });
  });

  test("neither blob nor files: nothing is written", async () => {
    const { store, output } = await stored();
    const directory = join(store, ".layerproof/layers", row("tree.esgz").digest.slice(7));
    rmSync(join(directory, "blob"));
    appendFileSync(join(directory, "diff/etc/passwd"), "evil::0:0::/:/bin/sh\n");
    const { status, stderr } = await cli(["export", "oci", REFERENCE, store, "-o", output]);
    expect(stderr).toContain("etc/passwd");
    expect([1, 4]).toContain(status);
    expect(existsSync(output)).toBe(false);
    expect(readdirSync(join(output, ".."))).toEqual([]);
  });

  test("a document that was changed is not handed on", async () => {
    const { store, image, output } = await stored();
    const path = join(store, ".layerproof/documents", image.configDescriptor.digest.slice(7));
    writeFileSync(path, imageConfig([], { config: { User: "root" } }));
    const { status, stderr } = await cli(["export", "oci", REFERENCE, store, "-o", output]);
    expect(stderr).toContain("[store-document-changed]");
    expect(status).toBe(1);
    expect(existsSync(output)).toBe(false);
  });

  test.each<[string, (store: string) => void]>([
    ["a record with another image's config", (store) => {
      const [reference] = readdirSync(join(store, ".layerproof/images"));
      const [file] = readdirSync(join(store, ".layerproof/images", reference!));
      const path = join(store, ".layerproof/images", reference!, file!);
      const config = imageConfig([row("big.tar.gz").diffID]);
      writeFileSync(join(store, ".layerproof/documents", sha256(config).slice(7)), config);
      const record = JSON.parse(readFileSync(path, "utf8"));
      writeFileSync(
        path,
        JSON.stringify({ ...record, config: { ...record.config, digest: sha256(config) } }),
      );
    }],
    ["one layer's record in the place of another's", (store) => {
      const record = (name: string) =>
        join(store, ".layerproof/layers", row(name).digest.slice(7), "layer.json");
      writeFileSync(record("tree.esgz"), readFileSync(record("tree.zstdchunked")));
    }],
  ])("%s: no image is written", async (_, change) => {
    const { store, output } = await stored();
    change(store);
    const { status, stderr } = await cli(["export", "oci", REFERENCE, store, "-o", output]);
    expect(stderr).toMatch(/store-image-changed|store-record/);
    expect(status).not.toBe(0);
    expect(readdirSync(join(output, ".."))).toEqual([]);
  });

  test.each([".", "link"])("-o %s is refused before anything is read", async (name) => {
    const { store, output } = await stored(["big.tar.gz"]);
    const directory = join(output, "..");
    mkdirSync(join(directory, "empty"));
    symlinkSync("empty", join(directory, "link"));
    const { stderr } = await cli([
      "export",
      "oci",
      REFERENCE,
      store,
      "-o",
      name === "." ? `${directory}/.` : join(directory, name),
    ]);
    expect(stderr).toContain("[output-exists]");
  });

  test("an image out of a docker-archive gets a manifest", async () => {
    const directory = tempDir();
    const archive = tar([{ name: "hello", data: "hello\n" }]);
    const config = imageConfig([sha256(archive)]);
    const hex = sha256(config).slice(7);
    writeFileSync(join(directory, "layer.tar"), archive);
    writeFileSync(join(directory, `${hex}.json`), config);
    writeFileSync(
      join(directory, "manifest.json"),
      JSON.stringify([{ Config: `${hex}.json`, RepoTags: [REFERENCE], Layers: ["layer.tar"] }]),
    );
    const file = join(tempDir(), "image.tar");
    spawnSync("tar", ["-cf", file, "-C", directory, "manifest.json", `${hex}.json`, "layer.tar"]);
    const store = join(tempDir(), "store");
    expect((await cli(["store", "create", `docker-archive:${file}`, store])).status).toBe(0);
    const output = join(tempDir(), "image");
    expect((await cli(["export", "oci", REFERENCE, store, "-o", output])).status).toBe(0);
    const { manifest } = manifestOf(output);
    expect(manifest.config.digest).toBe(`sha256:${hex}`);
    expect(manifest.layers).toEqual([
      { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: sha256(archive), size: archive.length },
    ]);
  });

  test("what is there already is not written over", async () => {
    const { store, output } = await stored(["big.tar.gz"]);
    mkdirSync(output);
    writeFileSync(join(output, "mine"), "");
    const { status, stderr } = await cli(["export", "oci", REFERENCE, store, "-o", output]);
    expect(stderr).toContain("[output-exists]");
    expect(status).toBe(4);
    expect(readdirSync(output)).toEqual(["mine"]);
  });

  test("an unknown image, and a store that is none", async () => {
    const { store, output } = await stored(["big.tar.gz"]);
    expect((await cli(["export", "oci", "other/x:1", store, "-o", output])).stderr).toContain(
      "[store-no-image]",
    );
    expect((await cli(["export", "oci", REFERENCE, tempDir(), "-o", output])).stderr).toContain(
      "[store-not-found]",
    );
    expect(existsSync(output)).toBe(false);
  });
});

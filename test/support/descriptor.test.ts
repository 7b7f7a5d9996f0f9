/** The image layout writer: what it writes hangs together. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytes, sha256 } from "./bytes.ts";
import { image, type LayerInput, layerMediaType, MEDIA_TYPE, writeOciLayout } from "./descriptor.ts";
import { estargz } from "./estargz.ts";
import { ITEMS } from "./fixtures.ts";
import { tar } from "./tar.ts";
import { zstdChunked } from "./zstdchunked.ts";

describe("OCI image layout", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "layerproof-layout-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("every blob lies under its own digest, and index, manifest, config and layers are linked", () => {
    const plain = tar(ITEMS);
    const layers: LayerInput[] = [estargz(ITEMS), zstdChunked(ITEMS), { blob: plain, diffID: sha256(plain) }];
    const { manifestDescriptor } = writeOciLayout(directory, layers, { tag: "v1" });
    const blobs = readdirSync(join(directory, "blobs/sha256"));
    expect(blobs.length).toBe(5);
    const read = (digest: string) => readFileSync(join(directory, "blobs", digest.replace(":", "/")));
    for (const name of blobs) expect(sha256(read(`sha256:${name}`))).toBe(`sha256:${name}`);
    const top = JSON.parse(readFileSync(join(directory, "index.json"), "utf8"));
    expect(top.manifests[0]).toMatchObject({
      digest: manifestDescriptor.digest,
      annotations: { "org.opencontainers.image.ref.name": "v1" },
    });
    const manifest = JSON.parse(read(manifestDescriptor.digest).toString());
    expect(manifest.layers.map((layer: { mediaType: string }) => layer.mediaType)).toEqual([
      MEDIA_TYPE.gzip,
      MEDIA_TYPE.zstd,
      MEDIA_TYPE.tar,
    ]);
    expect(manifest.layers[1].annotations).toEqual(layers[1]!.annotations);
    const config = JSON.parse(read(manifest.config.digest).toString());
    expect(config.rootfs.diff_ids).toEqual(layers.map(({ diffID }) => diffID));
    expect(image(layers).manifestDescriptor).toEqual(manifestDescriptor);
    expect(layerMediaType(bytes(""))).toBe(MEDIA_TYPE.tar);
  });
});

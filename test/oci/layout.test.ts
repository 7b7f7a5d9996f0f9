import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import type { Image as FoundImage, ImageFailure, ImageLayer } from "../../src/oci/image.ts";
import { openImages } from "../../src/oci/open-images.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { splitImagePath } from "../../src/oci/reference.ts";
import { sha256 } from "../support/bytes.ts";
import {
  type Descriptor,
  descriptor,
  type Image,
  image,
  type LayerInput,
  type LayoutOptions,
  MEDIA_TYPE,
  writeOciLayout,
} from "../support/descriptor.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const BLOB = bytes("not looked at by the reader of layouts");
const DIFF_ID = `sha256:${"d".repeat(64)}`;
const LAYER: LayerInput = { blob: BLOB, diffID: DIFF_ID };

const tempDir = (): string => mkdtempSync(join(tmpdir(), "layerproof-"));

function layout(layers = [LAYER], options: LayoutOptions = {}): { directory: string; made: Image } {
  const directory = tempDir();
  return { directory, made: writeOciLayout(directory, layers, options) };
}

function putBlob(directory: string, content: Uint8Array): void {
  writeFileSync(join(directory, "blobs/sha256", sha256(content).slice("sha256:".length)), content);
}

/** An index.json with these descriptors, more or less. */
function putIndex(directory: string, manifests: readonly unknown[], fields: object = {}): void {
  writeFileSync(join(directory, "index.json"), JSON.stringify({ schemaVersion: 2, manifests, ...fields }));
}

/** Adds an image's documents to a layout; its manifest's descriptor, with more fields. */
function addImage(directory: string, options: LayoutOptions, fields: object = {}): Descriptor {
  const made = image([LAYER], options);
  putBlob(directory, made.config);
  putBlob(directory, made.manifest);
  return { ...made.manifestDescriptor, ...fields };
}

async function images(
  directory: string,
  tag: string | null = null,
  platform?: string,
): Promise<FoundImage[]> {
  const argument = tag === null ? `oci:${directory}` : `oci:${directory}:${tag}`;
  const found = await openImages(argument, platform ? parsePlatform(platform) : null);
  for (const image of found) if ("error" in image) throw image.error;
  return found as FoundImage[];
}

async function layers(directory: string, tag?: string, platform?: string): Promise<ImageLayer[]> {
  return (await images(directory, tag, platform)).flatMap(({ layers }) => layers);
}

/** The error of the whole layout, or of its only image. */
async function failure(
  directory: string,
  tag?: string,
  platform?: string,
): Promise<LayerproofError> {
  try {
    await layers(directory, tag, platform);
  } catch (error) {
    if (error instanceof LayerproofError) return error;
    throw error;
  }
  throw new Error("it was read without an error");
}

describe("a right layout", () => {
  test("gives each layer what index, manifest and config say, and by which chain", async () => {
    const annotations = { "containerd.io/snapshot/stargz/toc.digest": DIFF_ID };
    const { directory, made } = layout([LAYER, { ...LAYER, annotations, mediaType: MEDIA_TYPE.zstd }]);
    const [first, second] = await layers(directory, "latest");
    const from = [`oci:${directory} index.json`, `manifest ${made.manifestDescriptor.digest}`];
    expect(first!.name).toBe(`oci:${directory}:latest linux/amd64 layer 1 of 2`);
    expect(readFileSync(first!.path!)).toEqual(Buffer.from(BLOB));
    expect(second!.expect).toEqual({
      digest: { value: sha256(BLOB), from },
      size: { value: BLOB.length, from },
      descriptor: {
        value: { mediaType: MEDIA_TYPE.zstd, digest: sha256(BLOB), size: BLOB.length, annotations },
        from,
      },
      diffID: { value: DIFF_ID, from: [...from, `config ${made.configDescriptor.digest}`] },
    });
  });

  test("a tag chooses, without a tag all images are read, an image with two tags once", async () => {
    const { directory, made } = layout();
    const tagged = (name: string) => ({ annotations: { "org.opencontainers.image.ref.name": name } });
    const other = addImage(directory, { config: { variant: "other" } }, tagged("v1:rc"));
    putIndex(directory, [
      { ...made.manifestDescriptor, ...tagged("a") },
      { ...made.manifestDescriptor, ...tagged("b") },
      other,
    ]);
    expect(await layers(directory)).toHaveLength(2);
    expect(await layers(directory, "b")).toHaveLength(1);
    const [chosen] = await layers(directory, "v1:rc");
    expect(chosen!.expect.digest!.from[1]).toBe(`manifest ${other.digest}`);
  });

  test("nested indexes are followed, --platform chooses in them, attestations are passed over", async () => {
    const { directory } = layout();
    const on = (platform: object) => ({ platform });
    const index = bytes(JSON.stringify({
      schemaVersion: 2,
      manifests: [
        addImage(directory, { config: { x: 1 } }, on({ os: "linux", architecture: "amd64" })),
        addImage(directory, { config: { x: 2 } }, on({ os: "linux", architecture: "arm", variant: "v7" })),
        addImage(directory, { config: { x: 3 } }, on({ os: "linux", architecture: "arm", variant: "v6" })),
        // Their blobs do not even exist.
        { ...descriptor("1", MEDIA_TYPE.manifest), ...on({ os: "unknown", architecture: "unknown" }) },
        descriptor("2", MEDIA_TYPE.manifest, { "vnd.docker.reference.type": "attestation-manifest" }),
        descriptor("3", "application/vnd.example+json"),
      ],
    }));
    putBlob(directory, index);
    putIndex(directory, [
      descriptor(index, MEDIA_TYPE.index, { "org.opencontainers.image.ref.name": "multi" }),
    ]);

    const all = await layers(directory, "multi");
    expect(all.map(({ name }) => name.split(" ")[1])).toEqual([
      "linux/amd64",
      "linux/arm/v7",
      "linux/arm/v6",
    ]);
    expect(all[0]!.expect.digest!.from.slice(0, 2)).toEqual(
      [`oci:${directory} index.json`, `index ${sha256(index)}`],
    );
    expect(await layers(directory, "multi", "linux/arm")).toHaveLength(2);
    expect((await layers(directory, "multi", "linux/arm/v6"))[0]!.name).toContain("linux/arm/v6");
    const error = await failure(directory, "multi", "windows/amd64");
    expect(error.code).toBe("oci-platform-unknown");
    expect(error.details.advice).toContain("linux/arm/v7");
  });

  test("an image in an index has the names of the index, and those that it has itself", async () => {
    const { directory } = layout();
    const tagged = (name: string) => ({ annotations: { "org.opencontainers.image.ref.name": name } });
    const one = addImage(directory, { config: { x: 1 } }), two = addImage(directory, { config: { x: 2 } });
    const index = bytes(JSON.stringify({ schemaVersion: 2, manifests: [one, two] }));
    putBlob(directory, index);
    const both = { ...descriptor(index, MEDIA_TYPE.index), ...tagged("both") };
    const first = { ...one, ...tagged("one") };
    for (const manifests of [[both, first], [first, both]]) {
      putIndex(directory, manifests);
      const found = await images(directory);
      expect(found.map(({ references }) => [...references].sort())).toEqual([["both", "one"], ["both"]]);
    }
  });

  test("more names than any tool writes are refused, not gathered", async () => {
    const { directory, made } = layout();
    const index = bytes(JSON.stringify({ manifests: Array(200).fill(made.manifestDescriptor) }));
    putBlob(directory, index);
    const tagged = Array.from({ length: 600 }, (_, i) => ({
      ...descriptor(index, MEDIA_TYPE.index),
      annotations: { "org.opencontainers.image.ref.name": `v${i}` },
    }));
    putIndex(directory, tagged);
    expect((await failure(directory)).code).toBe("oci-too-deep");
  });

  test("--platform goes by the config where the index says nothing", async () => {
    const { directory } = layout();
    expect(await layers(directory, "latest", "linux/amd64")).toHaveLength(1);
    expect((await failure(directory, "latest", "linux/s390x")).code).toBe("oci-platform-unknown");
  });

  test("Docker's media types are read too", async () => {
    const docker = "application/vnd.docker.distribution.manifest.v2+json";
    const { directory, made } = layout([LAYER], { manifest: { mediaType: docker } });
    putIndex(directory, [{ ...made.manifestDescriptor, mediaType: docker }]);
    expect(await layers(directory)).toHaveLength(1);
  });
});

describe("a wrong layout", () => {
  test("an unknown tag: the tags there are", async () => {
    const { directory } = layout([LAYER], { tag: "v1" });
    const error = await failure(directory, "v2");
    expect(error).toMatchObject({ name: "UsageError", code: "oci-tag-unknown" });
    expect(error.details.advice).toContain('"v1"');
  });

  test("a directory that is no layout, and none at all", async () => {
    expect((await failure(tempDir())).code).toBe("oci-no-layout");
    expect((await failure("no/such/directory")).code).toBe("oci-no-layout");
  });

  test.each(["manifest", "config"] as const)("a %s that was changed has another digest", async (which) => {
    const { directory, made } = layout();
    const path = join(directory, "blobs/sha256", made[`${which}Descriptor`].digest.slice(7));
    writeFileSync(path, `${readFileSync(path, "utf8")} `);
    const error = await failure(directory);
    expect(error).toMatchObject({ name: "DigestMismatch", code: "oci-blob-digest" });
    expect(error.details.expected).toBe(made[`${which}Descriptor`].digest);
    expect(error.details.actual).toMatch(/^sha256:/);
  });

  test("a manifest of another size than announced", async () => {
    const { directory, made } = layout();
    putIndex(directory, [{ ...made.manifestDescriptor, size: 1 }]);
    expect((await failure(directory)).code).toBe("oci-blob-size");
  });

  test.each(["manifest", "config"] as const)("a missing %s", async (which) => {
    const { directory, made } = layout();
    rmSync(join(directory, "blobs/sha256", made[`${which}Descriptor`].digest.slice(7)));
    expect(await failure(directory)).toMatchObject({ name: "SourceError", code: "source-not-found" });
  });

  const digests: [string, string][] = [
    ["a path", "sha256:../../../../etc/passwd"],
    ["nothing behind the colon", "sha256:"],
    ["no algorithm", `:${"a".repeat(64)}`],
    ["upper case", `sha256:${"A".repeat(64)}`],
    ["a line feed at the end", `sha256:${"a".repeat(64)}\n`],
    ["a NUL", `sha256:${"a".repeat(63)}\0`],
    ["another algorithm", `sha1:${"a".repeat(40)}`],
    ["a megabyte", `sha256:${"a".repeat(1 << 20)}`],
  ];
  test.each(digests)("a digest that is %s never becomes a path", async (_, digest) => {
    const { directory, made } = layout();
    putIndex(directory, [{ ...made.manifestDescriptor, digest }]);
    const error = await failure(directory);
    expect(error).toMatchObject({ name: "FormatError", code: "oci-digest" });
    expect(error.message.length).toBeLessThan(400);
    const inManifest = layout([LAYER], { manifest: { layers: [{ mediaType: "a/b", size: 1, digest }] } });
    expect((await failure(inManifest.directory)).code).toBe("oci-digest");
    const inConfig = layout([LAYER], { config: { rootfs: { type: "layers", diff_ids: [digest] } } });
    expect((await failure(inConfig.directory)).code).toBe("oci-digest");
  });

  test("more diffIDs than layers", async () => {
    const { directory } = layout([LAYER], {
      config: { rootfs: { type: "layers", diff_ids: [DIFF_ID, DIFF_ID] } },
    });
    expect(await failure(directory)).toMatchObject({
      code: "config-layer-count",
      details: { expected: "1", actual: "2" },
    });
  });

  test("an artifact is named as what it is, and does not hide the image beside it", async () => {
    const { directory, made } = layout();
    const empty = descriptor("{}", "application/vnd.oci.empty.v1+json");
    const artifact = addImage(directory, { manifest: { config: empty, artifactType: "application/x-sbom" } });
    putIndex(directory, [artifact, made.manifestDescriptor]);
    const found = await openImages(`oci:${directory}`, null);
    expect((found[0] as ImageFailure).error.message).toContain("application/x-sbom");
    expect((found[1] as FoundImage).layers[0]!.path).toContain("blobs/sha256");
  });

  test("a document that calls itself something else, or is two things (CVE-2021-41190)", async () => {
    const index = layout([LAYER], { manifest: { mediaType: MEDIA_TYPE.index } });
    expect((await failure(index.directory)).code).toBe("oci-media-type");
    const both = layout([LAYER], { manifest: { manifests: [] } });
    expect((await failure(both.directory)).code).toBe("oci-ambiguous");
  });

  test("a document over 4 MiB is not read", async () => {
    const { directory, made } = layout();
    putIndex(directory, [{ ...made.manifestDescriptor, size: 5 * 2 ** 20 }]);
    expect((await failure(directory)).code).toBe("oci-document-too-large");
    writeFileSync(join(directory, "index.json"), " ".repeat(5 * 2 ** 20));
    expect((await failure(directory)).code).toBe("source-too-large");
  });

  test("an index without images", async () => {
    const { directory } = layout();
    putIndex(directory, []);
    expect((await failure(directory)).code).toBe("oci-no-image");
  });

  test("indexes in indexes, without end", async () => {
    const { directory, made } = layout();
    let inner: Descriptor = made.manifestDescriptor;
    for (let depth = 0; depth < 12; depth++) {
      const index = bytes(JSON.stringify({ manifests: [inner] }));
      putBlob(directory, index);
      inner = descriptor(index, MEDIA_TYPE.index);
    }
    putIndex(directory, [inner]);
    expect((await failure(directory)).code).toBe("oci-too-deep");
  });

  test("a version from the future", async () => {
    const { directory } = layout();
    writeFileSync(join(directory, "oci-layout"), '{"imageLayoutVersion":"2.0.0"}');
    expect((await failure(directory)).code).toBe("oci-version");
  });

  const VALUES: unknown[] = [undefined, null, true, -1, 1.5, 2 ** 60, "", "x", [], [null], [[]], {}, {
    a: 1,
  }];
  test("any JSON in any place is a typed error or is read, never a TypeError", async () => {
    const { made } = layout();
    const good = made.manifestDescriptor;
    const fields = ["mediaType", "digest", "size", "annotations", "platform"];
    for (const value of VALUES) {
      const wrong: ((directory: string) => void)[] = [
        (directory) => writeFileSync(join(directory, "index.json"), JSON.stringify(value) ?? ""),
        (directory) => writeFileSync(join(directory, "oci-layout"), JSON.stringify(value) ?? ""),
        (directory) => putIndex(directory, [], { manifests: value }),
        (directory) => putIndex(directory, [value]),
        ...fields.map((field) => (directory: string) => putIndex(directory, [{ ...good, [field]: value }])),
      ];
      for (const change of wrong) {
        const { directory } = layout();
        change(directory);
        await settles(directory);
      }
      for (const options of changedDocuments(value)) await settles(layout([LAYER], options).directory);
    }
  });

  function changedDocuments(value: unknown): LayoutOptions[] {
    return [
      { manifest: { mediaType: value } },
      { manifest: { config: value } },
      { manifest: { layers: value } },
      { manifest: { layers: [value] } },
      { config: { rootfs: value } },
      { config: { rootfs: { diff_ids: value } } },
      { config: { rootfs: { diff_ids: [value] } } },
      { config: { os: value, variant: value } },
    ];
  }

  async function settles(directory: string): Promise<void> {
    try {
      await openImages(`oci:${directory}`, null);
    } catch (error) {
      expect(error).toBeInstanceOf(LayerproofError);
    }
  }
});

describe("DIR[:TAG]", () => {
  test("is split behind the layout, wherever there are colons", async () => {
    const base = tempDir();
    writeOciLayout(join(base, "img"), [LAYER]);
    writeOciLayout(join(base, "host:5000"), [LAYER]);
    mkdirSync(join(base, "plain"));
    const split = async (text: string) => {
      const { path, wanted } = await splitImagePath(`${base}/${text}`);
      return [path.slice(base.length + 1), wanted];
    };
    expect(await split("img")).toEqual(["img", null]);
    expect(await split("img:latest")).toEqual(["img", "latest"]);
    expect(await split("img:host:5000/x:1")).toEqual(["img", "host:5000/x:1"]);
    expect(await split("host:5000")).toEqual(["host:5000", null]);
    expect(await split("host:5000:v1")).toEqual(["host:5000", "v1"]);
    expect(await split("plain:v1")).toEqual(["plain", "v1"]);
    expect(await split("missing:v1")).toEqual(["missing", "v1"]);
  });
});

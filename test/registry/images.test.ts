/** Images of registries: documents against their digests, platforms, mirrors, and the command on top. */
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Image, ImageFailure } from "../../src/oci/image.ts";
import { openImages } from "../../src/oci/open-images.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { openImage, registryImages } from "../../src/registry/images.ts";
import { cli } from "../cli/support.ts";
import { sha256 } from "../support/bytes.ts";
import { descriptor, type LayerInput, MEDIA_TYPE } from "../support/descriptor.ts";
import { testWith } from "../support/programs.ts";
import { closeLater, collect } from "./support/blob.ts";
import { FakeClock } from "./support/clock.ts";
import { FakeRegistry, send } from "./support/registry.ts";

const { layers: ROWS } = JSON.parse(readFileSync("test/fixtures/index.json", "utf8"));

/** A layer of `test/fixtures`. */
function fixture(path: string): LayerInput {
  const { diffID, annotations, mediaType } = ROWS.find((row: { path: string }) => row.path === path);
  return {
    blob: new Uint8Array(readFileSync(join("test/fixtures", path))),
    diffID,
    mediaType,
    ...(annotations && { annotations }),
  };
}

const LAYERS = [
  fixture("layers/tree.zstdchunked"),
  fixture("layers/tree.esgz"),
  fixture("layers/tree.tar.gz"),
];
const NO_CONFIG = { env: () => undefined };
const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

async function start(): Promise<FakeRegistry> {
  return closeLater(await FakeRegistry.start());
}

const options = () => ({ ...NO_CONFIG, clock: new FakeClock() });

async function images(reference: string, platform: string | null = null): Promise<Image[]> {
  const found = await registryImages(
    reference,
    platform === null ? null : parsePlatform(platform),
    options(),
  );
  for (const image of found) if ("error" in image) throw image.error;
  return found as Image[];
}

async function code(reference: string, platform: string | null = null): Promise<string> {
  return await images(reference, platform).then(() => "none", (error) => error.code);
}

/** Puts an index over two images. */
function putIndex(registry: FakeRegistry, platforms: readonly (object | null)[]): Uint8Array {
  const manifests = platforms.map((platform, i) => {
    const architecture = (platform as { architecture?: string } | null)?.architecture ?? "amd64";
    const config = { architecture, created_by: i };
    const { manifestDescriptor } = registry.putImage("a/b", `image-${i}`, [LAYERS[i % 3]!], { config });
    return platform ? { ...manifestDescriptor, platform } : manifestDescriptor;
  });
  const index = text({ schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests });
  registry.put("/v2/a/b/manifests/multi", index, MEDIA_TYPE.index);
  return index;
}

describe("an image", () => {
  test("by its tag: documents, names, and what is expected of each layer", async () => {
    const registry = await start();
    const made = registry.putImage("a/b", "t", LAYERS);
    const [image, ...others] = await images(`${registry.host}/a/b:t`);
    expect(others).toEqual([]);
    const name = `docker://${registry.host}/a/b:t`;
    expect(image).toMatchObject({
      name: `${name} linux/amd64`,
      references: [`${registry.host}/a/b:t`],
      manifest: { digest: made.manifestDescriptor.digest, mediaType: MEDIA_TYPE.manifest },
      config: { digest: made.configDescriptor.digest },
    });
    const from = [name, `manifest ${made.manifestDescriptor.digest}`];
    expect(image!.layers.map(({ expect: { digest, diffID } }) => [digest, diffID])).toEqual(
      LAYERS.map(({ blob, diffID }) => [
        { value: sha256(blob), from },
        { value: diffID, from: [...from, `config ${made.configDescriptor.digest}`] },
      ]),
    );
    // No layer was touched.
    expect(registry.blobs.map(({ path }) => path)).toEqual([`/v2/a/b/blobs/${made.configDescriptor.digest}`]);
    const source = closeLater(await image!.layers[1]!.open());
    expect(source.size).toBe(LAYERS[1]!.blob.length);
    expect(sha256(await collect(source))).toBe(sha256(LAYERS[1]!.blob));
  });

  test("by its digest, whatever the tag", async () => {
    const registry = await start();
    const { manifestDescriptor: { digest } } = registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    await images(`${registry.host}/a/b:other@${digest}`);
    expect(registry.log.map(({ path }) => path)).toContain(`/v2/a/b/manifests/${digest}`);
    registry.put(`/v2/a/b/manifests/${digest}`, text({ schemaVersion: 2 }), MEDIA_TYPE.manifest);
    expect(await code(`${registry.host}/a/b@${digest}`)).toBe("oci-blob-digest");
  });

  test("whose manifest is not what Docker-Content-Digest says", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    registry.fault = ({ path }, response, bytes) =>
      path.includes("/manifests/") && bytes
        ? send(
          response,
          200,
          { "content-type": MEDIA_TYPE.manifest, "docker-content-digest": `sha256:${"0".repeat(64)}` },
          bytes,
        )
        : false;
    expect(await code(`${registry.host}/a/b:t`)).toBe("oci-blob-digest");
  });

  test("whose config has another digest, or another size, is refused", async () => {
    const registry = await start();
    const { configDescriptor: { digest }, config } = registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    const lie = config.slice();
    lie[lie.length - 2]! ^= 1;
    registry.put(`/v2/a/b/blobs/${digest}`, lie);
    expect(await code(`${registry.host}/a/b:t`)).toBe("oci-blob-digest");
    const { config: good, layers } = registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    const manifest = text({
      schemaVersion: 2,
      config: { ...descriptor(good, MEDIA_TYPE.config), size: good.length + 1 },
      layers,
    });
    registry.put("/v2/a/b/manifests/size", manifest, MEDIA_TYPE.manifest);
    expect(await code(`${registry.host}/a/b:size`)).toBe("oci-blob-size");
  });

  test("with documents beyond 4 MiB is refused before they are read", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    registry.fault = ({ path }, response) => {
      if (!path.includes("/manifests/")) return false;
      // Without a length, and without an end.
      response.writeHead(200, { "content-type": MEDIA_TYPE.manifest });
      const more = () => {
        while (!response.destroyed && response.write(new Uint8Array(1 << 16).fill(32)));
        response.once("drain", more);
      };
      more();
      return true;
    };
    expect(await code(`${registry.host}/a/b:t`)).toBe("oci-document-too-large");
  });

  // A92, A93, CVE-2021-41190.
  test.each([
    ["path", "oci-digest"],
    ["", "oci-digest"],
    [`sha256:${"A".repeat(64)}`, "oci-digest"],
    [`sha256:${"a".repeat(64)}\n`, "oci-digest"],
    ["sha256:../../../etc/passwd", "oci-digest"],
    [`sha512:${"a".repeat(128)}`, "digest-algorithm"],
  ])("with the digest %j for a layer is refused before it becomes a URL", async (digest, expected) => {
    const registry = await start();
    const { configDescriptor, layers } = registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    const manifest = text({ schemaVersion: 2, config: configDescriptor, layers: [{ ...layers[0], digest }] });
    registry.put("/v2/a/b/manifests/t", manifest, MEDIA_TYPE.manifest);
    expect(await code(`${registry.host}/a/b:t`)).toBe(expected);
    expect(registry.blobs).toEqual([]);
  });

  test("that could be read as index and as manifest is refused", async () => {
    const registry = await start();
    const made = registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    const both = { config: made.configDescriptor, layers: made.layers, manifests: [] };
    for (const type of [MEDIA_TYPE.manifest, MEDIA_TYPE.index, "application/json"]) {
      registry.put("/v2/a/b/manifests/t", text({ schemaVersion: 2, ...both }), type);
      expect(await code(`${registry.host}/a/b:t`)).toBe("oci-ambiguous");
    }
    const named = text({ schemaVersion: 2, mediaType: MEDIA_TYPE.index, manifests: [] });
    registry.put("/v2/a/b/manifests/t", named, MEDIA_TYPE.manifest);
    expect(await code(`${registry.host}/a/b:t`)).toBe("oci-media-type");
  });

  test("is known by its document where the registry does not name its type", async () => {
    const registry = await start();
    const { manifest } = registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    registry.fault = ({ path }, response) =>
      path.includes("/manifests/") && send(response, 200, {}, manifest);
    expect((await images(`${registry.host}/a/b:t`)).length).toBe(1);
  });

  test("in Docker's schema 1 is named as such", async () => {
    const registry = await start();
    const type = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    registry.put("/v2/a/b/manifests/t", text({ schemaVersion: 1, fsLayers: [] }), type);
    expect(await code(`${registry.host}/a/b:t`)).toBe("oci-not-an-image");
  });

  test("that is not there", async () => {
    const registry = await start();
    expect(await code(`${registry.host}/a/b:t`)).toBe("registry-not-found");
    expect(await code("UPPER CASE")).toBe("reference-invalid");
  });
});

describe("an index", () => {
  const AMD = { os: "linux", architecture: "amd64" }, ARM = { os: "linux", architecture: "arm64" };

  test("all platforms, or one", async () => {
    const registry = await start();
    putIndex(registry, [AMD, ARM]);
    const reference = `${registry.host}/a/b:multi`;
    const platforms = async (platform: string | null) =>
      (await images(reference, platform)).map((image) => image.platform?.architecture);
    expect(await platforms(null)).toEqual(["amd64", "arm64"]);
    expect(await platforms("linux/arm64")).toEqual(["arm64"]);
    expect(await code(reference, "linux/s390x")).toBe("oci-platform-unknown");
    expect((await openImage(reference, parsePlatform("linux/amd64"), options())).platform).toMatchObject(AMD);
  });

  test("stands in the chain of trust", async () => {
    const registry = await start();
    const index = putIndex(registry, [AMD]);
    const [image] = await images(`${registry.host}/a/b:multi`);
    expect(image!.layers[0]!.expect.digest!.from).toEqual([
      `docker://${registry.host}/a/b:multi`,
      `index ${sha256(index)}`,
      `manifest ${image!.manifest!.digest}`,
    ]);
  });

  test("one bad manifest does not take the others with it", async () => {
    const registry = await start();
    putIndex(registry, [AMD, ARM]);
    const [first] = await images(`${registry.host}/a/b:multi`);
    registry.put(
      `/v2/a/b/manifests/${first!.manifest!.digest}`,
      text({ schemaVersion: 2 }),
      MEDIA_TYPE.manifest,
    );
    const found = await registryImages(`${registry.host}/a/b:multi`, null, options());
    expect(found.map((image) => "error" in image ? (image as ImageFailure).error.code : "good")).toEqual([
      "oci-blob-digest",
      "good",
    ]);
  });
});

describe("mirrors", () => {
  async function setting() {
    const [mirror, origin] = [await start(), await start()];
    const conf = join(mkdtempSync(join(tmpdir(), "layerproof-conf-")), "registries.conf");
    writeFileSync(
      conf,
      `[[registry]]
prefix = "example.com/ns"
location = "${origin.host}/real"
[[registry.mirror]]
location = "${mirror.host}/mirrored"
insecure = true
`,
    );
    const network = {
      env: (name: string) => name === "CONTAINERS_REGISTRIES_CONF" ? conf : undefined,
      clock: new FakeClock(),
    };
    const open = (reference: string) => openImage(reference, null, network);
    return { mirror, origin, open };
  }

  test("are asked first, and give all of the image", async () => {
    const { mirror, origin, open } = await setting();
    mirror.putImage("mirrored/x", "1", LAYERS);
    origin.putImage("real/x", "1", LAYERS);
    const image = await open("example.com/ns/x:1");
    expect(image.references).toEqual(["example.com/ns/x:1"]);
    expect(sha256(await collect(closeLater(await image.layers[0]!.open())))).toBe(sha256(LAYERS[0]!.blob));
    expect(origin.log).toEqual([]);
  });

  test.each(["lacks the image", "fails", "sends something else", "is gone"])(
    "that %s is passed over",
    async (what) => {
      const { mirror, origin, open } = await setting();
      const { manifestDescriptor: { digest } } = origin.putImage("real/x", "1", LAYERS);
      if (what === "fails") mirror.fault = (_asked, response) => send(response, 500, {}, "");
      if (what === "sends something else") {
        mirror.put(`/v2/mirrored/x/manifests/${digest}`, text({ schemaVersion: 2 }), MEDIA_TYPE.manifest);
      }
      if (what === "is gone") await mirror.close();
      const image = await open(`example.com/ns/x@${digest}`);
      expect(image.manifest!.digest).toBe(digest);
    },
  );

  test("the registry's own error is told when nobody has the image", async () => {
    const { origin, open } = await setting();
    const error = await open("example.com/ns/x:1").catch((error) => error);
    expect(error).toMatchObject({ code: "registry-not-found" });
    expect(error.message).toContain(`${origin.host}/v2/real/x/manifests/1`);
  });
});

describe("layerproof verify docker://", () => {
  const run = (args: readonly string[]) => cli(["verify", ...args]);

  test("proves every layer, each downloaded once", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS);
    const { stdout, status } = await run(["--json", `docker://${registry.host}/a/b:t`]);
    const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(reports.map(({ result }) => result)).toEqual(["verified", "verified", "verified"]);
    expect(reports.map(({ digest }) => digest)).toEqual(LAYERS.map(({ blob }) => sha256(blob)));
    expect(status).toBe(0);
    const whole = registry.blobs.filter(({ headers }) => headers.range === undefined).map(({ path }) => path);
    expect(new Set(whole).size).toBe(whole.length);
  });

  test("downloads each layer once also where there are no ranges (A87)", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS);
    let sent = 0;
    registry.fault = ({ path }, response, bytes) => {
      if (!path.includes("/blobs/") || !bytes) return false;
      sent += bytes.length;
      return send(response, 200, {}, bytes);
    };
    const { status } = await run([`docker://${registry.host}/a/b:t`]);
    expect(status).toBe(0);
    expect(sent).toBeLessThan(1.1 * LAYERS.reduce((sum, { blob }) => sum + blob.length, 2000));
  });

  test("finds every byte that a registry changes", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS.slice(2));
    const path = `/v2/a/b/blobs/${sha256(LAYERS[2]!.blob)}`;
    for (const at of [3, 1000, LAYERS[2]!.blob.length - 6]) {
      const lie = LAYERS[2]!.blob.slice();
      lie[at]! ^= 0x40;
      registry.put(path, lie);
      const { stdout, status } = await run([`docker://${registry.host}/a/b:t`]);
      expect(status).toBeGreaterThan(0);
      expect(stdout).not.toContain("VERIFIED");
    }
  });

  test("a layer that the registry lost is one failed layer", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS.slice(1));
    const lost = sha256(LAYERS[1]!.blob);
    registry.fault = ({ path }, response) => path.endsWith(lost) && send(response, 404, {}, "");
    const { stdout, status } = await run(["--json", `docker://${registry.host}/a/b:t`]);
    const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(reports.map(({ result, error }) => [result, error?.code])).toEqual([
      ["error", "registry-not-found"],
      ["verified", undefined],
    ]);
    expect(status).toBe(4);
  });

  test("reads a few ranges with --metadata-only", async () => {
    const registry = await start();
    registry.putImage("a/b", "t", LAYERS.slice(0, 1));
    const { stdout, status } = await run(["--metadata-only", `docker://${registry.host}/a/b:t`]);
    expect(stdout).toContain("VERIFIED");
    expect(status).toBe(0);
    const layer = registry.blobs.filter(({ path }) => path.endsWith(sha256(LAYERS[0]!.blob)));
    expect(layer.length).toBeGreaterThan(0);
    for (const { headers } of layer) expect(headers.range).toBeDefined();
  });

  test("an unusable reference is wrong usage", async () => {
    expect((await run(["docker://A B"])).status).toBe(2);
    expect((await run(["docker://"])).status).toBe(2);
    expect((await run(["--digest", sha256(new Uint8Array(0)), "docker://a.io/b"])).status).toBe(2);
    await expect(openImages("docker://", null, NO_CONFIG)).rejects.toMatchObject({
      code: "reference-invalid",
    });
  });
});

testWith(["tar"], "layerproof store create docker://: takes an image without a copy on disk", async () => {
  const registry = await start();
  registry.putImage("a/b", "t", LAYERS);
  const store = join(mkdtempSync(join(tmpdir(), "layerproof-store-")), "store");
  const reference = `${registry.host}/a/b:t`;
  const { status, stderr } = await cli(["store", "create", "--json", `docker://${reference}`, store]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  for (const { blob } of LAYERS) {
    const kept = readFileSync(join(store, btoa(reference), sha256(blob), "blob"));
    expect(sha256(new Uint8Array(kept))).toBe(sha256(blob));
  }
});

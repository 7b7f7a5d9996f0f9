/** `oci-archive:` and `docker-archive:`: made by GNU tar and by hand everywhere, by skopeo and podman where they are. */
import { spawnSync } from "node:child_process";
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import type { Image, ImageLayer } from "../../src/oci/image.ts";
import { openImages } from "../../src/oci/open-images.ts";
import { parsePlatform } from "../../src/oci/platform.ts";
import { run, testWith } from "../support/programs.ts";
import {
  collect,
  imageConfig,
  type LayerInput,
  sha256,
  tar,
  type TarItem,
  TYPE,
  writeOciLayout,
} from "../support/mod.ts";

const { layers: FIXTURES } = JSON.parse(readFileSync("test/fixtures/index.json", "utf8"));

function fixture(file: string): LayerInput {
  const { path, diffID, annotations } = FIXTURES.find((row: { file: string }) => row.file === file);
  return { blob: new Uint8Array(readFileSync(`test/fixtures/${path}`)), diffID, annotations };
}

/** Without annotations: skopeo drops them on the way to a docker-archive. */
const GZIP = ["tree.tar.gz", "gnutar-gnu.esgz"].map(fixture);
const LAYERS = [...GZIP, fixture("tree.zstdchunked"), GZIP[0]!];

const symlink = (name: string, linkname: string): TarItem => ({ name, linkname, typeflag: TYPE.symlink });

const tempDir = (): string => mkdtempSync(join(tmpdir(), "layerproof-"));

function write(items: readonly TarItem[]): string {
  const path = join(tempDir(), "img.tar");
  writeFileSync(path, tar(items));
  return path;
}

async function images(argument: string, platform?: string): Promise<Image[]> {
  const found = await openImages(argument, platform ? parsePlatform(platform) : null);
  for (const image of found) if ("error" in image) throw image.error;
  return found as Image[];
}

async function failure(argument: string, platform?: string): Promise<LayerproofError> {
  try {
    await images(argument, platform);
  } catch (error) {
    if (error instanceof LayerproofError) return error;
    throw error;
  }
  throw new Error("it was read without an error");
}

/** All bytes of a layer, by both ways. */
async function digestOf(layer: ImageLayer): Promise<string> {
  const source = await layer.open();
  try {
    expect(source.name).toBe(layer.name);
    const pieces: Uint8Array[] = [];
    for await (const piece of source.stream()) pieces.push(piece.slice());
    const digest = sha256(collect(pieces));
    expect(sha256(await source.read!(0, source.size!))).toBe(digest);
    return digest;
  } finally {
    await source.close();
  }
}

describe("oci-archive:", () => {
  for (const format of ["posix", "gnu", "ustar"]) {
    for (const members of [["."], ["oci-layout", "index.json", "blobs"]]) {
      testWith(
        ["tar"],
        `says the same as the layout that tar packed (${format}, ${members[0]})`,
        async () => {
          const directory = tempDir();
          writeOciLayout(directory, LAYERS, { tag: "v1" });
          const file = join(tempDir(), "img.tar");
          run("tar", [`--format=${format}`, "-C", directory, "-cf", file, ...members]);
          const [packed] = await images(`oci-archive:${file}:v1`);
          const [plain] = await images(`oci:${directory}:v1`);
          const renamed = (value: unknown) =>
            JSON.parse(JSON.stringify(value).replaceAll(`oci:${directory}`, `oci-archive:${file}`));
          const { layers: _, manifest, config, ...rest } = packed!;
          expect(rest).toEqual({
            name: `oci-archive:${file}:v1 linux/amd64`,
            references: ["v1"],
            platform: plain!.platform,
          });
          expect([manifest, config]).toEqual([plain!.manifest, plain!.config]);
          expect(packed!.layers.map(({ path }) => path)).toEqual([null, null, null, null]);
          expect(packed!.layers.map(({ name, expect }) => ({ name, expect })))
            .toEqual(plain!.layers.map(({ name, expect }) => renamed({ name, expect })));
          expect(await Promise.all(packed!.layers.map(digestOf))).toEqual(
            LAYERS.map(({ blob }) => sha256(blob)),
          );
          expect(plain!.layers.map(({ path }) => sha256(readFileSync(path!))))
            .toEqual(LAYERS.map(({ blob }) => sha256(blob)));
        },
      );
    }
  }

  test("an image has all the names that the index gives it, whichever chose it", async () => {
    const directory = tempDir();
    const { manifestDescriptor } = writeOciLayout(directory, GZIP);
    const named = (annotations: object) => ({ ...manifestDescriptor, annotations });
    writeFileSync(
      join(directory, "index.json"),
      JSON.stringify({
        manifests: [
          named({
            "org.opencontainers.image.ref.name": "1",
            "io.containerd.image.name": "docker.io/library/x:1",
          }),
          named({ "org.opencontainers.image.ref.name": "localhost/y:2" }),
          named({}),
        ],
      }),
    );
    const references = ["docker.io/library/x:1", "1", "localhost/y:2"];
    expect((await images(`oci:${directory}`)).map((image) => image.references)).toEqual([references]);
    expect((await images(`oci:${directory}:localhost/y:2`))[0]!.references).toEqual(references);
  });

  test("an archive without a layout says what it may be", async () => {
    const docker = write([{ name: "manifest.json", data: "[]" }]);
    expect((await failure(`oci-archive:${docker}`)).details.advice).toContain(`docker-archive:${docker}`);
    expect(await failure(`oci-archive:${write([{ name: "x" }])}`)).toMatchObject({ code: "oci-no-layout" });
  });

  test("a changed or missing blob is found as in a directory", async () => {
    const directory = tempDir();
    const made = writeOciLayout(directory, GZIP);
    const blob = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
    const items = (change: (name: string) => TarItem[]) =>
      ["oci-layout", "index.json", blob(made.manifestDescriptor.digest), blob(made.configDescriptor.digest)]
        .flatMap((name) => change(name));
    const whole = (name: string) => ({ name, data: new Uint8Array(readFileSync(join(directory, name))) });
    for (const { digest } of [made.manifestDescriptor, made.configDescriptor]) {
      const damaged = write(items((name) => name === blob(digest) ? [{ name, data: "{}" }] : [whole(name)]));
      expect((await failure(`oci-archive:${damaged}`)).code).toBe("oci-blob-digest");
      const missing = write(items((name) => name === blob(digest) ? [] : [whole(name)]));
      expect((await failure(`oci-archive:${missing}`)).code).toBe("source-not-found");
    }
    const [image] = await images(`oci-archive:${write(items((name) => [whole(name)]))}`);
    await expect(image!.layers[0]!.open()).rejects.toMatchObject({ code: "source-not-found" });
  });
});

/** The members of a docker-archive: `manifest.json` and what it names. */
function dockerItems(
  manifest: unknown,
  config: Uint8Array,
  configName = `${sha256(config).slice(7)}.json`,
): TarItem[] {
  return [{ name: configName, data: config }, { name: "manifest.json", data: JSON.stringify(manifest) }];
}

const CONFIG = imageConfig(GZIP.map(({ diffID }) => diffID));
const CONFIG_NAME = `${sha256(CONFIG).slice(7)}.json`;
const BLOBS: TarItem[] = GZIP.map(({ blob }, i) => ({ name: `${i}/layer.tar`, data: blob }));
const ITEM = { Config: CONFIG_NAME, RepoTags: ["x:1"], Layers: ["0/layer.tar", "1/layer.tar"] };

describe("docker-archive:", () => {
  test("gives each layer the diffID of the config, and says by which chain", async () => {
    const file = write([...BLOBS, ...dockerItems([ITEM], CONFIG)]);
    const [image] = await images(`docker-archive:${file}`);
    const { layers, ...rest } = image!;
    expect(rest).toEqual({
      name: `docker-archive:${file} linux/amd64`,
      references: ["x:1"],
      platform: { os: "linux", architecture: "amd64", variant: null },
      manifest: null,
      config: {
        bytes: CONFIG,
        digest: sha256(CONFIG),
        mediaType: "application/vnd.docker.container.image.v1+json",
      },
    });
    expect(layers.map(({ name, expect, path }) => ({ name, expect, path }))).toEqual(
      GZIP.map(({ diffID }, i) => ({
        name: `docker-archive:${file} linux/amd64 layer ${i + 1} of 2`,
        path: null,
        expect: {
          diffID: {
            value: diffID,
            from: [`docker-archive:${file} manifest.json`, `config ${sha256(CONFIG)}`],
          },
        },
      })),
    );
    expect(await Promise.all(layers.map(digestOf))).toEqual(GZIP.map(({ blob }) => sha256(blob)));
  });

  for (const [how, link] of [["symlinks", symlinkSync], ["hard links", linkSync]] as const) {
    testWith(["tar"], `follows the ${how} of old archives, packed by tar in any order`, async () => {
      const directory = tempDir();
      for (const id of ["aaa", "bbb", "ccc"]) mkdirSync(join(directory, id));
      writeFileSync(join(directory, "bbb/layer.tar"), GZIP[0]!.blob);
      for (const id of ["aaa", "ccc"]) {
        const target = link === symlinkSync ? "../bbb/layer.tar" : join(directory, "bbb/layer.tar");
        link(target, join(directory, id, "layer.tar"));
      }
      const config = imageConfig(Array(3).fill(GZIP[0]!.diffID));
      writeFileSync(join(directory, "config.json"), config);
      const Layers = ["aaa/layer.tar", "bbb/layer.tar", "ccc/layer.tar"];
      writeFileSync(
        join(directory, "manifest.json"),
        JSON.stringify([{ Config: "config.json", RepoTags: null, Layers }]),
      );
      for (const order of [["aaa", "bbb", "ccc"], ["ccc", "bbb", "aaa"]]) {
        const file = join(tempDir(), "img.tar");
        run("tar", ["-C", directory, "-cf", file, "manifest.json", ...order, "config.json"]);
        const [image] = await images(`docker-archive:${file}`);
        expect(image!.references).toEqual([]);
        expect(image!.config.digest).toBe(sha256(config));
        expect(await Promise.all(image!.layers.map(digestOf))).toEqual(Array(3).fill(sha256(GZIP[0]!.blob)));
      }
    });
  }

  testWith(["tar"], "and oci-archive: read one archive that is both, as Docker writes since 25", async () => {
    const directory = tempDir();
    const made = writeOciLayout(directory, LAYERS);
    const blob = ({ digest }: { digest: string }) => `blobs/sha256/${digest.slice(7)}`;
    const item = { Config: blob(made.configDescriptor), RepoTags: ["a/b:1"], Layers: made.layers.map(blob) };
    writeFileSync(join(directory, "manifest.json"), JSON.stringify([{ ...item, LayerSources: {} }]));
    const file = join(tempDir(), "img.tar");
    run("tar", ["-C", directory, "-cf", file, "blobs", "index.json", "manifest.json", "oci-layout"]);
    const [asOci] = await images(`oci-archive:${file}`);
    const [asDocker] = await images(`docker-archive:${file}:a/b:1`);
    expect(asDocker!.config.bytes).toEqual(asOci!.config.bytes);
    expect(asDocker!.layers.map(({ expect }) => [expect.digest!.value, expect.diffID!.value]))
      .toEqual(asOci!.layers.map(({ expect }) => [expect.digest!.value, expect.diffID!.value]));
    expect(await Promise.all(asDocker!.layers.map(digestOf))).toEqual(LAYERS.map(({ blob }) => sha256(blob)));
  });

  test("chooses by name, in whatever form, by place and by platform", async () => {
    const other = imageConfig([GZIP[0]!.diffID], { architecture: "arm64" });
    const second = {
      Config: `${sha256(other).slice(7)}.json`,
      RepoTags: ["docker.io/library/y:latest", "localhost/z:2"],
      Layers: ["0/layer.tar"],
    };
    const third = { ...ITEM, RepoTags: [] };
    const file = write([
      ...BLOBS,
      { name: second.Config, data: other },
      ...dockerItems([ITEM, second, third], CONFIG),
    ]);
    const names = async (rest: string, platform?: string) =>
      (await images(`docker-archive:${file}${rest}`, platform)).map(({ name }) =>
        name.slice(`docker-archive:${file}`.length)
      );
    expect(await names("")).toEqual([
      ":x:1 linux/amd64",
      ":docker.io/library/y:latest linux/arm64",
      ":@2 linux/amd64",
    ]);
    for (const rest of [":y", ":docker.io/y", ":index.docker.io/library/y:latest", ":localhost/z:2", ":@1"]) {
      expect(await names(rest), rest).toEqual([`${rest} linux/arm64`]);
    }
    expect(await names(":@2")).toEqual([":@2 linux/amd64"]);
    expect(await names("", "linux/arm64")).toEqual([":docker.io/library/y:latest linux/arm64"]);
    const unknown = await failure(`docker-archive:${file}:w`);
    expect(unknown).toMatchObject({ name: "UsageError", code: "docker-archive-unknown" });
    expect(unknown.details.advice).toBe("Its images: x:1, docker.io/library/y:latest, localhost/z:2, @2");
    expect((await failure(`docker-archive:${file}:@3`)).code).toBe("docker-archive-unknown");
    expect((await failure(`docker-archive:${file}:W`)).code).toBe("reference-invalid");
    expect((await failure(`docker-archive:${file}`, "linux/s390x")).code).toBe("oci-platform-unknown");
  });

  test.each([CONFIG_NAME, `blobs/sha256/${sha256(CONFIG).slice(7)}`, sha256(CONFIG)])(
    "a config that is not what its name %s says is refused",
    async (name) => {
      const item = { ...ITEM, Config: name };
      expect(await images(`docker-archive:${write([...BLOBS, ...dockerItems([item], CONFIG, name)])}`))
        .toHaveLength(1);
      const changed = new Uint8Array([...CONFIG, 0x20]);
      const file = write([...BLOBS, ...dockerItems([item], changed, name)]);
      expect(await failure(`docker-archive:${file}`)).toMatchObject({
        name: "DigestMismatch",
        details: { expected: sha256(CONFIG), actual: sha256(changed) },
      });
    },
  );

  test("what is wrong with one image does not hide the others", async () => {
    const file = write([...BLOBS, ...dockerItems([{ ...ITEM, Config: "none.json" }, ITEM], CONFIG)]);
    const found = await openImages(`docker-archive:${file}`, null);
    expect(found.map((image) => "error" in image ? image.error.code : image.name.split(" ")[1])).toEqual([
      "source-not-found",
      "linux/amd64",
    ]);
  });

  const WRONG: [string, unknown, string][] = [
    ["no manifest.json in it", undefined, "docker-archive-no-manifest"],
    ["no images", [], "oci-no-image"],
    ["an object", {}, "json-type"],
    ["null", [null], "json-type"],
    ["no config", [{ Layers: [] }], "json-type"],
    ["a number for a layer", [{ ...ITEM, Layers: [1] }], "json-type"],
    ["keys in other case", [{ ...ITEM, layers: [] }], "json-ambiguous-key"],
    ["a name that is none", [{ ...ITEM, RepoTags: ["Not A Name"] }], "docker-archive-tag"],
    ["a name of a megabyte", [{ ...ITEM, RepoTags: ["a".repeat(1 << 20)] }], "docker-archive-tag"],
    ["fewer layers than diffIDs", [{ ...ITEM, Layers: ["0/layer.tar"] }], "config-layer-count"],
    ["a config outside", [{ ...ITEM, Config: "../x.json" }], "archive-link-outside"],
    ["an absolute config", [{ ...ITEM, Config: "/etc/passwd" }], "archive-link-outside"],
    ["an empty config name", [{ ...ITEM, Config: "" }], "archive-link-outside"],
    ["a config that is no config", [{ ...ITEM, Config: "manifest.json" }], "json-type"],
  ];
  test.each(WRONG)("with %s is refused", async (_, manifest, code) => {
    const items = manifest === undefined ? BLOBS : [...BLOBS, ...dockerItems(manifest, CONFIG)];
    expect((await failure(`docker-archive:${write(items)}`)).code).toBe(code);
  });

  test("layers that lead out of the archive, in circles, or are there twice are refused when opened", async () => {
    const cases: [TarItem[], string][] = [
      [[symlink("0/layer.tar", "../../layer.tar")], "archive-link-outside"],
      [[symlink("0/layer.tar", "/etc/passwd")], "archive-link-outside"],
      [[symlink("0/layer.tar", "layer.tar")], "archive-link-loop"],
      [[BLOBS[0]!, BLOBS[0]!], "archive-duplicate"],
      [[], "source-not-found"],
    ];
    for (const [items, code] of cases) {
      const file = write([...items, BLOBS[1]!, ...dockerItems([ITEM], CONFIG)]);
      const [image] = await images(`docker-archive:${file}`);
      await expect(image!.layers[0]!.open(), code).rejects.toMatchObject({ code });
      expect(await digestOf(image!.layers[1]!)).toBe(sha256(GZIP[1]!.blob));
    }
  });
});

describe("arguments", () => {
  test.each([["oci:", "oci-no-directory"], ["oci-archive:", "archive-no-file"], [
    "docker-archive:",
    "archive-no-file",
  ], [
    "containers-storage:x",
    "image-argument",
  ]])("%s", async (argument, code) => {
    expect(await failure(argument)).toMatchObject({ name: "UsageError", code });
  });

  test("a file with colons in its name", async () => {
    const file = write([...BLOBS, ...dockerItems([ITEM], CONFIG)]);
    const renamed = file.replace(basename(file), "img:v1.tar");
    renameSync(file, renamed);
    for (const rest of ["", ":x:1", ":@0"]) {
      expect(await images(`docker-archive:${renamed}${rest}`)).toHaveLength(1);
    }
  });

  test("a pipe, and standard input", async () => {
    const fifo = join(tempDir(), "fifo");
    run("mkfifo", [fifo]);
    for (const argument of [`docker-archive:${fifo}`, `oci-archive:${fifo}`, "docker-archive:-"]) {
      expect((await failure(argument)).code).toBe("archive-not-seekable");
    }
  });
});

const isInstalled = (program: string): boolean => spawnSync(program, ["--version"]).error === undefined;
const missing = ["skopeo"].filter((program) => !isInstalled(program));
const why = missing.length > 0 ? ` (skipped, not installed: ${missing.join(", ")})` : "";

describe("what skopeo writes", () => {
  const copy = (from: string, to: string, ...options: string[]): void => {
    run("skopeo", ["--insecure-policy", "--tmpdir", tempDir(), "copy", ...options, from, to]);
  };

  test.skipIf(why)(`oci-archive: has the manifest, config and blobs of the layout${why}`, async () => {
    const directory = tempDir();
    const made = writeOciLayout(directory, LAYERS);
    const file = join(tempDir(), "img.tar");
    copy(`oci:${directory}:latest`, `oci-archive:${file}:localhost/x:1`);
    const [image] = await images(`oci-archive:${file}:localhost/x:1`);
    expect(image!.references).toEqual(["localhost/x:1"]);
    expect(image!.manifest!.digest).toBe(made.manifestDescriptor.digest);
    expect(image!.config.bytes).toEqual(made.config);
    expect(await Promise.all(image!.layers.map(digestOf))).toEqual(LAYERS.map(({ blob }) => sha256(blob)));
  }, 60_000);

  test.skipIf(why)(
    `docker-archive: has the tars, with links from the old places of layers${why}`,
    async () => {
      const directory = tempDir();
      const layers = [...GZIP, GZIP[0]!];
      const history = layers.map((_, i) => ({ created_by: `step ${i}`, created: "2024-01-01T00:00:00Z" }));
      writeOciLayout(directory, layers, { config: { history, created: "2024-01-01T00:00:00Z" } });
      const file = join(tempDir(), "img.tar");
      copy(`oci:${directory}:latest`, `docker-archive:${file}:x:1`, "--additional-tag", "localhost/y:2");
      const [image] = await images(`docker-archive:${file}:localhost/y:2`);
      expect(image!.references).toEqual(["docker.io/library/x:1", "localhost/y:2"]);
      const diffIDs = layers.map(({ diffID }) => diffID);
      expect(image!.layers.map(({ expect }) => expect.diffID!.value)).toEqual(diffIDs);
      expect(await Promise.all(image!.layers.map(digestOf))).toEqual(diffIDs);
    },
    60_000,
  );
});

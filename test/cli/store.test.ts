/** `layerproof store`: what clients find, what they must never find, and what is told. */
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { fixture, fixtureLayer as layer, fixtureRow as row, FIXTURES as ROWS } from "../support/fixtures.ts";
import { estargz, sha256, tar, writeOciLayout } from "../support/mod.ts";
import { cli, DIGEST, scriptArgs, shell, tempDir } from "./support.ts";

const REFERENCE = "registry.example/team/app:1";
const ENCODED = "cmVnaXN0cnkuZXhhbXBsZS90ZWFtL2FwcDox";
const LAYERS = ["tree.esgz", "tree.zstdchunked", "big.tar.gz"] as const;

/** A layout with an image of these fixtures. */
function layout(files: readonly string[] = LAYERS, changes: Parameters<typeof writeOciLayout>[2] = {}) {
  const directory = tempDir();
  return { directory, ...writeOciLayout(directory, files.map(layer), changes) };
}

async function created(
  files: readonly string[] = LAYERS,
): Promise<{ store: string; source: ReturnType<typeof layout> }> {
  const source = layout(files);
  const store = join(tempDir(), "store");
  const { status, stderr } = await cli([
    "store",
    "create",
    `oci:${source.directory}`,
    store,
    "--reference",
    REFERENCE,
  ]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return { store, source };
}

function info(store: string, digest: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(store, ENCODED, digest, "info"), "utf8"));
}

/** What a client can find: every directory with diff, info and blob. */
function findable(store: string): string[] {
  const { stdout } = spawnSync("find", [
    store,
    "-path",
    `${store}/.layerproof`,
    "-prune",
    "-o",
    "-name",
    "info",
    "-print",
  ], {
    encoding: "utf8",
  });
  return stdout.split("\n").filter((path) => path !== "").map((path) =>
    path.slice(store.length + 1, -"/info".length)
  );
}

describe("store create", () => {
  test("each layer lies under its blob digest and its TOC digest, with what is true of it", async () => {
    const { store } = await created();
    const digests = LAYERS.flatMap((file) =>
      [row(file).digest, row(file).tocDigest].filter((digest) => digest)
    );
    expect(readdirSync(join(store, ENCODED)).sort()).toEqual([...digests].sort());
    for (const file of LAYERS) {
      const { digest, diffID, uncompressedSize, size, tocDigest } = row(file);
      for (const identity of tocDigest ? [digest, tocDigest] : [digest]) {
        expect(info(store, identity)).toEqual({
          "compressed-diff-digest": digest,
          "compressed-size": size,
          "diff-digest": diffID,
          "diff-size": uncompressedSize,
          compression: file.endsWith("zstdchunked") ? 4 : 2,
          ...tocDigest && { "toc-digest": tocDigest },
          flags: { "expected-layer-diffid": diffID },
        });
        const directory = join(store, ENCODED, identity);
        expect(sha256(readFileSync(join(directory, "blob")))).toBe(digest);
        expect(statSync(join(directory, "diff")).isDirectory()).toBe(true);
        // Both the check whether it exists and its creation must fail with ENOENT.
        expect(() => statSync(join(directory, "use"))).toThrow(/ENOENT/);
        expect(() => writeFileSync(join(directory, "use"), "")).toThrow(/ENOENT/);
      }
    }
  });

  test("the files are those that tar extracts", async () => {
    const { store } = await created(["big.tar.gz"]);
    const expected = tempDir();
    spawnSync("tar", ["-xzpf", "-", "-C", expected], { input: fixture("layers/big.tar.gz") });
    const { status, stdout } = spawnSync("diff", [
      "-r",
      expected,
      join(store, ENCODED, row("big.tar.gz").digest, "diff"),
    ], {
      encoding: "utf8",
    });
    expect(stdout).toBe("");
    expect(status).toBe(0);
  });

  test("blobs of the same file system are linked, with --copy they are not", async () => {
    const { directory, layers } = layout(["big.tar.gz"]);
    const file = join(directory, "blobs/sha256", layers[0]!.digest.slice(7));
    for (const [options, same] of [[[], true], [["--copy"], false]] as const) {
      const store = mkdtempSync(join(directory, "store-"));
      expect(
        (await cli(["store", "create", `oci:${directory}`, store, "--reference", "x", ...options])).status,
      ).toBe(0);
      const [reference] = readdirSync(store).filter((name) => !name.startsWith("."));
      const blob = join(store, reference!, layers[0]!.digest, "blob");
      expect(statSync(blob).ino === statSync(file).ino).toBe(same);
    }
  });

  test("a second run reads nothing again", async () => {
    const { store, source } = await created();
    rmSync(join(source.directory, "blobs/sha256", row("tree.esgz").digest.slice(7)));
    const again = ["store", "create", `oci:${source.directory}`, store, "--reference", REFERENCE];
    const { status, stdout } = await cli(again);
    expect(stdout.match(/in the store already/g)).toHaveLength(3);
    expect(status).toBe(0);
  });

  test("what the second run expects is compared all the same", async () => {
    const { store } = await created();
    const { directory } = layout(["tree.esgz"]);
    const lie = writeOciLayout(tempDir(), [{ ...layer("tree.esgz"), diffID: DIGEST }]);
    for (
      const [name, bytes] of [[lie.manifestDescriptor.digest, lie.manifest], [
        lie.configDescriptor.digest,
        lie.config,
      ]] as const
    ) {
      writeFileSync(join(directory, "blobs/sha256", name.slice(7)), bytes);
    }
    const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8"));
    writeFileSync(
      join(directory, "index.json"),
      JSON.stringify({ ...index, manifests: [lie.manifestDescriptor] }),
    );
    const { status, stderr } = await cli([
      "store",
      "create",
      `oci:${directory}`,
      store,
      "--reference",
      "other/x:1",
    ]);
    expect(stderr).toContain("diffID");
    expect(status).toBe(1);
    expect(findable(store).every((path) => path.startsWith(ENCODED))).toBe(true);
  });

  test("poisoning: an image that claims another image's diffID gets nothing into the store", async () => {
    const honest = row("big.tar.gz");
    const { directory } = layout(["tree.tar.gz"]);
    const evil = writeOciLayout(directory, [layer("big.tar.zst"), {
      ...layer("tree.esgz"),
      diffID: honest.diffID,
    }], {
      tag: "evil",
    });
    expect(evil.layers).toHaveLength(2);
    const store = join(tempDir(), "store");
    const { status, stderr } = await cli([
      "store",
      "create",
      `oci:${directory}:evil`,
      store,
      "--reference",
      "evil/x:1",
    ]);
    expect(status).toBe(1);
    expect(stderr).toContain(honest.diffID);
    expect(stderr).toContain("clients find nothing of");
    // Not even the layer before, which is in order.
    expect(findable(store)).toEqual([]);
  });

  test.each([
    ["a blob that was changed", (blob: Uint8Array) => blob.fill(0, 200, 210)],
    ["a blob that was cut", (blob: Uint8Array) => blob.subarray(0, blob.length - 30)],
  ])("%s is refused", async (_, damage) => {
    const { directory, layers } = layout();
    const path = join(directory, "blobs/sha256", layers[1]!.digest.slice(7));
    writeFileSync(path, damage(new Uint8Array(readFileSync(path))));
    const store = join(tempDir(), "store");
    const { status, stderr } = await cli([
      "store",
      "create",
      `oci:${directory}`,
      store,
      "--reference",
      REFERENCE,
    ]);
    expect([1, 3]).toContain(status);
    expect(stderr).toContain("is refused");
    expect(findable(store)).toEqual([]);
    // Nothing of work under way is left.
    expect(readdirSync(join(store, ".layerproof/tmp"))).toEqual([]);
  });

  test("annotations of another blob: by the blob digest alone, and it is said", async () => {
    const directory = tempDir();
    const { annotations } = row("tree.zstdchunked");
    writeOciLayout(directory, [{ ...layer("big.tar.zst"), annotations }]);
    const store = join(tempDir(), "store");
    const { status, stdout } = await cli([
      "store",
      "create",
      `oci:${directory}`,
      store,
      "--reference",
      REFERENCE,
    ]);
    expect(status).toBe(0);
    expect(stdout).toContain("served by its blob digest alone");
    expect(findable(store)).toEqual([`${ENCODED}/${row("big.tar.zst").digest}`]);
    expect(info(store, row("big.tar.zst").digest)).not.toHaveProperty("toc-digest");
  });

  test("a TOC of another tree is refused, under any digest", async () => {
    const store = join(tempDir(), "store");
    const lying = ROWS.filter(({ file }) => file.startsWith("hostile-") && file.endsWith("esgz"));
    expect(lying.length).toBeGreaterThan(5);
    for (const { file, digest } of lying) {
      const { status } = await cli(["store", "create", `test/fixtures/layers/${file}`, store]);
      if (status !== 0) expect(existsSync(join(store, digest))).toBe(false);
      // The last resort of every client: nothing outside the layer's own tree was made.
      expect(readdirSync(store).every((name) => name === ".layerproof" || name.startsWith("sha256:"))).toBe(
        true,
      );
    }
  });

  test("the dialect with two TOC digests answers to those that were compared", async () => {
    const directory = tempDir();
    const { file, annotations } = row("big.stargz.zstdchunked");
    writeOciLayout(directory, [layer(file)]);
    const store = join(tempDir(), "store");
    expect((await cli(["store", "create", `oci:${directory}`, store, "--reference", REFERENCE])).status).toBe(
      0,
    );
    const digests = [
      annotations["containerd.io/snapshot/stargz/toc.digest"]!,
      annotations["io.containers.zstd-chunked.manifest-checksum"]!,
    ];
    for (const digest of digests) expect(info(store, digest)["toc-digest"]).toBe(digest);
  });

  test("one layer without an image: by its digests; with what is expected of it", async () => {
    const store = join(tempDir(), "store");
    const path = "test/fixtures/layers/tree.zstdchunked";
    const { digest, tocDigest, diffID } = row("tree.zstdchunked");
    const { status, stdout } = await cli(["store", "create", path, store, "--digest", digest]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/additionallayerstores = \["[^"]*store"\]/);
    expect(findable(store).sort()).toEqual([digest, tocDigest].sort());
    // The flag is the config's word, and there is no config.
    expect(JSON.parse(readFileSync(join(store, digest, "info"), "utf8"))).not.toHaveProperty("flags");
    const other = join(tempDir(), "store");
    expect((await cli(["store", "create", path, other, "--diff-id", DIGEST])).status).toBe(1);
    expect(findable(other)).toEqual([]);
    expect((await cli(["store", "create", path, other, "--diff-id", diffID])).status).toBe(0);
    expect(findable(other)).toHaveLength(2);
  });

  test("layouts of the path, also together", async () => {
    const source = layout(["tree.zstdchunked"]);
    const store = join(tempDir(), "store");
    const { digest, tocDigest } = row("tree.zstdchunked");
    const { status } = await cli(
      [
        "store",
        "create",
        `oci:${source.directory}`,
        store,
        "--reference",
        REFERENCE,
        "--layout",
        "keys",
        "--layout",
        "digest",
      ],
    );
    expect(status).toBe(0);
    const b64 = (text: string) => spawnSync("base64", ["-w0"], { input: text, encoding: "utf8" }).stdout;
    const reference = b64(`reference=${REFERENCE}`);
    expect(findable(store).sort()).toEqual(
      [digest, tocDigest].flatMap((each) => {
        const key = b64(`layerdigest=${each}`);
        return [each, `${reference}/${key}`, `${key}/${reference}`];
      }).sort(),
    );
    for (const path of findable(store)) {
      expect(sha256(readFileSync(join(store, path, "blob")))).toBe(digest);
      expect(existsSync(join(store, path, "diff/etc"))).toBe(true);
    }
  });

  test("a docker-archive, under the names it gives itself", async () => {
    const directory = tempDir();
    const archive = tar([{ name: "hello", data: "hello\n" }]);
    const diffID = sha256(archive);
    const config = JSON.stringify({
      os: "linux",
      architecture: "amd64",
      rootfs: { type: "layers", diff_ids: [diffID] },
    });
    const hex = sha256(new TextEncoder().encode(config)).slice(7);
    writeFileSync(join(directory, "layer.tar"), archive);
    writeFileSync(join(directory, `${hex}.json`), config);
    writeFileSync(
      join(directory, "manifest.json"),
      JSON.stringify([{ Config: `${hex}.json`, RepoTags: ["app:2"], Layers: ["layer.tar"] }]),
    );
    const file = join(tempDir(), "image.tar");
    spawnSync("tar", ["-cf", file, "-C", directory, "manifest.json", `${hex}.json`, "layer.tar"]);
    const store = join(tempDir(), "store");
    const { status, stderr } = await cli(["store", "create", `docker-archive:${file}`, store]);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const encoded =
      spawnSync("base64", ["-w0"], { input: "docker.io/library/app:2", encoding: "utf8" }).stdout;
    const place = join(store, encoded, diffID);
    expect(JSON.parse(readFileSync(join(place, "info"), "utf8"))).toMatchObject({
      "diff-digest": diffID,
      "compressed-diff-digest": diffID,
      compression: 0,
      "diff-size": archive.length,
    });
    expect(readFileSync(join(place, "diff/hello"), "utf8")).toBe("hello\n");
  });

  test.each([
    ["a layout's tag is no reference", ["oci:LAYOUT"], "store-no-reference"],
    [
      "a reference that nobody can ask for",
      ["oci:LAYOUT", "--reference", `x/${"y".repeat(200)}:1`],
      "store-path-too-long",
    ],
    ["a name that is none", ["oci:LAYOUT", "--reference", "a//b"], "reference-invalid"],
    ["expectations of an image", ["oci:LAYOUT", "--reference", "x", "--digest", DIGEST], "option-with-image"],
    [
      "a path that needs a reference",
      ["test/fixtures/layers/tree.esgz", "--layout", "reference"],
      "store-no-reference",
    ],
    ["an unknown layout", ["test/fixtures/layers/tree.esgz", "--layout", "flat"], "store-layout-unknown"],
  ])("%s: wrong usage, and no store is made", async (_, args, code) => {
    const { directory } = layout(["tree.esgz"]);
    const store = join(tempDir(), "store");
    const [image, ...rest] = args.map((arg) => arg.replace("LAYOUT", directory));
    const { status, stderr } = await cli(["store", "create", image!, store, ...rest]);
    expect(stderr).toContain(`[${code}]`);
    expect(status).toBe(2);
    expect(existsSync(store)).toBe(false);
  });

  test("JSON for programs", async () => {
    const { directory } = layout();
    const store = join(tempDir(), "store");
    const { stdout } = await cli([
      "store",
      "create",
      `oci:${directory}`,
      store,
      "--reference",
      REFERENCE,
      "--json",
    ]);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
    expect(lines.slice(0, 3).map(({ outcome, record }) => [outcome, record.diffID])).toEqual(
      LAYERS.map((file) => ["stored", row(file).diffID]),
    );
    expect(lines[3]).toMatchObject({ references: [REFERENCE], refused: 0, store });
    expect(lines[3].places.map(({ path }: { path: string }) => path).sort()).toEqual(findable(store).sort());
  });

  test("the store may be named by the environment", async () => {
    const store = join(tempDir(), "store");
    const options = { env: { LAYERPROOF_STORE: store } };
    const path = "test/fixtures/layers/tree.esgz";
    expect((await cli(["store", "create", path], undefined, options)).status).toBe(0);
    expect((await cli(["store", "ls"], undefined, options)).stdout).toContain(
      row("tree.esgz").digest.slice(7, 19),
    );
    const { status, stderr } = await cli(["store", "ls"]);
    expect(stderr).toContain("[store-not-named]");
    expect(status).toBe(2);
  });
});

describe("store create takes nothing but what it has hashed", () => {
  const LAYER = "test/fixtures/layers/big.tar.gz";

  test("a FIFO is read as a pipe", () => {
    const directory = tempDir();
    const fifo = join(directory, "fifo");
    spawnSync("mkfifo", [fifo]);
    const store = join(directory, "store");
    const { status, stdout } = shell(
      `cat ${LAYER} > ${fifo} & "$RUNTIME" ${
        scriptArgs("src/cli/main.ts").join(" ")
      } store create ${fifo} ${store}`,
    );
    expect(stdout).toContain(row("big.tar.gz").digest);
    expect(status).toBe(0);
    const blob = join(store, row("big.tar.gz").digest, "blob");
    expect(statSync(blob).isFile()).toBe(true);
    expect(sha256(readFileSync(blob))).toBe(row("big.tar.gz").digest);
  });

  test("standard input", () => {
    const store = join(tempDir(), "store");
    const main = `"$RUNTIME" ${scriptArgs("src/cli/main.ts").join(" ")}`;
    for (const source of ["-", "/dev/stdin"]) {
      const { status } = shell(`cat ${LAYER} | ${main} store create ${source} ${store}`);
      expect(status).toBe(0);
      expect(findable(store)).toEqual([row("big.tar.gz").digest]);
      rmSync(store, { recursive: true });
    }
  });

  test("an empty blob is none", async () => {
    const directory = tempDir();
    writeFileSync(join(directory, "empty"), "");
    const { status } = await cli(["store", "create", join(directory, "empty"), join(directory, "store")]);
    expect(status).not.toBe(0);
    expect(findable(join(directory, "store"))).toEqual([]);
  });

  test("a layout whose blobs are links: the store does not depend on where they lead", async () => {
    const { directory, layers } = layout(["big.tar.gz"]);
    const path = join(directory, "blobs/sha256", layers[0]!.digest.slice(7));
    const cas = tempDir();
    renameSync(path, join(cas, "content"));
    symlinkSync(join(cas, "content"), path);
    const store = join(tempDir(), "store");
    expect((await cli(["store", "create", `oci:${directory}`, store, "--reference", REFERENCE])).status).toBe(
      0,
    );
    rmSync(cas, { recursive: true });
    expect(sha256(readFileSync(join(store, ENCODED, layers[0]!.digest, "blob")))).toBe(layers[0]!.digest);
    expect((await cli(["store", "check", store])).status).toBe(0);
  });

  test("what others can write to is copied", async () => {
    const { directory, layers } = layout(["big.tar.gz"]);
    const path = join(directory, "blobs/sha256", layers[0]!.digest.slice(7));
    spawnSync("chmod", ["666", path]);
    const store = mkdtempSync(join(directory, "store-"));
    expect((await cli(["store", "create", `oci:${directory}`, store, "--reference", REFERENCE])).status).toBe(
      0,
    );
    expect(statSync(join(store, ENCODED, layers[0]!.digest, "blob")).ino).not.toBe(statSync(path).ino);
  });

  test("a TOC that does not bind the contents is no identity", async () => {
    const directory = tempDir();
    const made = ["one", "two"].map((data) =>
      estargz([{ name: "file", data }], {
        mutateToc: (toc) =>
          toc.entries.forEach((entry) => {
            delete entry.digest;
            delete entry.chunkDigest;
          }),
      })
    );
    const store = join(tempDir(), "store");
    for (const [i, { blob }] of made.entries()) {
      writeFileSync(join(directory, `layer${i}`), blob);
      await cli(["store", "create", join(directory, `layer${i}`), store]);
    }
    // Whatever is served, it is by digests of blobs.
    expect(findable(store).sort()).toEqual(made.map(({ blob }) => sha256(blob)).sort());
  });

  test.each<[string, (layer: string) => void]>([
    ["an empty blob", (layer) => {
      rmSync(join(layer, "blob"));
      writeFileSync(join(layer, "blob"), "");
    }],
    ["no blob", (layer) => rmSync(join(layer, "blob"))],
    ["no record", (layer) => rmSync(join(layer, "layer.json"))],
    ["a damaged record", (layer) => writeFileSync(join(layer, "layer.json"), "{")],
    ["another layer's record", (layer) => {
      const text = readFileSync(join(layer, "layer.json"), "utf8");
      writeFileSync(
        join(layer, "layer.json"),
        text.replaceAll(/"digest": "sha256:[0-9a-f]+"/g, `"digest": "${DIGEST}"`),
      );
    }],
    ["no files", (layer) => rmSync(join(layer, "diff"), { recursive: true })],
  ])("a layer with %s is made anew", async (_, damage) => {
    const { store, source } = await created(["tree.esgz"]);
    damage(join(store, ".layerproof/layers", row("tree.esgz").digest.slice(7)));
    const again = ["store", "create", `oci:${source.directory}`, store, "--reference", REFERENCE];
    const { status, stdout } = await cli(again);
    expect(stdout).toContain("verified and extracted");
    expect(status).toBe(0);
    expect((await cli(["store", "check", store])).status).toBe(0);
  });

  test("two platforms under one reference are both remembered", async () => {
    const store = join(tempDir(), "store");
    for (const architecture of ["amd64", "arm64", "amd64"]) {
      const { directory } = layout(["tree.esgz"], { config: { architecture } });
      expect((await cli(["store", "create", `oci:${directory}`, store, "--reference", REFERENCE])).status)
        .toBe(0);
    }
    const { stdout } = await cli(["store", "info", REFERENCE, store, "--json"]);
    expect(JSON.parse(stdout).images.map(({ platform }: { platform: string }) => platform).sort())
      .toEqual(["linux/amd64", "linux/arm64"]);
  });
});

describe("a store that somebody prepared", () => {
  test.each(["", "/tmp", "/layers", "/images", "/documents"])(
    ".layerproof%s is a link: nothing is touched",
    async (part) => {
      const { store, source } = await created(["tree.esgz"]);
      const victim = tempDir();
      writeFileSync(join(victim, "1.2"), "");
      mkdirSync(join(victim, "a".repeat(64)));
      const path = join(store, `.layerproof${part}`);
      rmSync(path, { recursive: true });
      symlinkSync(victim, path);
      for (
        const args of [
          ["gc", "--all", store],
          ["rm", REFERENCE, store],
          ["create", `oci:${source.directory}`, store, "--reference", REFERENCE],
        ]
      ) {
        const { status, stderr } = await cli(["store", ...args]);
        expect(stderr).toContain("[store-unsafe]");
        expect(status).toBe(4);
      }
      expect(readdirSync(victim)).toEqual(["1.2", "a".repeat(64)]);
    },
  );

  test("a reference that is a link out of the store", async () => {
    const { store } = await created(["tree.esgz"]);
    const victim = tempDir();
    mkdirSync(join(victim, row("tree.esgz").digest));
    rmSync(join(store, ENCODED), { recursive: true });
    symlinkSync(victim, join(store, ENCODED));
    await cli(["store", "rm", REFERENCE, store]);
    await cli(["store", "rm", row("tree.esgz").digest, store]);
    expect(readdirSync(victim)).toEqual([row("tree.esgz").digest]);
  });

  test("FIFOs in the places of files end nothing in waiting", async () => {
    const { store } = await created(["tree.esgz"]);
    const { digest, tocDigest } = row("tree.esgz");
    for (const path of [join(ENCODED, digest, "info"), join(".layerproof/layers", digest.slice(7), "blob")]) {
      rmSync(join(store, path));
      spawnSync("mkfifo", [join(store, path)]);
    }
    expect((await cli(["store", "look-up", REFERENCE, digest, store])).stdout).toContain("PROBLEM");
    expect((await cli(["store", "look-up", REFERENCE, tocDigest!, store])).stdout).toContain(
      "blob is no file",
    );
    expect((await cli(["store", "check", store])).status).toBe(1);
  });

  test.each(["use", "blob", "info"])("gc keeps the layer of a place without its %s", async (name) => {
    const { store } = await created(["tree.esgz"]);
    await cli(["store", "rm", row("tree.esgz").tocDigest!, store]);
    rmSync(join(store, ".layerproof/images"), { recursive: true });
    mkdirSync(join(store, ".layerproof/images"));
    rmSync(join(store, ENCODED, row("tree.esgz").digest, name));
    await cli(["store", "gc", "--all", store]);
    expect(readdirSync(join(store, ".layerproof/layers"))).toEqual([row("tree.esgz").digest.slice(7)]);
  });
});

describe("store look-up", () => {
  test("says what a client gets, and by which identity", async () => {
    const { store } = await created();
    const { digest, tocDigest, diffID } = row("tree.esgz");
    for (const [asked, identity] of [[digest, "blob digest"], [tocDigest!, "TOC digest"]] as const) {
      const { status, stdout } = await cli(["store", "look-up", REFERENCE, asked, store, "--json"]);
      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ identity, info: { "diff-digest": diffID }, problems: [] });
    }
    const { stdout } = await cli(["store", "look-up", REFERENCE, digest, store]);
    expect(stdout).toContain("found by   blob digest");
  });

  test("another reference, the diffID, an unknown digest: not here", async () => {
    const { store } = await created();
    const { digest, diffID } = row("tree.esgz");
    for (
      const [reference, asked] of [["other/x:1", digest], [REFERENCE, diffID], [REFERENCE, DIGEST]] as const
    ) {
      const { status, stdout } = await cli(["store", "look-up", reference, asked, store]);
      expect(stdout).toContain("not here");
      expect(status).toBe(1);
    }
  });

  test("by pair: only a layer of which both digests were computed", async () => {
    const { store } = await created();
    const a = row("tree.esgz"), b = row("tree.zstdchunked");
    const pair = async (digest: string, toc: string): Promise<number> =>
      (await cli(["store", "look-up", REFERENCE, digest, store, "--toc-digest", toc])).status;
    expect(await pair(a.digest, a.tocDigest!)).toBe(0);
    expect(await pair(b.digest, b.tocDigest!)).toBe(0);
    expect(await pair(a.digest, b.tocDigest!)).toBe(1);
    expect(await pair(b.digest, a.tocDigest!)).toBe(1);
    expect(await pair(a.tocDigest!, a.tocDigest!)).toBe(1);
  });

  test.each([
    ["diff", "diff is not there"],
    ["blob", "blob is not there"],
    ["info", "info is not there"],
  ])("without %s nobody takes it", async (name, problem) => {
    const { store } = await created();
    const { digest } = row("tree.esgz");
    rmSync(join(store, ENCODED, digest, name));
    const { status, stdout } = await cli(["store", "look-up", REFERENCE, digest, store]);
    expect(stdout).toContain(problem);
    expect(status).toBe(1);
  });

  test("an info that claims another layer's diffID is told", async () => {
    const { store } = await created();
    const { digest } = row("tree.esgz");
    const { diffID } = row("big.tar.gz");
    writeFileSync(
      join(store, ENCODED, digest, "info"),
      JSON.stringify({ ...info(store, digest), "diff-digest": diffID }),
    );
    const { status, stdout } = await cli(["store", "look-up", REFERENCE, digest, store]);
    expect(stdout).toContain(`info has diff-digest "${diffID}", right is "${row("tree.esgz").diffID}"`);
    expect(status).toBe(1);
  });

  test("links into another layer are told", async () => {
    const { store } = await created();
    const a = row("tree.esgz"), b = row("big.tar.gz");
    const link = join(store, ENCODED, a.digest, "diff");
    const target = readlinkSync(link).replace(a.digest.slice(7), b.digest.slice(7));
    rmSync(link);
    symlinkSync(target, link);
    const { status, stdout } = await cli(["store", "look-up", REFERENCE, a.digest, store]);
    expect(stdout).toContain("PROBLEM");
    expect(status).toBe(1);
  });
});

describe("store check", () => {
  test("a store as it was made", async () => {
    const { store } = await created();
    const { status, stdout } = await cli(["store", "check", store]);
    expect(stdout).toContain("3 layers, 5 places: all as they were taken in");
    expect(status).toBe(0);
  });

  const file = (store: string) => join(store, ENCODED, row("tree.esgz").digest, "diff/etc/passwd");
  test.each<[string, (store: string) => void, string]>([
    ["a file's content", (store) => appendFileSync(file(store), "x"), "etc/passwd"],
    ["a file's mode", (store) => void spawnSync("chmod", ["777", file(store)]), "etc/passwd: mode"],
    ["a file that is gone", (store) => rmSync(file(store)), "etc/passwd"],
    ["a file more", (store) => writeFileSync(`${file(store)}2`, ""), "etc/passwd2"],
    [
      "a blob",
      (store) => {
        const path = join(store, ENCODED, row("tree.esgz").digest, "blob");
        const blob = readFileSync(path);
        blob[300]! ^= 1;
        rmSync(join(store, ".layerproof/layers", row("tree.esgz").digest.slice(7), "blob"));
        writeFileSync(path, blob);
      },
      "blob:",
    ],
    [
      "a tar-split",
      (store) =>
        appendFileSync(
          join(store, ".layerproof/layers", row("tree.esgz").digest.slice(7), "tar-split.zst"),
          "x",
        ),
      "store-tar-split-changed",
    ],
    [
      "an info",
      (store) => writeFileSync(join(store, ENCODED, row("tree.esgz").tocDigest!, "info"), "{}"),
      "info has diff-size undefined",
    ],
    [
      "a record",
      (store) =>
        writeFileSync(join(store, ".layerproof/layers", row("tree.esgz").digest.slice(7), "layer.json"), "{"),
      "store-record",
    ],
  ])("finds a change of %s", async (_, change, told) => {
    const { store } = await created(["tree.esgz", "big.tar.gz"]);
    change(store);
    const { status, stdout } = await cli(["store", "check", store]);
    expect(stdout).toContain(told);
    expect(stdout).toContain(`${row("big.tar.gz").digest}: ok`);
    expect(status).toBe(1);
    // What was changed is made right by creating it anew.
  });

  test("JSON for programs", async () => {
    const { store } = await created(["tree.esgz"]);
    const { stdout } = await cli(["store", "check", store, "--json"]);
    const lines = stdout.trim().split("\n").map((line) => JSON.parse(line));
    expect(lines.map(({ kind, problems }) => [kind, problems])).toEqual([["layer", []], ["place", []], [
      "place",
      [],
    ]]);
  });
});

describe("store ls, info, rm, gc", () => {
  test("ls and info tell what is there", async () => {
    const { store, source } = await created();
    const { stdout } = await cli(["store", "ls", store]);
    expect(stdout.split("\n")[0]).toMatch(/^REFERENCE +BLOB +FORMAT +SIZE +UNCOMPRESSED +TOC$/);
    for (const name of LAYERS) expect(stdout).toContain(row(name).digest.slice(7, 19));
    const image = (await cli(["store", "info", REFERENCE, store])).stdout;
    expect(image).toContain(`manifest  ${source.manifestDescriptor.digest}`);
    for (const digest of [row("tree.esgz").digest, row("tree.esgz").tocDigest!, row("tree.esgz").diffID]) {
      expect((await cli(["store", "info", digest, store])).stdout).toContain(row("tree.esgz").diffID);
    }
    expect((await cli(["store", "info", DIGEST, store])).status).toBe(4);
    const json = (await cli(["store", "ls", store, "--json"])).stdout.trim().split("\n").map((line) =>
      JSON.parse(line)
    );
    expect(json.map(({ record }) => record.digest).sort()).toEqual(
      LAYERS.map((name) => row(name).digest).sort(),
    );
  });

  test("rm takes the image away, gc its layers; what another image has stays", async () => {
    const { store } = await created(["tree.esgz", "big.tar.gz"]);
    const second = layout(["big.tar.gz"]);
    expect(
      (await cli(["store", "create", `oci:${second.directory}`, store, "--reference", "other/x:1"])).status,
    ).toBe(0);
    expect((await cli(["store", "rm", REFERENCE, store])).status).toBe(0);
    expect(existsSync(join(store, ENCODED))).toBe(false);
    expect(findable(store)).toHaveLength(1);
    // A layer that was made a moment ago may belong to a create that runs.
    expect((await cli(["store", "gc", store])).stdout).toContain("0 layers");
    const dry = (await cli(["store", "gc", store, "--all", "--dry-run"])).stdout;
    expect(dry).toContain(row("tree.esgz").digest);
    expect(dry).toContain("1 layer, 2 documents, 0 leftovers would be removed");
    const { stdout } = await cli(["store", "gc", store, "--all"]);
    expect(stdout).toContain("1 layer, 2 documents, 0 leftovers removed");
    expect(readdirSync(join(store, ".layerproof/layers"))).toEqual([row("big.tar.gz").digest.slice(7)]);
    expect((await cli(["store", "check", store])).status).toBe(0);
    expect((await cli(["store", "rm", REFERENCE, store])).status).toBe(4);
  });

  test("rm of a digest, and of places without references", async () => {
    const source = layout(["tree.esgz"]);
    const store = join(tempDir(), "store");
    const args = ["store", "create", `oci:${source.directory}`, store, "--reference", REFERENCE];
    await cli([...args, "--layout", "digest", "--layout", "reference"]);
    const { digest, tocDigest } = row("tree.esgz");
    expect((await cli(["store", "rm", tocDigest!, store])).status).toBe(0);
    expect(findable(store).sort()).toEqual([`${ENCODED}/${digest}`, digest].sort());
    expect((await cli(["store", "rm", REFERENCE, store])).status).toBe(0);
    expect(findable(store)).toEqual([]);
  });

  test("gc removes what a killed create left, and nothing of one that runs", async () => {
    const { store } = await created(["tree.esgz"]);
    const start = readFileSync("/proc/self/stat", "utf8").split(") ")[1]!.split(" ")[19];
    const namespace = readlinkSync("/proc/self/ns/pid").match(/\d+/)![0];
    const work = (...parts: readonly (string | number | undefined)[]) =>
      join(store, ".layerproof/tmp", [...parts, "0123456789abcdef"].join("."));
    const alive = work(namespace, process.pid, start);
    // The number may have been given to another process since.
    const reused = work(namespace, process.pid, 1);
    const dead = work(namespace, 4194305, 7);
    // Of a container, of which nothing can be known; and of nobody.
    const foreign = work(17, 4194305, 7), strange = join(store, ".layerproof/tmp/notes");
    for (const path of [alive, reused, dead, foreign, strange]) {
      mkdirSync(join(path, "layer/diff"), { recursive: true });
    }
    expect((await cli(["store", "gc", store])).stdout).toContain("2 leftovers removed");
    expect([alive, reused, dead, foreign, strange].map((path) => existsSync(path)))
      .toEqual([true, false, false, true, true]);
  });

  test("what is no store", async () => {
    const { status, stderr } = await cli(["store", "ls", tempDir()]);
    expect(stderr).toContain("[store-not-found]");
    expect(status).toBe(4);
    const { store } = await created(["tree.esgz"]);
    writeFileSync(join(store, ".layerproof/format"), "2\n");
    expect((await cli(["store", "ls", store])).stderr).toContain("[store-format]");
  });
});

/**
 * `layerproof store create` as real clients see it: podman pulls from the store, mounts, saves and pushes. All layers
 * are denied by the registry meanwhile.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { estargz, gzipMember, tar, zstdChunked } from "../support/mod.ts";
import { Case, type Export, EXPORTS, must, type Pushed, type Source } from "./support/case.ts";
import { BASE, builtLayer, fixtureLayer, type Layer } from "./support/image.ts";
import { describeEndToEnd, type Podman, PODMAN_4, PODMAN_5 } from "./support/machine.ts";
import { output } from "./support/run.ts";
import { comparable, extractAndList, list, type Listing, type Reference } from "./support/tree.ts";

interface Kind {
  readonly name: string;
  readonly source?: Source;
  /** The lower layer first. */
  readonly layers: () => readonly Layer[];
}

const ESTARGZ: Kind = {
  name: "eStargz",
  layers: () => [builtLayer(estargz(BASE)), fixtureLayer("layers/tree.esgz")],
};
const CHUNKED: Kind = {
  name: "zstd:chunked",
  layers: () => [builtLayer(zstdChunked(BASE)), fixtureLayer("layers/tree.zstdchunked")],
};
const BUILDAH: Kind = {
  name: "zstd:chunked, whiteouts by buildah",
  layers:
    () => [fixtureLayer("layers/buildah.zstdchunked"), fixtureLayer("layers/buildah-whiteouts.zstdchunked")],
};
const OLDEST: Kind = {
  name: "zstd:chunked of skopeo 1.9.3",
  layers: () => [
    builtLayer(zstdChunked(BASE, { dialect: "cs-1.43" })),
    fixtureLayer("layers/tree.skopeo193.zstdchunked"),
  ],
};
// podman 5 knows no older annotation.
const WITHOUT_TAR_SPLIT: Kind = {
  name: "zstd:chunked of containers/storage 1.46",
  layers: () => [
    builtLayer(zstdChunked(BASE, { dialect: "cs-1.44" })),
    fixtureLayer("layers/small.cs-1.46.1.zstdchunked"),
  ],
};
const STARGZ: Kind = {
  name: "zstd:chunked of stargz-snapshotter",
  layers: () => [
    builtLayer(zstdChunked(BASE, { dialect: "stargz" })),
    fixtureLayer("layers/tree.stargz.zstdchunked"),
  ],
};
const GZIP: Kind = {
  name: "gzip",
  layers:
    () => [builtLayer({ blob: gzipMember(tar(BASE)), tar: tar(BASE) }), fixtureLayer("layers/tree.tar.gz")],
};
const LAYERS: Kind = { ...GZIP, name: "gzip, given as single layers", source: "layers" };
const uncompressed = () => [builtLayer({ blob: tar(BASE), tar: tar(BASE) }), fixtureLayer("src/tree.tar")];
const OCI_ARCHIVE: Kind = { name: "tar, from an oci-archive", source: "oci-archive", layers: uncompressed };
const DOCKER_ARCHIVE: Kind = {
  name: "tar, from a docker-archive",
  source: "docker-archive",
  layers: uncompressed,
};

const CASES: readonly (readonly [Podman, readonly Kind[]])[] = [
  [PODMAN_4, [ESTARGZ, CHUNKED, BUILDAH, OLDEST, STARGZ, GZIP, LAYERS, OCI_ARCHIVE, DOCKER_ARCHIVE]],
  [PODMAN_5, [ESTARGZ, CHUNKED, BUILDAH, WITHOUT_TAR_SPLIT, STARGZ]],
];

/** In milliseconds. */
const SECOND = 1000;

describeEndToEnd("a store that layerproof made", () => {
  let work: string;
  beforeAll(() => {
    work = realpathSync(mkdtempSync(join(tmpdir(), "layerproof-e2e-")));
  });
  afterAll(() => {
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
  });

  for (const [podman, kinds] of CASES) {
    for (const kind of kinds) describe(`${podman.name}, ${kind.name}`, () => serves(podman, kind));
  }
  for (const kind of [GZIP, OLDEST]) {
    test(`podman 5, ${kind.name}: is not asked and does not disturb`, () => downloads(kind));
  }

  /** Everything that a client does with an image out of a store. */
  function serves(podman: Podman, kind: Kind): void {
    const layers = kind.layers();
    const diffIDs = layers.map(({ diffID }) => diffID);
    let at: Case, image: Pushed, reference: Reference, store: Listing;
    const listStore = () =>
      list((program, args) => output(program, args, { cwd: at.client.store, encoding: "latin1" }));

    beforeAll(async () => {
      at = await Case.open(work, podman);
      image = await at.push("image", layers);
      must(await at.create(image, kind.source));
      store = await listStore();
      at.denyLayers(image);
      reference = await extractAndList(layers.map(({ blob }) => blob), at.client.work);
    }, 120 * SECOND);
    afterAll(() => at?.close(), 60 * SECOND);

    test("is pulled from the store: no layer is asked for", async () => {
      const { status, stderr } = await at.pull(image);
      expect(status, stderr).toBe(0);
      expect(at.registry.blobs(404)).toEqual([]);
      expect(at.registry.blobs(200)).toEqual([image.image.configDescriptor.digest]);
      // That is said of stores without reference counting, at each use.
      expect(stderr).not.toContain("during use");
    });

    test("is the very tree that GNU tar extracts", async () => {
      const mounted = await at.client.ok("image", "mount", image.reference);
      const seen = await list((program, args) => at.client.look(mounted, program, args));
      expect(comparable(seen, reference)).toEqual(comparable(reference.listing, reference));
      await at.client.ok("image", "unmount", image.reference);
    });

    test("has its true size", async () => {
      const [{ Size }] = JSON.parse(await at.client.ok("images", "--format", "json"));
      // containers/storage adds what it keeps of an image: the config, and the manifest under two names.
      const { config, manifest } = image.image;
      const tars = layers.reduce((sum, { uncompressedSize }) => sum + uncompressedSize, 0);
      expect(Size).toBe(tars + config.length + 2 * manifest.length);
    });

    for (const way of EXPORTS) {
      if (isRefusedByClient(podman, way, layers)) {
        test(`${way}: refused by this client, for any zstd layer`, async () => {
          await expect(at.export(image, way)).rejects.toThrow(
            "zstd compression is not supported for docker images",
          );
        });
      } else {
        test(`${way}: the same layers come out`, async () => {
          expect(await at.export(image, way)).toEqual({ config: diffIDs, computed: diffIDs });
        });
      }
    }

    test("goes away again, and the store is as it was", async () => {
      await at.client.ok("rmi", image.reference);
      expect(await listStore()).toEqual(store);
    });
  }

  /** podman 5 asks no store for a layer whose descriptor has none of the annotations that it knows. */
  async function downloads(kind: Kind): Promise<void> {
    const at = await Case.open(work, PODMAN_5);
    try {
      const layers = kind.layers();
      const image = await at.push("image", layers);
      must(await at.create(image));
      must(await at.pull(image));
      expect(at.registry.blobs(200)).toEqual(expect.arrayContaining(layers.map(({ digest }) => digest)));
      const reference = await extractAndList(layers.map(({ blob }) => blob), at.client.work);
      const mounted = await at.client.ok("image", "mount", image.reference);
      const seen = await list((program, args) => at.client.look(mounted, program, args));
      // podman's own extraction differs from tar's in times before 1970 and in the mode of a root without entry.
      expect(Object.keys(seen)).toEqual(Object.keys(reference.listing));
    } finally {
      await at.close();
    }
  }
});

/** podman 4 writes no docker-archive of an image with zstd layers, wherever they came from. */
function isRefusedByClient({ major }: Podman, way: Export, layers: readonly Layer[]): boolean {
  return major === 4 && way === "podman save --format docker-archive" &&
    layers.some(({ mediaType }) => mediaType?.endsWith("+zstd"));
}

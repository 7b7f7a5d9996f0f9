/**
 * podman believes what `info` says of a layer: one that claims another image's diffID, or is found under another's TOC
 * digest, is then used in that other image. No image can make `layerproof store create` say such a thing.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Buffer } from "node:buffer";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gzipMember, tar, type TarItem, zstdChunked } from "../support/mod.ts";
import { Case, must, type Pushed } from "./support/case.ts";
import { builtLayer, type Layer } from "./support/image.ts";
import { describeEndToEnd, type Podman, PODMAN_4, PODMAN_5 } from "./support/machine.ts";

const tree = (owner: string): TarItem[] => [{ name: "etc/" }, { name: "etc/owner", data: `${owner}\n` }];
const gzip = (items: TarItem[]) => builtLayer({ blob: gzipMember(tar(items)), tar: tar(items) });
const chunked = (items: TarItem[]) => builtLayer(zstdChunked(items));

/** A layer that says the config's and the descriptor's word about itself, and is another. */
interface Attack {
  readonly name: string;
  readonly podman: Podman;
  readonly honest: Layer;
  readonly evil: Layer;
}

const attack = (podman: Podman, make: (items: TarItem[]) => Layer, what: "diffID" | "TOC digest"): Attack => {
  const [honest, evil] = [make(tree("honest")), make(tree("evil"))];
  const claims = what === "diffID"
    ? { diffID: honest.diffID }
    : { annotations: honest.annotations!, tocDigest: honest.tocDigest, diffID: honest.diffID };
  return { name: `${podman.name}: another image's ${what}`, podman, honest, evil: { ...evil, ...claims } };
};

const ATTACKS = [
  attack(PODMAN_4, gzip, "diffID"),
  attack(PODMAN_4, chunked, "diffID"),
  attack(PODMAN_5, chunked, "diffID"),
  attack(PODMAN_5, chunked, "TOC digest"),
];

describeEndToEnd("a store cannot be poisoned", () => {
  let work: string, at: Case, honest: Pushed, evil: Pushed;
  beforeAll(() => {
    work = realpathSync(mkdtempSync(join(tmpdir(), "layerproof-e2e-")));
  });
  afterAll(() => {
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
  });

  for (const { name, podman, ...layers } of ATTACKS) {
    describe(name, () => {
      const open = async () => {
        at = await Case.open(work, podman);
        honest = await at.push("honest", [layers.honest]);
        evil = await at.push("evil", [layers.evil]);
        at.denyLayers(evil);
      };

      test("the image is refused, and the other image gets its own files", async () => {
        await open();
        try {
          const created = await at.create(evil);
          expect(created.status, created.stderr).toBe(1);
          expect(found(at.client.store)).toEqual([]);
          expect((await at.pull(evil)).status).not.toBe(0);
          must(await at.pull(honest));
          expect(await owner(at, honest)).toBe("honest\n");
        } finally {
          await at.close();
        }
      });

      test("the same from a store that holds the honest image too", async () => {
        await open();
        try {
          must(await at.create(honest));
          const before = found(at.client.store);
          expect(before).not.toEqual([]);
          expect((await at.create(evil)).status).toBe(1);
          expect(found(at.client.store)).toEqual(before);
          at.denyLayers(honest);
          must(await at.pull(honest));
          expect(await owner(at, honest)).toBe("honest\n");
        } finally {
          await at.close();
        }
      });

      // Without this, the tests above would show nothing.
      test("a store that believes the image poisons this client", async () => {
        await open();
        try {
          believe(at.client.store, evil.reference, layers);
          must(await at.pull(evil));
          must(await at.pull(honest));
          expect(at.registry.blobs(200)).not.toContain(layers.honest.digest);
          expect(await owner(at, honest)).toBe("evil\n");
        } finally {
          await at.close();
        }
      });
    });
  }
});

/** What the image shows in `etc/owner`. */
async function owner(at: Case, { reference }: Pushed): Promise<string> {
  return await at.client.look(await at.client.ok("image", "mount", reference), "cat", ["etc/owner"]);
}

/** The layers that a client would take, of whatever reference. */
function found(store: string): string[] {
  const places = readdirSync(store).flatMap((above) =>
    readdirSync(join(store, above)).map((digest) => join(store, above, digest))
  );
  return places.filter((place) => ["diff", "info", "blob"].every((name) => existsSync(join(place, name))))
    .filter((place) => /\/sha256:[^/]*$/.test(place));
}

/** Puts the evil layer into a store as somebody would who takes the image's word for what it is. */
function believe(store: string, reference: string, { evil, honest }: Pick<Attack, "evil" | "honest">): void {
  for (const identity of evil.tocDigest === null ? [evil.digest] : [evil.digest, evil.tocDigest]) {
    const place = join(store, Buffer.from(reference).toString("base64"), identity);
    mkdirSync(join(place, "diff", "etc"), { recursive: true });
    writeFileSync(join(place, "diff", "etc", "owner"), "evil\n");
    writeFileSync(join(place, "blob"), evil.blob);
    const info = {
      "diff-digest": honest.diffID,
      "diff-size": evil.uncompressedSize,
      // By this, clients find the layers that they have.
      "compressed-diff-digest": honest.digest,
      "compressed-size": evil.blob.length,
      compression: 2,
      ...(evil.tocDigest !== null && { "toc-digest": evil.tocDigest }),
    };
    writeFileSync(join(place, "info"), JSON.stringify(info));
  }
}

/** One image on its way: into a registry, into a store, and into a client that cannot download its layers. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Image } from "../../support/mod.ts";
import { Client } from "./client.ts";
import {
  type Exported,
  exportedDirectory,
  exportedDocker,
  exportedLayout,
  exportedRepository,
} from "./exported.ts";
import { type Layer, writeLayout } from "./image.ts";
import { layerproof } from "./layerproof.ts";
import type { Podman } from "./machine.ts";
import { Registry } from "./registry.ts";
import { failure, type Outcome, output } from "./run.ts";

/** What `store create` is given. */
export type Source = "oci" | "oci-archive" | "docker-archive" | "layers";

/** An image that lies in the registry. */
export interface Pushed {
  readonly image: Image;
  readonly layers: readonly Layer[];
  readonly repository: string;
  /** As a client asks for it. */
  readonly reference: string;
  /** The image layout that it was pushed from. */
  readonly layout: string;
}

/** The ways out of a client's storage. */
export const EXPORTS = [
  "podman save --format oci-archive",
  "podman save --format docker-archive",
  "podman push",
  "skopeo copy oci:",
  "skopeo copy dir:",
] as const;

export type Export = typeof EXPORTS[number];

/** A registry and a client of its own. Close it. */
export class Case {
  readonly registry: Registry;
  readonly client: Client;

  private constructor(registry: Registry, client: Client) {
    this.registry = registry;
    this.client = client;
  }

  /** @param parent a directory for all files */
  static async open(parent: string, podman: Podman): Promise<Case> {
    const registry = await Registry.start(parent);
    try {
      return new Case(registry, await Client.open(parent, podman.root, registry.host));
    } catch (error) {
      await registry.close();
      throw error;
    }
  }

  /** Pushes an image, byte for byte. */
  async push(repository: string, layers: readonly Layer[]): Promise<Pushed> {
    const layout = join(this.client.work, `layout-${repository}`);
    const image = writeLayout(layout, layers);
    const reference = `${this.registry.host}/${repository}:t`;
    must(
      await this.client.skopeo([
        "copy",
        "--preserve-digests",
        "--dest-tls-verify=false",
        `oci:${layout}:t`,
        `docker://${reference}`,
      ]),
    );
    await this.client.forgetBlobs();
    return { image, layers, repository, reference, layout };
  }

  /** `layerproof store create` from the image's layout, or from what is made of it; from single layers one by one. */
  async create({ layers, reference, layout }: Pushed, source: Source = "oci"): Promise<Outcome> {
    const { store, work } = this.client;
    const create = (what: string) => layerproof(["store", "create", what, store, "--reference", reference]);
    if (source === "oci") return create(`oci:${layout}:t`);
    if (source === "layers") {
      let outcome: Outcome | undefined;
      for (const [i, { blob }] of layers.entries()) {
        const path = join(work, `layer-${i}`);
        writeFileSync(path, blob);
        outcome = must(await create(path));
      }
      return outcome!;
    }
    const archive = join(work, "image.tar");
    rmSync(archive, { force: true });
    if (source === "oci-archive") await output("tar", ["-C", layout, "-cf", archive, "."]);
    else must(await this.client.skopeo(["copy", `oci:${layout}:t`, `${source}:${archive}:example.com/in:t`]));
    return create(`${source}:${archive}`);
  }

  /** From now on the layers cannot be downloaded. */
  denyLayers({ repository, layers }: Pushed): void {
    this.registry.deny(repository, layers.map(({ digest }) => digest));
  }

  pull({ reference }: Pushed): Promise<Outcome> {
    this.registry.forget();
    return this.client.podman(["pull", "--quiet", reference]);
  }

  /** Exports the image and computes what came out. */
  async export({ reference, repository }: Pushed, way: Export): Promise<Exported> {
    const { client, registry } = this;
    const out = join(client.work, "out");
    rmSync(out, { recursive: true, force: true });
    mkdirSync(out);
    // Else a push may name a blob that is in the registry, and not read the store.
    await client.forgetBlobs();
    const save = async (format: string) => {
      must(await client.podman(["save", "--quiet", "--format", format, "--output", `${out}.tar`, reference]));
      await output("tar", ["-C", out, "-xf", `${out}.tar`]);
      rmSync(`${out}.tar`);
    };
    switch (way) {
      case "podman save --format oci-archive":
        await save("oci-archive");
        return exportedLayout(out);
      case "podman save --format docker-archive":
        await save("docker-archive");
        return exportedDocker(out);
      case "podman push": {
        const second = `${repository}-second`;
        must(await client.podman(["push", "--quiet", reference, `${registry.host}/${second}:t`]));
        return exportedRepository((path, accept) => registry.fetch(path, accept), second, "t");
      }
      case "skopeo copy oci:":
        must(await client.skopeo(["copy", `containers-storage:${reference}`, `oci:${out}:t`]));
        return exportedLayout(out);
      case "skopeo copy dir:":
        must(await client.skopeo(["copy", `containers-storage:${reference}`, `dir:${out}`]));
        return exportedDirectory(out);
    }
  }

  async close(): Promise<void> {
    try {
      await this.client.close();
    } finally {
      await this.registry.close();
    }
  }
}

/** @throws with all that was said, unless it succeeded */
export function must(outcome: Outcome): Outcome {
  if (outcome.status !== 0) throw new Error(failure(["The command"], outcome));
  return outcome;
}

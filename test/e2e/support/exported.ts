/** Reads what a client exported, and checks it from the bytes: each layer against the diffID of the config. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Descriptor, sha256 } from "../../support/mod.ts";
import { output } from "./run.ts";
import { decompressor } from "./tree.ts";

/** The digest of each layer's bytes, decompressed; `config` is what the exported image claims. */
export interface Exported {
  readonly config: readonly string[];
  readonly computed: readonly string[];
}

type Read = (digest: string) => Promise<Uint8Array> | Uint8Array;

/** Computes what the layers are. @param read gives a blob */
async function examine(manifest: Uint8Array, read: Read): Promise<Exported> {
  const { config, layers } = JSON.parse(text(manifest)) as { config: Descriptor; layers: Descriptor[] };
  const computed: string[] = [];
  for (const { digest } of layers) {
    const blob = await read(digest);
    if (sha256(blob) !== digest) throw new Error(`the blob ${digest} has the digest ${sha256(blob)}`);
    computed.push(await diffID(blob));
  }
  return { config: diffIDs(await read(config.digest)), computed };
}

/** An OCI image layout with one image. */
export function exportedLayout(directory: string): Promise<Exported> {
  const read = (digest: string) => readFileSync(join(directory, "blobs", digest.replace(":", "/")));
  const index = JSON.parse(readFileSync(join(directory, "index.json"), "utf8"));
  return examine(read(index.manifests[0].digest), read);
}

/** `skopeo copy … dir:`. */
export function exportedDirectory(directory: string): Promise<Exported> {
  const read = (digest: string) => readFileSync(join(directory, digest.slice("sha256:".length)));
  return examine(readFileSync(join(directory, "manifest.json")), read);
}

/** What lies in a registry. @param fetch gives the body of `/v2/…` */
export async function exportedRepository(
  fetch: (path: string, accept?: string) => Promise<Uint8Array>,
  repository: string,
  tag: string,
): Promise<Exported> {
  const types = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
  ];
  const manifest = await fetch(`/v2/${repository}/manifests/${tag}`, types.join(", "));
  return await examine(manifest, (digest) => fetch(`/v2/${repository}/blobs/${digest}`));
}

/** `podman save` in Docker's format, unpacked. */
export async function exportedDocker(directory: string): Promise<Exported> {
  const [image] = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
  const computed: string[] = [];
  for (const path of image.Layers) computed.push(await diffID(readFileSync(join(directory, path))));
  return { config: diffIDs(readFileSync(join(directory, image.Config))), computed };
}

function diffIDs(config: Uint8Array): string[] {
  return JSON.parse(text(config)).rootfs.diff_ids;
}

async function diffID(blob: Uint8Array): Promise<string> {
  const sum = await output("sh", ["-c", `${decompressor(blob)} | sha256sum`], { input: blob });
  return `sha256:${sum.slice(0, 64)}`;
}

function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

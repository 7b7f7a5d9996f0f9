/**
 * OCI descriptors, manifests, configs and image layouts (OCI image specification 1.1) around layers made elsewhere.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bytes, type BytesLike, sha256 } from "./bytes.ts";

/** A descriptor as it stands in a manifest. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layer on its way into an image. */
export interface LayerInput {
  readonly blob: Uint8Array;
  readonly diffID: string;
  /** Default: by the blob's first bytes. */
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export const MEDIA_TYPE = {
  tar: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  config: "application/vnd.oci.image.config.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  index: "application/vnd.oci.image.index.v1+json",
} as const;

/** The descriptor of some bytes. */
export function descriptor(
  data: BytesLike,
  mediaType: string,
  annotations?: Readonly<Record<string, string>>,
): Descriptor {
  const content = bytes(data);
  return {
    mediaType,
    digest: sha256(content),
    size: content.length,
    ...(annotations && Object.keys(annotations).length > 0 ? { annotations } : {}),
  };
}

/** The descriptor of a layer; its media type is told by its magic unless it is given. */
export function layerDescriptor(layer: LayerInput): Descriptor {
  const { blob, annotations } = layer;
  return descriptor(blob, layer.mediaType ?? layerMediaType(blob), annotations);
}

/** Media type by magic: gzip, zstd (also behind a skippable frame), or tar. */
export function layerMediaType(blob: Uint8Array): string {
  if (blob[0] === 0x1f && blob[1] === 0x8b) return MEDIA_TYPE.gzip;
  const isFrame = blob[0] === 0x28 && blob[1] === 0xb5 && blob[2] === 0x2f && blob[3] === 0xfd;
  const isSkippable = (blob[0]! & 0xf0) === 0x50 && blob[1] === 0x2a && blob[2] === 0x4d && blob[3] === 0x18;
  return isFrame || isSkippable ? MEDIA_TYPE.zstd : MEDIA_TYPE.tar;
}

/** An image config with these diffIDs. */
export function imageConfig(
  diffIDs: readonly string[],
  fields: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  return bytes(JSON.stringify({
    architecture: "amd64",
    os: "linux",
    config: {},
    rootfs: { type: "layers", diff_ids: diffIDs },
    ...fields,
  }));
}

/** An image manifest. */
export function imageManifest(
  config: Descriptor,
  layers: readonly Descriptor[],
  fields: Readonly<Record<string, unknown>> = {},
): Uint8Array {
  return bytes(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.manifest, config, layers, ...fields }),
  );
}

/** What can be changed about an image layout. */
export interface LayoutOptions {
  /** The tag (`org.opencontainers.image.ref.name`); default `latest`. */
  readonly tag?: string;
  /** Fields that are added to the config, or replace its own. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Fields that are added to the manifest, or replace its own. */
  readonly manifest?: Readonly<Record<string, unknown>>;
}

/** The documents of an image, and the descriptors that name them. */
export interface Image {
  readonly config: Uint8Array;
  readonly configDescriptor: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly manifest: Uint8Array;
  readonly manifestDescriptor: Descriptor;
}

/** An image of these layers, in memory. */
export function image(layers: readonly LayerInput[], options: LayoutOptions = {}): Image {
  const config = imageConfig(layers.map(({ diffID }) => diffID), options.config);
  const configDescriptor = descriptor(config, MEDIA_TYPE.config);
  const descriptors = layers.map(layerDescriptor);
  const manifest = imageManifest(configDescriptor, descriptors, options.manifest);
  const manifestDescriptor = descriptor(manifest, MEDIA_TYPE.manifest);
  return { config, configDescriptor, layers: descriptors, manifest, manifestDescriptor };
}

/** Writes an OCI image layout directory with one image, and gives its documents. */
export function writeOciLayout(
  directory: string,
  layers: readonly LayerInput[],
  options: LayoutOptions = {},
): Image {
  const made = image(layers, options);
  const blobs = join(directory, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  for (const blob of [made.config, made.manifest, ...layers.map((layer) => layer.blob)]) {
    writeFileSync(join(blobs, sha256(blob).slice("sha256:".length)), blob);
  }
  const annotations = { "org.opencontainers.image.ref.name": options.tag ?? "latest" };
  const index = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.index,
    manifests: [{ ...made.manifestDescriptor, annotations }],
  };
  writeFileSync(join(directory, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(directory, "index.json"), JSON.stringify(index));
  return made;
}

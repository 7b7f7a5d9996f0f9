/**
 * Descriptors, indexes, manifests and configs (OCI image-spec 1.1: descriptor.md, image-index.md, manifest.md, config.md;
 * Docker's image manifest v2 schema 2 is the same under other media types).
 *
 * @module
 */
import { parseDigest } from "../digest/digest.ts";
import { FormatError, LayerproofError, UnsupportedError } from "../errors.ts";
import type { Descriptor } from "../verify/options.ts";
import {
  asArray,
  asObject,
  asSize,
  asString,
  asStringMap,
  CONFIG_KEYS,
  type JsonObject,
  optional,
  parseObject,
} from "./json.ts";
import { parsePlatformObject, type Platform } from "./platform.ts";

/** A descriptor as a layout must have it. Its digest is validated: safe in paths. */
export interface BlobDescriptor extends Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform: Platform | null;
}

/** An image manifest. */
export interface Manifest {
  readonly config: BlobDescriptor;
  readonly layers: readonly BlobDescriptor[];
}

/** What verification needs of an image config. */
export interface ImageConfig {
  readonly diffIDs: readonly string[];
  readonly platform: Platform | null;
}

const INDEX_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);
const CONFIG_TYPES: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** What a descriptor of an index points at. */
export function kindOf({ mediaType }: BlobDescriptor): "index" | "manifest" | "other" {
  if (INDEX_TYPES.has(mediaType)) return "index";
  return MANIFEST_TYPES.has(mediaType) ? "manifest" : "other";
}

/** Whether a manifest of an index holds statements about another image (BuildKit), not an image. */
export function isAttestation({ annotations, platform }: BlobDescriptor): boolean {
  return annotations["vnd.docker.reference.type"] !== undefined ||
    (platform?.os === "unknown" && platform.architecture === "unknown");
}

/**
 * The descriptors of an index.
 * @throws {FormatError} `json-invalid`, `json-type`, `oci-media-type`, `oci-digest`
 */
export function parseIndex(bytes: Uint8Array, what: string): readonly BlobDescriptor[] {
  const index = parseObject(bytes, what);
  checkMediaType(index, INDEX_TYPES, what);
  refuseBoth(index, what);
  return asArray(index["manifests"], `manifests of ${what}`)
    .map((entry, i) => parseBlobDescriptor(entry, `manifests[${i}] of ${what}`));
}

/**
 * An image manifest.
 * @throws {FormatError} `json-invalid`, `json-type`, `oci-media-type`, `oci-digest`
 * @throws {UnsupportedError} `oci-not-an-image`, `digest-algorithm`
 */
export function parseManifest(bytes: Uint8Array, what: string): Manifest {
  const manifest = parseObject(bytes, what);
  checkMediaType(manifest, MANIFEST_TYPES, what);
  refuseBoth(manifest, what);
  const config = parseBlobDescriptor(manifest["config"], `config of ${what}`);
  if (!CONFIG_TYPES.has(config.mediaType)) {
    const kind = optional(manifest["artifactType"], asString, `artifactType of ${what}`) ?? config.mediaType;
    throw new UnsupportedError(
      "oci-not-an-image",
      `${what} is not a container image: it is an artifact of type ${JSON.stringify(kind)}`,
      {
        source: what,
        advice: "Artifacts have no layers in the sense of an image: choose an image by its tag.",
      },
    );
  }
  const layers = asArray(manifest["layers"], `layers of ${what}`)
    .map((entry, i) => parseBlobDescriptor(entry, `layers[${i}] of ${what}`));
  return { config, layers };
}

/**
 * The diffIDs of an image config.
 * @throws {FormatError} `json-invalid`, `json-type`, `oci-digest`
 */
export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  const config = parseObject(bytes, what, CONFIG_KEYS);
  if (config["rootfs"] === undefined) {
    throw new FormatError("config-no-rootfs", `${what} has no rootfs: it is not an image config`, {
      source: what,
      advice: 'The config is the blob that the manifest calls "config", not the manifest itself.',
    });
  }
  const rootfs = asObject(config["rootfs"], `rootfs of ${what}`);
  const diffIDs = asArray(rootfs["diff_ids"], `rootfs.diff_ids of ${what}`)
    .map((digest, i) => documentDigest(digest, `rootfs.diff_ids[${i}] of ${what}`));
  const known = typeof config["os"] === "string" && typeof config["architecture"] === "string";
  return { diffIDs, platform: known ? parsePlatformObject(config, what) : null };
}

/**
 * Whether each layer has its diffID.
 * @param what names the manifest, `configName` the config in messages
 * @throws {FormatError} `config-layer-count`
 */
export function checkLayerCount(
  layers: readonly unknown[],
  { diffIDs }: ImageConfig,
  what: string,
  configName: string,
): void {
  if (layers.length === diffIDs.length) return;
  throw new FormatError(
    "config-layer-count",
    `The ${what} has ${layers.length} layers, the ${configName} has ${diffIDs.length} diffIDs`,
    {
      source: what,
      expected: String(layers.length),
      actual: String(diffIDs.length),
      advice: "They do not belong together: it cannot be told which diffID is whose.",
    },
  );
}

/**
 * A descriptor that stands alone, as a person gives it: fields may be missing, but those that are there must be right.
 * @throws {FormatError} `json-invalid`, `json-type`, `oci-digest`, `descriptor-empty`
 */
export function parseLooseDescriptor(bytes: Uint8Array, what: string): Descriptor {
  const value = parseObject(bytes, what);
  if (value["layers"] !== undefined || value["manifests"] !== undefined) {
    throw new FormatError("descriptor-is-manifest", `${what} is a manifest or an index, not one descriptor`, {
      source: what,
      advice: "Take the layer's descriptor out of the manifest, e.g. jq '.layers[0]' manifest.json",
    });
  }
  const descriptor = readDescriptor(value, what);
  if (Object.keys(descriptor).every((key) => key === "mediaType")) {
    throw new FormatError("descriptor-empty", `${what} has neither digest nor size nor annotations`, {
      source: what,
      advice: "A descriptor is one element of the manifest's layers array.",
    });
  }
  return descriptor;
}

function readDescriptor(value: JsonObject, what: string): Descriptor {
  const mediaType = optional(value["mediaType"], asString, `mediaType of ${what}`);
  const digest = optional(value["digest"], documentDigest, `digest of ${what}`);
  const size = optional(value["size"], asSize, `size of ${what}`);
  const annotations = optional(value["annotations"], asStringMap, `annotations of ${what}`);
  return {
    ...(mediaType === undefined ? {} : { mediaType }),
    ...(digest === undefined ? {} : { digest }),
    ...(size === undefined ? {} : { size }),
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function parseBlobDescriptor(value: unknown, what: string): BlobDescriptor {
  const object = asObject(value, what);
  return {
    mediaType: asString(object["mediaType"], `mediaType of ${what}`),
    digest: documentDigest(object["digest"], `digest of ${what}`),
    size: asSize(object["size"], `size of ${what}`),
    annotations: optional(object["annotations"], asStringMap, `annotations of ${what}`) ?? {},
    platform: optional(object["platform"], parsePlatformObject, `platform of ${what}`) ?? null,
  };
}

/** A digest in a document: malformed ones are the document's fault, not the caller's. */
function documentDigest(value: unknown, what: string): string {
  try {
    return parseDigest(asString(value, what), what);
  } catch (error) {
    if (!(error instanceof LayerproofError) || error.code !== "digest-malformed") throw error;
    throw new FormatError("oci-digest", error.message, { source: what, cause: error });
  }
}

/** A document that calls itself something else than its descriptor did could be read in two ways (CVE-2021-41190). */
function checkMediaType(document: JsonObject, allowed: ReadonlySet<string>, what: string): void {
  const mediaType = optional(document["mediaType"], asString, `mediaType of ${what}`);
  if (mediaType === undefined || allowed.has(mediaType)) return;
  const expected = [...allowed].join(" or ");
  throw new FormatError("oci-media-type", `${what} calls itself ${JSON.stringify(mediaType)}`, {
    source: what,
    expected,
    actual: mediaType,
    advice: `Expected ${expected}.`,
  });
}

function refuseBoth(document: JsonObject, what: string): void {
  if (document["layers"] === undefined || document["manifests"] === undefined) return;
  throw new FormatError("oci-ambiguous", `${what} has both layers and manifests (CVE-2021-41190)`, {
    source: what,
    advice: "It could be read as two different images: do not use it.",
  });
}

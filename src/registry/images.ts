/**
 * Images of registries: `docker://REFERENCE`, as containers/image writes it.
 *
 * A tag leads to whatever the registry says today: its digest is in every report, and is the beginning of the chain of
 * trust only as far as one trusts the registry. A reference with a digest trusts nobody.
 *
 * @module
 */
import process from "node:process";
import { parseDigest } from "../digest/digest.ts";
import { DigestMismatch, LayerproofError, LimitExceeded, UnsupportedError, UsageError } from "../errors.ts";
import { checkDocument, digestOf } from "../oci/blobs.ts";
import { type DockerReference, parseDockerReference } from "../oci/docker-reference.ts";
import { DOCUMENT_LIMIT } from "../oci/files.ts";
import type { Image, ImageFailure } from "../oci/image.ts";
import { type ImageBlobs, ImageWalk } from "../oci/image-walk.ts";
import { parseObject } from "../oci/json.ts";
import { type BlobDescriptor, kindOf } from "../oci/manifest.ts";
import { formatPlatform, type Platform, platformMatches } from "../oci/platform.ts";
import { PlatformChoice } from "../oci/platform-choice.ts";
import { registryBlob } from "./blob-source.ts";
import { readBody } from "./body.ts";
import { readRegistries } from "./config-files.ts";
import { findCredential } from "./credentials.ts";
import { Endpoint } from "./endpoint.ts";
import { Network, type NetworkOptions } from "./network.ts";
import { pullSources } from "./registries-conf.ts";

export type { NetworkOptions } from "./network.ts";

const OK: ReadonlySet<number> = new Set([200]);
const ACCEPT = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/** Attempts to reach a mirror behind which there is another place. */
const MIRROR_ATTEMPTS = 2;

/**
 * The images behind a reference. Only documents are read: manifest or index, and configs, each compared with its digest.
 *
 * What is wrong with one image stands in its place as an `ImageFailure`.
 * @param text e.g. `quay.io/fedora/fedora:41`; `x` is `docker.io/library/x:latest`
 * @param platform null for all
 * @throws {UsageError} `reference-invalid`, `oci-platform-unknown`, `registries-conf-invalid`, `auth-file-invalid`
 * @throws {SourceError} `registry-blocked`, `registry-unreachable`, `registry-not-found`, `registry-denied`, ...
 * @throws {DigestMismatch | FormatError | LimitExceeded | UnsupportedError} for the manifest that the reference names
 */
export async function registryImages(
  text: string,
  platform: Platform | null,
  options: NetworkOptions = {},
): Promise<readonly (Image | ImageFailure)[]> {
  const reference = parseDockerReference(text);
  if (reference.digest !== null) parseDigest(reference.digest, "the reference");
  const network = new Network(options);
  const { endpoint, bytes, mediaType } = await rootDocument(network, reference);
  const digest = await digestOf(bytes);
  const name = `docker://${reference.normalised}`;
  const root: BlobDescriptor = {
    mediaType: typeOf(bytes, mediaType, name),
    digest,
    size: bytes.length,
    annotations: {},
    platform: null,
  };
  const platforms = new PlatformChoice(platform);
  const walk = new ImageWalk(name, blobsAt(endpoint, root, bytes), platforms);
  await walk.visit(root, [name], [reference.normalised], 0);
  if (walk.found.length === 0) throw platforms.nothing(name, `manifest ${digest}`);
  return walk.found;
}

/**
 * The one image behind a reference.
 * @param platform null for this machine's, where there are several
 * @throws as `registryImages`, and what is wrong with the image
 */
export async function openImage(
  text: string,
  platform: Platform | null,
  options: NetworkOptions = {},
): Promise<Image> {
  const found = await registryImages(text, platform, options);
  const wanted = platform ?? thisPlatform();
  const image = found.length === 1
    ? found[0]!
    : found.find((each) => !("error" in each) && each.platform && platformMatches(each.platform, wanted)) ??
      found.find((each) => "error" in each);
  if (!image) {
    throw new UsageError(
      "oci-platform-unknown",
      `There is no image for ${formatPlatform(wanted)} in ${text}`,
      {
        source: text,
      },
    );
  }
  if ("error" in image) throw image.error;
  return image;
}

/** In the words of Go. */
function thisPlatform(): Platform {
  const architectures: Readonly<Record<string, string>> = { x64: "amd64", ia32: "386" };
  return { os: "linux", architecture: architectures[process.arch] ?? process.arch, variant: null };
}

interface RootDocument {
  readonly endpoint: Endpoint;
  readonly bytes: Uint8Array;
  /** `Content-Type` of the answer, or "". */
  readonly mediaType: string;
}

/** The document from the first place that has it: mirrors in their order, then the registry. Its blobs come from there. */
async function rootDocument(network: Network, reference: DockerReference): Promise<RootDocument> {
  const sources = pullSources(await readRegistries(network.env), reference);
  for (const [i, source] of sources.entries()) {
    const isLast = i === sources.length - 1;
    try {
      const credential = memo(() => findCredential(`${source.host}/${source.repository}`, network.env));
      const attempts = isLast ? Infinity : MIRROR_ATTEMPTS;
      const endpoint = await Endpoint.connect(network, source, credential, attempts);
      const wanted = reference.digest ?? reference.tag!;
      return { endpoint, ...await fetchManifest(endpoint, wanted, reference.digest, attempts) };
    } catch (error) {
      network.signal.throwIfAborted();
      // A mirror that fails in any way, or lies about a digest, is none. The registry's own error is the one to tell.
      if (isLast || !(error instanceof LayerproofError) || error instanceof UsageError) throw error;
    }
  }
  throw new Error("a reference without a place to fetch from");
}

function memo<T>(work: () => Promise<T>): () => Promise<T> {
  let result: Promise<T> | null = null;
  return () => result ??= work();
}

async function fetchManifest(
  endpoint: Endpoint,
  wanted: string,
  digest: string | null,
  attempts = Infinity,
): Promise<{ bytes: Uint8Array; mediaType: string }> {
  const { network, host, repository } = endpoint;
  const what = `manifest ${wanted} of ${host}/${repository}`;
  return await network.attempts(attempts).run(() =>
    network.gate(host).run(async () => {
      const { response } = await endpoint.get(`manifests/${wanted}`, { accept: ACCEPT }, OK);
      const bytes = await readBody(response, DOCUMENT_LIMIT, what);
      const expected = digest ?? response.header("docker-content-digest");
      if (expected?.startsWith("sha256:")) await checkRemote(bytes, expected, what);
      return { bytes, mediaType: (response.header("content-type") ?? "").replace(/;.*$/s, "").trim() };
    })
  );
}

async function checkRemote(bytes: Uint8Array, digest: string, what: string): Promise<void> {
  try {
    await checkDocument(bytes, digest, what, what);
  } catch (error) {
    if (!(error instanceof DigestMismatch)) throw error;
    throw new DigestMismatch(error.code, error.message, {
      ...error.details,
      advice: "The registry, or something between it and us, sends other bytes: do not use the image.",
    });
  }
}

/** Of what the answer was called, and what the document calls itself; the parsers see to it that they agree. */
function typeOf(bytes: Uint8Array, contentType: string, name: string): string {
  const kindOfType = (mediaType: string) =>
    kindOf({ mediaType, digest: "", size: 0, annotations: {}, platform: null });
  if (kindOfType(contentType) !== "other") return contentType;
  const document = parseObject(bytes, `the manifest of ${name}`);
  const own = document["mediaType"];
  if (typeof own === "string" && kindOfType(own) !== "other") return own;
  if (own === undefined && Array.isArray(document["manifests"])) {
    return "application/vnd.oci.image.index.v1+json";
  }
  if (own === undefined && Array.isArray(document["layers"])) {
    return "application/vnd.oci.image.manifest.v1+json";
  }
  const shown = JSON.stringify(typeof own === "string" ? own : contentType);
  throw new UnsupportedError("oci-not-an-image", `${name} is no container image: its type is ${shown}`, {
    source: name,
    advice: "Images in Docker's schema 1, and artifacts, are not read.",
  });
}

/** @param root what the reference led to: it was read already */
function blobsAt(endpoint: Endpoint, root: BlobDescriptor, bytes: Uint8Array): ImageBlobs {
  return {
    async manifest(descriptor, what) {
      if (descriptor.digest === root.digest) return bytes;
      checkAnnounced(descriptor, what);
      const { digest } = descriptor;
      const found = await fetchManifest(endpoint, digest, digest);
      checkSize(found.bytes, descriptor, what);
      return found.bytes;
    },
    async config(descriptor, what) {
      checkAnnounced(descriptor, what);
      const { network, host } = endpoint;
      return await network.attempts().run(() =>
        network.gate(host).run(async () => {
          const { response } = await endpoint.get(`blobs/${descriptor.digest}`, {}, OK);
          const config = await readBody(response, DOCUMENT_LIMIT, what);
          await checkRemote(config, descriptor.digest, what);
          checkSize(config, descriptor, what);
          return config;
        })
      );
    },
    layer: ({ digest, size }, name) => ({
      path: null,
      open: () => Promise.resolve(registryBlob(endpoint, { digest, size }, name)),
    }),
  };
}

function checkAnnounced({ size }: BlobDescriptor, what: string): void {
  if (size <= DOCUMENT_LIMIT) return;
  throw new LimitExceeded(
    "oci-document-too-large",
    `The ${what} is announced with ${size} bytes, at most ${DOCUMENT_LIMIT} are read`,
    { source: what },
  );
}

function checkSize(bytes: Uint8Array, { size }: BlobDescriptor, what: string): void {
  if (bytes.length === size) return;
  throw new DigestMismatch("oci-blob-size", `The ${what} does not have the size in its descriptor`, {
    source: what,
    expected: String(size),
    actual: String(bytes.length),
  });
}

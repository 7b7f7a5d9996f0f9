/**
 * The files of an OCI image layout (image-spec, image-layout.md): documents are bounded, hashed and compared.
 *
 * @module
 */
import { nativeHashes } from "../digest/native.ts";
import { DigestMismatch, FormatError, LimitExceeded, SourceError } from "../errors.ts";
import { DOCUMENT_LIMIT, type ImageFiles } from "./files.ts";
import { asString, parseObject } from "./json.ts";
import type { BlobDescriptor } from "./manifest.ts";

export { DOCUMENT_LIMIT } from "./files.ts";

/** A layout: its files, and what it is called. */
export interface Layout {
  readonly files: ImageFiles;
  /** As a person writes it, without a tag: `oci:DIR`. */
  readonly name: string;
  /** The directory or archive alone. */
  readonly place: string;
  /** What to do when this is no layout. */
  readonly advice: string;
}

/** Where the blob with this digest lies in a layout. The digest must have passed `parseDigest`: it becomes a path. */
export function blobFile(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** The same in a layout directory. */
export function blobPath(directory: string, digest: string): string {
  return `${directory}/${blobFile(digest)}`;
}

/** `sha256:` and the SHA-256 of a document. */
export async function digestOf(bytes: Uint8Array): Promise<string> {
  const hasher = await nativeHashes.sha256();
  hasher.update(bytes);
  return `sha256:${hasher.finish()}`;
}

/**
 * `index.json`, of what is a layout.
 * @throws {SourceError} as `ImageFiles.read`, and `oci-no-layout`
 * @throws {FormatError} `json-invalid`, `json-type`, `oci-version`
 */
export async function readIndexFile({ files, place, advice }: Layout): Promise<Uint8Array> {
  const path = files.shown("oci-layout");
  const marker = await files.read("oci-layout").catch((cause) => {
    if (!(cause instanceof SourceError) || cause.code !== "source-not-found") throw cause;
    throw new SourceError(
      "oci-no-layout",
      `${place} is not an OCI image layout: it has no file oci-layout`,
      { source: place, cause, advice },
    );
  });
  const version = asString(parseObject(marker, path)["imageLayoutVersion"], `imageLayoutVersion of ${path}`);
  if (!version.startsWith("1.")) {
    throw new FormatError("oci-version", `${path} has version ${JSON.stringify(version)}, 1.x is supported`, {
      source: path,
    });
  }
  return await files.read("index.json");
}

/**
 * A document that a descriptor names, after it was hashed and compared with it.
 * @param what names it in messages, e.g. `manifest sha256:…`
 * @throws {DigestMismatch} `oci-blob-digest`, `oci-blob-size`
 * @throws {SourceError} as `ImageFiles.read`
 * @throws {LimitExceeded} `oci-document-too-large`
 */
export async function readDocument(
  files: ImageFiles,
  { digest, size }: BlobDescriptor,
  what: string,
): Promise<Uint8Array> {
  if (size > DOCUMENT_LIMIT) {
    throw new LimitExceeded(
      "oci-document-too-large",
      `The ${what} is announced with ${size} bytes, at most ${DOCUMENT_LIMIT} are read`,
      { source: what },
    );
  }
  const file = blobFile(digest);
  const bytes = await files.read(file);
  const source = files.shown(file);
  await checkDocument(bytes, digest, what, source);
  if (bytes.length !== size) {
    throw new DigestMismatch("oci-blob-size", `The ${what} does not have the size in its descriptor`, {
      source,
      expected: String(size),
      actual: String(bytes.length),
      advice: DAMAGED,
    });
  }
  return bytes;
}

const DAMAGED = "The layout is damaged or was tampered with: fetch the image again.";

/**
 * Compares a document with the digest that names it.
 * @throws {DigestMismatch} `oci-blob-digest`
 */
export async function checkDocument(
  bytes: Uint8Array,
  digest: string,
  what: string,
  source: string,
): Promise<void> {
  const actual = await digestOf(bytes);
  if (actual === digest) return;
  throw new DigestMismatch("oci-blob-digest", `The ${what} does not have the digest that names it`, {
    source,
    expected: digest,
    actual,
    advice: DAMAGED,
  });
}

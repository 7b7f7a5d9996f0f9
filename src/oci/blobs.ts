/**
 * The files of an OCI image layout (image-spec, image-layout.md): documents are bounded, hashed and compared.
 *
 * @module
 */
import { nativeHashes } from "../digest/native.ts";
import { DigestMismatch, FormatError, LimitExceeded, SourceError } from "../errors.ts";
import { readSmallFile, requireRegularFile } from "../source/file.ts";
import { asString, parseObject } from "./json.ts";
import type { BlobDescriptor } from "./manifest.ts";

/** Bytes of one document (index, manifest, config); registries have the same bound. */
export const DOCUMENT_LIMIT = 4 * 2 ** 20;

/** Where the blob with this digest lies. The digest must have passed `parseDigest`: it becomes part of the path. */
export function blobPath(directory: string, digest: string): string {
  return `${directory}/blobs/${digest.replace(":", "/")}`;
}

/**
 * `index.json`, of a directory that is a layout.
 * @throws {SourceError} as `readSmallFile`, and `oci-no-layout`
 * @throws {FormatError} `json-invalid`, `json-type`, `oci-version`
 */
export async function readIndexFile(directory: string): Promise<Uint8Array> {
  const path = `${directory}/oci-layout`;
  const marker = await readFileOf(path).catch((cause) => {
    if (!(cause instanceof SourceError) || cause.code !== "source-not-found") throw cause;
    throw new SourceError(
      "oci-no-layout",
      `${directory} is not an OCI image layout: it has no file oci-layout`,
      {
        source: directory,
        cause,
        advice: "Make one with: skopeo copy docker://IMAGE oci:DIR:TAG",
      },
    );
  });
  const version = asString(parseObject(marker, path)["imageLayoutVersion"], `imageLayoutVersion of ${path}`);
  if (!version.startsWith("1.")) {
    throw new FormatError("oci-version", `${path} has version ${JSON.stringify(version)}, 1.x is supported`, {
      source: path,
    });
  }
  return await readFileOf(`${directory}/index.json`);
}

/**
 * A document that a descriptor names, after it was hashed and compared with it.
 * @param what names it in messages, e.g. `manifest sha256:…`
 * @throws {DigestMismatch} `oci-blob-digest`, `oci-blob-size`
 * @throws {SourceError} as `readSmallFile`
 * @throws {LimitExceeded} `oci-document-too-large`
 */
export async function readDocument(
  directory: string,
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
  const path = blobPath(directory, digest);
  const bytes = await readFileOf(path);
  const hasher = await nativeHashes.sha256();
  hasher.update(bytes);
  const actual = `sha256:${hasher.finish()}`;
  const advice = "The layout is damaged or was tampered with: fetch the image again.";
  if (actual !== digest) {
    throw new DigestMismatch("oci-blob-digest", `The ${what} does not have the digest that names it`, {
      source: path,
      expected: digest,
      actual,
      advice,
    });
  }
  if (bytes.length !== size) {
    throw new DigestMismatch("oci-blob-size", `The ${what} does not have the size in its descriptor`, {
      source: path,
      expected: String(size),
      actual: String(bytes.length),
      advice,
    });
  }
  return bytes;
}

/** A file of the layout, whose maker is not trusted to put files into it. */
async function readFileOf(path: string): Promise<Uint8Array> {
  await requireRegularFile(path);
  return await readSmallFile(path, DOCUMENT_LIMIT);
}

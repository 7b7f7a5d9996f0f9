/**
 * Images by their arguments: `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME]`,
 * `docker://REFERENCE`, named as containers/image names its transports (containers-transports(5)).
 *
 * @module
 */
import { UsageError } from "../errors.ts";
import { type ImageKind, imageKind } from "./argument.ts";
import { type ArchiveFiles, openArchive } from "./archive.ts";
import { directoryOfFiles } from "./files.ts";
import type { Image, ImageFailure } from "./image.ts";
import { imagesOfDockerArchive } from "./docker-archive.ts";
import { imagesOfLayout } from "./layout.ts";
import type { Platform } from "./platform.ts";
import { type ImagePath, splitImagePath } from "./reference.ts";
import type { NetworkOptions } from "../registry/images.ts";

/**
 * The images behind an argument. Only documents are read, of archives the headers too.
 *
 * What is wrong with one image stands in its place as an `ImageFailure`.
 * @param platform null for all
 * @param network for images of registries
 * @throws {UsageError} `image-argument`, `oci-no-directory`, `archive-no-file`, `oci-tag-unknown`,
 * `docker-archive-unknown`, `reference-invalid`, `oci-platform-unknown`
 * @throws {SourceError | FormatError | DigestMismatch | LimitExceeded | UnsupportedError} for the layout or archive as a
 * whole
 */
export async function openImages(
  argument: string,
  platform: Platform | null,
  network: NetworkOptions = {},
): Promise<readonly (Image | ImageFailure)[]> {
  const kind = imageKind(argument);
  if (kind === null) {
    throw new UsageError("image-argument", `Cannot use ${JSON.stringify(argument)} as an image`, {
      advice:
        "Write oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or docker://REFERENCE.",
    });
  }
  if (kind === "docker") {
    // Only for them: nothing else needs what it loads.
    const { registryImages } = await import("../registry/images.ts");
    return await registryImages(argument.slice("docker://".length), platform, network);
  }
  const text = argument.slice(kind.length + 1);
  if (text === "") throw empty(kind);
  const at = await splitImagePath(text);
  if (kind === "oci") return await inDirectory(at, platform);
  return await inArchive(kind, await openArchive(at.path), at, platform);
}

function empty(kind: Exclude<ImageKind, "docker">): UsageError {
  return kind === "oci"
    ? new UsageError("oci-no-directory", "oci: needs a directory", {
      advice: "Write oci:DIR or oci:DIR:TAG.",
    })
    : new UsageError("archive-no-file", `${kind}: needs a file`, {
      advice: `Write ${kind}:FILE or ${kind}:FILE:${kind === "oci-archive" ? "TAG" : "NAME"}.`,
    });
}

async function inDirectory({ path, wanted }: ImagePath, platform: Platform | null) {
  const layout = {
    files: directoryOfFiles(path),
    name: `oci:${path}`,
    place: path,
    advice: "Make one with: skopeo copy docker://IMAGE oci:DIR:TAG",
  };
  return await imagesOfLayout(layout, wanted, platform);
}

async function inArchive(
  kind: "oci-archive" | "docker-archive",
  files: ArchiveFiles,
  { path, wanted }: ImagePath,
  platform: Platform | null,
) {
  if (kind === "docker-archive") return await imagesOfDockerArchive(files, path, wanted, platform);
  const layout = {
    files,
    name: `oci-archive:${path}`,
    place: path,
    advice: files.has("manifest.json")
      ? `It has a manifest.json: write docker-archive:${path}`
      : "Make one with: podman save --format oci-archive -o FILE IMAGE",
  };
  return await imagesOfLayout(layout, wanted, platform);
}

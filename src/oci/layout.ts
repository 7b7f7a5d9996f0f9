/**
 * From an OCI image layout to its images, each layer with what index, manifest and config say about it.
 *
 * @module
 */
import { UsageError } from "../errors.ts";
import { blobFile, type Layout, readDocument, readIndexFile } from "./blobs.ts";
import type { Image, ImageFailure } from "./image.ts";
import { type ImageBlobs, ImageWalk } from "./image-walk.ts";
import { type BlobDescriptor, parseIndex } from "./manifest.ts";
import type { Platform } from "./platform.ts";
import { PlatformChoice } from "./platform-choice.ts";

const TAG = "org.opencontainers.image.ref.name";
/** The whole name where the tag is only a part of it (containerd, docker save). */
const FULL_NAME = "io.containerd.image.name";

/**
 * The image or images of a layout, in the order of its indexes.
 *
 * What is wrong with one image stands in its place as an `ImageFailure`.
 * @param tag null for all images
 * @param platform which manifests of multi-platform indexes; null for all
 * @throws {UsageError} `oci-tag-unknown`, `oci-platform-unknown`
 * @throws {SourceError | FormatError | DigestMismatch} for the layout's own files
 */
export async function imagesOfLayout(
  layout: Layout,
  tag: string | null,
  platform: Platform | null,
): Promise<readonly (Image | ImageFailure)[]> {
  return await new LayoutReader(layout, tag, platform).run();
}

class LayoutReader {
  readonly #layout: Layout;
  readonly #tag: string | null;
  readonly #platforms: PlatformChoice;
  readonly #name: string;

  constructor(layout: Layout, tag: string | null, platform: Platform | null) {
    this.#layout = layout;
    this.#tag = tag;
    this.#platforms = new PlatformChoice(platform);
    this.#name = tag === null ? layout.name : `${layout.name}:${tag}`;
  }

  async run(): Promise<readonly (Image | ImageFailure)[]> {
    const file = this.#layout.files.shown("index.json");
    const index = parseIndex(await readIndexFile(this.#layout), file);
    const from = [`${this.#layout.name} index.json`];
    const names = namesByDigest(index);
    const walk = new ImageWalk(this.#name, blobsOf(this.#layout), this.#platforms);
    for (const descriptor of this.#chosen(index)) {
      const { digest } = descriptor;
      await walk.visit(descriptor, from, names.get(digest) ?? [], 0);
      // All of its names were given at once.
      names.delete(digest);
    }
    if (walk.found.length === 0) throw this.#platforms.nothing(this.#name, file);
    return walk.found;
  }

  #chosen(index: readonly BlobDescriptor[]): readonly BlobDescriptor[] {
    if (this.#tag === null) return index;
    const chosen = index.filter(({ annotations }) => annotations[TAG] === this.#tag);
    if (chosen.length > 0) return chosen;
    const tags = new Set(index.map(({ annotations }) => annotations[TAG]).filter((tag) => tag !== undefined));
    const shown = [...tags].slice(0, 50).map((tag) => JSON.stringify(tag)).join(", ");
    throw new UsageError(
      "oci-tag-unknown",
      `There is no tag ${JSON.stringify(this.#tag)} in ${this.#layout.name}`,
      {
        source: this.#name,
        advice: shown
          ? `Its tags: ${shown}`
          : `Its images have no tags: use ${this.#layout.name} for all of them.`,
      },
    );
  }
}

/** An image or an index may stand in `index.json` several times, under one name each. */
function namesByDigest(index: readonly BlobDescriptor[]): Map<string, readonly string[]> {
  const names = new Map<string, string[]>();
  for (const { digest, annotations } of index) {
    let known = names.get(digest);
    if (!known) names.set(digest, known = []);
    for (const name of [annotations[FULL_NAME], annotations[TAG]]) if (name !== undefined) known.push(name);
  }
  return names;
}

function blobsOf({ files }: Layout): ImageBlobs {
  const read = (descriptor: BlobDescriptor, what: string) => readDocument(files, descriptor, what);
  return {
    manifest: read,
    config: read,
    layer({ digest }, name) {
      const file = blobFile(digest);
      return { path: files.diskPath(file), open: () => files.open(file, name) };
    },
  };
}

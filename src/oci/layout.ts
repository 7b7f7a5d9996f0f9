/**
 * From an OCI image layout to its images, each layer with what index, manifest and config say about it.
 *
 * @module
 */
import { FormatError, LayerproofError, UsageError } from "../errors.ts";
import { blobFile, type Layout, readDocument, readIndexFile } from "./blobs.ts";
import type { Image, ImageFailure, ImageLayer } from "./image.ts";
import {
  type BlobDescriptor,
  checkLayerCount,
  type ImageConfig,
  isAttestation,
  kindOf,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from "./manifest.ts";
import { formatPlatform, type Platform } from "./platform.ts";
import { PlatformChoice } from "./platform-choice.ts";

/** Indexes in indexes; nobody nests deeper than two. */
const DEPTH_LIMIT = 8;
/** Documents of one layout, and names of its images: bounds what a hostile index can make us read and remember. */
const DOCUMENTS_LIMIT = 10_000;
const NAMES_LIMIT = 100_000;

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
  readonly #found: (Image | ImageFailure)[] = [];
  /** The names of each image by its manifest's digest, in the order in which they were met. */
  readonly #references = new Map<string, Set<string>>();
  readonly #seen = new Set<string>();
  #names = 0;

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
    for (const descriptor of this.#chosen(index)) {
      const { digest } = descriptor;
      await this.#visit(descriptor, from, names.get(digest) ?? [], 0);
      // All of its names were given at once.
      names.delete(digest);
    }
    if (this.#found.length === 0) throw this.#platforms.nothing(this.#name, file);
    return this.#found;
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

  /** @param names of the descriptor, or of the index that it stands in */
  async #visit(
    descriptor: BlobDescriptor,
    from: readonly string[],
    names: readonly string[],
    depth: number,
  ): Promise<void> {
    const { digest } = descriptor;
    const kind = kindOf(descriptor);
    if (isAttestation(descriptor)) return;
    try {
      if (kind === "manifest") this.#addNames(digest, names);
      if (this.#seen.has(digest)) return;
      this.#seen.add(digest);
      if (kind === "other") return;
      this.#checkBounds(depth);
      if (kind === "manifest") return await this.#image(descriptor, from);
      const what = `index ${digest}`;
      const index = parseIndex(await readDocument(this.#layout.files, descriptor, what), what);
      for (const inner of index) await this.#visit(inner, [...from, what], names, depth + 1);
    } catch (error) {
      if (!(error instanceof LayerproofError)) throw error;
      this.#found.push({ name: this.#name, error });
    }
  }

  #addNames(digest: string, names: readonly string[]): void {
    let known = this.#references.get(digest);
    if (!known) this.#references.set(digest, known = new Set());
    this.#names += names.length;
    if (this.#names > NAMES_LIMIT) throw this.#tooMuch();
    for (const name of names) known.add(name);
  }

  #checkBounds(depth: number): void {
    if (depth > DEPTH_LIMIT || this.#seen.size > DOCUMENTS_LIMIT) throw this.#tooMuch();
  }

  #tooMuch(): FormatError {
    return new FormatError(
      "oci-too-deep",
      `${this.#name} has more than ${DEPTH_LIMIT} levels of indexes, ${DOCUMENTS_LIMIT} manifests or ${NAMES_LIMIT} names`,
      { source: this.#name, advice: "No tool makes such a layout: choose an image by its tag." },
    );
  }

  async #image(descriptor: BlobDescriptor, from: readonly string[]): Promise<void> {
    if (descriptor.platform && !this.#platforms.wants(descriptor.platform)) return;
    const { files } = this.#layout;
    const what = `manifest ${descriptor.digest}`;
    const bytes = await readDocument(files, descriptor, what);
    const manifest = parseManifest(bytes, what);
    const configName = `config ${manifest.config.digest}`;
    const configBytes = await readDocument(files, manifest.config, configName);
    const config = parseConfig(configBytes, configName);
    // Most top-level indexes do not name the platform; the config does.
    const platform = descriptor.platform ?? config.platform;
    if (!descriptor.platform && platform && !this.#platforms.wants(platform)) return;
    checkLayerCount(manifest.layers, config, what, configName);
    const name = platform ? `${this.#name} ${formatPlatform(platform)}` : this.#name;
    const references = this.#references.get(descriptor.digest)!;
    this.#found.push({
      name,
      // More of them may be met behind this image.
      get references() {
        return [...references];
      },
      platform,
      manifest: { bytes, digest: descriptor.digest, mediaType: descriptor.mediaType },
      config: { bytes: configBytes, digest: manifest.config.digest, mediaType: manifest.config.mediaType },
      layers: this.#layers(manifest, config, name, [...from, what]),
    });
  }

  #layers(
    manifest: Manifest,
    config: ImageConfig,
    image: string,
    from: readonly string[],
  ): readonly ImageLayer[] {
    const { files } = this.#layout;
    return manifest.layers.map(({ mediaType, digest, size, annotations }, i) => {
      const name = `${image} layer ${i + 1} of ${manifest.layers.length}`;
      const file = blobFile(digest);
      return {
        name,
        path: files.diskPath(file),
        expect: {
          digest: { value: digest, from },
          size: { value: size, from },
          descriptor: { value: { mediaType, digest, size, annotations }, from },
          diffID: { value: config.diffIDs[i]!, from: [...from, `config ${manifest.config.digest}`] },
        },
        open: () => files.open(file, name),
      };
    });
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

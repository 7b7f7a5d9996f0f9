/**
 * From a descriptor to the images behind it: indexes, manifests and configs are read, each layer is told what they say
 * about it. Layouts and registries differ only in where the bytes are.
 *
 * @module
 */
import { FormatError, LayerproofError } from "../errors.ts";
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
import { formatPlatform } from "./platform.ts";
import type { PlatformChoice } from "./platform-choice.ts";

/** Indexes in indexes; nobody nests deeper than two. */
const DEPTH_LIMIT = 8;
/** Documents of one layout, and names of its images: bounds what a hostile index can make us read and remember. */
const DOCUMENTS_LIMIT = 10_000;
const NAMES_LIMIT = 100_000;

/** Where documents and layers are. */
export interface ImageBlobs {
  /**
   * An index or manifest, compared with its descriptor.
   * @param what names it in messages
   */
  manifest(descriptor: BlobDescriptor, what: string): Promise<Uint8Array>;
  /** A config, compared with its descriptor. */
  config(descriptor: BlobDescriptor, what: string): Promise<Uint8Array>;
  layer(descriptor: BlobDescriptor, name: string): Pick<ImageLayer, "path" | "open">;
}

export class ImageWalk {
  readonly #name: string;
  readonly #blobs: ImageBlobs;
  readonly #platforms: PlatformChoice;
  readonly #found: (Image | ImageFailure)[] = [];
  /** The names of each image by its manifest's digest, in the order in which they were met. */
  readonly #references = new Map<string, Set<string>>();
  readonly #seen = new Set<string>();
  #names = 0;

  /** @param name of the place, for reports and messages */
  constructor(name: string, blobs: ImageBlobs, platforms: PlatformChoice) {
    this.#name = name;
    this.#blobs = blobs;
    this.#platforms = platforms;
  }

  /** What was found so far, in order. What is wrong with one image stands in its place. */
  get found(): readonly (Image | ImageFailure)[] {
    return this.#found;
  }

  /**
   * Adds what a descriptor leads to.
   * @param from the steps by which it was reached, for chains of trust
   * @param names of the descriptor, or of the index that it stands in
   * @param depth indexes above it
   */
  async visit(
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
      const index = parseIndex(await this.#blobs.manifest(descriptor, what), what);
      for (const inner of index) await this.visit(inner, [...from, what], names, depth + 1);
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
    const what = `manifest ${descriptor.digest}`;
    const bytes = await this.#blobs.manifest(descriptor, what);
    const manifest = parseManifest(bytes, what);
    const configName = `config ${manifest.config.digest}`;
    const configBytes = await this.#blobs.config(manifest.config, configName);
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
    return manifest.layers.map((layer, i) => {
      const { mediaType, digest, size, annotations } = layer;
      const name = `${image} layer ${i + 1} of ${manifest.layers.length}`;
      return {
        name,
        ...this.#blobs.layer(layer, name),
        expect: {
          digest: { value: digest, from },
          size: { value: size, from },
          descriptor: { value: { mediaType, digest, size, annotations }, from },
          diffID: { value: config.diffIDs[i]!, from: [...from, `config ${manifest.config.digest}`] },
        },
      };
    });
  }
}

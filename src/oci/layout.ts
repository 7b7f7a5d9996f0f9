/**
 * From an OCI image layout to the layers of its images, each with what index, manifest and config say about it.
 *
 * @module
 */
import { FormatError, LayerproofError, UsageError } from "../errors.ts";
import type { Expectations } from "../verify/options.ts";
import { blobPath, readDocument, readIndexFile } from "./blobs.ts";
import {
  type BlobDescriptor,
  type ImageConfig,
  isAttestation,
  kindOf,
  type Manifest,
  parseConfig,
  parseIndex,
  parseManifest,
} from "./manifest.ts";
import { formatPlatform, type Platform, platformMatches } from "./platform.ts";
import type { OciReference } from "./reference.ts";

/** A layer that is to be verified. */
export interface OciLayer {
  /** For reports, e.g. `oci:DIR:TAG linux/amd64 layer 2 of 3`. */
  readonly name: string;
  readonly path: string;
  readonly expect: Expectations;
}

/** An image whose layers cannot be told. */
export interface OciFailure {
  readonly name: string;
  readonly error: LayerproofError;
}

/** Indexes in indexes; nobody nests deeper than two. */
const DEPTH_LIMIT = 8;
/** Documents of one layout: bounds what a hostile index can make us read. */
const DOCUMENTS_LIMIT = 10_000;
const TAG = "org.opencontainers.image.ref.name";

/**
 * The layers of the image or images that `reference` names, in the order of index and manifests.
 *
 * What is wrong with one image stands in its place as an `OciFailure`.
 * @param platform which manifests of multi-platform indexes; null for all
 * @throws {UsageError} `oci-tag-unknown`, `oci-platform-unknown`
 * @throws {SourceError | FormatError | DigestMismatch} for the layout's own files
 */
export async function layersOfLayout(
  reference: OciReference,
  platform: Platform | null = null,
): Promise<readonly (OciLayer | OciFailure)[]> {
  return await new LayoutReader(reference, platform).run();
}

class LayoutReader {
  readonly #directory: string;
  readonly #tag: string | null;
  readonly #platform: Platform | null;
  readonly #name: string;
  readonly #found: (OciLayer | OciFailure)[] = [];
  readonly #seen = new Set<string>();
  readonly #otherPlatforms = new Set<string>();

  constructor({ directory, tag }: OciReference, platform: Platform | null) {
    this.#directory = directory;
    this.#tag = tag;
    this.#platform = platform;
    this.#name = tag === null ? `oci:${directory}` : `oci:${directory}:${tag}`;
  }

  async run(): Promise<readonly (OciLayer | OciFailure)[]> {
    const file = `${this.#directory}/index.json`;
    const index = parseIndex(await readIndexFile(this.#directory), file);
    const from = [`oci:${this.#directory} index.json`];
    await this.#walk(this.#chosen(index), from, 0);
    if (this.#found.length === 0) this.#nothing(file);
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
      `There is no tag ${JSON.stringify(this.#tag)} in oci:${this.#directory}`,
      {
        source: this.#name,
        advice: shown
          ? `Its tags: ${shown}`
          : `Its images have no tags: use oci:${this.#directory} for all of them.`,
      },
    );
  }

  async #walk(descriptors: readonly BlobDescriptor[], from: readonly string[], depth: number): Promise<void> {
    for (const descriptor of descriptors) {
      if (this.#seen.has(descriptor.digest) || isAttestation(descriptor)) continue;
      this.#seen.add(descriptor.digest);
      const kind = kindOf(descriptor);
      if (kind === "other") continue;
      try {
        this.#checkBounds(depth);
        if (kind === "index") {
          const what = `index ${descriptor.digest}`;
          const index = parseIndex(await readDocument(this.#directory, descriptor, what), what);
          await this.#walk(index, [...from, what], depth + 1);
        } else await this.#image(descriptor, from);
      } catch (error) {
        if (!(error instanceof LayerproofError)) throw error;
        this.#found.push({ name: this.#name, error });
      }
    }
  }

  #checkBounds(depth: number): void {
    if (depth <= DEPTH_LIMIT && this.#seen.size <= DOCUMENTS_LIMIT) return;
    throw new FormatError(
      "oci-too-deep",
      `${this.#name} has more than ${DEPTH_LIMIT} levels of indexes or more than ${DOCUMENTS_LIMIT} manifests`,
      { source: this.#name, advice: "No tool makes such a layout: choose an image by its tag." },
    );
  }

  async #image(descriptor: BlobDescriptor, from: readonly string[]): Promise<void> {
    if (descriptor.platform && !this.#isWanted(descriptor.platform)) return;
    const what = `manifest ${descriptor.digest}`;
    const manifest = parseManifest(await readDocument(this.#directory, descriptor, what), what);
    const configName = `config ${manifest.config.digest}`;
    const config = parseConfig(await readDocument(this.#directory, manifest.config, configName), configName);
    // Most top-level indexes do not name the platform; the config does.
    const platform = descriptor.platform ?? config.platform;
    if (!descriptor.platform && platform && !this.#isWanted(platform)) return;
    checkCount(manifest, config, what, configName);
    const image = platform ? `${this.#name} ${formatPlatform(platform)}` : this.#name;
    const chain = [...from, what];
    manifest.layers.forEach((layer, i) => {
      const { mediaType, digest, size, annotations } = layer;
      this.#found.push({
        name: `${image} layer ${i + 1} of ${manifest.layers.length}`,
        path: blobPath(this.#directory, digest),
        expect: {
          digest: { value: digest, from: chain },
          size: { value: size, from: chain },
          descriptor: { value: { mediaType, digest, size, annotations }, from: chain },
          diffID: { value: config.diffIDs[i]!, from: [...chain, configName] },
        },
      });
    });
  }

  #isWanted(platform: Platform): boolean {
    if (!this.#platform || platformMatches(platform, this.#platform)) return true;
    this.#otherPlatforms.add(formatPlatform(platform));
    return false;
  }

  #nothing(file: string): never {
    if (this.#platform && this.#otherPlatforms.size > 0) {
      throw new UsageError(
        "oci-platform-unknown",
        `There is no image for ${formatPlatform(this.#platform)} in ${this.#name}`,
        { source: this.#name, advice: `Its platforms: ${[...this.#otherPlatforms].slice(0, 50).join(", ")}` },
      );
    }
    throw new FormatError("oci-no-image", `${file} names no image with layers`, {
      source: this.#name,
      advice: "Artifacts and attestations are passed over; see whether the image was copied completely.",
    });
  }
}

function checkCount(manifest: Manifest, config: ImageConfig, what: string, configName: string): void {
  const layers = manifest.layers.length, diffIDs = config.diffIDs.length;
  if (layers === diffIDs) return;
  throw new FormatError(
    "config-layer-count",
    `The ${what} has ${layers} layers, the ${configName} has ${diffIDs} diffIDs`,
    {
      source: what,
      expected: String(layers),
      actual: String(diffIDs),
      advice: "Manifest and config do not belong together: it cannot be told which diffID is whose.",
    },
  );
}

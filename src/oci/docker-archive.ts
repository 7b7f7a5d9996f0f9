/**
 * Images in the archive that `docker save` and `podman save` write (moby: image/spec/v1.2.md, "Combined Image JSON +
 * Filesystem Changeset Format"): `manifest.json` names for each image its config, its names and its layers.
 *
 * There is no manifest that names blobs by their digests; what proves a layer is the diffID in the config. Old writers
 * put a layer at `<id>/layer.tar`, with links to it where it is used again; Docker since 25 writes an OCI layout as well,
 * and `manifest.json` names the blobs in it.
 *
 * @module
 */
import { isDigest } from "../digest/digest.ts";
import { FormatError, LayerproofError, SourceError, UsageError } from "../errors.ts";
import type { Expectations } from "../verify/options.ts";
import { checkDocument, digestOf } from "./blobs.ts";
import { parseDockerReference } from "./docker-reference.ts";
import type { ImageFiles } from "./files.ts";
import type { Image, ImageDocument, ImageFailure, ImageLayer } from "./image.ts";
import { ARCHIVE_ITEM_KEYS, asArray, asObject, asString, optional, parseArray } from "./json.ts";
import { checkLayerCount, type ImageConfig, parseConfig } from "./manifest.ts";
import { formatPlatform, type Platform } from "./platform.ts";
import { PlatformChoice } from "./platform-choice.ts";

const CONFIG_TYPE = "application/vnd.docker.container.image.v1+json";
const LIST = "manifest.json";

/** One element of `manifest.json`. */
interface Item {
  readonly config: string;
  readonly repoTags: readonly string[];
  readonly layers: readonly string[];
}

/**
 * The images of an archive, in the order of its `manifest.json`.
 *
 * What is wrong with one image stands in its place as an `ImageFailure`.
 * @param path what the archive is called
 * @param wanted an image's name, or `@N` for the one at place N, from 0; null for all
 * @param platform null for all
 * @throws {UsageError} `reference-invalid`, `docker-archive-unknown`, `oci-platform-unknown`
 * @throws {SourceError} `docker-archive-no-manifest`
 * @throws {FormatError} `json-invalid`, `json-type`, `json-ambiguous-key`, `oci-no-image`, `docker-archive-tag`
 */
export async function imagesOfDockerArchive(
  files: ImageFiles,
  path: string,
  wanted: string | null,
  platform: Platform | null,
): Promise<readonly (Image | ImageFailure)[]> {
  const name = `docker-archive:${path}`;
  const items = await readItems(files, path);
  const reader = new ArchiveReader(files, name, new PlatformChoice(platform));
  return await reader.run(items, wanted);
}

class ArchiveReader {
  readonly #files: ImageFiles;
  readonly #name: string;
  readonly #platforms: PlatformChoice;

  constructor(files: ImageFiles, name: string, platforms: PlatformChoice) {
    this.#files = files;
    this.#name = name;
    this.#platforms = platforms;
  }

  async run(items: readonly Item[], wanted: string | null): Promise<readonly (Image | ImageFailure)[]> {
    const found: (Image | ImageFailure)[] = [];
    const isWanted = wanted === null ? () => true : chooser(wanted);
    let chosen = 0;
    for (const [i, item] of items.entries()) {
      if (!isWanted(item, i)) continue;
      chosen++;
      const name = this.#nameOf(item, i, items.length, wanted);
      try {
        const image = await this.#image(item, name);
        if (image) found.push(image);
      } catch (error) {
        if (!(error instanceof LayerproofError)) throw error;
        found.push({ name, error });
      }
    }
    if (chosen === 0 && wanted !== null) throw this.#unknown(wanted, items);
    if (found.length === 0) {
      throw this.#platforms.nothing(
        wanted === null ? this.#name : `${this.#name}:${wanted}`,
        this.#files.shown(LIST),
      );
    }
    return found;
  }

  /** So that the name, given as an argument, chooses just this image. */
  #nameOf({ repoTags }: Item, index: number, count: number, wanted: string | null): string {
    if (wanted !== null) return `${this.#name}:${wanted}`;
    return count === 1 ? this.#name : `${this.#name}:${repoTags[0] ?? `@${index}`}`;
  }

  #unknown(wanted: string, items: readonly Item[]): UsageError {
    const names = items.flatMap(({ repoTags }, i) => repoTags.length > 0 ? repoTags : [`@${i}`]);
    return new UsageError("docker-archive-unknown", `There is no image ${wanted} in ${this.#name}`, {
      source: this.#name,
      advice: `Its images: ${names.slice(0, 50).join(", ")}`,
    });
  }

  /** Null for an image of another platform. */
  async #image(item: Item, name: string): Promise<Image | null> {
    const document = await this.#document(item.config);
    const configName = `config ${document.digest}`;
    const config = parseConfig(document.bytes, configName);
    const { platform } = config;
    if (platform && !this.#platforms.wants(platform)) return null;
    checkLayerCount(item.layers, config, this.#files.shown(LIST), configName);
    const image = platform ? `${name} ${formatPlatform(platform)}` : name;
    return {
      name: image,
      references: item.repoTags,
      platform,
      manifest: null,
      config: document,
      layers: this.#layers(item, config, image, configName),
    };
  }

  async #document(file: string): Promise<ImageDocument> {
    const bytes = await this.#files.read(file);
    const named = configDigest(file);
    if (named !== null) await checkDocument(bytes, named, `config ${named}`, this.#files.shown(file));
    return { bytes, digest: named ?? await digestOf(bytes), mediaType: CONFIG_TYPE };
  }

  #layers(
    item: Item,
    config: ImageConfig,
    image: string,
    configName: string,
  ): readonly ImageLayer[] {
    const from = [`${this.#name} ${LIST}`];
    return item.layers.map((file, i): ImageLayer => {
      const name = `${image} layer ${i + 1} of ${item.layers.length}`;
      const digest = blobDigest(file);
      const expect: Expectations = {
        diffID: { value: config.diffIDs[i]!, from: [...from, configName] },
        ...(digest === null ? {} : { digest: { value: digest, from } }),
      };
      return { name, expect, path: this.#files.diskPath(file), open: () => this.#files.open(file, name) };
    });
  }
}

async function readItems(files: ImageFiles, path: string): Promise<readonly Item[]> {
  const what = files.shown(LIST);
  const bytes = await files.read(LIST).catch((cause) => {
    if (!(cause instanceof SourceError) || cause.code !== "source-not-found") throw cause;
    throw new SourceError("docker-archive-no-manifest", `${path} is no docker-archive: it has no ${LIST}`, {
      source: path,
      cause,
      advice: `If it holds an OCI layout, write oci-archive:${path}`,
    });
  });
  return parseArray(bytes, what).map((value, i): Item => {
    const of = `item ${i} of ${what}`;
    const item = asObject(value, of, ARCHIVE_ITEM_KEYS);
    return {
      config: asString(item["Config"], `Config of ${of}`),
      repoTags: (optional(item["RepoTags"], asArray, `RepoTags of ${of}`) ?? [])
        .map((tag) => repoTag(tag, `RepoTags of ${of}`)),
      layers: (optional(item["Layers"], asArray, `Layers of ${of}`) ?? [])
        .map((layer) => asString(layer, `Layers of ${of}`)),
    };
  });
}

/** A name in the archive: that it is no image's name is the archive's fault, not the caller's. */
function repoTag(value: unknown, what: string): string {
  const text = asString(value, what);
  try {
    parseDockerReference(text);
    return text;
  } catch (cause) {
    if (!(cause instanceof UsageError)) throw cause;
    throw new FormatError("docker-archive-tag", `${what}: ${cause.message}`, {
      source: what,
      cause,
      advice: "No tool writes such a name: do not use the archive.",
    });
  }
}

function chooser(wanted: string): (item: Item, index: number) => boolean {
  const place = /^@(\d{1,9})$/.exec(wanted);
  if (place) return (_, index) => index === Number(place[1]);
  const { normalised } = parseDockerReference(wanted);
  return ({ repoTags }) => repoTags.some((tag) => parseDockerReference(tag).normalised === normalised);
}

/** `<hex>.json` (docker, podman, skopeo), `blobs/sha256/<hex>` (docker since 25), `sha256:<hex>` (crane). */
function configDigest(file: string): string | null {
  const hex = /^(?:(?:blobs\/sha256\/|sha256:)([0-9a-f]{64})|([0-9a-f]{64})\.json)$/.exec(file);
  return hex ? asDigest(hex[1] ?? hex[2]!) : null;
}

/** Names of layers say something in `blobs/` alone: elsewhere it is an id, the diffID, or of the blob before decompression. */
function blobDigest(file: string): string | null {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(file);
  return hex ? asDigest(hex[1]!) : null;
}

function asDigest(hex: string): string | null {
  const digest = `sha256:${hex}`;
  return isDigest(digest) ? digest : null;
}

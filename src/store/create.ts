/**
 * Puts an image, or a single layer, into a store.
 *
 * @module
 */
import { OutputError } from "../errors.ts";
import type { ImageDocument } from "../oci/image.ts";
import { formatPlatform, type Platform } from "../oci/platform.ts";
import type { LayerReport } from "../verify/report.ts";
import { documentPath, type LayerPlace, placesOf, type StoreLayout } from "./paths.ts";
import { putPlace } from "./places.ts";
import { flush, type Pool } from "./pool.ts";
import type { ImageRecord, LayerRecord } from "./record.ts";
import { type IncomingLayer, takeIn, type TakeInOptions, type TakenIn, wholeLayer } from "./take-in.ts";

/** An image that is to be put into a store; a single layer is one without config. */
export interface IncomingImage {
  readonly manifest: ImageDocument | null;
  readonly config: ImageDocument | null;
  readonly platform: Platform | null;
  readonly layers: readonly IncomingLayer[];
}

export interface CreateOptions extends TakeInOptions {
  readonly layouts: readonly StoreLayout[];
  /** As clients will ask, e.g. `docker.io/library/x:1`; none for the layout "digest" alone. */
  readonly references: readonly string[];
  /** Told of each layer when it is done. */
  readonly onLayer?: (layer: IncomingLayer, taken: TakenIn) => void | Promise<void>;
}

/** What became of an image. */
export interface CreatedImage {
  /** Where clients find the layers now; empty where one was refused. */
  readonly places: readonly LayerPlace[];
  /** Reports of layers that were refused: then no layer of the image can be found under its reference. */
  readonly refused: readonly LayerReport[];
}

/**
 * Verifies, extracts and places all layers of an image. Nothing can be found by clients before all layers are proved;
 * what was proved before an error or a kill stays in the pool, and need not be read again.
 * @throws {LayerproofError} as `takeIn` and `placesOf`
 */
export async function createImage(
  pool: Pool,
  image: IncomingImage,
  options: CreateOptions,
): Promise<CreatedImage> {
  for (let attempt = 1;; attempt++) {
    const { taken, refused } = await takeInAll(pool, image, options);
    if (refused.length > 0) return { places: [], refused };
    const places: LayerPlace[] = [];
    for (const [i, layer] of image.layers.entries()) {
      places.push(...await placeLayer(pool, layer, taken[i]!, options));
    }
    if (image.config) await recordImage(pool, image, image.config, taken, options.references);
    await flush(pool.directory);
    const gone = await firstGone(pool, taken);
    if (gone === null) return { places, refused };
    if (attempt < ATTEMPTS) continue;
    throw new OutputError("store-layer-gone", `The layer ${gone} was removed while the image was put in`, {
      source: pool.directory,
      advice: "Run the command again when no gc runs.",
    });
  }
}

/** A garbage collection that runs meanwhile may remove a layer that had no place yet. */
const ATTEMPTS = 3;

async function firstGone(pool: Pool, taken: readonly LayerRecord[]): Promise<string | null> {
  for (const { digest } of taken) if (!await wholeLayer(pool, digest)) return digest;
  return null;
}

async function takeInAll(
  pool: Pool,
  { layers }: IncomingImage,
  options: CreateOptions,
): Promise<{ readonly taken: readonly LayerRecord[]; readonly refused: readonly LayerReport[] }> {
  const taken: LayerRecord[] = [];
  const refused: LayerReport[] = [];
  for (const layer of layers) {
    options.signal?.throwIfAborted();
    const result = await takeIn(pool, layer, options);
    await options.onLayer?.(layer, result);
    if (result.outcome === "refused") refused.push(result.report);
    else taken.push(result.record);
  }
  return { taken, refused };
}

/**
 * Whether all layers can be placed, before anything is read or made.
 * @throws {UsageError} as `placesOf`
 */
export function checkPlaceable(
  { layers }: IncomingImage,
  { layouts, references }: Pick<CreateOptions, "layouts" | "references">,
): void {
  const anyDigest = `sha256:${"0".repeat(64)}`;
  for (const { expect } of layers) {
    for (const layout of layouts) {
      for (const reference of references.length > 0 ? references : [null]) {
        placesOf(layout, reference, anyDigest, expect.descriptor?.value.annotations);
      }
    }
  }
}

async function placeLayer(
  pool: Pool,
  { expect }: IncomingLayer,
  record: LayerRecord,
  { layouts, references }: CreateOptions,
): Promise<LayerPlace[]> {
  // Not what was computed: podman takes the flag for the config's word.
  const expectedDiffID = expect.diffID?.value ?? null;
  const annotations = expect.descriptor?.value.annotations ?? {};
  const placed: LayerPlace[] = [];
  for (const tocDigest of [null, ...record.tocDigests]) {
    for (const layout of layouts) {
      for (const reference of layout === "digest" || references.length === 0 ? [null] : references) {
        for (const place of placesOf(layout, reference, tocDigest ?? record.digest, annotations)) {
          await putPlace(pool, place, record, tocDigest, expectedDiffID);
          placed.push(place);
        }
      }
    }
  }
  return placed;
}

/** Keeps manifest and config, for exports. An image of the same platform takes the place of its forerunner. */
async function recordImage(
  pool: Pool,
  { manifest, platform }: IncomingImage,
  config: ImageDocument,
  layers: readonly LayerRecord[],
  references: readonly string[],
): Promise<void> {
  for (const document of manifest ? [manifest, config] : [config]) {
    await pool.writeFile(documentPath(document.digest), document.bytes);
  }
  const record: ImageRecord = {
    manifest: manifest && { digest: manifest.digest, mediaType: manifest.mediaType },
    config: { digest: config.digest, mediaType: config.mediaType },
    platform: platform && formatPlatform(platform),
    layers: layers.map(({ digest }) => digest),
  };
  for (const reference of references) {
    await pool.putImage(reference, record);
  }
}

/**
 * Takes images out of a store, and what nothing leads to any more.
 *
 * @module
 */
import { lstat } from "node:fs/promises";
import { decodeComponent, documentPath, imagePath, layerPath, type LayerPlace, POOL } from "./paths.ts";
import { allPlaces, blobDigestAt, digestsNamedAt, removePlace } from "./places.ts";
import { names, type Pool } from "./pool.ts";

/** What was, or would be, removed. Paths are relative to the store. */
export interface Removed {
  /** Blob digests of layers. */
  readonly layers: readonly string[];
  readonly documents: readonly string[];
  /** Leftovers of interrupted work. */
  readonly leftovers: readonly string[];
}

/**
 * Removes what clients find under a reference, or the places with this digest where `what` is one. The layers stay in the
 * pool until `collectGarbage`.
 * @returns the places that were removed; none where nothing had this name
 * @throws {OutputError | SourceError | FormatError}
 */
export async function removeFromStore(pool: Pool, what: string): Promise<readonly LayerPlace[]> {
  const places = await placesToRemove(pool, what);
  for (const place of places) await removePlace(pool, place);
  if (!what.startsWith("sha256:")) await pool.discard(pool.path(imagePath(what)));
  return places;
}

async function placesToRemove(pool: Pool, what: string): Promise<LayerPlace[]> {
  const found: LayerPlace[] = [];
  const bare: LayerPlace[] = [];
  for await (const place of allPlaces(pool)) {
    if (place.reference === what || place.digest === what) found.push(place);
    else if (place.reference === null) bare.push(place);
  }
  if (what.startsWith("sha256:") || bare.length === 0) return found;
  // Places without a reference go with the last image that has their layer.
  const mine = new Set((await pool.images(what)).flatMap(({ layers }) => layers));
  for (const reference of await references(pool)) {
    if (reference === what) continue;
    for (const { layers } of await pool.images(reference)) layers.forEach((layer) => mine.delete(layer));
  }
  for (const place of bare) {
    const blob = await blobDigestAt(pool, place);
    if (blob !== null && mine.has(blob)) found.push(place);
  }
  return found;
}

/** References of which the store knows manifest or config. */
export async function references(pool: Pool): Promise<string[]> {
  const found = await names(pool.path(`${POOL}/images`));
  return found.map(decodeComponent).filter((reference) => reference !== null).sort();
}

/** What was made a moment ago may belong to work whose place is not there yet. */
const YOUNG_MS = 10 * 60_000;

export interface GarbageOptions {
  /** Say only what would be removed. */
  readonly dryRun?: boolean;
  /** Layers and documents younger than this many milliseconds stay: somebody may be about to place them. */
  readonly youngerThan?: number;
}

/**
 * Removes layers that no place leads to, documents that no image has, and what interrupted work left.
 * @throws {OutputError | SourceError | FormatError} a record that cannot be read: nothing is removed then
 */
export async function collectGarbage(pool: Pool, options: GarbageOptions = {}): Promise<Removed> {
  const { dryRun = false, youngerThan = YOUNG_MS } = options;
  const now = Date.now();
  const isOld = async (path: string): Promise<boolean> =>
    await lstat(path).then(({ ctimeMs }) => now - ctimeMs >= youngerThan, () => false);
  const leftovers = await pool.abandoned();
  const usedLayers = new Set<string>(), usedDocuments = new Set<string>();
  for (const reference of await references(pool)) {
    for (const { layers, manifest, config } of await pool.images(reference)) {
      layers.forEach((layer) => usedLayers.add(layer));
      for (const document of [manifest, config]) {
        if (document) usedDocuments.add(documentPath(document.digest));
      }
    }
  }
  for await (const place of allPlaces(pool)) {
    for (const digest of await digestsNamedAt(pool, place)) usedLayers.add(digest);
  }
  const layers: string[] = [], documents: string[] = [];
  for (const digest of await pool.layers()) {
    if (!usedLayers.has(digest) && await isOld(pool.path(layerPath(digest)))) layers.push(digest);
  }
  for (const name of await names(pool.path(`${POOL}/documents`))) {
    const path = `${POOL}/documents/${name}`;
    if (!usedDocuments.has(path) && await isOld(pool.path(path))) documents.push(path);
  }
  if (!dryRun) {
    const paths = [...layers.map(layerPath), ...documents].map((path) => pool.path(path));
    for (const path of [...leftovers, ...paths]) await pool.discard(path);
  }
  return {
    layers,
    documents,
    leftovers: leftovers.map((path) => path.slice(pool.directory.length + 1)),
  };
}

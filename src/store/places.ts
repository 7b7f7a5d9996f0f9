/**
 * The directories that clients ask for: each leads to a layer of the pool, under one identity.
 *
 * @module
 */
import { mkdir, readlink, rename, rmdir, symlink } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { writing } from "../output/file.ts";
import { INFO_LIMIT, infoOf, type LayerInfo, parseInfo } from "./info.ts";
import { decodeComponent, decodeDigest, decodeKey, layerPath, type LayerPlace, POOL } from "./paths.ts";
import { BLOB, DIFF, directories, exists, names, type Pool, readStoreFile, removeTree } from "./pool.ts";
import type { LayerRecord } from "./record.ts";

export const INFO = "info";
export const USE = "use";

/**
 * Where `use` leads. Clients create it to say that they use a layer, and take ENOENT for an answer of a store that
 * counts; a store of plain directories cannot, and with any other answer they warn each time.
 */
const NOWHERE = "no-reference-counting/use";

const ATTEMPTS = 5;

/**
 * Makes a layer of the pool appear at a place, whole at once. What is there already is brought up to date.
 * @param tocDigest the identity, null for the blob digest: what `place.digest` is must be known to be true
 * @throws {OutputError}
 */
export async function putPlace(
  pool: Pool,
  place: LayerPlace,
  record: LayerRecord,
  tocDigest: string | null,
  expectedDiffID: string | null,
): Promise<void> {
  const directory = pool.path(place.path);
  const info = `${JSON.stringify(infoOf(record, tocDigest, expectedDiffID))}\n`;
  if (await leadsTo(pool, place, record.digest)) {
    await pool.writeFile(`${place.path}/${INFO}`, info);
    return;
  }
  await writing(directory, async () => {
    const work = await pool.temporary();
    try {
      const made = `${work}/place`;
      await mkdir(made, { mode: 0o755 });
      for (const [name, target] of links(pool, place, record.digest)) {
        await symlink(target, `${made}/${name}`);
      }
      await pool.writeFile(`${made.slice(pool.directory.length + 1)}/${INFO}`, info);
      await moveTo(made, directory, pool);
    } finally {
      await removeTree(work);
    }
  });
}

/** Somebody else may remove the directory above, which was empty, or be as fast as we are. */
async function moveTo(made: string, directory: string, pool: Pool): Promise<void> {
  for (let attempt = 1;; attempt++) {
    await mkdir(dirname(directory), { recursive: true });
    if (await exists(directory)) await pool.discard(directory);
    try {
      return await rename(made, directory);
    } catch (cause) {
      if (attempt === ATTEMPTS) throw cause;
    }
  }
}

/** Name and target of each link of a place. Relative: the store may be mounted elsewhere. */
function links(pool: Pool, place: LayerPlace, blobDigest: string): [name: string, target: string][] {
  const layer = relative(pool.path(place.path), pool.path(layerPath(blobDigest)));
  return [[DIFF, `${layer}/${DIFF}`], [BLOB, `${layer}/${BLOB}`], [USE, NOWHERE]];
}

/** Whether the links of a place are those to this layer. */
export async function leadsTo(pool: Pool, place: LayerPlace, blobDigest: string): Promise<boolean> {
  for (const [name, target] of links(pool, place, blobDigest)) {
    const actual = await readlink(`${pool.path(place.path)}/${name}`).catch(() => null);
    if (actual !== target) return false;
  }
  return true;
}

/** The layer of the pool that a place leads to, as its links say; null where they lead elsewhere. */
export async function blobDigestAt(pool: Pool, place: LayerPlace): Promise<string | null> {
  const target = await readlink(`${pool.path(place.path)}/${DIFF}`).catch(() => null);
  const hex = target?.match(/([0-9a-f]{64})\/diff$/)?.[1];
  if (hex === undefined) return null;
  const digest = `sha256:${hex}`;
  return await leadsTo(pool, place, digest) ? digest : null;
}

/**
 * Blob digests of all layers that anything at a place speaks of, also where the place is damaged or was copied: what may be
 * in use must not be removed.
 */
export async function digestsNamedAt(pool: Pool, place: LayerPlace): Promise<string[]> {
  const found = new Set<string>([place.digest]);
  for (const name of [DIFF, BLOB]) {
    const target = await readlink(`${pool.path(place.path)}/${name}`).catch(() => "");
    for (const [hex] of target.matchAll(/[0-9a-f]{64}/g)) found.add(`sha256:${hex}`);
  }
  const named = await infoAt(pool, place).then((info) => info["compressed-diff-digest"], () => undefined);
  if (named !== undefined) found.add(named);
  return [...found];
}

/** What a client would read there. @throws {SourceError | FormatError} */
export async function infoAt(pool: Pool, place: LayerPlace): Promise<LayerInfo> {
  const path = `${pool.path(place.path)}/${INFO}`;
  return parseInfo(await readStoreFile(path, INFO_LIMIT), path);
}

/** Every place of the store, in the order of names. @throws {SourceError} `store-unreadable` */
export async function* allPlaces(pool: Pool): AsyncGenerator<LayerPlace, void, void> {
  for (const name of await directories(pool.directory)) {
    if (name === POOL) continue;
    const digest = decodeDigest(name);
    if (digest !== null) yield { layout: "digest", path: name, reference: null, digest };
    else if (decodeKey(name)) yield* keyPlaces(pool, name, []);
    else {
      const reference = decodeComponent(name);
      if (reference === null) continue;
      for (const inner of await directories(pool.path(name))) {
        const of = decodeDigest(inner);
        if (of !== null) yield { layout: "reference", path: `${name}/${inner}`, reference, digest: of };
      }
    }
  }
}

/** Deeper than any order of keys that is written. */
const KEY_DEPTH = 8;

async function* keyPlaces(
  pool: Pool,
  path: string,
  above: readonly { readonly key: string; readonly value: string }[],
): AsyncGenerator<LayerPlace, void, void> {
  const key = decodeKey(path.slice(path.lastIndexOf("/") + 1));
  if (!key || above.length >= KEY_DEPTH) return;
  const keys = [...above, key];
  const digest = decodeDigest(keys.find(({ key }) => key === "layerdigest")?.value ?? "");
  const reference = keys.find(({ key }) => key === "reference")?.value ?? null;
  const inner = await names(pool.path(path));
  if (digest !== null && inner.includes(INFO)) yield { layout: "keys", path, reference, digest };
  for (const name of await directories(pool.path(path))) yield* keyPlaces(pool, `${path}/${name}`, keys);
}

/** Takes a place out of the store, and the directories that held nothing else. @throws {OutputError} */
export async function removePlace(pool: Pool, place: LayerPlace): Promise<void> {
  await pool.discard(pool.path(place.path));
  for (let path = dirname(place.path); path !== "."; path = dirname(path)) {
    // Not empty, or gone: somebody else's.
    if (!await rmdir(pool.path(path)).then(() => true, () => false)) return;
  }
}

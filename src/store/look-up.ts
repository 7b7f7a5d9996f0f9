/**
 * What a client gets that asks the store for a layer.
 *
 * @module
 */
import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { isDigest } from "../digest/digest.ts";
import { LayerproofError } from "../errors.ts";
import { EXPECTED_DIFF_ID, type LayerInfo } from "./info.ts";
import type { LayerPlace } from "./paths.ts";
import { allPlaces, blobDigestAt, INFO, infoAt } from "./places.ts";
import { BLOB, DIFF, type Pool } from "./pool.ts";
import type { LayerRecord } from "./record.ts";

/** What a digest is to a layer. */
export type Identity = "blob digest" | "TOC digest";

/** One place that answers, or would answer if it were in order. */
export interface FoundLayer {
  readonly place: LayerPlace;
  /** What the asked digest is of the layer that lies there; null where it is neither: then nobody should take it. */
  readonly identity: Identity | null;
  readonly info: LayerInfo | null;
  readonly record: LayerRecord | null;
  /** Why a client would not take it, or should not; empty where all is well. */
  readonly problems: readonly string[];
}

/** What is asked for. */
export interface LookUp {
  /** null for the layout without references */
  readonly reference: string | null;
  /** Blob digest or TOC digest. */
  readonly digest: string;
  /** A TOC digest that the same layer must have, for a look-up by pair; `digest` is then the blob's. */
  readonly tocDigest?: string;
}

/**
 * The places where this layer can be asked for, each with what a client finds there. A look-up by pair finds a layer
 * only if both digests were computed from its bytes.
 * @throws {SourceError} `store-unreadable`
 */
export async function lookUp(pool: Pool, { reference, digest, tocDigest }: LookUp): Promise<FoundLayer[]> {
  const found: FoundLayer[] = [];
  for await (const place of allPlaces(pool)) {
    if (place.digest !== digest) continue;
    if (place.layout !== "digest" && place.reference !== reference) continue;
    const layer = await examinePlace(pool, place);
    if (tocDigest === undefined) found.push(layer);
    else if (layer.identity === "blob digest" && layer.record?.tocDigests.includes(tocDigest)) {
      found.push(layer);
    }
  }
  return found;
}

/** What lies at a place, compared with what the pool knows of the layer. */
export async function examinePlace(pool: Pool, place: LayerPlace): Promise<FoundLayer> {
  const problems: string[] = [];
  const directory = pool.path(place.path);
  for (const name of [DIFF, INFO, BLOB]) {
    await access(`${directory}/${name}`, constants.F_OK).catch(() => problems.push(`${name} is not there`));
  }
  const info = await orProblem(() => infoAt(pool, place), problems);
  const blob = await stat(`${directory}/${BLOB}`).catch(() => null);
  if (blob && !blob.isFile()) problems.push("blob is no file");
  const blobDigest = await blobDigestAt(pool, place);
  if (blobDigest === null) problems.push("its links were not made by this program");
  const record = blobDigest === null ? null : await orProblem(() => pool.layer(blobDigest), problems);
  const identity = record && identityOf(record, place.digest);
  if (record && blob?.isFile() && blob.size !== record.size) {
    problems.push(`blob has ${blob.size} bytes, right is ${record.size}`);
  }
  if (record && !identity) problems.push("the layer has neither this blob digest nor this TOC digest");
  if (record && info) {
    problems.push(...differences(info, record, identity === "TOC digest" ? place.digest : null));
  }
  return { place, identity, info, record, problems };
}

function identityOf(record: LayerRecord, digest: string): Identity | null {
  if (record.digest === digest) return "blob digest";
  return record.tocDigests.includes(digest) ? "TOC digest" : null;
}

async function orProblem<T>(read: () => Promise<T>, problems: string[]): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof LayerproofError)) throw error;
    problems.push(error.message);
    return null;
  }
}

/** What in an `info` is not what was computed. */
function differences(info: LayerInfo, record: LayerRecord, tocDigest: string | null): string[] {
  const right: Readonly<Record<string, readonly unknown[]>> = {
    "compressed-diff-digest": [record.digest],
    "compressed-size": [record.size],
    "diff-digest": [record.diffID],
    "diff-size": [record.uncompressedSize],
    compression: [record.compression],
    "toc-digest": tocDigest !== null ? [tocDigest] : [undefined, ...record.tocDigests],
  };
  const found = Object.entries(right)
    .filter(([name, values]) => !values.includes(info[name as keyof LayerInfo]))
    .map(([name, values]) =>
      `info has ${name} ${JSON.stringify(info[name as keyof LayerInfo])}, right is ${
        JSON.stringify(values[0])
      }`
    );
  const expected = info.flags?.[EXPECTED_DIFF_ID];
  if (expected !== undefined && (!isDigest(expected) || expected !== record.diffID)) {
    found.push(
      `info has the flag ${EXPECTED_DIFF_ID} ${JSON.stringify(expected)}, the diffID is ${record.diffID}`,
    );
  }
  return found;
}

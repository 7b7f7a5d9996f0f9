/**
 * `layerproof store ls`, `info` and `look-up`.
 *
 * @module
 */
import { parseDigest } from "../digest/digest.ts";
import { SourceError } from "../errors.ts";
import { lookUp } from "../store/look-up.ts";
import type { FoundLayer } from "../store/look-up.ts";
import { allPlaces, blobDigestAt } from "../store/places.ts";
import { Pool } from "../store/pool.ts";
import type { ImageRecord, LayerRecord } from "../store/record.ts";
import { columns } from "./columns.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./exit-status.ts";
import { notSetText } from "./not-set.ts";
import { printable } from "./printable.ts";
import { counted, fullBytes, grouped } from "./units.ts";

/** As commander hands them over. */
export interface RawShowOptions {
  readonly json?: boolean;
  readonly tocDigest?: string;
}

/** A layer as clients find it. */
interface Listed {
  readonly reference: string | null;
  readonly record: LayerRecord | null;
  /** Digests by which it can be asked for. */
  readonly digests: readonly string[];
  readonly placed: boolean;
}

/** @returns the exit status */
export async function storeLs(
  directory: string,
  { json }: RawShowOptions,
  { io }: CommandContext,
): Promise<number> {
  const layers = await listed(await Pool.open(directory));
  if (json) {
    for (const layer of layers) await io.stdout.write(`${JSON.stringify(layer)}\n`);
    return EXIT.ok;
  }
  if (layers.length === 0) {
    await io.stderr.write(`layerproof: ${directory} is empty\n`);
    return EXIT.ok;
  }
  const rows = layers.map(({ reference, record, digests, placed }) => [
    reference ?? (placed ? "-" : "(unused)"),
    record ? short(record.digest) : "?",
    record?.format ?? "?",
    record ? grouped(record.size) : "?",
    record ? grouped(record.uncompressedSize) : "?",
    digests.filter((digest) => digest !== record?.digest).map(short).join(" "),
  ]);
  const head = ["REFERENCE", "BLOB", "FORMAT", "SIZE", "UNCOMPRESSED", "TOC"];
  await io.stdout.write(columns([head, ...rows], [3, 4]));
  return EXIT.ok;
}

/** 12 digits, as the clients show ids. */
function short(digest: string): string {
  return digest.slice("sha256:".length, "sha256:".length + 12);
}

async function listed(pool: Pool): Promise<Listed[]> {
  const found = new Map<string, { reference: string | null; blob: string | null; digests: Set<string> }>();
  const used = new Set<string>();
  for await (const place of allPlaces(pool)) {
    const blob = await blobDigestAt(pool, place);
    if (blob !== null) used.add(blob);
    const key = JSON.stringify([place.reference, blob ?? place.path]);
    const layer = found.get(key) ?? { reference: place.reference, blob, digests: new Set() };
    layer.digests.add(place.digest);
    found.set(key, layer);
  }
  const layers: Listed[] = [];
  for (const { reference, blob, digests } of found.values()) {
    const record = blob === null ? null : await pool.layer(blob).catch(() => null);
    layers.push({ reference, record, digests: [...digests], placed: true });
  }
  for (const digest of await pool.layers()) {
    if (used.has(digest)) continue;
    layers.push({ reference: null, record: await pool.layer(digest), digests: [], placed: false });
  }
  return layers.sort((a, b) => (a.reference ?? "\uffff") < (b.reference ?? "\uffff") ? -1 : 1);
}

/** @returns the exit status */
export async function storeInfo(
  what: string,
  directory: string,
  { json }: RawShowOptions,
  { io }: CommandContext,
): Promise<number> {
  const pool = await Pool.open(directory);
  if (what.startsWith("sha256:")) {
    const records = await layersWith(pool, parseDigest(what, "the digest"));
    if (records.length === 0) throw unknown(what, directory);
    for (const record of records) {
      await io.stdout.write(json ? `${JSON.stringify(record)}\n` : layerText(record));
    }
    return EXIT.ok;
  }
  const { parseDockerReference } = await import("../oci/docker-reference.ts");
  const reference = parseDockerReference(what).normalised;
  const images = await pool.images(reference);
  if (images.length === 0) throw unknown(reference, directory);
  if (json) {
    await io.stdout.write(`${JSON.stringify({ reference, images })}\n`);
    return EXIT.ok;
  }
  for (const image of images) await io.stdout.write(await imageText(pool, reference, image));
  return EXIT.ok;
}

function unknown(what: string, directory: string): SourceError {
  return new SourceError("store-unknown", `${directory} knows nothing of ${what}`, {
    source: directory,
    advice: "layerproof store ls names its images and layers.",
  });
}

async function layersWith(pool: Pool, digest: string): Promise<LayerRecord[]> {
  const found: LayerRecord[] = [];
  for (const each of await pool.layers()) {
    const record = await pool.layer(each);
    if (record && [record.digest, record.diffID, ...record.tocDigests].includes(digest)) found.push(record);
  }
  return found;
}

async function imageText(pool: Pool, reference: string, image: ImageRecord): Promise<string> {
  const lines = [
    `${printable(reference)}${image.platform === null ? "" : ` ${printable(image.platform)}`}`,
    `  manifest  ${image.manifest?.digest ?? "none: the archive it came from has none"}`,
    `  config    ${image.config.digest}`,
    `  ${counted(image.layers.length, "layer")}`,
  ];
  let text = `${lines.join("\n")}\n`;
  for (const digest of image.layers) {
    const record = await pool.layer(digest);
    text += record ? layerText(record) : `${digest}\n  not in the store any more\n`;
  }
  return text;
}

function layerText(record: LayerRecord): string {
  const { digest, format, size, diffID, uncompressedSize, tocDigests, tarSplit, notSet, by } = record;
  const lines = [
    digest,
    `  format        ${format}, ${fullBytes(size)}`,
    `  diffID        ${diffID}`,
    `  uncompressed  ${fullBytes(uncompressedSize)}`,
    ...tocDigests.map((toc) => `  TOC           ${toc}`),
    `  tar-split     ${tarSplit === null ? "none: the tar can only be had from the blob" : "kept"}`,
    ...notSet.map((each) => `  not set       ${notSetText(each)}`),
    `  taken in by   ${printable(by)}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** @returns the exit status */
export async function storeLookUp(
  text: string,
  digest: string,
  directory: string,
  raw: RawShowOptions,
  { io }: CommandContext,
): Promise<number> {
  const { parseDockerReference } = await import("../oci/docker-reference.ts");
  const reference = text === "" ? null : parseDockerReference(text).normalised;
  const pool = await Pool.open(directory);
  const found = await lookUp(pool, {
    reference,
    digest: parseDigest(digest, "the digest"),
    ...raw.tocDigest !== undefined && { tocDigest: parseDigest(raw.tocDigest, "--toc-digest") },
  });
  const good = found.some(({ problems }) => problems.length === 0);
  if (raw.json) {
    for (const layer of found) await io.stdout.write(`${JSON.stringify(layer)}\n`);
  } else {
    for (const layer of found) await io.stdout.write(foundText(layer, directory));
    if (found.length === 0) await io.stdout.write("not here: a client pulls the layer from its registry\n");
  }
  return good ? EXIT.ok : EXIT.mismatch;
}

function foundText({ place, identity, info, problems }: FoundLayer, directory: string): string {
  const lines = [
    `${directory}/${place.path}`,
    `  found by   ${identity ?? "no digest that was computed from its bytes"}`,
    `  info       ${info ? printable(JSON.stringify(info)) : "cannot be read"}`,
    ...problems.map((problem) => `  PROBLEM    ${printable(problem)}`),
  ];
  return `${lines.join("\n")}\n`;
}

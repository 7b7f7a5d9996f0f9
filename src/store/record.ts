/**
 * What the store knows of a layer: all of it computed from the layer's bytes when it was taken in. Clients never see it.
 *
 * @module
 */
import { isDigest } from "../digest/digest.ts";
import { FormatError } from "../errors.ts";
import { asArray, asObject, asSize, asString, type JsonObject, optional } from "../oci/json.ts";
import { parseStrictJson } from "../json/strict.ts";

/** Codes of containers/storage (`pkg/archive`, `Compression`). */
export const COMPRESSION = { none: 0, gzip: 2, zstd: 4 } as const;

/** What could not be set in the extracted tree. */
export interface NotSetRecord {
  readonly what: string;
  readonly count: number;
  readonly example: string;
  /** The attribute's name and why, where it is not the same for all; null where there is no more to say. */
  readonly detail: string | null;
}

/** One layer of the pool. Sizes in bytes. */
export interface LayerRecord {
  /** SHA-256 of the blob. */
  readonly digest: string;
  readonly size: number;
  /** By content. */
  readonly mediaType: string;
  readonly format: string;
  readonly compression: number;
  /** SHA-256 and length of the tar. */
  readonly diffID: string;
  readonly uncompressedSize: number;
  /** Digests of the TOC that the blob holds, if its contents were checked against the tar; else none. */
  readonly tocDigests: readonly string[];
  /** SHA-256 of `tar-split.zst`; null where the tar can have none. */
  readonly tarSplit: string | null;
  /** Attributes and entries that the process had no right to set when it extracted the layer. */
  readonly notSet: readonly NotSetRecord[];
  /** Program and version that took it in. */
  readonly by: string;
}

/** An image as it was taken in. */
export interface ImageRecord {
  /** Exact bytes lie in the pool; null where the source had none (docker-archive). */
  readonly manifest: DocumentRecord | null;
  readonly config: DocumentRecord;
  /** `os/architecture[/variant]`, as the config says. */
  readonly platform: string | null;
  /** Blob digests, first layer first. */
  readonly layers: readonly string[];
}

export interface DocumentRecord {
  readonly digest: string;
  readonly mediaType: string;
}

/** Of files that this program wrote itself. */
const MAX_NODES = 1_000_000;
const NO_KEYS: ReadonlyMap<string, string> = new Map();

/** The file of a record: JSON that a person can read. */
export function encodeRecord(record: LayerRecord | ImageRecord): string {
  return `${JSON.stringify(record, null, 2)}\n`;
}

/** @throws {FormatError} `store-record` where it is not what `encodeRecord` makes */
export function parseLayerRecord(bytes: Uint8Array, path: string): LayerRecord {
  return reading(path, () => {
    const object = asObject(parsed(bytes, path), path, NO_KEYS);
    const field = (name: string): string => asString(object[name], `${name} of ${path}`);
    return {
      digest: digestOf(object, "digest", path),
      size: asSize(object["size"], `size of ${path}`),
      mediaType: field("mediaType"),
      format: field("format"),
      compression: asSize(object["compression"], `compression of ${path}`),
      diffID: digestOf(object, "diffID", path),
      uncompressedSize: asSize(object["uncompressedSize"], `uncompressedSize of ${path}`),
      tocDigests: asArray(object["tocDigests"], `tocDigests of ${path}`).map((digest) =>
        aDigest(digest, path)
      ),
      tarSplit: optional(object["tarSplit"], aDigest, path) ?? null,
      notSet: asArray(object["notSet"], `notSet of ${path}`).map((each) => {
        const { what, count, example, detail } = asObject(each, `notSet of ${path}`, NO_KEYS);
        return {
          what: asString(what, path),
          count: asSize(count, path),
          example: asString(example, path),
          detail: optional(detail, asString, path) ?? null,
        };
      }),
      by: field("by"),
    };
  });
}

/** @throws {FormatError} `store-record` */
export function parseImageRecord(bytes: Uint8Array, path: string): ImageRecord {
  return reading(path, () => {
    const object = asObject(parsed(bytes, path), path, NO_KEYS);
    return {
      manifest: optional(object["manifest"], aDocument, path) ?? null,
      config: aDocument(object["config"], path),
      platform: optional(object["platform"], asString, path) ?? null,
      layers: asArray(object["layers"], `layers of ${path}`).map((digest) => aDigest(digest, path)),
    };
  });
}

function parsed(bytes: Uint8Array, path: string): unknown {
  return parseStrictJson(bytes, { what: path, code: "store-record", maxNodes: MAX_NODES });
}

function aDocument(value: unknown, path: string): DocumentRecord {
  const object = asObject(value, path, NO_KEYS);
  return { digest: digestOf(object, "digest", path), mediaType: asString(object["mediaType"], path) };
}

function digestOf(object: JsonObject, name: string, path: string): string {
  return aDigest(object[name], path);
}

function aDigest(value: unknown, path: string): string {
  if (isDigest(value)) return value;
  throw new FormatError("store-record", `${path} holds ${JSON.stringify(value)} where a digest belongs`);
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError("store-record", `Cannot read ${path}: ${cause.message}`, {
      source: path,
      cause,
      advice: "It was changed or is damaged: run layerproof store create again.",
    });
  }
}

/**
 * `info`: what clients believe of a layer without a check (containers/storage, `Layer` and `layers.json`).
 *
 * One object serves podman 4 (which needs `diff-digest` and a true `diff-size`) and podman 5 (which compares `toc-digest`
 * with what it asked for). Nothing in it comes from anywhere but the layer's bytes, except for the flag, which is the
 * image config's word and was compared with them.
 *
 * @module
 */
import { isDigest } from "../digest/digest.ts";
import { FormatError } from "../errors.ts";
import { asObject, asString, optional } from "../oci/json.ts";
import { parseStrictJson } from "../json/strict.ts";
import type { LayerRecord } from "./record.ts";

/** The fields that this package writes and reads. Sizes in bytes. */
export interface LayerInfo {
  readonly "compressed-diff-digest"?: string;
  readonly "compressed-size"?: number;
  readonly "diff-digest"?: string;
  /** -1 where it is not known. */
  readonly "diff-size"?: number;
  /** 0 none, 2 gzip, 4 zstd */
  readonly compression?: number;
  readonly "toc-digest"?: string;
  readonly flags?: Readonly<Record<string, unknown>>;
}

/** The name of the flag that holds the image config's diffID. */
export const EXPECTED_DIFF_ID = "expected-layer-diffid";

/** Clients read a few hundred bytes; a hostile store must not fill our memory. */
export const INFO_LIMIT = 1 << 20;

/**
 * What a client gets that asks for this layer.
 * @param tocDigest the identity under which it asks; null for the blob digest
 * @param expectedDiffID the image config's, if the layer came with one
 */
export function infoOf(
  record: LayerRecord,
  tocDigest: string | null,
  expectedDiffID: string | null,
): LayerInfo {
  const toc = tocDigest ?? record.tocDigests[0];
  return {
    "compressed-diff-digest": record.digest,
    "compressed-size": record.size,
    "diff-digest": record.diffID,
    "diff-size": record.uncompressedSize,
    compression: record.compression,
    ...toc !== undefined && { "toc-digest": toc },
    ...expectedDiffID !== null && { flags: { [EXPECTED_DIFF_ID]: expectedDiffID } },
  };
}

/**
 * Reads an `info` as clients do.
 * @param what names it in messages
 * @throws {FormatError} `store-info`
 */
export function parseInfo(bytes: Uint8Array, what: string): LayerInfo {
  try {
    const object = asObject(parseStrictJson(bytes, { what, code: "store-info", maxNodes: 10_000 }), what);
    for (const name of ["compressed-diff-digest", "diff-digest", "toc-digest"]) {
      const value = optional(object[name], asString, `${name} of ${what}`);
      if (value === undefined || isDigest(value)) continue;
      throw new FormatError("store-info", `${name} of ${what} is no digest: ${JSON.stringify(value)}`);
    }
    for (const name of ["compressed-size", "diff-size", "compression"]) {
      const value = object[name];
      if (value === undefined || Number.isSafeInteger(value)) continue;
      throw new FormatError("store-info", `${name} of ${what} is no whole number: ${JSON.stringify(value)}`);
    }
    if (object["flags"] !== undefined && object["flags"] !== null) {
      asObject(object["flags"], `flags of ${what}`, new Map());
    }
    return object as LayerInfo;
  } catch (cause) {
    if (!(cause instanceof FormatError)) throw cause;
    throw new FormatError("store-info", `Cannot read ${what}: ${cause.message}`, { source: what, cause });
  }
}

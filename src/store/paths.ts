/**
 * Where things lie in a store: the paths that clients ask for, and the pool behind them.
 *
 * ```
 * <store>/base64(reference)/<digest>/{diff,info,blob,use}     layout "reference": storage.conf "<store>:ref"
 * <store>/<digest>/{…}                                        layout "digest": storage.conf "<store>"
 * <store>/base64(key=value)/base64(key=value)/…/{…}           layout "keys", in every order of the keys
 * <store>/.layerproof/layers/<hex>/{diff,blob,tar-split.zst,layer.json}
 * <store>/.layerproof/images/base64(reference)/<platform>.json   which image has this reference
 * <store>/.layerproof/documents/<hex>                         manifests and configs
 * <store>/.layerproof/tmp/<pid>.<start>.<random>/             work under way
 * ```
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { isDigest, parseDigest } from "../digest/digest.ts";
import { UsageError } from "../errors.ts";

/** How the path of a layer is made of reference and digest. */
export type StoreLayout = "reference" | "digest" | "keys";

/** Holds all that is not asked for by clients; no base64 and no digest begins with a dot. */
export const POOL = ".layerproof";

/** Annotations of a layer that become keys of the layout "keys". */
export const KEY_PREFIX = "containers/image/target.";

/** Linux: bytes of one component of a path. */
const NAME_MAX = 255;
/** Orders of keys are factorial: 4 keys have 24 paths. */
const MAX_KEYS = 4;

/** A path that a client may ask for, relative to the store, taken apart. */
export interface LayerPlace {
  readonly layout: StoreLayout;
  readonly path: string;
  readonly reference: string | null;
  readonly digest: string;
}

/**
 * The paths under which clients find a layer.
 * @param reference as containers/image prints it; the layout "digest" does without
 * @param annotations of the layer's descriptor, for the layout "keys"
 * @returns relative to the store
 * @throws {UsageError} `store-reference-missing`, `store-path-too-long`, `store-too-many-keys`
 */
export function placesOf(
  layout: StoreLayout,
  reference: string | null,
  digest: string,
  annotations: Readonly<Record<string, string>> = {},
): readonly LayerPlace[] {
  parseDigest(digest, "the layer's digest");
  if (layout === "digest") return [{ layout, path: digest, reference: null, digest }];
  if (reference === null) {
    throw new UsageError("store-reference-missing", `The layout "${layout}" needs the image's reference`, {
      advice: 'Give --reference, or --layout digest for a store that is listed without ":ref".',
    });
  }
  if (layout === "reference") {
    return [{ layout, path: `${component(reference)}/${digest}`, reference, digest }];
  }
  const keys = [`reference=${reference}`, `layerdigest=${digest}`];
  for (const [name, value] of Object.entries(annotations)) {
    if (name.startsWith(KEY_PREFIX)) keys.push(`${name}=${value}`);
  }
  if (keys.length > MAX_KEYS) {
    throw new UsageError(
      "store-too-many-keys",
      `The layer has ${keys.length} keys for its path, at most ${MAX_KEYS} can be served in every order`,
      { advice: `Leave annotations that begin with ${KEY_PREFIX} away.` },
    );
  }
  return permutations(keys.map(component)).map((order) => ({
    layout,
    path: order.join("/"),
    reference,
    digest,
  }));
}

/** Standard base64, as clients write it into paths. @throws {UsageError} `store-path-too-long`, `store-path-slash` */
function component(text: string): string {
  const encoded = Buffer.from(text).toString("base64");
  if (encoded.length > NAME_MAX) {
    throw new UsageError(
      "store-path-too-long",
      `${text} is too long for a path: ${encoded.length} bytes as base64, at most ${NAME_MAX}`,
      { advice: "No client can ask for it either: use a shorter reference." },
    );
  }
  if (encoded.includes("/")) {
    throw new UsageError("store-path-slash", `The base64 of ${text} holds a "/", which no path can hold`, {
      advice: 'Use a text without "?".',
    });
  }
  return encoded;
}

/** The text of a component, or null where it is not what `component` makes. */
export function decodeComponent(encoded: string): string | null {
  const bytes = Buffer.from(encoded, "base64");
  return bytes.length > 0 && bytes.toString("base64") === encoded ? bytes.toString() : null;
}

/** The text `key=value` of a component of the layout "keys". References hold no "=". */
export function decodeKey(encoded: string): { readonly key: string; readonly value: string } | null {
  const text = decodeComponent(encoded);
  const at = text?.indexOf("=") ?? -1;
  return text === null || at <= 0 ? null : { key: text.slice(0, at), value: text.slice(at + 1) };
}

/** The digest that names a directory, or null. */
export function decodeDigest(name: string): string | null {
  return isDigest(name) ? name : null;
}

function permutations(items: readonly string[]): string[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, at) =>
    permutations([...items.slice(0, at), ...items.slice(at + 1)]).map((rest) => [item, ...rest])
  );
}

/** Directory of a layer in the pool, relative to the store. */
export function layerPath(blobDigest: string): string {
  return `${POOL}/layers/${hexOf(blobDigest)}`;
}

/** File of a manifest or config, relative to the store. */
export function documentPath(digest: string): string {
  return `${POOL}/documents/${hexOf(digest)}`;
}

/** Directory of the files that say which images have this reference, relative to the store. @throws as `component` */
export function imagePath(reference: string): string {
  return `${POOL}/images/${component(reference)}`;
}

function hexOf(digest: string): string {
  return parseDigest(digest, "the digest").slice("sha256:".length);
}

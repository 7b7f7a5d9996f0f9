/**
 * Reading JSON that someone else wrote: every surprise is a `FormatError` that names the place, never a `TypeError`.
 *
 * @module
 */
import { FormatError } from "../errors.ts";
import { foldedKeys, lookAlike, parseStrictJson } from "../json/strict.ts";

/** An object of JSON. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A document is at most 4 MiB, so this bounds memory and refuses nothing in use. */
const MAX_NODES = 200_000;

/** Keys that decide which blobs an image is made of: another program must not find a second one in other case. */
const KNOWN = foldedKeys(
  ("schemaVersion mediaType artifactType config layers manifests subject digest size annotations urls data platform os " +
    "architecture variant rootfs type diff_ids imageLayoutVersion").split(" "),
);

/** Of an image config only these: Docker's older builder writes a `Size` of its own at the top. */
export const CONFIG_KEYS: ReadonlyMap<string, string> = foldedKeys([
  "rootfs",
  "os",
  "architecture",
  "variant",
]);

/** Of an item of a docker-archive's manifest.json. */
export const ARCHIVE_ITEM_KEYS: ReadonlyMap<string, string> = foldedKeys(["Config", "RepoTags", "Layers"]);

/**
 * The object that `bytes` hold.
 * @param what names the document in messages
 * @param known keys that may not stand there in other case
 * @throws {FormatError} `json-invalid`, `json-type`, `json-ambiguous-key`
 */
export function parseObject(bytes: Uint8Array, what: string, known = KNOWN): JsonObject {
  return asObject(parseStrictJson(bytes, { what, code: "json-invalid", maxNodes: MAX_NODES }), what, known);
}

/** The array that `bytes` hold. @throws {FormatError} `json-invalid`, `json-type` */
export function parseArray(bytes: Uint8Array, what: string): readonly unknown[] {
  return asArray(parseStrictJson(bytes, { what, code: "json-invalid", maxNodes: MAX_NODES }), what);
}

/** @throws {FormatError} `json-type`, `json-ambiguous-key` */
export function asObject(value: unknown, what: string, knownKeys = KNOWN): JsonObject {
  const object = anyObject(value, what);
  for (const key in object) {
    const known = lookAlike(key, knownKeys);
    if (known === undefined) continue;
    throw new FormatError(
      "json-ambiguous-key",
      `${what} has the key ${shown(key)}, which some programs take for ${known}`,
      {
        source: what,
        advice: "The document was made to be read in two ways: do not use the image.",
      },
    );
  }
  return object;
}

/** An object whose keys are free. */
function anyObject(value: unknown, what: string): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrongType(what, "an object", value);
  }
  return value as JsonObject;
}

/** @throws {FormatError} `json-type` */
export function asArray(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw wrongType(what, "an array", value);
  return value;
}

/** @throws {FormatError} `json-type` */
export function asString(value: unknown, what: string): string {
  if (typeof value !== "string") throw wrongType(what, "a string", value);
  return value;
}

/** A number of bytes. @throws {FormatError} `json-type` */
export function asSize(value: unknown, what: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw wrongType(what, "a whole number of bytes", value);
  }
  return value;
}

/** An object whose values are strings. @throws {FormatError} `json-type` */
export function asStringMap(value: unknown, what: string): Readonly<Record<string, string>> {
  const entries = Object.entries(anyObject(value, what));
  return Object.fromEntries(entries.map(([key, text]) => [key, asString(text, `${what}[${shown(key)}]`)]));
}

/** What is there, or undefined for absent and null fields. */
export function optional<T>(
  value: unknown,
  read: (value: unknown, what: string) => T,
  what: string,
): T | undefined {
  return value === undefined || value === null ? undefined : read(value, what);
}

function wrongType(what: string, expected: string, value: unknown): FormatError {
  const actual = value === undefined ? "nothing" : shown(value);
  return new FormatError("json-type", `${what} must be ${expected}, received ${actual}`, {
    source: what,
    expected,
    actual,
  });
}

/** A short, printable form of any JSON value. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

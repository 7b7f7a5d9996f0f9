/**
 * Credentials as they are written down: auth.json (containers-auth.json(5)), Docker's config.json, and what the auth
 * helper of an additional layer store is given.
 *
 * Messages name files and keys, never values.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { UsageError } from "../errors.ts";
import { parseStrictJson } from "../json/strict.ts";

/** What a registry is told. */
export interface Credential {
  readonly username: string;
  readonly password: string;
  /** A refresh token (OAuth 2), used in place of the password. */
  readonly identityToken: string | null;
}

/** One auth.json or config.json. */
export interface AuthFile {
  /** By registry, namespace or repository. */
  readonly auths: ReadonlyMap<string, Credential>;
  /** Helper programs (`docker-credential-NAME`) by registry. */
  readonly helpers: ReadonlyMap<string, string>;
  /** The helper for all other registries. */
  readonly store: string | null;
}

/** Helpers' names become names of programs: no slash, no dots in front. */
const HELPER = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const MAX_NODES = 100_000;

/**
 * @param name of the file, for messages
 * @throws {UsageError} `auth-file-invalid`
 */
export function parseAuthFile(bytes: Uint8Array, name: string): AuthFile {
  const file = table(json(bytes, name), name);
  const auths = new Map<string, Credential>();
  for (const [key, value] of Object.entries(table(file["auths"] ?? {}, name))) {
    const credential = credentialOf(table(value, name), key, name);
    if (credential) auths.set(normalisedKey(key), credential);
  }
  const helpers = new Map<string, string>();
  for (const [key, value] of Object.entries(table(file["credHelpers"] ?? {}, name))) {
    helpers.set(normalisedKey(key), helperName(value, name));
  }
  const store = file["credsStore"];
  return {
    auths,
    helpers,
    store: store === undefined || store === "" ? null : helperName(store, name),
  };
}

/**
 * What `additional-layer-store-auth-helper` programs get on standard input:
 * `{"<reference>": {"username": ..., "password": ..., "identityToken": ...}}`. The document writes `identityToken`, the
 * program that sends it `identitytoken`: both are taken.
 * @throws {UsageError} `auth-file-invalid`
 */
export function parseAuthHelperInput(
  bytes: Uint8Array,
  name = "standard input",
): ReadonlyMap<string, Credential> {
  const found = new Map<string, Credential>();
  for (const [reference, value] of Object.entries(table(json(bytes, name), name))) {
    const fields = table(value, name);
    const identityToken = text(fields["identityToken"] ?? fields["identitytoken"], name);
    const username = text(fields["username"], name), password = text(fields["password"], name);
    if (username === "" && identityToken === "") continue;
    found.set(reference, { username, password, identityToken: identityToken || null });
  }
  return found;
}

/**
 * What a credential helper printed (docker-credential-helpers): `{"ServerURL", "Username", "Secret"}`.
 * @throws {UsageError} `auth-file-invalid`
 */
export function parseHelperOutput(bytes: Uint8Array, name: string): Credential | null {
  const fields = table(json(bytes, name), name);
  const username = text(fields["Username"], name), secret = text(fields["Secret"], name);
  if (username === "" && secret === "") return null;
  if (username === "<token>") return { username: "", password: "", identityToken: secret };
  return { username, password: secret, identityToken: null };
}

/**
 * The entry for a repository: its own, else that of the nearest namespace above, else that of its registry.
 * @param name registry and repository, e.g. `docker.io/library/alpine`
 */
export function mostSpecific<T>(entries: ReadonlyMap<string, T>, name: string): T | null {
  for (let key = name;;) {
    const found = entries.get(key);
    if (found !== undefined) return found;
    const slash = key.lastIndexOf("/");
    if (slash < 0) return null;
    key = key.slice(0, slash);
  }
}

/** Docker writes `https://index.docker.io/v1/`, others `docker.io`: of URLs only the host counts. */
function normalisedKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, "");
  const name = bare === key ? key.replace(/\/+$/, "") : bare.split("/")[0]!;
  const [host, ...path] = name.split("/");
  const isDocker = host === "index.docker.io" || host === "registry-1.docker.io";
  if (isDocker && path.join("/") === "v1") return "docker.io";
  return [isDocker ? "docker.io" : host, ...path].join("/");
}

function credentialOf(
  fields: Readonly<Record<string, unknown>>,
  key: string,
  name: string,
): Credential | null {
  const identityToken = text(fields["identitytoken"], name) || null;
  const auth = text(fields["auth"], name);
  if (auth === "") {
    const username = text(fields["username"], name), password = text(fields["password"], name);
    return username === "" && identityToken === null ? null : { username, password, identityToken };
  }
  const pair = Buffer.from(auth, "base64").toString("utf8");
  const colon = pair.indexOf(":");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(auth) || colon < 0) {
    throw invalid(name, `"auth" of ${JSON.stringify(key)} is not base64 of USER:PASSWORD`);
  }
  // Docker's client padded passwords with NUL once; every reader cuts them off.
  const password = pair.slice(colon + 1).replace(/\0+$/, "");
  return { username: pair.slice(0, colon), password, identityToken };
}

function helperName(value: unknown, name: string): string {
  const helper = text(value, name);
  if (HELPER.test(helper)) return helper;
  throw invalid(name, `${JSON.stringify(helper.slice(0, 100))} is no name of a credential helper`);
}

function json(bytes: Uint8Array, name: string): unknown {
  try {
    return parseStrictJson(bytes, { what: name, code: "auth-file-invalid", maxNodes: MAX_NODES });
  } catch {
    // Its message may quote the document.
    throw invalid(name, "it is not valid JSON");
  }
}

function table(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalid(name, "an object is expected where there is something else");
}

function text(value: unknown, name: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  throw invalid(name, "a string is expected where there is something else");
}

function invalid(name: string, why: string): UsageError {
  return new UsageError("auth-file-invalid", `Cannot use ${name}: ${why}`, {
    source: name,
    advice: 'Log in again with "podman login" or "docker login".',
  });
}

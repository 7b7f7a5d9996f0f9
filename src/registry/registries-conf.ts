/**
 * registries.conf, version 2 (containers-registries.conf(5)): where the images of a name are really fetched from.
 *
 * @module
 */
import { parse } from "smol-toml";
import { SourceError, UsageError } from "../errors.ts";
import type { DockerReference } from "../oci/docker-reference.ts";
import { messageOf } from "../source/source.ts";

/** When a mirror is asked. */
type PullFrom = "all" | "digest-only" | "tag-only";

interface Mirror {
  readonly location: string;
  readonly insecure: boolean | null;
  readonly pullFrom: PullFrom;
}

/** One `[[registry]]`. */
export interface RegistryEntry {
  /** A registry, a namespace, a repository, or `*.` and a domain. */
  readonly prefix: string;
  /** Takes the prefix's place; "" leaves the name as it is (only with `*.`). */
  readonly location: string;
  /** null where the file does not say. */
  readonly insecure: boolean | null;
  readonly blocked: boolean;
  readonly mirrors: readonly Mirror[];
}

/** A place to fetch from. */
export interface PullSource {
  /** Registry with its port. */
  readonly host: string;
  readonly repository: string;
  /** null where nothing is configured. */
  readonly insecure: boolean | null;
}

/**
 * The registries of one file.
 * @param name of the file, for messages
 * @throws {UsageError} `registries-conf-invalid`
 */
export function parseRegistriesConf(text: string, name: string): readonly RegistryEntry[] {
  const invalid = (why: string, cause?: unknown): UsageError =>
    new UsageError("registries-conf-invalid", `Cannot use ${name}: ${why}`, {
      source: name,
      cause,
      advice: "See containers-registries.conf(5).",
    });
  let file: Record<string, unknown>;
  try {
    file = parse(text);
  } catch (cause) {
    throw invalid(messageOf(cause).split("\n")[0]!, cause);
  }
  if (isTable(file["registries"])) {
    throw invalid("it has the form of version 1, which podman 5 does not read either");
  }
  return tables(file["registry"], "registry", invalid).map((table) => registryOf(table, invalid));
}

type Fail = (why: string) => UsageError;
type Table = Readonly<Record<string, unknown>>;

function registryOf(table: Table, invalid: Fail): RegistryEntry {
  const location = trimmed(table["location"], "location", invalid);
  const prefix = trimmed(table["prefix"], "prefix", invalid) || location;
  if (prefix === "") throw invalid("a [[registry]] has neither prefix nor location");
  const wildcard = prefix.startsWith("*.");
  if (location === "" && !wildcard) throw invalid(`the registry with prefix "${prefix}" has no location`);
  if (prefix.slice(wildcard ? 2 : 0).includes("*") || (wildcard && prefix.includes("/"))) {
    throw invalid(`the prefix "${prefix}": a * stands only for a subdomain, as in *.example.com`);
  }
  const digestOnly = flag(table["mirror-by-digest-only"], "mirror-by-digest-only", invalid) ?? false;
  const mirrors = tables(table["mirror"], "registry.mirror", invalid).map((mirror): Mirror => {
    const at = trimmed(mirror["location"], "location", invalid);
    if (at === "") throw invalid(`a mirror of "${prefix}" has no location`);
    const pullFrom = trimmed(mirror["pull-from-mirror"], "pull-from-mirror", invalid) || "all";
    if (pullFrom !== "all" && pullFrom !== "digest-only" && pullFrom !== "tag-only") {
      throw invalid(`pull-from-mirror of ${at} is "${pullFrom}"`);
    }
    if (digestOnly && pullFrom !== "all" && pullFrom !== "digest-only") {
      throw invalid(`the mirror ${at} contradicts mirror-by-digest-only`);
    }
    const insecure = flag(mirror["insecure"], "insecure", invalid);
    return { location: at, insecure, pullFrom: digestOnly ? "digest-only" : pullFrom };
  });
  return {
    prefix,
    location,
    insecure: flag(table["insecure"], "insecure", invalid),
    blocked: flag(table["blocked"], "blocked", invalid) ?? false,
    mirrors,
  };
}

function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tables(value: unknown, what: string, invalid: Fail): readonly Table[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every(isTable)) throw invalid(`${what} must be written [[${what}]]`);
  return value;
}

/** Locations may be written with a slash at the end, or as URLs, which nobody but us is told about. */
function trimmed(value: unknown, what: string, invalid: Fail): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw invalid(`${what} must be a string`);
  if (/^https?:\/\//.test(value)) throw invalid(`${what} "${value}": leave http:// or https:// out`);
  return value.replace(/\/+$/, "");
}

function flag(value: unknown, what: string, invalid: Fail): boolean | null {
  if (value === undefined) return null;
  if (typeof value !== "boolean") throw invalid(`${what} must be true or false`);
  return value;
}

/** Registries of several files: of one prefix, the later file's counts. */
export function mergeRegistries(files: readonly (readonly RegistryEntry[])[]): readonly RegistryEntry[] {
  const byPrefix = new Map<string, RegistryEntry>();
  for (const entry of files.flat()) byPrefix.set(entry.prefix, entry);
  return [...byPrefix.values()];
}

/**
 * Where an image is fetched from: mirrors in their order, then the registry itself.
 * @throws {SourceError} `registry-blocked`
 * @throws {UsageError} `registries-conf-invalid` for a location that is no name of a repository
 */
export function pullSources(
  registries: readonly RegistryEntry[],
  reference: DockerReference,
): readonly PullSource[] {
  const name = `${reference.domain}/${reference.path}`;
  let entry: RegistryEntry | null = null, length = -1;
  for (const candidate of registries) {
    const matched = matchedLength(reference.normalised, candidate.prefix);
    if (matched > length) [entry, length] = [candidate, matched];
  }
  if (!entry) return [sourceOf(name, null)];
  if (entry.blocked) {
    throw new SourceError(
      "registry-blocked",
      `registries.conf blocks ${entry.prefix}: ${reference.normalised} may not be fetched`,
      {
        source: reference.normalised,
        advice: `To allow it, take "blocked" out of its [[registry]].`,
      },
    );
  }
  const rest = name.slice(length);
  const byDigest = reference.digest !== null;
  const mirrors = entry.mirrors.filter(({ pullFrom }) =>
    pullFrom === "all" || (pullFrom === "digest-only") === byDigest
  );
  return [
    ...mirrors.map(({ location, insecure }) => sourceOf(location + rest, insecure)),
    sourceOf(entry.location === "" ? name : entry.location + rest, entry.insecure),
  ];
}

/** Characters of `name` that `prefix` covers, or -1. A prefix ends where a part of the name ends. */
function matchedLength(name: string, prefix: string): number {
  let end = prefix.length;
  if (prefix.startsWith("*.")) {
    const domain = prefix.slice(1);
    const at = name.indexOf(domain);
    if (at < 0 || name.slice(0, at).includes("/")) return -1;
    end = at + domain.length;
  } else if (!name.startsWith(prefix)) return -1;
  return end === name.length || ":/@".includes(name[end]!) ? end : -1;
}

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const REPOSITORY = /^[a-z0-9]+(?:(?:[._]|__|-+|\/)[a-z0-9]+)*$/;

function sourceOf(location: string, insecure: boolean | null): PullSource {
  const slash = location.indexOf("/");
  const host = location.slice(0, Math.max(slash, 0)), repository = location.slice(slash + 1);
  if (!HOST.test(host) || !REPOSITORY.test(repository)) {
    throw new UsageError("registries-conf-invalid", `registries.conf leads to ${JSON.stringify(location)}`, {
      advice: "A location is REGISTRY[:PORT][/NAMESPACE...], in lower case.",
    });
  }
  return { host, repository, insecure };
}

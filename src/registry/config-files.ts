/**
 * Where registries.conf, auth.json and certificates are looked for, as containers/image looks for them.
 *
 * @module
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { SourceError, UsageError } from "../errors.ts";
import { readSmallFile } from "../source/file.ts";
import { type AuthFile, parseAuthFile } from "./auth-file.ts";
import { mergeRegistries, parseRegistriesConf, type RegistryEntry } from "./registries-conf.ts";
import type { TlsSettings } from "./transport.ts";

/** An environment variable, or undefined where it is not set or may not be read. */
export type Environment = (name: string) => string | undefined;

/** Bytes of one file. */
const LIMIT = 4 * 2 ** 20;

/**
 * The registries of registries.conf and its drop-ins. `CONTAINERS_REGISTRIES_CONF` names the file; else the user's own
 * replaces the system's, with its drop-ins.
 * @param root for tests: stands before `/etc`
 * @throws {UsageError} `registries-conf-invalid`
 * @throws {SourceError} for a file that is there and cannot be read
 */
export async function readRegistries(env: Environment, root = ""): Promise<readonly RegistryEntry[]> {
  const system = `${root}/etc/containers/registries.conf`;
  const home = env("HOME");
  const user = home === undefined ? null : join(home, ".config/containers/registries.conf");
  const given = env("CONTAINERS_REGISTRIES_CONF");
  const files: { path: string; text: string }[] = [];
  let folders = [`${system}.d`, ...user === null ? [] : [`${user}.d`]];
  if (given) {
    files.push({ path: given, text: await readText(given) });
  } else {
    const own = user === null ? null : await readIfThere(user);
    if (own !== null) {
      files.push({ path: user!, text: own });
      folders = [`${user}.d`];
    } else {
      const text = await readIfThere(system);
      if (text !== null) files.push({ path: system, text });
    }
  }
  for (const folder of folders) {
    for (const name of await listIfThere(folder)) {
      if (!name.endsWith(".conf")) continue;
      const path = join(folder, name);
      files.push({ path, text: await readText(path) });
    }
  }
  return mergeRegistries(files.map(({ path, text }) => parseRegistriesConf(text, path)));
}

/**
 * The files with credentials, in the order in which they are asked. `REGISTRY_AUTH_FILE` names the only one.
 * @throws {UsageError} `auth-file-invalid`
 */
export async function readAuthFiles(env: Environment): Promise<readonly AuthFile[]> {
  const given = env("REGISTRY_AUTH_FILE");
  const home = env("HOME");
  const config = env("XDG_CONFIG_HOME") || (home === undefined ? null : join(home, ".config"));
  const run = env("XDG_RUNTIME_DIR") || `/run/containers/${userId()}`;
  const docker = env("DOCKER_CONFIG") || (home === undefined ? null : join(home, ".docker"));
  const paths = given ? [given] : [
    env("XDG_RUNTIME_DIR") ? `${run}/containers/auth.json` : `${run}/auth.json`,
    ...config === null ? [] : [join(config, "containers/auth.json")],
    ...docker === null ? [] : [join(docker, "config.json")],
  ];
  const files: AuthFile[] = [];
  for (const path of paths) {
    const text = await readIfThere(path);
    if (text !== null) files.push(parseAuthFile(new TextEncoder().encode(text), path));
  }
  return files;
}

/** Deno may not be allowed to tell; then it is not root that asks. */
function userId(): number {
  try {
    return process.getuid?.() ?? 0;
  } catch {
    return 1000;
  }
}

/**
 * What `certs.d` has for a host: `*.crt` are authorities, `*.cert` with `*.key` is what the client shows
 * (containers-certs.d(5)). The first directory that is there counts.
 * @param host with its port, as in the URL
 * @throws {UsageError} `certs-invalid` for a certificate without its key
 */
export async function readTls(
  host: string,
  env: Environment,
  root = "",
): Promise<Omit<TlsSettings, "insecure">> {
  const home = env("HOME");
  const folders = [
    ...home === undefined ? [] : [join(home, ".config/containers/certs.d")],
    `${root}/etc/containers/certs.d`,
    `${root}/etc/docker/certs.d`,
  ];
  // The host comes from a URL or a reference: neither has a slash in it, but dots alone would be a path.
  if (/^\.*$/.test(host) || host.includes("/")) return { ca: [], client: null };
  for (const folder of folders) {
    const directory = join(folder, host);
    const names = await listIfThere(directory);
    if (names.length === 0) continue;
    const ca: string[] = [];
    let client: TlsSettings["client"] = null;
    for (const name of names) {
      const path = join(directory, name);
      if (name.endsWith(".crt")) ca.push(await readText(path));
      if (!name.endsWith(".cert")) continue;
      const key = name.replace(/\.cert$/, ".key");
      if (!names.includes(key)) {
        throw new UsageError("certs-invalid", `${path} has no key beside it: ${key} is missing`, {
          source: path,
          advice: "A file NAME.cert is a client's certificate; an authority's is called NAME.crt.",
        });
      }
      client = { cert: await readText(path), key: await readText(join(directory, key)) };
    }
    return { ca, client };
  }
  return { ca: [], client: null };
}

async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readSmallFile(path, LIMIT));
}

/** null where there is no such file; a file that may not be read is an error. */
async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readText(path);
  } catch (error) {
    if (error instanceof SourceError && error.code === "source-not-found") return null;
    throw error;
  }
}

async function listIfThere(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).sort();
  } catch {
    return [];
  }
}

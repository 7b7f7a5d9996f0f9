/** registries.conf and auth.json, by the examples of their manual pages and what other programs write. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { parseDockerReference } from "../../src/oci/docker-reference.ts";
import {
  mostSpecific,
  parseAuthFile,
  parseAuthHelperInput,
  parseHelperOutput,
} from "../../src/registry/auth-file.ts";
import { readAuthFiles, readRegistries, readTls } from "../../src/registry/config-files.ts";
import { findCredential } from "../../src/registry/credentials.ts";
import { mergeRegistries, parseRegistriesConf, pullSources } from "../../src/registry/registries-conf.ts";

const bytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const auth = (user: string, password: string): { auth: string } => ({ auth: btoa(`${user}:${password}`) });

/** Where an image is fetched from, as `host/repository`, with `!` where any certificate is taken. */
function sources(conf: string, reference: string): string[] {
  return pullSources(parseRegistriesConf(conf, "conf"), parseDockerReference(reference))
    .map(({ host, repository, insecure }) => `${host}/${repository}${insecure ? "!" : ""}`);
}

function failure(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return null;
}

/** Files in a new directory, which is given. */
function files(contents: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), "layerproof-config-"));
  for (const [path, content] of Object.entries(contents)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

const envOf = (variables: Readonly<Record<string, string>>) => (name: string) => variables[name];

describe("registries.conf", () => {
  // The example of containers-registries.conf(5).
  const EXAMPLE = `
unqualified-search-registries = ["example.com"]

[[registry]]
prefix = "example.com/foo"
insecure = false
blocked = false
location = "internal-registry-for-example.com/bar"

[[registry.mirror]]
location = "example-mirror-0.local/mirror-for-foo"

[[registry.mirror]]
location = "example-mirror-1.local/mirrors/foo"
insecure = true
pull-from-mirror = "digest-only"

[[registry]]
location = "registry.com"

[[registry.mirror]]
location = "mirror.registry.com"
`;

  test("the example of the manual page", () => {
    expect(sources(EXAMPLE, "example.com/foo/myimage:latest")).toEqual([
      "example-mirror-0.local/mirror-for-foo/myimage",
      "internal-registry-for-example.com/bar/myimage",
    ]);
    expect(sources(EXAMPLE, `example.com/foo/image@sha256:${"a".repeat(64)}`)).toEqual([
      "example-mirror-0.local/mirror-for-foo/image",
      "example-mirror-1.local/mirrors/foo/image!",
      "internal-registry-for-example.com/bar/image",
    ]);
    expect(sources(EXAMPLE, "registry.com/image:latest")).toEqual([
      "mirror.registry.com/image",
      "registry.com/image",
    ]);
    expect(sources(EXAMPLE, "quay.io/x/y")).toEqual(["quay.io/x/y"]);
  });

  test("a prefix ends where a part of the name ends, and the longest counts", () => {
    const conf = `
[[registry]]
location = "a.io"
[[registry]]
prefix = "a.io/ns"
location = "b.io"
[[registry]]
prefix = "a.io/ns/x"
location = "c.io/x"
`;
    expect(sources(conf, "a.io/nsx/y")).toEqual(["a.io/nsx/y"]);
    expect(sources(conf, "a.io/ns/y")).toEqual(["b.io/y"]);
    expect(sources(conf, "a.io/ns/x:1")).toEqual(["c.io/x"]);
    expect(sources(conf, "a.io/ns/x/y")).toEqual(["c.io/x/y"]);
    expect(sources(conf, "a.io:5000/ns/x")).toEqual(["a.io:5000/ns/x"]);
  });

  test("subdomains", () => {
    const conf = '[[registry]]\nprefix = "*.example.com"\ninsecure = true\n';
    expect(sources(conf, "a.b.example.com/x/y")).toEqual(["a.b.example.com/x/y!"]);
    expect(sources(conf, "example.com/x/y")).toEqual(["example.com/x/y"]);
    expect(sources(conf, "evil.com/a.example.com/y")).toEqual(["evil.com/a.example.com/y"]);
  });

  test("docker.io under its short names", () => {
    const conf = '[[registry]]\nprefix = "docker.io"\nlocation = "mirror.local:5000/hub"\n';
    expect(sources(conf, "alpine")).toEqual(["mirror.local:5000/hub/library/alpine"]);
  });

  test("mirror-by-digest-only, and mirrors for tags", () => {
    const mirrors = (first: string, second: string) => `
[[registry]]
location = "a.io"
${first}
[[registry.mirror]]
location = "m.io"
${second}`;
    const digest = `a.io/x@sha256:${"a".repeat(64)}`;
    expect(sources(mirrors("mirror-by-digest-only = true", ""), "a.io/x:1")).toEqual(["a.io/x"]);
    expect(sources(mirrors("mirror-by-digest-only = true", ""), digest)).toEqual(["m.io/x", "a.io/x"]);
    expect(sources(mirrors("", 'pull-from-mirror = "tag-only"'), "a.io/x:1")).toEqual(["m.io/x", "a.io/x"]);
    expect(sources(mirrors("", 'pull-from-mirror = "tag-only"'), digest)).toEqual(["a.io/x"]);
  });

  test("what is blocked is not fetched", () => {
    const conf = '[[registry]]\nlocation = "bad.io"\nblocked = true\n';
    expect(failure(() => sources(conf, "bad.io/x"))).toMatchObject({
      name: "SourceError",
      code: "registry-blocked",
    });
    expect(sources(conf, "good.io/x")).toEqual(["good.io/x"]);
  });

  test.each([
    ["no TOML", "x = = 1"],
    ["version 1", '[registries.search]\nregistries = ["docker.io"]'],
    ["neither prefix nor location", "[[registry]]\ninsecure = true"],
    ["prefix without location", '[[registry]]\nprefix = "a.io"'],
    ["a table", '[registry]\nlocation = "a.io"'],
    ["a number", "[[registry]]\nlocation = 1"],
    ["a word for a truth", '[[registry]]\nlocation = "a.io"\ninsecure = "yes"'],
    ["a URL", '[[registry]]\nlocation = "https://a.io"'],
    ["a star elsewhere", '[[registry]]\nprefix = "a.*.io"\nlocation = "b.io"'],
    ["a mirror without location", '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\ninsecure = true'],
    [
      "an unknown pull-from-mirror",
      '[[registry]]\nlocation = "a.io"\n[[registry.mirror]]\nlocation = "b.io"\npull-from-mirror = "x"',
    ],
  ])("%s is wrong usage", (_what, conf) => {
    expect(failure(() => parseRegistriesConf(conf, "conf"))).toMatchObject({
      name: "UsageError",
      code: "registries-conf-invalid",
    });
  });

  test("a location that would be another address than it looks like is refused", () => {
    for (const location of ["a.io/../b", "a.io/x?y", "user@a.io/x", "a.io/x#", "a io", "a.io/X"]) {
      const conf = `[[registry]]\nprefix = "a.io"\nlocation = "${location}"\n`;
      expect(failure(() => sources(conf, "a.io/x"))).toMatchObject({ code: "registries-conf-invalid" });
    }
  });

  test("of several files the later counts, registry by registry", () => {
    const merged = mergeRegistries([
      parseRegistriesConf('[[registry]]\nlocation = "a.io"\n[[registry]]\nlocation = "b.io"', "1"),
      parseRegistriesConf('[[registry]]\nprefix = "a.io"\nlocation = "c.io"', "2"),
    ]);
    expect(merged.map(({ prefix, location }) => [prefix, location])).toEqual([["a.io", "c.io"], [
      "b.io",
      "b.io",
    ]]);
  });

  test("where it is looked for", async () => {
    const entry = (name: string) => `[[registry]]\nprefix = "${name}.io"\nlocation = "x.io"\n`;
    const root = files({
      "etc/containers/registries.conf": entry("system"),
      "etc/containers/registries.conf.d/20-b.conf": entry("dropin-b"),
      "etc/containers/registries.conf.d/10-a.conf": entry("dropin-a"),
      "etc/containers/registries.conf.d/README": "not TOML",
      "given.conf": entry("given"),
      "home/.config/containers/registries.conf.d/u.conf": entry("user-dropin"),
      "home2/.config/containers/registries.conf": entry("user"),
      "home2/.config/containers/registries.conf.d/u.conf": entry("user-dropin"),
    });
    const found = async (variables: Readonly<Record<string, string>>) =>
      (await readRegistries(envOf(variables), root)).map(({ prefix }) => prefix.replace(".io", ""));
    expect(await found({})).toEqual(["system", "dropin-a", "dropin-b"]);
    expect(await found({ HOME: `${root}/home` })).toEqual(["system", "dropin-a", "dropin-b", "user-dropin"]);
    // The user's own file replaces the system's, and its drop-ins.
    expect(await found({ HOME: `${root}/home2` })).toEqual(["user", "user-dropin"]);
    expect(await found({ CONTAINERS_REGISTRIES_CONF: `${root}/given.conf` })).toEqual([
      "given",
      "dropin-a",
      "dropin-b",
    ]);
    await expect(found({ CONTAINERS_REGISTRIES_CONF: `${root}/none.conf` })).rejects.toMatchObject({
      code: "source-not-found",
    });
    expect(await readRegistries(envOf({}), `${root}/home`)).toEqual([]);
  });
});

describe("auth.json and Docker's config.json", () => {
  test("the most specific entry counts", () => {
    const { auths } = parseAuthFile(
      bytes({
        auths: {
          "quay.io": auth("host", "1"),
          "quay.io/ns": auth("ns", "2"),
          "quay.io/ns/repo": auth("repo", "3:with:colons"),
          "quay.io:8443": auth("port", "4"),
        },
      }),
      "auth.json",
    );
    const user = (name: string) => mostSpecific(auths, name)?.username;
    expect(user("quay.io/ns/repo")).toBe("repo");
    expect(mostSpecific(auths, "quay.io/ns/repo")?.password).toBe("3:with:colons");
    expect(user("quay.io/ns/repository")).toBe("ns");
    expect(user("quay.io/nsx/repo")).toBe("host");
    expect(user("quay.io:8443/ns/repo")).toBe("port");
    expect(user("quay.iox/ns/repo")).toBeUndefined();
  });

  test("Docker's keys for its registry and for URLs", () => {
    const { auths } = parseAuthFile(
      bytes({
        auths: {
          "https://index.docker.io/v1/": auth("hub", "1"),
          "http://localhost:5000/v2/": auth("local", "2"),
          "https://gcr.io": { ...auth("x", ""), identitytoken: "id" },
        },
      }),
      "config.json",
    );
    expect(mostSpecific(auths, "docker.io/library/alpine")?.username).toBe("hub");
    expect(mostSpecific(auths, "localhost:5000/a")?.username).toBe("local");
    expect(mostSpecific(auths, "gcr.io/a")).toEqual({ username: "x", password: "", identityToken: "id" });
  });

  test("entries without credentials (Docker's with a credsStore) are none", () => {
    const file = parseAuthFile(
      bytes({ auths: { "a.io": {} }, credsStore: "desktop", credHelpers: { "b.io": "ecr-login" } }),
      "config.json",
    );
    expect(file.auths.size).toBe(0);
    expect(file.store).toBe("desktop");
    expect([...file.helpers]).toEqual([["b.io", "ecr-login"]]);
  });

  test.each([
    ["no JSON", '{"auths": {"a.io": {"auth": "c2VjcmV0OnNlY3JldA=="}}'],
    ["no base64", { auths: { "a.io": { auth: "secret!" } } }],
    ["no colon", { auths: { "a.io": { auth: btoa("secret") } } }],
    ["a list", { auths: [] }],
    ["a number", { auths: { "a.io": { auth: 7 } } }],
    ["a path for a helper", { credHelpers: { "a.io": "../../bin/sh" } }],
    ["a list at the top", []],
    ["a key twice", '{"auths": {}, "auths": {"a.io": {"auth": "c2VjcmV0OnNlY3JldA=="}}}'],
  ])("%s is refused without showing a value", (_what, content) => {
    const error = failure(() => parseAuthFile(bytes(content), "auth.json")) as Error;
    expect(error).toMatchObject({ name: "UsageError", code: "auth-file-invalid" });
    expect(error.message).not.toMatch(/secret|c2Vj/);
  });

  test("what a store's auth helper is given, with both spellings of the identity token", () => {
    const found = parseAuthHelperInput(
      bytes({
        "docker.io/library/alpine:3": { username: "anna", password: "p" },
        "quay.io/a/b": { username: "", password: "", identityToken: "t1" },
        "quay.io/a/c": { identitytoken: "t2" },
        "quay.io/a/d": {},
      }),
    );
    expect([...found]).toEqual([
      ["docker.io/library/alpine:3", { username: "anna", password: "p", identityToken: null }],
      ["quay.io/a/b", { username: "", password: "", identityToken: "t1" }],
      ["quay.io/a/c", { username: "", password: "", identityToken: "t2" }],
    ]);
  });

  test("what credential helpers print", () => {
    const printed = (Username: string, Secret: string) =>
      parseHelperOutput(bytes({ ServerURL: "https://a.io", Username, Secret }), "helper");
    expect(printed("anna", "p")).toEqual({ username: "anna", password: "p", identityToken: null });
    expect(printed("<token>", "t")).toEqual({ username: "", password: "", identityToken: "t" });
    expect(printed("", "")).toBe(null);
  });

  test("where they are looked for, and in which order", async () => {
    const file = (user: string) => JSON.stringify({ auths: { "a.io": auth(user, "p") } });
    const root = files({
      "given.json": file("given"),
      "run/containers/auth.json": file("run"),
      "home/.config/containers/auth.json": file("config"),
      "home/.docker/config.json": file("docker"),
      "docker/config.json": file("docker-config"),
    });
    const users = async (variables: Readonly<Record<string, string>>) =>
      (await readAuthFiles(envOf(variables))).map(({ auths }) => auths.get("a.io")?.username);
    const XDG_RUNTIME_DIR = `${root}/run`, HOME = `${root}/home`;
    expect(await users({ XDG_RUNTIME_DIR, HOME })).toEqual(["run", "config", "docker"]);
    expect(await users({ XDG_RUNTIME_DIR, HOME, DOCKER_CONFIG: `${root}/docker` })).toEqual([
      "run",
      "config",
      "docker-config",
    ]);
    expect(await users({ XDG_RUNTIME_DIR, HOME, REGISTRY_AUTH_FILE: `${root}/given.json` })).toEqual([
      "given",
    ]);
    expect(await users({ XDG_RUNTIME_DIR: root, HOME: root })).toEqual([]);
    const first = await findCredential("a.io/x", envOf({ XDG_RUNTIME_DIR, HOME }));
    expect(first?.username).toBe("run");
  });
});

describe("credential helpers", () => {
  const SCRIPT = `#!/bin/sh
[ "$1" = get ] || exit 9
read -r server
case "$server" in
  https://index.docker.io/v1/) echo '{"ServerURL":"x","Username":"hub","Secret":"s"}' ;;
  b.io) echo '{"ServerURL":"b.io","Username":"<token>","Secret":"refresh"}' ;;
  broken.io) echo 'secret nonsense' ;;
  fails.io) echo 'secret reason'; exit 1 ;;
  *) echo 'credentials not found in native keychain'; exit 1 ;;
esac
`;

  async function withHelper(config: unknown, name: string) {
    const root = files({ "bin/docker-credential-test": SCRIPT, "auth.json": JSON.stringify(config) });
    chmodSync(join(root, "bin/docker-credential-test"), 0o755);
    const path = process.env.PATH;
    process.env.PATH = `${root}/bin:${path}`;
    try {
      return await findCredential(name, envOf({ REGISTRY_AUTH_FILE: `${root}/auth.json` }));
    } finally {
      process.env.PATH = path;
    }
  }

  test("are asked for their registry, and for all others as credsStore", async () => {
    const helpers = { credHelpers: { "b.io": "test" } };
    expect(await withHelper(helpers, "b.io/x")).toMatchObject({ identityToken: "refresh" });
    expect(await withHelper(helpers, "c.io/x")).toBe(null);
    expect(await withHelper({ credsStore: "test" }, "docker.io/library/x")).toMatchObject({
      username: "hub",
    });
    expect(await withHelper({ credsStore: "test" }, "unknown.io/x")).toBe(null);
    const written = { auths: { "c.io": auth("file", "p") }, credsStore: "test" };
    expect(await withHelper(written, "c.io/x")).toMatchObject({ username: "file" });
  });

  test("that fail are an error without what they printed", async () => {
    for (const name of ["broken.io", "fails.io"]) {
      const error = await withHelper({ credsStore: "test" }, `${name}/x`).catch((error) => error);
      expect(error.code).toMatch(/^(credential-helper|auth-file-invalid)$/);
      expect(JSON.stringify([error.message, error.details])).not.toContain("secret");
    }
    const error = await withHelper({ credsStore: "is-not-installed" }, "a.io/x").catch((error) => error);
    expect(error).toMatchObject({ name: "SourceError", code: "credential-helper" });
  });
});

test("certs.d: authorities, a client's certificate with its key, the first directory that is there", async () => {
  const root = files({
    "etc/containers/certs.d/a.io:5000/ca.crt": "CA",
    "etc/containers/certs.d/a.io:5000/client.cert": "CERT",
    "etc/containers/certs.d/a.io:5000/client.key": "KEY",
    "etc/docker/certs.d/a.io:5000/ca.crt": "OTHER",
    "etc/docker/certs.d/b.io/x.crt": "DOCKER",
    "etc/docker/certs.d/c.io/x.cert": "NO KEY",
  });
  const found = (host: string) => readTls(host, envOf({}), root);
  expect(await found("a.io:5000")).toEqual({ ca: ["CA"], client: { cert: "CERT", key: "KEY" } });
  expect(await found("b.io")).toEqual({ ca: ["DOCKER"], client: null });
  expect(await found("a.io")).toEqual({ ca: [], client: null });
  expect(await found("..")).toEqual({ ca: [], client: null });
  await expect(found("c.io")).rejects.toMatchObject({ name: "UsageError", code: "certs-invalid" });
});

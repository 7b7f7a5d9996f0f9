import { spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.ts";
import { parseDockerReference } from "../../src/oci/docker-reference.ts";
import { run } from "../support/programs.ts";
import { sha256, writeOciLayout } from "../support/mod.ts";

const HEX = "86e0e091d0da6bde2456dbb48306f3956bbeb2eae1b5b9a43045843f69fe4aaa";

/** The name in full, or null where it is refused. */
function normalised(text: string): string | null {
  try {
    return parseDockerReference(text).normalised;
  } catch (error) {
    if (error instanceof UsageError && error.code === "reference-invalid") return null;
    throw error;
  }
}

describe("names in full, as the tests of distribution/reference and containers/image have them", () => {
  const NAMES: [string, string][] = [
    ["x", "docker.io/library/x:latest"],
    ["debian", "docker.io/library/debian:latest"],
    ["redis:latest", "docker.io/library/redis:latest"],
    ["dmcgowan/myapp:latest", "docker.io/dmcgowan/myapp:latest"],
    ["docker.io/debian", "docker.io/library/debian:latest"],
    ["index.docker.io/library/debian", "docker.io/library/debian:latest"],
    ["index.docker.io/debian", "docker.io/library/debian:latest"],
    ["library/foo/bar", "docker.io/library/foo/bar:latest"],
    ["localhost/x:1", "localhost/x:1"],
    ["localhost", "docker.io/library/localhost:latest"],
    ["127.0.0.1:5000/run1:zstdchunked", "127.0.0.1:5000/run1:zstdchunked"],
    ["192.168.0.1:80", "docker.io/library/192.168.0.1:80"],
    ["LOCALDOMAIN/debian", "LOCALDOMAIN/debian:latest"],
    ["Foo/bar", "Foo/bar:latest"],
    ["test_com/foo", "docker.io/test_com/foo:latest"],
    ["xn--n3h.com:18080/foo", "xn--n3h.com:18080/foo:latest"],
    ["[fc00::1]:5000/docker/docker", "[fc00::1]:5000/docker/docker:latest"],
    ["docker---rules/docker", "docker.io/docker---rules/docker:latest"],
    ["dock__er/docker", "docker.io/dock__er/docker:latest"],
    [`docker.io/${HEX}`, `docker.io/library/${HEX}:latest`],
    [`redis@sha256:${HEX}`, `docker.io/library/redis@sha256:${HEX}`],
    [`busybox:latest@sha256:${HEX}`, `docker.io/library/busybox:latest@sha256:${HEX}`],
    [`localhost:5000/x@sha512:${HEX}${HEX}`, `localhost:5000/x@sha512:${HEX}${HEX}`],
    [HEX.slice(1), `docker.io/library/${HEX.slice(1)}:latest`],
  ];
  test.each(NAMES)("%s", (text, full) => expect(normalised(text)).toBe(full));

  test("and in parts", () => {
    expect(parseDockerReference(`quay.io:443/a/b:v1@sha256:${HEX}`)).toEqual({
      domain: "quay.io:443",
      path: "a/b",
      tag: "v1",
      digest: `sha256:${HEX}`,
      normalised: `quay.io:443/a/b:v1@sha256:${HEX}`,
    });
    expect(parseDockerReference(`x@sha256:${HEX}`)).toMatchObject({ tag: null, path: "library/x" });
  });

  const WRONG = [
    "",
    "https://github.com/docker/docker",
    "docker/Docker",
    "-docker",
    "-docker/docker",
    "-docker.io/docker/docker",
    "docker///docker",
    "docker.io/docker/Docker",
    "[fc00::1]",
    "fc00::1:5000/debian",
    "[fe80::1%eth0]:5000/debian",
    "[2001:db8:3:4::192.0.2.33]:5000/debian",
    HEX,
    "docker-/docker",
    "____/____",
    "_docker/_docker",
    "dock..er/docker",
    "dock_.er/docker",
    "docker/",
    "x:",
    "x:-tag",
    `x:${"t".repeat(129)}`,
    "x@",
    "x@sha256:abc",
    `x@sha256:${HEX.toUpperCase()}`,
    `x@md5:${HEX.slice(32)}`,
    `x@sha256:${HEX}@sha256:${HEX}`,
    "x\n",
    "x y",
    "é",
    "a".repeat(1 << 20),
  ];
  test.each(WRONG.map((text) => [text.slice(0, 50), text]))("refused: %j", (_, text) => {
    expect(normalised(text)).toBeNull();
  });

  test("a name of 255 characters, and no more", () => {
    const path = "a".repeat(255 - "docker.io/b/".length);
    expect(normalised(`b/${path}`)).toBe(`docker.io/b/${path}:latest`);
    expect(normalised(`b/${path}a`)).toBeNull();
    expect(normalised(`index.docker.io/b/${path}:${"t".repeat(128)}@sha512:${HEX}${HEX}`)).not.toBeNull();
    expect(normalised(`x:${"t".repeat(128)}`)).not.toBeNull();
  });

  test("the message says what is wrong, and is short and printable", () => {
    for (const text of ["docker/Docker", `\u001b[2J${"a".repeat(1 << 20)}`]) {
      expect(() => parseDockerReference(text)).toThrow(UsageError);
      try {
        parseDockerReference(text);
      } catch (error) {
        expect((error as Error).message).not.toContain("\u001b");
        expect((error as Error).message.length).toBeLessThan(300);
      }
    }
    expect(() => parseDockerReference("docker/Docker")).toThrow(/lower case/);
  });
});

/**
 * The published expressions of distribution/reference (`regexp.go`), put together as there, and `normalize.go` read as
 * prose. Two differences are wanted: only digests that go-digest knows; and a name that ends up without a registry, as
 * `a_b.c/x` does there, is refused, because nothing can be fetched by it.
 */
function published(text: string): string | null {
  const alphanumeric = "[a-z0-9]+";
  const separator = "(?:[._]|__|[-]+)";
  const domainNameComponent = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
  const domainName = `${domainNameComponent}(?:\\.${domainNameComponent})*`;
  const host = `(?:${domainName}|\\[(?:[a-fA-F0-9:]+)\\])`;
  const domainAndPort = `${host}(?::[0-9]+)?`;
  const pathComponent = `${alphanumeric}(?:${separator}${alphanumeric})*`;
  const remoteName = `${pathComponent}(?:/${pathComponent})*`;
  const tag = "[\\w][\\w.-]{0,127}";
  const digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*[:][0-9A-Fa-f]{32,}";
  const name = `(?:${domainAndPort}/)?${remoteName}`;
  const reference = new RegExp(`^(${name})(?::(${tag}))?(?:@(${digest}))?$`);

  if (/^[a-f0-9]{64}$/.test(text)) return null;
  let domain = "docker.io", rest = text;
  const first = text.split("/")[0]!;
  const isDomain = first === "localhost" || first.includes(".") || first.includes(":") ||
    first.toLowerCase() !== first;
  if (text.includes("/") && isDomain) {
    domain = first === "index.docker.io" ? "docker.io" : first;
    rest = text.slice(first.length + 1);
  }
  if (domain === "docker.io" && !rest.includes("/")) rest = `library/${rest}`;
  const repository = rest.split(":")[0]!;
  if (repository.toLowerCase() !== repository) return null;
  const match = reference.exec(`${domain}/${rest}`);
  if (!match) return null;
  const [, whole, tagged, digested] = match;
  if (whole!.length > 255) return null;
  if (!new RegExp(`^${domainAndPort}/${remoteName}$`).test(whole!)) return null;
  const lengths: Record<string, number> = { sha256: 64, sha384: 96, sha512: 128 };
  if (digested !== undefined) {
    const [algorithm, hex] = digested.split(":");
    if (hex!.length !== lengths[algorithm!] || !/^[0-9a-f]*$/.test(hex!)) return null;
  }
  const shownTag = tagged ?? (digested === undefined ? "latest" : undefined);
  return `${whole}${shownTag === undefined ? "" : `:${shownTag}`}${
    digested === undefined ? "" : `@${digested}`
  }`;
}

describe("the same as the published grammar", () => {
  const word = fc.constantFrom(
    "a",
    "b0",
    "9",
    "library",
    "localhost",
    "docker.io",
    "index.docker.io",
    "a.b",
    "X",
  );
  const mark = fc.constantFrom(
    "/",
    "/",
    ":",
    "@",
    ".",
    "_",
    "__",
    "-",
    "--",
    "[",
    "]",
    "::",
    "5000",
    "é",
    "\n",
    " ",
  );
  const digest = fc.constantFrom(
    `sha256:${HEX}`,
    `sha256:${HEX}0`,
    `sha512:${HEX}${HEX}`,
    `sha384:${HEX}${HEX.slice(32)}`,
    `SHA256:${HEX}`,
    HEX,
  );
  const soup = fc.array(fc.oneof({ weight: 4, arbitrary: word }, { weight: 4, arbitrary: mark }, digest), {
    maxLength: 12,
  }).map((parts) => parts.join(""));
  /** Mostly right: what a soup seldom is. */
  const built = fc.tuple(
    fc.option(fc.stringMatching(/^[a-zA-Z0-9.-]{1,12}(:[0-9]{1,5})?\/$/), { nil: "" }),
    fc.array(fc.stringMatching(/^[a-z0-9]{1,5}([._-]{0,3}[a-z0-9]{1,5}){0,2}$/), {
      minLength: 1,
      maxLength: 4,
    }),
    fc.option(fc.stringMatching(/^:[\w.-]{1,20}$/), { nil: "" }),
    fc.option(digest.map((value) => `@${value}`), { nil: "" }),
  ).map(([domain, path, tag, end]) => `${domain}${path.join("/")}${tag}${end}`);

  test("for anything that is put together of the grammar's pieces", () => {
    fc.assert(
      fc.property(fc.oneof(soup, built), (text) => {
        expect(normalised(text), text).toBe(published(text));
      }),
      { numRuns: 5000 },
    );
  });

  test("a name in full is its own name in full", () => {
    fc.assert(fc.property(built, (text) => {
      const full = normalised(text);
      if (full === null) return;
      expect(normalised(full)).toBe(full);
      const { domain, path, tag, digest: digested } = parseDockerReference(full);
      const end = (tag === null ? "" : `:${tag}`) + (digested === null ? "" : `@${digested}`);
      expect(`${domain}/${path}${end}`).toBe(full);
    }));
  });
});

const SKOPEO = spawnSync("skopeo", ["--version"]).error === undefined;
test.skipIf(!SKOPEO)(
  `skopeo gives images the same names${SKOPEO ? "" : " (skipped, skopeo is not installed)"}`,
  () => {
    const directory = mkdtempSync(join(tmpdir(), "layerproof-"));
    const blob = new Uint8Array(1024);
    writeOciLayout(join(directory, "layout"), [{ blob, diffID: sha256(blob) }]);
    const texts = [
      "x",
      "a/b:1",
      "localhost/x",
      "127.0.0.1:5000/run1:zstdchunked",
      "index.docker.io/c",
      "a.b/c__d/e:x_-.",
    ];
    for (const [i, text] of texts.entries()) {
      const file = join(directory, `${i}.tar`);
      run("skopeo", [
        "--insecure-policy",
        "--tmpdir",
        directory,
        "copy",
        `oci:${directory}/layout:latest`,
        `docker-archive:${file}:${text}`,
      ]);
      const [{ RepoTags }] = JSON.parse(
        new TextDecoder().decode(run("tar", ["-xOf", file, "manifest.json"]).stdout),
      );
      expect(RepoTags, text).toEqual([normalised(text)]);
    }
  },
  60_000,
);

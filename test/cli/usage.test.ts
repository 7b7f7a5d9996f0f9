import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { VERSION } from "../../src/version.ts";
import { imageConfig } from "../support/descriptor.ts";
import { cli, DIGEST, OTHER_DIGEST, tempDir } from "./support.ts";

/** Fails the test when a layer is read in spite of wrong usage. */
const noEngine = { engine: () => Promise.reject(new Error("the engine was asked for")) };

function file(content: string | Uint8Array): string {
  const path = join(tempDir(), "file.json");
  writeFileSync(path, content);
  return path;
}

describe("wrong usage exits with 2 before a layer is read", () => {
  const config2 = file(imageConfig([DIGEST, OTHER_DIGEST]));
  const descriptor = file(JSON.stringify({ mediaType: "x/y", digest: DIGEST, size: 5 }));
  const cases: [name: string, args: string[], says: RegExp][] = [
    ["no command", [], /Usage: layerproof/],
    ["an unknown command", ["prove"], /unknown command 'prove'/],
    ["no layer", ["verify"], /Usage: layerproof verify \[options\] <layer\.\.\.>/],
    ["an unknown option", ["verify", "--digst", "x", "layer"], /unknown option.*\n.*Did you mean --digest/],
    [
      "a malformed digest",
      ["verify", "--digest", "sha256:AB", "layer"],
      /--digest.*sha256:AB.*64 lower-case/,
    ],
    [
      "a digest of another algorithm",
      ["verify", "--digest", `sha512:${"a".repeat(128)}`, "layer"],
      /only sha256/,
    ],
    ["a size that is none", ["verify", "--size", "big", "layer"], /--size.*"big"/],
    ["a limit that is none", ["verify", "--limit-toc", "-1", "layer"], /--limit-toc.*-1/],
    ["a severity that is none", ["verify", "--fail-on", "all", "layer"], /error, warning, info/],
    ["an expectation and two layers", ["verify", "--digest", DIGEST, "a", "b"], /--digest.*one layer, 2/],
    ["an expectation and an image", ["verify", "--size", "5", "oci:dir"], /--size.*image/],
    ["standard input twice", ["verify", "-", "-"], /only once/],
    ["--layer-index alone", ["verify", "--layer-index", "0", "layer"], /needs --config/],
    ["--platform without an image", ["verify", "--platform", "linux/amd64", "layer"], /oci:/],
    ["oci: without a directory", ["verify", "oci:"], /needs a directory/],
    ["a malformed platform", ["verify", "--platform", "arm", "oci:dir"], /"arm".*os\/architecture/],
    [
      "a missing descriptor",
      ["verify", "--descriptor", "no/file", "layer"],
      /--descriptor no\/file.*not exist/,
    ],
    ["a descriptor that is not JSON", ["verify", "--descriptor", file("{"), "layer"], /is not JSON/],
    ["a descriptor that is an array", ["verify", "--descriptor", file("[]"), "layer"], /must be an object/],
    ["a descriptor that says nothing", ["verify", "--descriptor", file("{}"), "layer"], /neither digest nor/],
    [
      "a manifest as descriptor",
      ["verify", "--descriptor", file('{"layers":[]}'), "layer"],
      /jq '\.layers\[0\]'/,
    ],
    [
      "a descriptor with a text as size",
      ["verify", "--descriptor", file('{"size":"5"}'), "layer"],
      /size of/,
    ],
    [
      "a descriptor over 4 MiB",
      ["verify", "--descriptor", file(" ".repeat(4 * 2 ** 20 + 1)), "layer"],
      /larger/,
    ],
    [
      "a TOC over --limit-toc",
      ["verify", "--toc", file("12345"), "--limit-toc", "4", "layer"],
      /larger than 4/,
    ],
    ["a digest that contradicts the descriptor", [
      "verify",
      "--digest",
      OTHER_DIGEST,
      "--descriptor",
      descriptor,
      "layer",
    ], /Two values.*digest.*--digest.*--descriptor/],
    [
      "a size that contradicts the descriptor",
      ["verify", "--size", "6", "--descriptor", descriptor, "layer"],
      /Two/,
    ],
    [
      "a config of two layers without index",
      ["verify", "--config", config2, "layer"],
      /--layer-index N, from 0 to 1/,
    ],
    [
      "an index that is too high",
      ["verify", "--config", config2, "--layer-index", "2", "layer"],
      /has 2 layers/,
    ],
    ["a config that is a manifest", ["verify", "--config", file('{"layers":[]}'), "layer"], /no rootfs/],
    ["a diffID that contradicts the config", [
      "verify",
      "--diff-id",
      OTHER_DIGEST,
      "--config",
      config2,
      "--layer-index",
      "0",
      "layer",
    ], /Two values.*diffID/],
  ];
  test.each(cases)("%s", async (_, args, says) => {
    const { status, stdout, stderr } = await cli(args, noEngine);
    expect(stderr).toMatch(says);
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });

  test("control characters in arguments do not reach the terminal", async () => {
    const { stderr } = await cli(["verify", "--digest", "\x1b[2J", "layer"], noEngine);
    expect(stderr).not.toContain("\x1b");
    const unknown = await cli(["verify", "--\x1b[2J", "layer"], noEngine);
    expect(unknown.stderr).not.toContain("\x1b");
  });
});

describe("help", () => {
  test("verify --help explains verdicts, exit statuses, permissions, and every example's options exist", async () => {
    const { status, stdout, stderr } = await cli(["verify", "--help"], noEngine);
    expect(status).toBe(0);
    expect(stderr).toBe("");
    for (const word of ["consistent", "Exit status", "--allow-read=layer.tar.gz", "oci:img", "jq"]) {
      expect(stdout).toContain(word);
    }
    const defined = new Set(
      stdout.match(/^ {2}(?:-\w, )?--[\w-]+/gm)?.map((line) => line.replace(/.*--/, "")),
    );
    const examples = stdout.slice(stdout.indexOf("Examples"), stdout.indexOf("Exit status"));
    for (const [, option] of examples.matchAll(/ --([\w-]+)/g)) expect(defined).toContain(option);
  });

  test("--help lists the commands", async () => {
    const { status, stdout } = await cli(["--help"], noEngine);
    expect(stdout).toMatch(/verify .*prove what layers are/);
    expect(status).toBe(0);
  });

  test("--version is the package's", async () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    expect(VERSION).toBe(version);
    expect(await cli(["--version"], noEngine)).toMatchObject({ status: 0, stdout: `${version}\n` });
  });
});

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { CliDeps } from "../../src/cli/context.ts";
import type { Engine, EngineSettings } from "../../src/cli/engine.ts";
import type { VerifyOptions } from "../../src/verify/options.ts";
import type { LayerReport } from "../../src/verify/report.ts";
import { imageConfig, writeOciLayout } from "../support/descriptor.ts";
import { cli, DIGEST, OTHER_DIGEST, report, tempDir } from "./support.ts";

const LAYER = "test/fixtures/layers/tree.zstdchunked";
const { layers: FIXTURES } = JSON.parse(readFileSync("test/fixtures/index.json", "utf8"));
const FIXTURE = FIXTURES.find(({ file }: { file: string }) => file === "tree.zstdchunked");

/** An engine that answers with these reports in turn, and keeps what it was asked. */
function fakeEngine(...answers: Partial<LayerReport>[]): {
  deps: CliDeps;
  asked: VerifyOptions[];
  settings: EngineSettings[];
} {
  const asked: VerifyOptions[] = [];
  const settings: EngineSettings[] = [];
  const engine: Engine = {
    close: () => Promise.resolve(),
    verifyLayer(source, options) {
      asked.push(options);
      return Promise.resolve(report({ layer: source.name, ...answers[asked.length - 1] }));
    },
  };
  const deps: CliDeps = {
    engine(given) {
      settings.push(given);
      return Promise.resolve(engine);
    },
  };
  return { deps, asked, settings };
}

const failed = (kind: "source" | "format" | "refused" | "internal"): Partial<LayerReport> => ({
  result: "error",
  error: { code: "x", message: "m", advice: null, kind },
});
const finding = (severity: "error" | "warning" | "info") => ({
  findings: [{ code: "x", severity, entry: null, offset: null, message: "m" }],
});

describe("exit status", () => {
  const cases: [string, Partial<LayerReport>, string[], number][] = [
    ["verified", {}, [], 0],
    ["consistent", { result: "consistent" }, [], 0],
    ["a mismatch", { result: "mismatch" }, [], 1],
    ["not a layer", failed("format"), [], 3],
    ["refused", failed("refused"), [], 3],
    ["a source that failed", failed("source"), [], 4],
    ["a thread that died", failed("internal"), [], 70],
    ["findings without --fail-on", finding("error"), [], 0],
    ["a warning with --fail-on warning", finding("warning"), ["--fail-on", "warning"], 1],
    ["an error with --fail-on warning", finding("error"), ["--fail-on", "warning"], 1],
    ["a note with --fail-on warning", finding("info"), ["--fail-on", "warning"], 0],
    ["a note with --fail-on info", finding("info"), ["--fail-on", "info"], 1],
    ["a warning with --fail-on error", finding("warning"), ["--fail-on", "error"], 0],
  ];
  test.each(cases)("%s", async (_, answer, args, status) => {
    expect((await cli(["verify", ...args, LAYER], fakeEngine(answer).deps)).status).toBe(status);
  });

  test("of several layers: the highest", async () => {
    const answers = [{ result: "mismatch" as const }, failed("format"), {}];
    const { status, stdout } = await cli(["verify", LAYER, LAYER, LAYER], fakeEngine(...answers).deps);
    expect(status).toBe(3);
    expect(stdout).toContain("3 layers: 1 verified, 1 mismatch, 1 error");
  });

  test("a bug is told from a bad layer", async () => {
    const { status, stderr } = await cli(["verify", LAYER], {
      engine: () => Promise.reject(new TypeError("oops")),
    });
    expect(status).toBe(70);
    expect(stderr).toContain("bug");
  });
});

describe("what the engine is told", () => {
  test("expectations with the options they came from", async () => {
    const { deps, asked } = fakeEngine();
    const args = [
      "--digest",
      DIGEST,
      "--size",
      "5",
      "--diff-id",
      OTHER_DIGEST,
      "--uncompressed-size",
      "1KiB",
    ];
    await cli(["verify", ...args, "--toc-digest", OTHER_DIGEST, LAYER], deps);
    expect(asked[0]!.expect).toEqual({
      digest: { value: DIGEST, from: ["--digest"] },
      size: { value: 5, from: ["--size"] },
      diffID: { value: OTHER_DIGEST, from: ["--diff-id"] },
      uncompressedSize: { value: 1024, from: ["--uncompressed-size"] },
      tocDigest: { value: OTHER_DIGEST, from: ["--toc-digest"] },
    });
  });

  test("descriptor, config and TOC files", async () => {
    const directory = tempDir();
    const path = (name: string, content: string | Uint8Array): string => {
      writeFileSync(join(directory, name), content);
      return join(directory, name);
    };
    const content = { mediaType: "a/b", digest: DIGEST, size: 5, annotations: { k: "v" } };
    const descriptor = path("descriptor", JSON.stringify({ ...content, urls: [] }));
    const config = path("config", imageConfig([DIGEST, OTHER_DIGEST]));
    const toc = path("toc", "{}");
    const { deps, asked } = fakeEngine();
    const args = ["--descriptor", descriptor, "--config", config, "--layer-index", "1", "--toc", toc];
    expect((await cli(["verify", ...args, LAYER], deps)).stderr).toBe("");
    expect(asked[0]!.expect).toEqual({
      descriptor: { value: content, from: [`--descriptor ${descriptor}`] },
      diffID: { value: OTHER_DIGEST, from: [`--config ${config}`] },
    });
    expect(new TextDecoder().decode(asked[0]!.toc)).toBe("{}");
  });

  test("limits, with units", async () => {
    const { deps, asked } = fakeEngine();
    const limits = ["--limit-toc=1MiB", "--limit-pax=4096", "--limit-window=1.5MiB", "--limit-entries=7"];
    await cli(
      ["verify", ...limits, "--limit-path=1KiB", "--limit-ratio=20", "--limit-total=2GiB", LAYER],
      deps,
    );
    expect(asked[0]!.limits).toEqual({
      toc: 2 ** 20,
      pax: 4096,
      zstdWindow: 1.5 * 2 ** 20,
      entries: 7,
      path: 1024,
      ratio: 20,
      total: 2 ** 31,
    });
    expect(asked[0]!.expect).toEqual({});
  });
});

describe("threads and hashes", () => {
  test("one thread for each core and the faster hash, unless told otherwise; one engine for all layers", async () => {
    const { deps, settings } = fakeEngine();
    await cli(["verify", LAYER, LAYER], deps);
    await cli(["verify", "--jobs", "3", "--hash", "wasm", LAYER], deps);
    expect(settings).toEqual([{ jobs: null, hash: "auto" }, { jobs: 3, hash: "wasm" }]);
  });

  test.each(["auto", "native", "wasm"])(
    "--hash %s and any number of jobs give the same report",
    async (hash) => {
      const usual = await cli(["verify", "--json", LAYER]);
      for (const jobs of ["1", "2", "5"]) {
        expect(await cli(["verify", "--json", "--hash", hash, "--jobs", jobs, LAYER])).toEqual(usual);
      }
    },
  );
});

describe("with the real engine", () => {
  test("--json: one line a layer, and nothing but that on standard output", async () => {
    const { stdout, stderr, status } = await cli(["verify", "--json", LAYER, "missing", "README.md", LAYER]);
    const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(reports.map(({ result }) => result)).toEqual(["consistent", "error", "error", "consistent"]);
    expect(reports[0]).toMatchObject({
      format: "zstd:chunked",
      diffID: FIXTURE.diffID,
      digest: FIXTURE.digest,
    });
    expect(stderr).toMatch(/^layerproof: missing: .*\nlayerproof: README\.md: .*\n$/);
    expect(status).toBe(4);
  });

  test("a descriptor with TOC annotations proves the chunks", async () => {
    const path = join(tempDir(), "descriptor.json");
    const { mediaType, digest, size, annotations } = FIXTURE;
    writeFileSync(path, JSON.stringify({ mediaType, digest, size, annotations }));
    const { stdout, status } = await cli(["verify", "--json", "--descriptor", path, LAYER]);
    const { claims } = JSON.parse(stdout);
    const statusOf = (name: string) => claims.find(({ claim }: { claim: string }) => claim === name)?.status;
    expect(["digest", "size", "tocDigest", "chunks"].map(statusOf)).toEqual(Array(4).fill("verified"));
    expect(status).toBe(0);
  });

  test("oci: verifies every layer through manifest and config", async () => {
    const directory = tempDir();
    const blob = readFileSync(LAYER);
    writeOciLayout(directory, [{ blob, diffID: FIXTURE.diffID }, { blob, diffID: OTHER_DIGEST }]);
    const { stdout, status } = await cli(["verify", `oci:${directory}:latest`]);
    expect(stdout).toContain(`VERIFIED  oci:${directory}:latest linux/amd64 layer 1 of 2`);
    expect(stdout).toMatch(
      /verified +diffID +by oci:.* index\.json > manifest sha256:[0-9a-f]{12}\.\.\. > config/,
    );
    expect(stdout).toContain(`MISMATCH  oci:${directory}:latest linux/amd64 layer 2 of 2`);
    expect(stdout).toContain("2 layers: 1 verified, 1 mismatch");
    expect(status).toBe(1);
  });

  test("oci: a broken layout is one failed layer, the others are read", async () => {
    const { stdout, status } = await cli(["verify", "--json", "oci:no/such/layout", LAYER]);
    const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(reports.map(({ result }) => result)).toEqual(["error", "consistent"]);
    expect(reports[0].error.code).toBe("oci-no-layout");
    expect(status).toBe(4);
  });
});

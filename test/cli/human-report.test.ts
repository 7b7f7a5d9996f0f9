import { describe, expect, test } from "vitest";
import { humanReport } from "../../src/cli/human-report.ts";
import { COLOURED, PLAIN } from "../../src/cli/style.ts";
import type { Finding, Severity } from "../../src/verify/report.ts";
import { cli, DIGEST, OTHER_DIGEST, report } from "./support.ts";

const lines = (text: string): string[] => text.trimEnd().split("\n");

describe("the report for people", () => {
  test("begins with the verdict and the layer's name", () => {
    expect(lines(humanReport(report({}), PLAIN))[0]).toBe("VERIFIED  layer.tar.gz");
  });

  test("says that consistent proves nothing, and what would", () => {
    const text = humanReport(
      report({
        result: "consistent",
        claims: [
          { claim: "digest", status: "absent", expected: null, actual: DIGEST, where: null, chain: [] },
          { claim: "diffID", status: "absent", expected: null, actual: DIGEST, where: null, chain: [] },
        ],
      }),
      PLAIN,
    );
    expect(lines(text)[0]).toBe("CONSISTENT  layer.tar.gz");
    expect(text).toContain("nothing is proved");
    expect(text).toMatch(/not proved +digest +give --digest/);
    expect(text).toMatch(/not proved +diffID +give --diff-id/);
  });

  test("gives sizes for people and exactly", () => {
    const text = humanReport(report({}), PLAIN);
    expect(text).toContain("80.8 KiB (82,776 bytes)");
    expect(text).toContain("348.0 KiB (356,352 bytes)");
  });

  test("puts expected and actual under each other, and mismatches first", () => {
    const [verified] = report({}).claims;
    const text = humanReport(
      report({
        result: "mismatch",
        claims: [verified!, {
          claim: "diffID",
          status: "mismatch",
          expected: DIGEST,
          actual: OTHER_DIGEST,
          where: "the whole tar stream",
          chain: ["oci:img index.json", `manifest ${DIGEST}`, `config ${OTHER_DIGEST}`],
        }],
      }),
      PLAIN,
    );
    const at = lines(text).findIndex((line) => line.startsWith("  MISMATCH"));
    expect(lines(text)[at]).toContain(
      "by oci:img index.json > manifest sha256:aaaaaaaaaaaa... > config sha256:bbbbbbbbbbbb...",
    );
    const [expected, actual] = lines(text).slice(at + 1, at + 3);
    expect(expected).toContain(`expected  ${DIGEST}`);
    expect(actual!.indexOf(OTHER_DIGEST)).toBe(expected!.indexOf(DIGEST));
    expect(text.indexOf("  verified")).toBeGreaterThan(text.indexOf("  MISMATCH"));
  });

  test("gives an error with code and advice", () => {
    const error = {
      code: "zstd-truncated",
      message: "It ends",
      advice: "Fetch it again.",
      kind: "format" as const,
    };
    const text = humanReport(report({ result: "error", error, claims: [] }), PLAIN);
    expect(lines(text).slice(0, 3)).toEqual([
      "ERROR  layer.tar.gz",
      "  It ends [zstd-truncated]",
      "  Fetch it again.",
    ]);
  });

  test("lists errors and warnings up to 20 each, and counts notes by code", () => {
    const many = (severity: Severity, count: number, code: string = severity): Finding[] =>
      Array.from({ length: count }, (_, i) => ({ code, severity, entry: `e${i}`, offset: i, message: "m" }));
    const findings = [
      ...many("info", 50, "setuid"),
      ...many("warning", 23),
      ...many("error", 2),
      ...many("info", 1),
    ];
    const text = humanReport(report({ findings }), PLAIN);
    expect(text).toContain("Findings (2 errors, 23 warnings, 51 notes)");
    expect(lines(text).filter((line) => /^ {2}warning .*e\d+ at byte/.test(line))).toHaveLength(20);
    expect(text).toContain("... and 3 more (use --json)");
    expect(text).toContain("note     setuid (50 times, for example) e0 at byte 0: m");
    expect(lines(text).filter((line) => line.startsWith("  note"))).toHaveLength(2);
    expect(text.indexOf("  error")).toBeLessThan(text.indexOf("  warning"));
  });

  test("lets no control character of anybody through", () => {
    const evil = "\x1b]0;owned\x07\u202egnp.exe\r\n\x9b2J";
    const text = humanReport(
      report({
        layer: evil,
        dialect: evil,
        result: "mismatch",
        claims: [
          { claim: "tar", status: "mismatch", expected: evil, actual: evil, where: evil, chain: [evil] },
          { claim: "toc", status: "not checked", expected: null, actual: null, where: evil, chain: [] },
          { claim: "chunks", status: "consistent", expected: evil, actual: evil, where: null, chain: [] },
        ],
        findings: [{ code: "x", severity: "error", entry: evil, offset: null, message: evil }],
        error: { code: "x", message: evil, advice: evil, kind: "format" },
      }),
      PLAIN,
    );
    // deno-lint-ignore no-control-regex -- they are what must not be there
    expect(text.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202e]/);
    expect(text).not.toMatch(/^gnp/m);
  });

  test("is the same text with colours", () => {
    const coloured = humanReport(report({}), COLOURED);
    expect(coloured).toContain("\x1b[32m");
    // deno-lint-ignore no-control-regex -- colours are control sequences
    expect(coloured.replace(/\x1b\[\d+m/g, "")).toBe(humanReport(report({}), PLAIN));
  });
});

describe("colours", () => {
  const verify = (args: string[], options: object) =>
    cli(["verify", ...args, "--no-progress", "test/fixtures/layers/tree.zstdchunked"], undefined, options);
  const cases: [string, string[], object, boolean][] = [
    ["on a terminal", [], { terminal: true }, true],
    ["not elsewhere", [], {}, false],
    ["not with NO_COLOR", [], { terminal: true, env: { NO_COLOR: "1" } }, false],
    ["with an empty NO_COLOR", [], { terminal: true, env: { NO_COLOR: "" } }, true],
    ["not on a dumb terminal", [], { terminal: true, env: { TERM: "dumb" } }, false],
    ["always with --color always", ["--color", "always"], { env: { NO_COLOR: "1" } }, true],
    ["never with --color never", ["--color", "never"], { terminal: true }, false],
  ];
  test.each(cases)("%s", async (_, args, options, coloured) => {
    expect((await verify(args, options)).stdout.includes("\x1b[")).toBe(coloured);
  });
});

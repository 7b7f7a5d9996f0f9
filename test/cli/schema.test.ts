import { Ajv2020 } from "ajv/dist/2020.js";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { nativeHashes } from "../../src/digest/native.ts";
import { memorySource } from "../../src/source/source.ts";
import type { LayerReport } from "../../src/verify/report.ts";
import { verifyLayer } from "../../src/verify/verify.ts";
import { report } from "./support.ts";

const schema = JSON.parse(readFileSync("schema/layer-report.schema.json", "utf8"));
const validate = new Ajv2020({ strict: true, strictRequired: false, strictTypes: false, allErrors: true })
  .compile(schema);

/** As a program sees it. */
function complaints(value: unknown): string[] {
  validate(JSON.parse(JSON.stringify(value)));
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
}

describe("the published schema", () => {
  test("takes a report made by hand", () => {
    expect(complaints(report({}))).toEqual([]);
  });

  const wrong: [string, unknown][] = [
    ["an unknown key", { ...report({}), extra: 1 }],
    ["a missing key", (({ tocDigest: _, ...rest }) => rest)(report({}))],
    ["a digest in upper case", report({ digest: `sha256:${"A".repeat(64)}` })],
    ["a digest with a line feed behind it", report({ digest: `sha256:${"a".repeat(64)}\n` })],
    ["a negative size", report({ size: -1 })],
    ["an unknown result", { ...report({}), result: "fine" }],
    ["an error without its reason", report({ result: "error", error: null })],
    ["a verified layer with an error", {
      ...report({}),
      error: { code: "x", message: "", advice: null, kind: "format" },
    }],
    ["an unknown claim", { ...report({}), claims: [{ ...report({}).claims[0], claim: "luck" }] }],
    ["a finding without a place", {
      ...report({}),
      findings: [{ code: "x", severity: "info", message: "" }],
    }],
  ];
  test.each(wrong)("refuses %s", (_, value) => {
    expect(complaints(value)).not.toEqual([]);
  });

  const layers = readdirSync("test/fixtures/layers").filter((name) => !name.startsWith("big"));
  test("takes the report of every fixture", async () => {
    const failures: [string, string[]][] = [];
    for (const name of layers) {
      const source = memorySource(readFileSync(`test/fixtures/layers/${name}`), name);
      const made: LayerReport = await verifyLayer(source, { hashes: nativeHashes });
      const found = complaints(made);
      if (found.length > 0) failures.push([name, found]);
    }
    expect(failures).toEqual([]);
    expect(layers.length).toBeGreaterThan(100);
  });
});

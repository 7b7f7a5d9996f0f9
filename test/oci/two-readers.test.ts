/** Layouts made so that another program finds other layers, or that reading them never ends. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import { parseConfig, parseIndex, parseManifest } from "../../src/oci/manifest.ts";
import { openImages } from "../../src/oci/open-images.ts";
import { image, sha256, writeOciLayout } from "../support/mod.ts";

const BLOB = new TextEncoder().encode("a layer");
const made = image([{ blob: BLOB, diffID: sha256(BLOB) }]);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const encode = (value: string) => new TextEncoder().encode(value);

function codeOf(step: () => unknown): string {
  try {
    step();
  } catch (error) {
    if (error instanceof LayerproofError) return error.code;
    throw error;
  }
  return "accepted";
}

describe("a document that other programs read otherwise is refused", () => {
  const manifest = text(made.manifest);
  const config = text(made.config);
  const append = (json: string, more: string) => encode(json.replace(/\}\s*$/, `,${more}}`));

  test("keys in other case", () => {
    for (const key of ["Layers", "layer\u017f", "LAYERS", "Config", "Manifests"]) {
      expect(codeOf(() => parseManifest(append(manifest, `"${key}":[]`), "m")), key).toBe(
        "json-ambiguous-key",
      );
    }
    for (const key of ["Rootfs", "rootf\u017f"]) {
      expect(codeOf(() => parseConfig(append(config, `"${key}":{}`), "c")), key).toBe("json-ambiguous-key");
    }
    expect(codeOf(() => parseIndex(encode('{"manifests":[],"Manifests":[]}'), "i"))).toBe(
      "json-ambiguous-key",
    );
  });

  test("keys twice, and a byte-order mark", () => {
    expect(codeOf(() => parseManifest(append(manifest, '"layers":[]'), "m"))).toBe("json-invalid");
    expect(codeOf(() => parseManifest(encode(`\ufeff${manifest}`), "m"))).toBe("json-invalid");
  });

  test("but labels and annotations may have any key", () => {
    const labels = { ...JSON.parse(config), Size: 0, config: { Labels: { Layers: "x", layers: "y" } } };
    expect(codeOf(() => parseConfig(encode(JSON.stringify(labels)), "c"))).toBe("accepted");
    expect(codeOf(() => parseManifest(append(manifest, '"annotations":{"Layers":"x"}'), "m"))).toBe(
      "accepted",
    );
  });
});

test("a FIFO in a layout is refused, not waited for", async () => {
  const directory = mkdtempSync(join(tmpdir(), "layerproof-"));
  try {
    writeOciLayout(directory, [{ blob: BLOB, diffID: sha256(BLOB) }], {});
    rmSync(join(directory, "index.json"));
    execFileSync("mkfifo", [join(directory, "index.json")]);
    await expect(openImages(`oci:${directory}`, null)).rejects.toMatchObject({
      code: "source-not-a-file",
    });
    rmSync(join(directory, "index.json"));
    writeFileSync(join(directory, "index.json"), "{}");
    await expect(openImages(`oci:${directory}`, null)).rejects.toMatchObject({ code: "json-type" });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

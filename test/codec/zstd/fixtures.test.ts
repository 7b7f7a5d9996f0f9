import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ZstdDecoder } from "../../../src/codec/zstd/decoder.ts";
import { slices } from "../../support/bytes.ts";
import { describeEngines, withEngine } from "./support.ts";

interface Layer {
  readonly file: string;
  readonly diffID: string;
  readonly uncompressedSize: number;
}

const ROOT = new URL("../../fixtures/", import.meta.url);
const { layers } = JSON.parse(readFileSync(new URL("index.json", ROOT), "utf8")) as {
  readonly layers: readonly Layer[];
};
const zstdLayers = layers.filter(({ file }) => /\.(tar\.zst|zstdchunked)$/.test(file));

test("there are fixtures of both kinds", () => {
  expect(zstdLayers.filter(({ file }) => file.endsWith(".zstdchunked")).length).toBeGreaterThan(20);
  expect(zstdLayers.filter(({ file }) => file.endsWith(".tar.zst")).length).toBeGreaterThan(4);
});

describeEngines(() => {
  describe.each([1, 511, 512, 513, 65536])("in pieces of %i bytes", (pieceSize) => {
    test.each(zstdLayers)("$file decodes to its diffID", ({ file, diffID, uncompressedSize }) => {
      const hash = createHash("sha256");
      const checksums = new Set<unknown>();
      const ignore = (): void => {};
      const decoder = new ZstdDecoder({
        frameStart: ignore,
        data: (bytes) => hash.update(bytes),
        frameEnd: ({ checksum }) => checksums.add(checksum),
        skippableStart: ignore,
        skippableData: ignore,
        skippableEnd: ignore,
      }, withEngine());
      for (const piece of slices(readFileSync(new URL(`layers/${file}`, ROOT)), pieceSize)) {
        decoder.push(piece);
      }
      decoder.end();
      expect(`sha256:${hash.digest("hex")}`).toBe(diffID);
      expect(decoder.outOffset).toBe(uncompressedSize);
      for (const checksum of checksums) expect(["ok", "absent"]).toContain(checksum);
    });
  });
});

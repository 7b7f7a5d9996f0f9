/**
 * Small layers, cut at every byte and with bits flipped in every byte: nothing damaged is ever "verified", and what is
 * taken without complaint has the same content.
 */
import { describe, expect, test } from "vitest";
import { type LayerReport, type Result } from "../../src/mod.ts";
import { sha256 } from "../support/mod.ts";
import { LAYERS, rightly, type SmallLayer, verifyBytes, verifyPiped } from "./layers.ts";

const BAD: readonly Result[] = ["mismatch", "error"];

/** Flips every bit of the layer, one at a time. */
async function forEachFlip(
  layer: SmallLayer,
  body: (blob: Uint8Array, byte: number, bit: number) => Promise<void>,
): Promise<void> {
  const copy = layer.blob.slice();
  for (let byte = 0; byte < copy.length; byte++) {
    for (let bit = 0; bit < 8; bit++) {
      copy[byte]! ^= 1 << bit;
      await body(copy, byte, bit);
      copy[byte]! ^= 1 << bit;
    }
  }
}

for (const layer of LAYERS) {
  describe(layer.name, () => {
    const diffID = sha256(layer.tar);
    const right = rightly(layer);

    test("whole and unharmed it is verified, and consistent without expectations", async () => {
      for (const verify of [verifyBytes, verifyPiped]) {
        const report = await verify(layer.blob, right);
        expect(report).toMatchObject({ result: "verified", error: null, digest: sha256(layer.blob), diffID });
        expect(report.findings.filter(({ severity }) => severity === "error")).toEqual([]);
        expect(await verify(layer.blob)).toMatchObject({ result: "consistent", diffID });
      }
    });

    test("cut at any byte it is never verified, and its digest is that of what is left", async () => {
      for (let at = 0; at < layer.blob.length; at++) {
        const cut = layer.blob.subarray(0, at);
        const report = await (at % 2 ? verifyBytes : verifyPiped)(cut, right);
        expect(BAD, `cut at ${at}`).toContain(report.result);
        expect(report.digest).toBe(sha256(cut));
      }
    });

    test("with bits flipped in any byte it is never verified", async () => {
      await forEachFlip(layer, async (blob, byte, bit) => {
        if (bit !== byte % 8) return;
        const { result, digest } = await (byte % 16 < 8 ? verifyBytes : verifyPiped)(blob, right);
        expect(BAD, `bit ${bit} of byte ${byte}`).toContain(result);
        expect(digest).toBe(sha256(blob));
      });
    });

    // An uncompressed tar has no checksum over its content: without an outside digest nobody can tell.
    if (layer.name === "tar") return;

    test("without expectations a flipped bit is told, or the content is the same", async () => {
      const harmless = new Set<string>();
      await forEachFlip(layer, async (blob, byte, bit) => {
        const report = await verifyBytes(blob);
        if (BAD.includes(report.result)) return;
        expect([byte, bit, report.result, report.diffID]).toEqual([byte, bit, "consistent", diffID]);
        harmless.add(kindOf(layer, byte, bit));
      });
      const listed = HARMLESS[layer.name];
      if (listed) expect([...harmless].sort()).toEqual(listed);
    });

    test("without expectations a cut is an error, or leaves whole members or frames", async () => {
      for (let at = 1; at < layer.blob.length; at++) {
        const report = await verifyBytes(layer.blob.subarray(0, at));
        if (BAD.includes(report.result)) continue;
        expect([at, report.result]).toEqual([at, "consistent"]);
        expect(isEdge(layer, at), `cut at ${at}`).toBe(true);
        expectPrefix(report, layer);
      }
    });
  });
}

/** Flips that change nothing which a gzip member or zstd frame covers; "codes" are those of symbols not in use. */
const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  gzip: ["FTEXT", "codes", "header", "name"],
  zstd: ["codes", "unused bit", "window"],
};

/** What stands at a byte of the two layers that are one member (with a name) and one frame. */
function kindOf({ name, blob }: SmallLayer, byte: number, bit: number): string {
  if (name === "gzip") {
    if (byte === 3) return bit === 0 ? "FTEXT" : "flags";
    if (byte < 4) return "magic or method";
    if (byte < 10) return "header"; // modification time, extra flags, system
    if (byte < 10 + "layer.tar".length) return "name";
    if (byte === 10 + "layer.tar".length) return "NUL";
    return byte < blob.length - 8 ? "codes" : "trailer";
  }
  if (byte < 4) return "magic";
  if (byte === 4) return bit === 4 ? "unused bit" : "descriptor";
  if (byte === 5) return "window";
  if (byte < 8) return "content size";
  return byte < blob.length - 4 ? "codes" : "checksum";
}

/** Whether members or frames end at `at`: the next begins there with its magic number. */
function isEdge({ blob }: SmallLayer, at: number): boolean {
  const [a, b, c, d] = blob.subarray(at);
  const gzip = a === 0x1f && b === 0x8b && c === 8;
  const zstd = a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd;
  const skippable = (a! & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18;
  return gzip || zstd || skippable;
}

/** A layer cut at an edge has lost its end, or its TOC; what is left is the beginning of its content. */
function expectPrefix({ diffID, uncompressedSize, findings, format }: LayerReport, layer: SmallLayer): void {
  expect(diffID).toBe(sha256(layer.tar.subarray(0, uncompressedSize!)));
  const lost = findings.some(({ code }) => ["tar-no-end", "tar-lone-zero-block"].includes(code));
  if (uncompressedSize! < layer.tar.length) expect(lost).toBe(true);
  else expect(["gzip", "zstd"]).toContain(format);
}

describe("a plain tar cut without expectations", () => {
  const layer = LAYERS.find(({ name }) => name === "tar")!;
  // Directory, file of 13 bytes, link, file of 40 bytes: each header is a block, each content another.
  const members = [0, 512, 1536, 2048, 3072];
  const contents: readonly (readonly [start: number, end: number])[] = [[1024, 1037], [2560, 2600]];

  test("is an error inside a header or data, and between members has the finding that the end is missing", async () => {
    for (let at = 1; at < layer.blob.length; at++) {
      const report = await verifyBytes(layer.blob.subarray(0, at));
      const inHeader = members.slice(0, -1).some((start) => at > start && at < start + 512);
      const inData = contents.some(([start, end]) => at >= start && at < end);
      if (inHeader || inData) {
        expect([at, report.result]).toEqual([at, "error"]);
        // Less than a block is not even known to be a tar.
        expect(report.error?.code).toBe(at < 512 ? "not-a-layer" : "tar-truncated");
        continue;
      }
      expect([at, report.result, report.error]).toEqual([at, "consistent", null]);
      const codes = report.findings.map(({ code }) => code);
      if (at < 3584) expect([at, codes]).toEqual([at, ["tar-no-end"]]);
      else if (at < 4096) expect([at, codes]).toEqual([at, ["tar-lone-zero-block"]]);
    }
  });
});

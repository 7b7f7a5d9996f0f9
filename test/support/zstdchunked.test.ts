/** The zstd:chunked builder, against zstd and what the real writers left in the fixtures. */
import { describe, expect, test } from "vitest";
import { bytes, concat, hex, sha256 } from "./bytes.ts";
import { zeroRunChunks } from "./chunks.ts";
import { fixture, ITEMS, readChunked, sourceEntries, text, unzstd, withoutOffsets } from "./fixtures.ts";
import { run, testWith } from "./programs.ts";
import { randomBytes } from "./random.ts";
import { tar } from "./tar.ts";
import { type Dialect, LAYOUTS } from "./zstdchunked-footer.ts";
import { zstdChunked } from "./zstdchunked.ts";

describe("zstd:chunked", () => {
  for (const dialect of Object.keys(LAYOUTS) as Dialect[]) {
    testWith(["zstd"], `zstd reads a layer of ${dialect}`, () => {
      const layer = zstdChunked(ITEMS, { dialect, lossless: true, chunkSize: 4096 });
      run("zstd", ["--test"], layer.blob);
      expect(sha256(run("zstd", ["-dc"], layer.blob).stdout)).toBe(layer.diffID);
      expect(layer.diffID).toBe(sha256(tar(ITEMS)));
    });

    test(`positions, digests and annotations of ${dialect} are true`, () => {
      const layer = zstdChunked(ITEMS, { dialect });
      const { toc, tarSplit: split } = layer.positions;
      const at = ({ offset, length }: { offset: number; length: number }) =>
        layer.blob.subarray(offset, offset + length);
      expect(unzstd(at(toc))).toEqual(layer.tocJson);
      expect(toc.uncompressed).toBe(layer.tocJson.length);
      const { prefix } = LAYOUTS[dialect];
      expect(layer.annotations[`${prefix}manifest-checksum`]).toBe(sha256(at(toc)));
      if (split === null) return expect(layer.tarSplit).toBe(null);
      expect(unzstd(at(split))).toEqual(layer.tarSplit);
      expect(layer.tarSplitDigest).toBe(sha256(at(split)));
      const stated = layer.toc.tarSplitDigest ?? layer.annotations[`${prefix}tarsplit-checksum`];
      expect(stated).toBe(layer.tarSplitDigest);
    });
  }

  const fixtures = [
    ["small.skopeo193.zstdchunked", "cs-1.43"],
    ["small.cs-1.46.1.zstdchunked", "cs-1.44"],
    ["small.cs-1.48.1.zstdchunked", "cs-1.47"],
    ["small.cs-1.50.2.zstdchunked", "cs-1.50"],
    ["small.cs-1.54.0.zstdchunked", "cs-1.54"],
    ["small.zstdchunked", "cs-1.55"],
    ["small.stargz-lossless.zstdchunked", "stargz"],
  ] as const satisfies readonly (readonly [string, Dialect])[];
  const index = JSON.parse(text(fixture("index.json"))) as {
    layers: { file: string; diffID: string; annotations?: Record<string, string> }[];
  };
  for (const [name, dialect] of fixtures) {
    test(`footer, annotations and TOC have the form of ${name}`, () => {
      const { content } = readChunked("layers/small.zstdchunked");
      const layer = zstdChunked(sourceEntries("small", content), { dialect, lossless: true });
      const real = index.layers.find(({ file }) => file === name)!;
      expect(layer.diffID).toBe(real.diffID);
      expect(Object.keys(layer.annotations).sort()).toEqual(Object.keys(real.annotations!).sort());
      const blob = fixture(`layers/${name}`);
      const positions = realPositions(LAYOUTS[dialect].prefix, real.annotations!);
      const made = zstdChunked(sourceEntries("small", content), {
        dialect,
        mutatePositions: (stated) => Object.assign(stated, positions),
      });
      expect(hex(made.footer)).toBe(hex(blob.subarray(-made.footer.length)));
      const json = text(
        unzstd(blob.subarray(positions.toc.offset, positions.toc.offset + positions.toc.length)),
      );
      const anyOffset = (toc: string) =>
        toc.replace(/"((?:end)?[oO]ffset)": ?\d+/g, '"$1":0').replace(
          /"tarSplitDigest":"[^"]*"/,
          '"tarSplitDigest":""',
        );
      expect(anyOffset(text(layer.tocJson))).toBe(anyOffset(json));
    });
  }

  test("the TOC of a large tree is the real writer's but for the offsets", () => {
    for (const name of ["tree", "big"]) {
      const { toc, content, chunks } = readChunked(`layers/${name}.zstdchunked`);
      const layer = zstdChunked(sourceEntries(name, content), {
        chunk: (_data, entry) => chunks.get(entry.textName) ?? [],
      });
      expect(withoutOffsets(layer.toc.entries)).toEqual(withoutOffsets(toc.entries));
    }
  });

  test("runs of zeros are chunks of their own", () => {
    const data = concat(
      new Uint8Array(2000),
      randomBytes(5000),
      new Uint8Array(1023),
      bytes("x"),
      new Uint8Array(1024),
    );
    expect(zeroRunChunks(data, 4096, 1024)).toEqual([
      { offset: 0, size: 2000, zeros: true },
      { offset: 2000, size: 4096, zeros: false },
      { offset: 6096, size: 1928, zeros: false },
      { offset: 8024, size: 1024, zeros: true },
    ]);
    const layer = zstdChunked([{ name: "f", data }]);
    expect(layer.toc.entries.map((entry) => entry.chunkType)).toEqual(["zeros", undefined, "zeros"]);
  });

  test("hooks change the TOC, the tar-split, the positions, the footer and the annotations", () => {
    const layer = zstdChunked(ITEMS, {
      mutateToc: (toc) => ({ ...toc, version: 2 }),
      mutateTocJson: (json) => json + " ",
      mutateTarSplit: (lines) => lines.slice(1),
      mutateTarSplitJson: (lines) => lines + "\n",
      mutatePositions: (positions) => void (positions.toc.uncompressed = 7),
      mutateFooter: (footer) => concat(footer, bytes("x")),
      mutateAnnotations: (annotations) => void (annotations.other = "x"),
    });
    expect(text(layer.tocJson)).toMatch(/"version":2.* $/);
    expect(text(layer.tarSplit!)).toMatch(/^\{"type":1[^]*\n\n$/);
    expect(layer.annotations["io.github.containers.zstd-chunked.manifest-position"]).toMatch(/:7:1$/);
    expect(layer.annotations.other).toBe("x");
    expect(layer.footer.length).toBe(65);
    expect(layer.toc.tarSplitDigest).toBe(layer.tarSplitDigest);
  });
});

function realPositions(prefix: string, annotations: Readonly<Record<string, string>>) {
  const numbers = (key: string) => annotations[`${prefix}${key}`]?.split(":").map(Number);
  const position = (fields: readonly number[]) => {
    const [offset = 0, length = 0, uncompressed = 0] = fields;
    return { offset, length, uncompressed };
  };
  const split = numbers("tarsplit-position");
  return { toc: position(numbers("manifest-position")!), type: 1, tarSplit: split ? position(split) : null };
}

/** The eStargz builder, against gzip, tar, and what the real writer left in the fixtures. */
import { describe, expect, test } from "vitest";
import { hex, sha256 } from "./bytes.ts";
import { estargz, type EstargzFooter, estargzFooter } from "./estargz.ts";
import {
  fixture,
  ITEMS,
  readChunked,
  readEstargzToc,
  sourceEntries,
  text,
  withoutOffsets,
} from "./fixtures.ts";
import { run, testWith } from "./programs.ts";
import { tar } from "./tar.ts";
import type { Toc } from "./toc.ts";

describe("eStargz", () => {
  for (
    const footer of ["estargz", "legacy", "external", "none"] as const satisfies readonly EstargzFooter[]
  ) {
    for (const lossless of [false, true]) {
      testWith(["gzip"], `gzip reads a layer with footer ${footer}${lossless ? ", lossless" : ""}`, () => {
        const landmark = lossless ? {} : { landmark: "noprefetch" } as const;
        const layer = estargz(ITEMS, { footer, lossless, chunkSize: 4096, ...landmark });
        run("gzip", ["--test"], layer.blob);
        expect(sha256(run("gzip", ["-dc"], layer.blob).stdout)).toBe(layer.diffID);
        expect(layer.tar.length).toBe(Number(layer.annotations["io.containers.estargz.uncompressed-size"]));
        if (lossless) expect(sha256(layer.tar.subarray(0, tar(ITEMS).length))).toBe(sha256(tar(ITEMS)));
      });
    }
  }

  testWith(
    ["gzip", "tar"],
    "each entry of the TOC points at its bytes, in members of its own and in shared ones",
    () => {
      for (const minChunkSize of [0, 3000, 100_000]) {
        const landmark = { landmark: "prefetch", prioritized: 3 } as const;
        const layer = estargz(ITEMS, { chunkSize: 4096, minChunkSize, ...landmark });
        expect(layer.toc.entries.some((entry) => entry.innerOffset !== undefined)).toBe(minChunkSize > 0);
        const starts = layer.toc.entries.map((entry) => entry.offset ?? 0).concat(layer.tocOffset);
        for (const entry of layer.toc.entries) {
          if (entry.offset === undefined) continue;
          const end = Math.min(...starts.filter((start) => start > entry.offset!));
          const member = run("gzip", ["-dc"], layer.blob.subarray(entry.offset, end)).stdout;
          const size = entry.chunkSize ??
            layer.toc.entries.find((row) => row.name === entry.name)!.size! - (entry.chunkOffset ?? 0);
          const inner = entry.innerOffset ?? 0;
          expect(sha256(member.subarray(inner, inner + size))).toBe(entry.chunkDigest);
        }
        const names = text(run("tar", ["-t"], layer.tar).stdout).trimEnd().split("\n");
        expect(names.indexOf(".prefetch.landmark")).toBe(3);
        expect(names.at(-1)).toBe("stargz.index.json");
      }
    },
  );

  const cases = [
    ["small.esgz", { landmark: "noprefetch" }],
    ["small.writer.esgz", {}],
    ["small.lossless.esgz", { lossless: true }],
    ["small.chunk4k.esgz", { landmark: "noprefetch", chunkSize: 4096 }],
    ["small.min64k.esgz", { landmark: "noprefetch", minChunkSize: 65536 }],
    ["small.legacy-nodigest.esgz", { digests: "file", footer: "legacy" }],
  ] as const;
  for (const [name, options] of cases) {
    testWith(["gzip"], `the TOC is the real writer's but for the offsets: ${name}`, () => {
      const { content } = readChunked("layers/small.zstdchunked");
      const layer = estargz(sourceEntries("small", content), options);
      const blob = fixture(`layers/${name}`);
      expect(layer.tar.length).toBe(run("gzip", ["-dc"], blob).stdout.length);
      // The length of the JSON must not depend on the offsets, or the tars differ in more than that.
      const anyOffset = (json: string) => json.replace(/"offset": \d+/g, '"offset": 0');
      expect(anyOffset(text(layer.tocJson))).toBe(anyOffset(readEstargzToc(`layers/${name}`)));
    });
  }

  testWith(["gzip"], "the TOC of a large tree is the real writer's but for the offsets", () => {
    const { content } = readChunked("layers/tree.zstdchunked");
    const layer = estargz(sourceEntries("tree", content), { landmark: "noprefetch", chunkSize: 4096 });
    const real = JSON.parse(readEstargzToc("layers/tree.chunk4k.esgz")) as Toc;
    expect(withoutOffsets(layer.toc.entries)).toEqual(withoutOffsets(real.entries));
  });

  test("footers are the fixtures', byte for byte", () => {
    const footers = [["small.esgz", "estargz", 51], ["small.legacy.esgz", "legacy", 47]] as const;
    for (const [name, kind, length] of footers) {
      const real = fixture(`layers/${name}`).subarray(-length);
      const offset = parseInt(/([0-9a-f]{16})STARGZ/.exec(text(real))![1]!, 16);
      expect(hex(estargzFooter(kind, offset))).toBe(hex(real));
    }
    expect(hex(estargzFooter("external", 0))).toBe(hex(fixture("layers/small.exttoc.esgz").subarray(-46)));
    expect(text(estargz(ITEMS).footer)).toContain(estargz(ITEMS).tocOffset.toString(16).padStart(16, "0"));
  });

  testWith(["gzip", "tar"], "an external TOC is a gzipped tar with the TOC", () => {
    const layer = estargz(ITEMS, { footer: "external" });
    const json = run("tar", ["-xzOf", "-", "stargz.index.json"], layer.externalTocBlob!).stdout;
    expect(sha256(json)).toBe(layer.tocDigest);
    expect(sha256(layer.tar)).toBe(sha256(tar(ITEMS)));
  });

  test("hooks change the TOC, its JSON, the footer and the annotations", () => {
    const layer = estargz(ITEMS, {
      mutateToc: (toc) => void (toc.entries[0]!.name = "evil"),
      mutateTocJson: (json) => json + "{}",
      mutateTocOffset: (offset) => offset + 1,
      mutateFooter: (footer) => footer.subarray(1),
      mutateAnnotations: (annotations) => void (annotations.other = "x"),
      tocName: "other.json",
    });
    expect(text(layer.tocJson)).toMatch(/"evil"[^]*}\{\}$/);
    expect(layer.tocDigest).toBe(sha256(layer.tocJson));
    expect(layer.footer.length).toBe(50);
    expect(text(layer.footer)).toContain((layer.tocOffset + 1).toString(16) + "STARGZ");
    expect(layer.annotations.other).toBe("x");
    expect(text(layer.tar)).toContain("other.json");
  });
});

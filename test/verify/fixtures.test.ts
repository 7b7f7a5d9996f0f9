/** Layers of real writers, against what `index.json` says of them. */
import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { portableHashes, type ReportedEntry, type VerifyOptions } from "../../src/mod.ts";
import { fixture, text } from "../support/fixtures.ts";
import { listed } from "../tar/listed.ts";
import { claimOf, codesOf, findingOf, statuses, verifyBoth, verifyMemory, verifyPipe } from "./verifying.ts";

interface Layer {
  readonly file: string;
  readonly id?: string;
  readonly source: string;
  readonly format: string;
  readonly path: string;
  readonly mediaType: string;
  readonly size: number;
  readonly digest: string;
  readonly diffID: string;
  readonly uncompressedSize: number;
  readonly tocDigest?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly sameTarAsSource: boolean;
  readonly footerSize?: number;
}

const { layers } = JSON.parse(text(fixture("index.json"))) as { layers: Layer[] };
const nameOf = (layer: Layer) => layer.id ?? layer.file;
const named = (name: string) => {
  const layer = layers.find((one) => nameOf(one) === name);
  if (!layer) throw new Error(`no fixture ${name}`);
  return { layer, blob: fixture(layer.path) };
};

/** Real writers' faults: the layer contradicts itself, so no expectation makes it sound. */
const CORRUPT = new Set(["sparse-pax-0.0.zstdchunked", "sparse-pax-1.0.zstdchunked"]);
const sound = layers.filter((layer) =>
  !CORRUPT.has(layer.file) && !/^(bzip2|xz)$/.test(layer.format) && layer.id === undefined
);
const external = (layer: Layer) => layer.file.includes(".exttoc.");
const tocOf = (layer: Layer): VerifyOptions =>
  external(layer) ? { toc: fixture(layer.path.replace(".esgz", ".toc.tar.gz")) } : {};

/** What the manifest and the config of an image say of the layer. */
function outside(layer: Layer): VerifyOptions {
  const { mediaType, digest, size, annotations = {} } = layer;
  return {
    ...tocOf(layer),
    expect: {
      descriptor: { value: { mediaType, digest, size, annotations }, from: ["manifest"] },
      diffID: { value: layer.diffID, from: ["config"] },
    },
  };
}

test("the index is the one that these tests were written for", () => {
  expect(layers.length).toBe(183);
  expect(sound.length).toBe(183 - 2 - 2 - 1);
  expect(layers.filter((layer) => layer.tocDigest).length).toBe(116);
});

describe("a sound layer is what the index says, and verified by its manifest and config", () => {
  for (const layer of sound) {
    test(nameOf(layer), async () => {
      const blob = fixture(layer.path);
      const facts = {
        format: layer.format.replace(/ \(.*/, ""),
        size: layer.size,
        digest: layer.digest,
        diffID: layer.diffID,
        uncompressedSize: layer.uncompressedSize,
        tocDigest: layer.tocDigest ?? null,
        error: null,
      };
      for (const [way, report] of await verifyBoth(blob, tocOf(layer))) {
        expect(report, way).toMatchObject({ ...facts, result: "consistent" });
        expect(Object.values(statuses(report)), way).not.toContain("verified");
        expect(Object.values(statuses(report)), way).not.toContain("mismatch");
      }
      for (const [way, report] of await verifyBoth(blob, outside(layer))) {
        expect(report, way).toMatchObject({ ...facts, result: "verified" });
        const proved = statuses(report);
        expect(proved, way).toMatchObject({ digest: "verified", size: "verified", diffID: "verified" });
        if (layer.annotations && layer.tocDigest) {
          const files = nameOf(layer) === "empty.zstdchunked" ? "absent" : "verified";
          expect(proved, way).toMatchObject({ tocDigest: "verified", toc: "verified", files });
          expect(proved.tocMatchesTar, way).toBe("verified");
        }
      }
    });
  }
});

describe("entries are those that Go's archive/tar lists", () => {
  for (const layer of layers) {
    if (/^(bzip2|xz)$/.test(layer.format) || layer.id !== undefined) continue;
    const list = layer.sameTarAsSource
      ? `src/${layer.source.replace(/\.tar$/, "")}.list.json`
      : `${layer.path}.list.json`;
    // Not every re-written layer has a list; those of a corrupt layer list what no reader sees.
    if (!existsSync(new URL(`../fixtures/${list}`, import.meta.url)) || CORRUPT.has(layer.file)) continue;
    test(nameOf(layer), async () => {
      const entries: unknown[] = [];
      const onEntry = (entry: ReportedEntry) => void entries.push(listed(entry));
      await verifyMemory(fixture(layer.path), { onEntry });
      const rows = JSON.parse(text(fixture(list))) as Record<string, unknown>[];
      expect(entries).toEqual(rows.map(({ tarFormat: _, ...row }) => row));
      const piped: unknown[] = [];
      await verifyPipe(fixture(layer.path), { onEntry: (entry) => void piped.push(listed(entry)) });
      expect(piped).toEqual(entries);
    });
  }
});

describe("layers that are not sound", () => {
  for (const name of ["small.tar.bz2", "small.tar.xz"]) {
    test(`${name}: named and refused, but its digest is verified`, async () => {
      const { layer, blob } = named(name);
      for (const [way, report] of await verifyBoth(blob, outside(layer))) {
        expect(report.result, way).toBe("error");
        expect(report.error).toMatchObject({ code: "compression-not-supported", kind: "refused" });
        expect(report.error?.message).toContain(layer.format);
        expect(report.error?.advice).toContain("gzip or zstd");
        expect(report).toMatchObject({ digest: layer.digest, size: layer.size, diffID: null, format: null });
        expect(report.mediaType).toBe(layer.mediaType);
        expect(statuses(report)).toMatchObject({ digest: "verified", diffID: "not checked" });
      }
    });
  }

  test("small.stale-annotations: told as stale, and still read and verified as the plain layer it is", async () => {
    const { layer, blob } = named("small.stale-annotations");
    for (const [way, report] of await verifyBoth(blob, outside(layer))) {
      expect(report, way).toMatchObject({
        result: "mismatch",
        format: "zstd",
        digest: layer.digest,
        diffID: layer.diffID,
        uncompressedSize: layer.uncompressedSize,
        tocDigest: null,
      });
      expect(findingOf(report, "stale-annotations").severity).toBe("error");
      expect(statuses(report)).toMatchObject({
        digest: "verified",
        diffID: "verified",
        tocDigest: "mismatch",
      });
      expect(claimOf(report, "tocDigest")).toMatchObject({ expected: layer.tocDigest, actual: null });
    }
  });

  test("sparse-pax-0.0.zstdchunked: the TOC and the tar that it holds disagree", async () => {
    const { layer, blob } = named("sparse-pax-0.0.zstdchunked");
    for (const [way, report] of await verifyBoth(blob, outside(layer))) {
      expect(report, way).toMatchObject({
        result: "mismatch",
        digest: layer.digest,
        diffID: layer.diffID,
        uncompressedSize: layer.uncompressedSize,
      });
      expect(codesOf(report)).toEqual(expect.arrayContaining(["sparse-member", "toc-extra-entry"]));
      expect(statuses(report)).toMatchObject({
        digest: "verified",
        files: "mismatch",
        tocMatchesTar: "mismatch",
      });
    }
  });

  test("sparse-pax-1.0.zstdchunked: its tar cannot be read, its digests are verified", async () => {
    const { layer, blob } = named("sparse-pax-1.0.zstdchunked");
    for (const [way, report] of await verifyBoth(blob, outside(layer))) {
      expect(report.result, way).not.toMatch(/verified|consistent/);
      expect(report).toMatchObject({
        digest: layer.digest,
        diffID: layer.diffID,
        uncompressedSize: layer.uncompressedSize,
      });
      expect(statuses(report)).toMatchObject({ digest: "verified", diffID: "verified" });
      expect(codesOf(report)).toContain("sparse-member");
    }
  });

  test("the 56-byte footer: named as broken, and its tar-split is told as not to be trusted", async () => {
    const { blob } = named("small.cs-1.48.1.zstdchunked");
    const report = await verifyMemory(blob);
    expect(report.dialect).toContain("56-byte");
    expect(findingOf(report, "zstd-chunked-footer-broken")).toMatchObject({
      severity: "warning",
      offset: blob.length - 64,
    });
    const { layer } = named("small.cs-1.48.1.zstdchunked");
    const withAnnotations = await verifyMemory(blob, outside(layer));
    expect(findingOf(withAnnotations, "tar-split-not-authenticated").severity).toBe("warning");
    expect(claimOf(withAnnotations, "tarSplitDigest")).toMatchObject({ status: "absent" });
    expect(claimOf(withAnnotations, "tarSplitDigest").actual)
      .toBe(layer.annotations!["io.github.containers.zstd-chunked.tarsplit-checksum"]);
  });

  for (const name of ["small.legacy-nodigest.esgz", "tree.legacy-nodigest.esgz"]) {
    test(`${name}: content without chunk digests is held against the file digests`, async () => {
      const { layer, blob } = named(name);
      for (const [way, report] of await verifyBoth(blob, outside(layer))) {
        expect(report.dialect, way).toContain("47-byte");
        expect(statuses(report).files, way).toBe("verified");
      }
    });
  }

  const hostile: Readonly<Record<string, readonly [code: string, severity: string, entry: string | null]>> = {
    "hostile-abs": ["path-absolute", "warning", null],
    "hostile-dotdot": ["path-escapes-root", "error", null],
    "hostile-dotdot-inside": ["path-escapes-root", "error", null],
    "hostile-file-as-dir": ["parent-not-directory", "error", null],
    "hostile-hardlink-dir": ["hardlink-directory", "error", null],
    "hostile-hardlink-forward": ["hardlink-forward", "error", null],
    "hostile-hardlink-missing": ["hardlink-missing", "error", null],
    "hostile-hardlink-out": ["hardlink-escapes-root", "error", null],
    "hostile-hardlink-self": ["hardlink-self", "error", null],
    "hostile-landmark-name": ["reserved-name", "info", ".prefetch.landmark"],
    "hostile-mode-odd": ["mode-extra-bits", "info", null],
    "hostile-root-symlink": ["root-not-directory", "error", null],
    "hostile-through-symlink-inside": ["path-through-symlink", "warning", null],
    "hostile-toc-name": ["reserved-name", "info", "stargz.index.json"],
    "hostile-wh-dotdot": ["whiteout-bad-name", "error", null],
    "hostile-wh-empty": ["whiteout-bad-name", "error", null],
    "wh-types": ["whiteout-type", "warning", null],
    "nonutf8": ["name-not-utf8", "warning", null],
    "global": ["pax-global-header", "warning", null],
    "small-junk": ["data-after-end", "warning", null],
    "small-noeof": ["tar-no-end", "warning", null],
    "sparse-gnu": ["sparse-member", "error", null],
    "sparse-pax-0.0": ["sparse-member", "warning", null],
    "sparse-pax-1.0": ["sparse-member", "warning", null],
    "dups": ["duplicate-path", "error", null],
  };
  for (const [name, [code, severity, entry]] of Object.entries(hostile)) {
    test(`${name}: ${code}, whatever it is compressed with`, async () => {
      // eStargz's writer drops its own names, cleans the end of the archive and keeps the last of duplicates.
      const rewritten = /^(small-|dups|hostile-(landmark|toc)-name)/.test(name);
      const files = [`${name}.tar`, `${name}.zstdchunked`, ...(rewritten ? [] : [`${name}.esgz`])];
      const present = layers.filter((layer) => files.includes(layer.file));
      expect(present.length).toBeGreaterThan(0);
      for (const layer of present) {
        for (const [way, report] of await verifyBoth(fixture(layer.path))) {
          const finding = findingOf(report, code);
          expect(finding.severity, `${layer.file} ${way}`).toBe(severity);
          if (entry !== null) expect(finding.entry).toBe(entry);
        }
      }
    });
  }

  test("an eStargz whose TOC is elsewhere says so, and its TOC digest is not taken on faith", async () => {
    const { layer, blob } = named("small.exttoc.esgz");
    for (const [way, report] of await verifyBoth(blob)) {
      expect(report, way).toMatchObject({ result: "consistent", format: "estargz", tocDigest: null });
      expect(findingOf(report, "external-toc-missing").severity).toBe("info");
      expect(claimOf(report, "toc").status).toBe("not checked");
    }
    const { expect: expectations } = outside(layer);
    for (const [way, report] of await verifyBoth(blob, { expect: expectations! })) {
      expect(report, way).toMatchObject({ result: "error", error: { code: "expectation-not-checked" } });
      expect(statuses(report)).toMatchObject({ digest: "verified", tocDigest: "not checked" });
    }
  });
});

describe("the portable hashes", () => {
  const sample = [
    "small.tar",
    "small.pgzip.tar.gz",
    "small.frames.tar.zst",
    "tree.esgz",
    "small.min64k.esgz",
    "small.zstdchunked",
    "small.cs-1.48.1.zstdchunked",
    "small.stargz.zstdchunked",
    "sparse-pax-0.0.zstdchunked",
    "small.stale-annotations",
  ];
  for (const name of sample) {
    test(`give the same report as the platform's for ${name}`, async () => {
      const { layer, blob } = named(name);
      const options = outside(layer);
      const portable = await verifyMemory(blob, { ...options, hashes: portableHashes });
      expect(portable).toEqual(await verifyMemory(blob, options));
      expect(portable.digest).toBe(layer.digest);
      const piped = await verifyPipe(blob, { ...options, hashes: portableHashes });
      expect(piped).toEqual(await verifyPipe(blob, options));
    });
  }
});

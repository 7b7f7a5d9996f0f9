/** Layers whose TOC, footer or annotations are odd, wrong or hostile: told as what they are, and still read. */
import { describe, expect, test } from "vitest";
import type { LayerReport, VerifyOptions } from "../../src/mod.ts";
import { ITEMS } from "../support/fixtures.ts";
import {
  base64,
  bytes,
  concat,
  type Dialect,
  type Entry,
  estargz,
  estargzFooter,
  type EstargzOptions,
  gzipMember,
  gzipMembers,
  LAYOUTS,
  MEDIA_TYPE,
  randomBytes,
  sha256,
  skippable,
  tar,
  type Toc,
  type TocEntry,
  zstdChunked,
  type ZstdChunkedOptions,
  zstdFrame,
} from "../support/mod.ts";
import {
  annotated,
  claimOf,
  codesOf,
  expecting,
  findingOf,
  statuses,
  verifyBoth,
  verifyMemory,
} from "./verifying.ts";

const NEW = "io.github.containers.zstd-chunked.";
const DIALECTS = Object.keys(LAYOUTS) as Dialect[];
const EMPTY_TAR = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/** The same tree as a layer of each family; hooks are those that both builders have. */
function families(
  items: readonly Entry[],
  options: EstargzOptions & ZstdChunkedOptions = {},
): (readonly [
  string,
  { blob: Uint8Array; tar: Uint8Array; digest: string; diffID: string; tocDigest: string },
])[] {
  return [["eStargz", estargz(items, options)], ["zstd:chunked", zstdChunked(items, options)]];
}

/** What holds of a layer whose TOC cannot be used: it is read as a plain stream, and its digests are verified. */
function expectPlainStream(
  report: LayerReport,
  layer: { digest: string; diffID: string; tar: Uint8Array },
): void {
  expect(report).toMatchObject({
    digest: layer.digest,
    diffID: layer.diffID,
    uncompressedSize: layer.tar.length,
    error: null,
  });
  expect(statuses(report)).toMatchObject({ tar: "consistent" });
  expect(report.entries).toBeGreaterThan(0);
}

describe("A01: an ordinary gzip layer is no eStargz, whatever its tail looks like", () => {
  const archive = tar(ITEMS);
  for (const size of [0, 1, 3, 4, 21, 22, 25, 26]) {
    test(`a last member with an extra field of ${size} bytes`, async () => {
      const blob = concat(gzipMember(archive), gzipMember("", { extra: randomBytes(size) }));
      for (const [way, report] of await verifyBoth(blob)) {
        expect(report, way).toMatchObject({ result: "consistent", format: "gzip", diffID: sha256(archive) });
        expect(report.findings).toEqual([]);
      }
    });
  }

  test("a blob of 18 bytes", async () => {
    for (const [, report] of await verifyBoth(gzipMember("", { deflated: Uint8Array.of(3, 0) }))) {
      expect(report.format).toBe("gzip");
      expect(report.uncompressedSize).toBe(0);
    }
  });
});

test("A02: both footers open the same tree", async () => {
  const entries: string[][] = [];
  for (const footer of ["estargz", "legacy"] as const) {
    const layer = estargz(ITEMS, { footer });
    for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
      expect(report, way).toMatchObject({ result: "verified", format: "estargz" });
      expect(report.dialect).toContain(footer === "legacy" ? "47" : "eStargz");
    }
    const names: string[] = [];
    await verifyMemory(layer.blob, { onEntry: (entry) => void names.push(`${entry.name} ${entry.sha256}`) });
    entries.push(names.slice(0, -1));
  }
  expect(entries[0]).toEqual(entries[1]);
});

describe("A03: footers of zstd:chunked", () => {
  for (const dialect of DIALECTS) {
    test(`${dialect}: opens by its footer alone`, async () => {
      const layer = zstdChunked(ITEMS, { dialect });
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(report, way).toMatchObject({
          result: "consistent",
          format: "zstd:chunked",
          tocDigest: layer.tocDigest,
        });
        expect(report.dialect).toContain(`${LAYOUTS[dialect].footerLength}-byte footer`);
        expect(codesOf(report).includes("zstd-chunked-footer-broken")).toBe(dialect === "cs-1.47");
      }
    });

    test(`${dialect}: annotations find the TOC where there is no footer`, async () => {
      const { blob, footer, annotations, manifestChecksum } = zstdChunked(ITEMS, { dialect });
      const headless = blob.subarray(0, blob.length - footer.length - 8);
      for (const [way, report] of await verifyBoth(headless, annotated(annotations))) {
        // Without its footer, stargz-snapshotter's dialect cannot be told; its digests are still held against the bytes.
        expect(report.result, way).toBe("verified");
        expect(report.format).toBe("zstd:chunked");
        expect(report.claims.find(({ claim }) => claim === "tocDigest")).toMatchObject({
          status: "verified",
          expected: manifestChecksum,
        });
      }
      const [, [, plain]] = await verifyBoth(headless) as [unknown, [string, LayerReport]];
      expect(plain).toMatchObject({ result: "consistent", format: "zstd", tocDigest: null });
    });

    test(`${dialect}: annotations win over a footer that says otherwise, and the disagreement is told`, async () => {
      const honest = zstdChunked(ITEMS, { dialect });
      const lying = zstdChunked(ITEMS, {
        dialect,
        mutateFooter(footer) {
          const other = footer.slice();
          other[0]! ^= 1;
          return other;
        },
      });
      for (const [way, report] of await verifyBoth(lying.blob, annotated(honest.annotations))) {
        expect(report.result, way).toBe("mismatch");
        expect(statuses(report)).toMatchObject({
          tocPosition: "mismatch",
          tocDigest: "verified",
          toc: "verified",
        });
        const { toc } = honest.positions;
        expect(claimOf(report, "tocPosition").expected).toBe(
          `${toc.offset}:${toc.length}:${toc.uncompressed}`,
        );
        expect(claimOf(report, "tocPosition").actual).toBe(
          `${toc.offset ^ 1}:${toc.length}:${toc.uncompressed}`,
        );
      }
    });
  }
});

describe("A05: what follows the JSON", () => {
  for (
    const [name, behind, fine] of [
      ["a second object", `{"version":1,"entries":[]}`, false],
      ["a letter", "x", false],
      ["a NUL", "\0", false],
      ["blanks and a newline", " \t\r\n \n", true],
    ] as const
  ) {
    for (const [family, layer] of families(ITEMS, { mutateTocJson: (json) => json + behind })) {
      test(`${family}: ${name} is ${fine ? "fine" : "refused"}, after the digest was checked`, async () => {
        const { tocDigest } = layer;
        for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest }))) {
          expect(claimOf(report, "tocDigest").status, way).toBe("verified");
          expect(report.result, way).toBe(fine ? "verified" : "mismatch");
          if (fine) continue;
          expect(findingOf(report, "toc-json").severity).toBe("error");
          expectPlainStream(report, layer);
        }
      });
    }
  }
});

describe("A06, A07: what a footer or annotation claims is checked before anything is read", () => {
  const place = (change: (toc: { offset: number; length: number; uncompressed: number }) => void) =>
    zstdChunked(ITEMS, { mutatePositions: ({ toc }) => change(toc) });
  const claims: readonly (readonly [
    name: string,
    change: Parameters<typeof place>[0],
    code: string | null,
    says: string,
  ])[] = [
    ["2^40 bytes uncompressed", (toc) => void (toc.uncompressed = 2 ** 40), "toc-limit", "uncompressed"],
    ["2^40 bytes compressed", (toc) => void (toc.length = 2 ** 40), "toc-limit", "compressed"],
    [
      "2^53 - 1 bytes uncompressed",
      (toc) => void (toc.uncompressed = 2 ** 53 - 1),
      "toc-limit",
      "uncompressed",
    ],
    ["one byte less than the truth", (toc) => void toc.uncompressed--, "toc-length", "more"],
    ["half the truth", (toc) => void (toc.uncompressed >>= 1), "toc-length", "more"],
    ["nothing", (toc) => void (toc.uncompressed = 0), "toc-length", "more"],
    ["one byte more than the truth", (toc) => void toc.uncompressed++, "toc-length", "only"],
    ["a thousand times the truth", (toc) => void (toc.uncompressed *= 1000), "toc-length", "only"],
    ["an offset past the end", (toc) => void (toc.offset = 2 ** 32 + 5), "toc-position", "2^32"],
    ["an offset that wraps 2^31", (toc) => void (toc.offset += 2 ** 31), "toc-position", ""],
    ["an offset that wraps 2^32", (toc) => void (toc.offset += 2 ** 32), "toc-position", ""],
    ["the frame's header", (toc) => void (toc.offset -= 8), "toc-position", ""],
    ["offset 0", (toc) => void (toc.offset = 0), "toc-position", ""],
    ["offset 7", (toc) => void (toc.offset = 7), "toc-position", ""],
    ["one byte short of the frame", (toc) => void toc.length--, "toc-position", ""],
    ["one byte over the frame", (toc) => void toc.length++, "toc-position", ""],
    ["a frame that reaches over the end", (toc) => void (toc.length = 100_000), "toc-position", ""],
  ];
  for (const [name, change, code, says] of claims) {
    for (const by of ["footer", "annotation"] as const) {
      test(`the ${by} claims ${name}: ${code}, and the layer is read as a plain stream`, async () => {
        const lying = place(change);
        const layer = by === "footer" ? lying : zstdChunked(ITEMS);
        const options: VerifyOptions = by === "footer"
          ? {}
          : annotated({ [`${NEW}manifest-position`]: lying.annotations[`${NEW}manifest-position`]! });
        for (const [way, report] of await verifyBoth(layer.blob, options)) {
          const finding = findingOf(report, code!);
          expect(finding.severity, way).toBe("error");
          if (says !== "2^32") expect(finding.message).toContain(says);
          expectPlainStream(report, layer);
          expect(["mismatch", "not checked"]).toContain(claimOf(report, "toc").status);
          expect(Object.values(statuses(report))).not.toContain("verified");
          expect(report.chunks).toEqual({ total: 0, verified: 0 });
        }
        // The same blob is verified by its digest, where the claim is only out of bounds and not a lie.
        const { result } = await verifyMemory(layer.blob, {
          expect: { ...options.expect, digest: { value: layer.digest, from: ["x"] } },
        });
        if (by === "footer") expect(result).toBe(code === "toc-limit" ? "verified" : "mismatch");
        else expect(result).toBe("mismatch");
      });
    }
  }

  for (
    const value of [
      "-5:10:20:1",
      "x:10:20:1",
      "5:10:20:1:7",
      "5:10:20",
      "9007199254740993:10:20:1",
      "5:10:20:9",
    ]
  ) {
    test(`the annotation ${value} is told as malformed, and the footer is taken`, async () => {
      const layer = zstdChunked(ITEMS);
      const options = annotated({ [`${NEW}manifest-position`]: value });
      for (const [way, report] of await verifyBoth(layer.blob, options)) {
        expect(findingOf(report, "annotation-malformed").message, way).toContain("manifest-position");
        expectPlainStream(report, layer);
        expect(report.result).toBe("mismatch");
        expect(claimOf(report, "toc").status).toBe("consistent");
      }
    });
  }

  test("a malformed annotation does not leave its checksum unchecked and the layer verified", async () => {
    const layer = zstdChunked(ITEMS);
    const annotations = { ...layer.annotations, [`${NEW}manifest-position`]: "1:2:3" };
    for (const [way, report] of await verifyBoth(layer.blob, annotated(annotations))) {
      expect(report.result, way).not.toBe("verified");
    }
    const alone = { [`${NEW}manifest-checksum`]: sha256("another"), [`${NEW}manifest-position`]: "1:2:3" };
    const options: VerifyOptions = {
      expect: {
        descriptor: { value: { digest: layer.digest, annotations: alone }, from: ["manifest"] },
      },
    };
    for (const [way, report] of await verifyBoth(layer.blob, options)) {
      expect(report.result, `${way}: the checksum from outside was not met`).not.toBe("verified");
    }
  });

  test("a bomb of 64 MiB that claims 4 KiB is stopped at the claim", async () => {
    const bomb = zstdChunked(ITEMS, {
      compressToc: () => zstdFrame(new Uint8Array(64 * 2 ** 20)),
      mutatePositions: ({ toc }) => void (toc.uncompressed = 4096),
    });
    expect(bomb.tocCompressed.length).toBeLessThan(20_000);
    for (const [way, report] of await verifyBoth(bomb.blob)) {
      expect(findingOf(report, "toc-length").message, way).toContain("4096 bytes uncompressed");
      expectPlainStream(report, bomb);
    }
  });

  const exact = zstdChunked(ITEMS);
  const [json, compressed] = [exact.tocJson.length, exact.tocCompressed.length];
  test(`the exact limit passes, one byte more is a typed error (${json} bytes)`, async () => {
    expect(json).toBeGreaterThan(compressed);
    for (const [way, report] of await verifyBoth(exact.blob, { limits: { toc: json } })) {
      expect(claimOf(report, "toc").status, way).toBe("consistent");
    }
    for (const [way, report] of await verifyBoth(exact.blob, { limits: { toc: json - 1 } })) {
      expect(report.result, way).toBe("consistent");
      expect(claimOf(report, "toc").status).toBe("not checked");
      expect(findingOf(report, "toc-limit").message).toContain(`${json} bytes uncompressed`);
      expectPlainStream(report, exact);
    }
  });

  test("the limit holds for the compressed TOC and for eStargz alike", async () => {
    for (const [way, report] of await verifyBoth(exact.blob, { limits: { toc: compressed - 1 } })) {
      expect(findingOf(report, "toc-limit").message, way).toContain(`${compressed} bytes compressed`);
    }
    const stargz = estargz(ITEMS);
    for (const [way, report] of await verifyBoth(stargz.blob, { limits: { toc: stargz.tocJson.length } })) {
      expect(claimOf(report, "toc").status, way).toBe("consistent");
    }
    for (
      const [way, report] of await verifyBoth(stargz.blob, { limits: { toc: stargz.tocJson.length - 1 } })
    ) {
      expect(findingOf(report, "toc-limit").severity, way).toBe("error");
      expect(report.result).toBe("consistent");
      expectPlainStream(report, stargz);
    }
  });

  test("the checksum of the TOC's own frame counts where no digest vouches for it", async () => {
    const damaged = zstdChunked(ITEMS, {
      compressToc: (json) => zstdFrame(json, { checksum: 0x12345678 }),
    });
    for (const [way, report] of await verifyBoth(damaged.blob)) {
      expect(report.result, way).toBe("mismatch");
      expect(findingOf(report, "toc-checksum").severity).toBe("error");
    }
  });

  const offsets: readonly (readonly [string, (offset: number, size: number) => number])[] = [
    ["past the end", (_, size) => size + 1000],
    ["at the footer", (_, size) => size],
    ["one byte early", (offset) => offset - 1],
    ["one byte late", (offset) => offset + 1],
    ["at the first member", () => 0],
    ["at 2^52", () => 2 ** 52],
    ["wrapped by 2^32", (offset) => offset + 2 ** 32],
  ];
  for (const [name, move] of offsets) {
    for (const footer of ["estargz", "legacy"] as const) {
      test(`an ${footer} footer that points ${name}`, async () => {
        const size = estargz(ITEMS, { footer }).blob.length - (footer === "legacy" ? 47 : 51);
        const layer = estargz(ITEMS, { footer, mutateTocOffset: (offset) => move(offset, size) });
        for (const [way, report] of await verifyBoth(layer.blob, expecting({ digest: layer.digest }))) {
          expect(report.result, way).toBe("mismatch");
          expect(claimOf(report, "toc").status, way).toBe("mismatch");
          expect(claimOf(report, "digest").status).toBe("verified");
          expectPlainStream(report, layer);
        }
      });
    }
  }
});

describe("a TOC that only random access finds is told, not taken for a source that changed", () => {
  const sound = estargz(ITEMS);

  test("eStargz: the footer points at an earlier TOC than the last", async () => {
    const evil = estargz([{ name: "evil", data: "x" }]);
    const early = evil.blob.subarray(evil.tocOffset, evil.blob.length - 51);
    const members = sound.blob.subarray(0, sound.tocOffset);
    const late = sound.blob.subarray(sound.tocOffset, sound.blob.length - 51);
    const blob = concat(members, early, late, estargzFooter("estargz", members.length));
    for (const [way, report] of await verifyBoth(blob, expecting({ digest: sha256(blob) }))) {
      expect(report.result, way).toBe("mismatch");
      expect(report.error, way).toBe(null);
      expect(codesOf(report), way).toContain("toc-position");
      expect(claimOf(report, "digest").status).toBe("verified");
    }
  });

  test("eStargz: the footer points into a file's content", async () => {
    const inner = tar([{ name: "stargz.index.json", data: `{"version":1,"entries":[]}` }]);
    const content = gzipMember(inner);
    const archive = tar([{ name: "f", data: inner }]);
    const at = 512;
    const blob = concat(
      gzipMember(archive.subarray(0, at)),
      gzipMember(archive.subarray(at)),
    );
    const pointed = concat(blob, estargzFooter("estargz", gzipMember(archive.subarray(0, at)).length));
    expect(content.length).toBeGreaterThan(0);
    for (const [way, report] of await verifyBoth(pointed, expecting({ digest: sha256(pointed) }))) {
      expect(report.result, way).toBe("mismatch");
      expect(report.error, way).toBe(null);
      expect(codesOf(report), way).toContain("toc-position");
    }
  });

  test("eStargz: the footer is the end of a file's content, as only random access sees it", async () => {
    // The last member is stored, its content ends in a footer, and CRC-32 and length stand where the footer's do.
    const { blob, tocOffset } = sound;
    const fake = estargzFooter("estargz", tocOffset).subarray(0, 43);
    const last = gzipMember(fake, { stored: true });
    const hiding = concat(blob.subarray(0, blob.length - 51), last);
    for (const [way, report] of await verifyBoth(hiding, expecting({ digest: sha256(hiding) }))) {
      expect(report, way).toMatchObject({ error: null, format: "estargz", digest: sha256(hiding) });
    }
    const lone = concat(
      gzipMember(tar(ITEMS)),
      gzipMember(estargzFooter("estargz", 5).subarray(0, 43), { stored: true }),
    );
    for (const [way, report] of await verifyBoth(lone, expecting({ digest: sha256(lone) }))) {
      expect(report.result, way).toBe("mismatch");
      expect(report.error, way).toBe(null);
      expect(claimOf(report, "toc").status).toBe("mismatch");
    }
  });

  test("zstd:chunked: data frames behind the TOC", async () => {
    const { blob, footer } = zstdChunked(ITEMS);
    const end = blob.length - footer.length - 8;
    const moved = concat(blob.subarray(0, end), zstdFrame(new Uint8Array(512)), blob.subarray(end));
    for (const [way, report] of await verifyBoth(moved, expecting({ digest: sha256(moved) }))) {
      expect(report.result, way).toBe("mismatch");
      expect(report.error, way).toBe(null);
      expect(codesOf(report), way).toContain("toc-position");
    }
  });

  test("zstd:chunked: many skippable frames behind the TOC", async () => {
    const { blob, footer } = zstdChunked(ITEMS);
    const end = blob.length - footer.length - 8;
    const moved = concat(
      blob.subarray(0, end),
      ...Array.from({ length: 6 }, (_, i) => skippable(Uint8Array.of(i))),
      blob.subarray(end),
    );
    const reports = await verifyBoth(moved, expecting({ digest: sha256(moved) }));
    for (const [way, report] of reports) {
      expect(report.error, way).toBe(null);
      expect(report.result, way).toBe(reports[0]![1].result);
    }
  });
});

describe("A08: annotations that are missing, or another blob's", () => {
  const a = zstdChunked(ITEMS);
  const b = zstdChunked([{ name: "other", data: randomBytes(3000) }]);
  const archive = tar(ITEMS);
  const digestOf = (blob: Uint8Array, annotations: Record<string, string>): VerifyOptions => ({
    expect: {
      descriptor: { value: { digest: sha256(blob), annotations }, from: ["manifest"] },
      diffID: { value: sha256(archive), from: ["config"] },
    },
  });

  test("(a) none on a chunked blob: verified by digest and diffID", async () => {
    for (const [way, report] of await verifyBoth(a.blob, digestOf(a.blob, {}))) {
      expect(report.result, way).toBe("verified");
      expect(report.diffID).toBe(a.diffID);
    }
  });

  const wrong: readonly (readonly [string, Uint8Array, Record<string, string>])[] = [
    ["(b) those of another chunked blob", a.blob, b.annotations],
    ["(c) any, on a plain zstd blob", zstdFrame(archive), a.annotations],
    ["(d) zstd's, on a gzip blob", gzipMember(archive), a.annotations],
    ["eStargz's, on a plain gzip blob", gzipMember(archive), {
      "containerd.io/snapshot/stargz/toc.digest": sha256("x"),
    }],
    ["any, on a plain tar", archive, a.annotations],
  ];
  for (const [name, blob, annotations] of wrong) {
    test(`${name}: a mismatch of its own name, and the layer is verified as what it is`, async () => {
      for (const [way, report] of await verifyBoth(blob, digestOf(blob, annotations))) {
        expect(report.result, way).toBe("mismatch");
        expect(findingOf(report, "stale-annotations").message).toContain("belong to another blob");
        expect(statuses(report)).toMatchObject({ digest: "verified", diffID: "verified" });
        expect(report.error).toBe(null);
      }
    });
  }
});

describe("A09: the label and the content disagree", () => {
  const archive = tar(ITEMS);
  const cases: readonly (readonly [string, Uint8Array, string, string | null])[] = [
    ["gzip labelled +zstd", gzipMember(archive), MEDIA_TYPE.zstd, MEDIA_TYPE.gzip],
    ["tar labelled +gzip", archive, MEDIA_TYPE.gzip, MEDIA_TYPE.tar],
    ["gzip labelled tar", gzipMember(archive), MEDIA_TYPE.tar, MEDIA_TYPE.gzip],
    [
      "zstd labelled as docker's gzip",
      zstdFrame(archive),
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      MEDIA_TYPE.zstd,
    ],
    [
      "gzip labelled as docker's",
      gzipMember(archive),
      "application/vnd.docker.image.rootfs.diff.tar.gzip",
      null,
    ],
    [
      "zstd behind a skippable frame, labelled +zstd",
      concat(skippable(randomBytes(40)), zstdFrame(archive)),
      MEDIA_TYPE.zstd,
      null,
    ],
    [
      "the same as an octet stream",
      concat(skippable(randomBytes(40)), zstdFrame(archive)),
      "application/octet-stream",
      null,
    ],
    ["zstd:chunked labelled +zstd", zstdChunked(ITEMS).blob, MEDIA_TYPE.zstd, null],
    [
      "non-distributable gzip",
      gzipMember(archive),
      "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
      null,
    ],
  ];
  for (const [name, blob, mediaType, actual] of cases) {
    test(`${name}: ${actual === null ? "no disagreement" : "told"}, digests verified`, async () => {
      const options: VerifyOptions = {
        expect: {
          descriptor: { value: { mediaType, digest: sha256(blob) }, from: ["manifest"] },
          diffID: { value: sha256(archive), from: ["config"] },
        },
      };
      for (const [way, report] of await verifyBoth(blob, options)) {
        expect(statuses(report), way).toMatchObject({ digest: "verified", diffID: "verified" });
        expect(report.result).toBe(actual === null ? "verified" : "mismatch");
        if (actual === null) expect(codesOf(report)).not.toContain("media-type-mismatch");
        else {
          expect(report.mediaType).toBe(actual);
          expect(claimOf(report, "mediaType")).toMatchObject({ expected: mediaType, actual });
          expect(findingOf(report, "media-type-mismatch").severity).toBe("warning");
        }
      }
    });
  }
});

describe("A11: layers of nothing", () => {
  test("zstd:chunked of an empty tar: diffID and size are exact", async () => {
    for (const dialect of DIALECTS) {
      const layer = zstdChunked([], { dialect, lossless: true });
      expect(layer.diffID).toBe(EMPTY_TAR);
      const given = expecting({ diffID: EMPTY_TAR, uncompressedSize: 1024, tocDigest: layer.tocDigest });
      for (const [way, report] of await verifyBoth(layer.blob, given)) {
        expect(report, `${dialect} ${way}`).toMatchObject({
          result: "verified",
          uncompressedSize: 1024,
          entries: 0,
          format: "zstd:chunked",
          chunks: { total: 0, verified: 0 },
        });
      }
    }
  });

  test("eStargz of an empty tar, and external", async () => {
    for (const footer of ["estargz", "legacy"] as const) {
      const layer = estargz([], { footer });
      const given = expecting({ digest: layer.digest, diffID: layer.diffID, tocDigest: layer.tocDigest });
      for (const [way, report] of await verifyBoth(layer.blob, given)) {
        expect(report, `${footer} ${way}`).toMatchObject({ result: "verified", format: "estargz" });
        expect(report.uncompressedSize).toBe(layer.tar.length);
      }
    }
    const external = estargz([], { footer: "external" });
    const options = {
      ...expecting({ tocDigest: external.tocDigest, diffID: EMPTY_TAR }),
      toc: external.tocJson,
    };
    for (const [way, report] of await verifyBoth(external.blob, options)) {
      expect(report.result, way).toBe("verified");
    }
  });

  for (const [family, layer] of families([{ name: "./", mode: 0o755 }])) {
    test(`${family} of a root directory alone`, async () => {
      const given = expecting({ diffID: layer.diffID, tocDigest: layer.tocDigest });
      for (const [way, report] of await verifyBoth(layer.blob, given)) {
        expect(report.result, way).toBe("verified");
        expect(claimOf(report, "tocMatchesTar").actual).toBe("1 entries agree");
      }
    });
  }
});

describe("A12: a file of the user's called like the TOC", () => {
  const items = [...ITEMS, { name: "stargz.index.json", data: "mine" }];

  test("in a plain gzip it is a file like others", async () => {
    const archive = tar(items);
    for (
      const [way, report] of await verifyBoth(gzipMember(archive), expecting({ diffID: sha256(archive) }))
    ) {
      expect(report, way).toMatchObject({ result: "verified", format: "gzip", entries: items.length });
    }
  });

  test("in an eStargz the member that the footer points at is the TOC, the file is held against it", async () => {
    for (const options of [{}, { lossless: true }]) {
      const layer = estargz(items, options);
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
        expect(report, way).toMatchObject({
          result: "verified",
          tocDigest: layer.tocDigest,
          diffID: layer.diffID,
        });
        expect(claimOf(report, "tocMatchesTar").actual).toBe(`${items.length} entries agree`);
      }
    }
  });

  test("one that the TOC does not list is told", async () => {
    const layer = estargz(items, { mutateToc: (toc) => void toc.entries.pop() });
    for (const [way, report] of await verifyBoth(layer.blob)) {
      expect(report.result, way).toBe("mismatch");
      expect(findingOf(report, "toc-missing-entry").entry).toBe("stargz.index.json");
    }
  });

  test("in zstd:chunked it is a file like others", async () => {
    const layer = zstdChunked(items);
    for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
      expect(report.result, way).toBe("verified");
    }
  });
});

describe("A15, A16, A17: names", () => {
  const roots = ["./", "/", ".", "", ".."];
  for (const root of roots) {
    test(`a TOC entry ${JSON.stringify(root)} is the root, and finite`, async () => {
      for (
        const [family, layer] of families(ITEMS, {
          mutateToc: (toc) => void toc.entries.unshift({ name: root, type: "dir", mode: 0o755 }),
        })
      ) {
        for (const [way, report] of await verifyBoth(layer.blob)) {
          // The archive has no root entry; a TOC may describe it, if it says what readers assume anyway.
          expect(report.result, `${family} ${way}`).toBe("consistent");
        }
      }
    });
  }

  test("the root's attributes are compared where both have it", async () => {
    for (
      const [family, layer] of families([{ name: "./", uid: 3 }], {
        mutateToc: (toc) => void Object.assign(toc.entries[0]!, { name: "/", uid: 4 }),
      })
    ) {
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(report.result, `${family} ${way}`).toBe("mismatch");
        expect(findingOf(report, "toc-tar-uid").message).toContain("TOC 4, tar 3");
      }
    }
  });

  const spelled = ["/a/b", "./a/c", "a//e", "a/./f", "a/x/../g", "../a/d", "/../../h"];
  test("every spelling is found again, with its own content", async () => {
    const items = spelled.map((name) => ({ name, data: name }));
    for (const [family, layer] of families(items)) {
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
        expect(report.result, `${family} ${way}`).toBe("verified");
        expect(claimOf(report, "files").actual).toBe("7 of 7");
        expect(report.findings.filter(({ code }) => code === "path-escapes-root").map(({ entry }) => entry))
          .toEqual(["../a/d", "/../../h"]);
      }
    }
  });

  test("a name that leaves the root in one view only is a difference", async () => {
    const clean = families([{ name: "a", data: "x" }], {
      mutateToc: (toc) => void (toc.entries[0]!.name = "../a"),
    });
    const dirty = families([{ name: "../a", data: "x" }], {
      mutateToc: (toc) => void (toc.entries[0]!.name = "a"),
    });
    for (const [family, layer] of [...clean, ...dirty]) {
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(report.result, `${family} ${way}`).toBe("mismatch");
        expect(codesOf(report)).toContain("toc-tar-name");
      }
    }
  });

  const odd = [
    "a b",
    " a",
    "a ",
    "a\u00a0b",
    "a\x7f",
    'a"b',
    "a\\b",
    "a\tb\n",
    "\u{1f600}",
    "&<>",
    "\u2028",
    "\ufeffx",
  ];
  for (const name of [...odd, "\u00e9", "e\u0301", "x".repeat(255), "d/".repeat(700) + "f"]) {
    test(`A19: ${JSON.stringify(name.slice(0, 20))} is the same name in TOC and tar`, async () => {
      for (const [family, layer] of families([{ name, data: "x" }])) {
        for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
          expect(report.result, `${family} ${way}`).toBe("verified");
        }
      }
    });
  }

  test("A19: half of a surrogate pair in a TOC is refused", async () => {
    const mutateTocJson = (json: string) => json.replace(/"a"/, '"\\ud800"');
    for (const [family, layer] of families([{ name: "a", data: "x" }], { mutateTocJson })) {
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(report.result, `${family} ${way}`).toBe("mismatch");
        expect(codesOf(report)).toContain("toc-bad-field");
      }
    }
  });

  test("NFC and NFD are two names", async () => {
    const items = [{ name: "\u00e9", data: "c" }, { name: "e\u0301", data: "d" }];
    for (const [family, layer] of families(items, { mutateToc: (toc) => void toc.entries.pop() })) {
      const report = await verifyMemory(layer.blob);
      expect(report.result, family).toBe("mismatch");
    }
  });
});

describe("A18: duplicates", () => {
  const twice: readonly (readonly [string, readonly Entry[]])[] = [
    ["a file with different content", [{ name: "a", data: "1" }, { name: "a", data: "2" }]],
    ["a symlink, then a directory", [{ name: "a", linkname: "b" }, { name: "a/" }]],
    ["two spellings", [{ name: "a", data: "1" }, { name: "./a", data: "2" }]],
  ];
  for (const [name, items] of twice) {
    for (const [family, layer] of families(items)) {
      test(`${family}: ${name}, in TOC and tar, is told of both`, async () => {
        for (const [way, report] of await verifyBoth(layer.blob)) {
          expect(findingOf(report, "toc-duplicate-entry").severity, way).toBe("error");
          expect(findingOf(report, "duplicate-path").severity).toBe("error");
        }
      });

      test(`${family}: ${name}, but the TOC keeps one, is a difference`, async () => {
        const [, made] = families(items, { mutateToc: (toc) => void toc.entries.shift() })
          .find(([other]) => other === family)!;
        for (const [way, report] of await verifyBoth(made.blob)) expect(report.result, way).toBe("mismatch");
      });
    }
  }

  test("identical directories merge", async () => {
    for (const [family, layer] of families([{ name: "a/" }, { name: "a/" }])) {
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(report.result, `${family} ${way}`).toBe("consistent");
        expect(codesOf(report)).not.toContain("toc-duplicate-entry");
      }
    }
  });
});

describe("A21, A24, A25, A26, A27: attributes that writers and readers got wrong", () => {
  const items: readonly Entry[] = [
    {
      name: "suid",
      data: "x",
      mode: 0o4755,
      xattrs: { "security.capability": Uint8Array.of(1, 0, 0, 2, 0, 255) },
    },
    { name: "sgid/", mode: 0o2755 },
    { name: "sticky/", mode: 0o1777 },
    { name: "none", data: "x", mode: 0 },
    { name: "up", linkname: "../../x" },
    { name: "abs", linkname: "/abs" },
    { name: "through", linkname: "a/../b" },
    { name: "here", linkname: "./" },
    { name: "slash", linkname: "d/" },
    { name: "long", linkname: "t".repeat(4095) },
    { name: "accent", linkname: "\u00e9\u{1f600}" },
    { name: "deep/in/side", data: "y", xattrs: { "user.base64": base64("again") } },
  ];
  for (const [family, layer] of families(items)) {
    test(`${family}: all of them agree, byte for byte`, async () => {
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
        expect(report.result, way).toBe("verified");
        expect(claimOf(report, "tocMatchesTar").actual).toBe("12 entries agree");
      }
    });
  }

  for (const [entry, target] of [["through", "b"], ["here", "."], ["slash", "d"], ["up", "../x"]] as const) {
    test(`a target that was cleaned (${target}) is a difference`, async () => {
      const mutateToc = (toc: Toc) =>
        void (toc.entries.find(({ name }) => name === entry)!.linkName = target);
      for (const [family, layer] of families(items, { mutateToc })) {
        for (const [way, report] of await verifyBoth(layer.blob)) {
          expect(report.result, `${family} ${way}`).toBe("mismatch");
          expect(findingOf(report, "toc-tar-link-name").entry).toBe(entry);
        }
      }
    });
  }

  test("special bits that were dropped are a difference; type bits are not", async () => {
    const mode = (change: (mode: number) => number) => ({
      mutateToc: (toc: Toc) => void toc.entries.forEach((entry) => entry.mode = change(entry.mode ?? 0)),
    });
    for (const [family, layer] of families(items, mode((mode) => mode & 0o777))) {
      const report = await verifyMemory(layer.blob);
      expect(report.findings.filter(({ code }) => code === "toc-tar-mode").length, family).toBe(3);
    }
    for (const [family, layer] of families(items, mode((mode) => mode | 0o100000))) {
      expect((await verifyMemory(layer.blob)).result, family).toBe("consistent");
    }
  });

  test("a parent that is a file is told (A27)", async () => {
    for (const [family, layer] of families([{ name: "a", data: "x" }, { name: "a/b", data: "y" }])) {
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(findingOf(report, "parent-not-directory").entry, `${family} ${way}`).toBe("a/b");
      }
    }
    // Missing, or declared later, is what real layers do.
    for (const [, layer] of families([{ name: "a/b/c", data: "x" }, { name: "a/" }])) {
      expect(codesOf(await verifyMemory(layer.blob))).not.toContain("parent-not-directory");
    }
  });
});

describe("A30, A32: chunks", () => {
  test("one chunk of 64 MB of zeros", async () => {
    const data = new Uint8Array(64e6);
    const layer = zstdChunked([{ name: "zeros", data }], {
      chunk: () => [{ offset: 0, size: data.length, zeros: false }],
    });
    const report = await verifyMemory(layer.blob, expecting({ tocDigest: layer.tocDigest }));
    expect(report).toMatchObject({ result: "verified", chunks: { total: 1, verified: 1 } });
  });

  const one = Uint8Array.of(1);
  const zeros = new Uint8Array(100_000);
  const holes: Record<string, Uint8Array> = {
    "between": concat(zeros, one, zeros),
    "at the start": concat(zeros, randomBytes(500)),
    "at the end": concat(randomBytes(500), zeros),
    "all of it": zeros,
    "short ones that are data": concat(one, new Uint8Array(1023), one, new Uint8Array(1023)),
  };
  for (const [name, data] of Object.entries(holes)) {
    test(`runs of zeros: ${name}`, async () => {
      const layer = zstdChunked([{ name: "f", data }, { name: "g", data: "next" }]);
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
        expect(report.result, way).toBe("verified");
        expect(report.chunks.verified).toBe(report.chunks.total);
        expect(claimOf(report, "files").actual).toBe("2 of 2");
      }
    });
  }

  test("two holes side by side", async () => {
    const layer = zstdChunked([{ name: "f", data: concat(zeros, zeros, one) }], {
      chunk: () => [
        { offset: 0, size: 100_000, zeros: true },
        { offset: 100_000, size: 100_000, zeros: true },
        { offset: 200_000, size: 1, zeros: false },
      ],
    });
    for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: layer.tocDigest }))) {
      expect(report, way).toMatchObject({ result: "verified", chunks: { total: 3, verified: 3 } });
    }
  });

  for (const keep of ["its true digest", "no digest", "the digest of zeros"] as const) {
    test(`a run of zeros that is none, with ${keep}, is a mismatch: a lazy reader would show zeros`, async () => {
      const data = concat(randomBytes(5000), new Uint8Array(3000));
      const layer = zstdChunked([{ name: "f", data }], {
        mutateToc(toc) {
          const [first] = toc.entries as [TocEntry];
          first.chunkType = "zeros";
          if (keep === "no digest") delete first.chunkDigest;
          if (keep === "the digest of zeros") first.chunkDigest = sha256(new Uint8Array(5000));
        },
      });
      const { tocDigest, digest } = layer;
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest, digest }))) {
        expect(report.result, way).toBe("mismatch");
        expect(claimOf(report, "chunks").status).toBe("mismatch");
        expect(findingOf(report, "chunk-digest-mismatch").entry).toBe("f");
      }
    });
  }
});

describe("A93: the bytes that are hashed are the bytes that are read", () => {
  const texts: Record<string, (json: string) => string | Uint8Array> = {
    "a duplicate key at the top": (json) => json.replace(/^\{/, '{"entries":[],'),
    "a duplicate key in an entry": (json) => json.replace(/"name":/, '"mode":1,"mode":2,"name":'),
    "a key that differs in case": (json) => json.replace(/"version":/, '"Version":2,"version":'),
    "a byte-order mark": (json) => `\ufeff${json}`,
    "NaN": (json) => json.replace(/"version": ?1/, '"version":NaN'),
    "deep nesting": (json) => json.replace(/^\{/, `{"x":${"[".repeat(50_000)}${"]".repeat(50_000)},`),
    "bytes that are not UTF-8": (json) =>
      concat(bytes(json.slice(0, -20)), Uint8Array.of(0xff), bytes(json.slice(-20))),
    "nothing at all": () => "",
  };
  for (const [name, mutateTocJson] of Object.entries(texts)) {
    for (const [family, layer] of families(ITEMS, { mutateTocJson })) {
      test(`${family}: ${name} is refused, though the digest is right`, async () => {
        const { tocDigest, digest } = layer;
        for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest, digest }))) {
          expect(report.result, way).toBe("mismatch");
          expect(claimOf(report, "tocDigest").status).toBe("verified");
          expect(claimOf(report, "toc").status).toBe("mismatch");
          expect(claimOf(report, "toc").where).not.toBe(null);
          expectPlainStream(report, layer);
        }
      });
    }
  }

  test("a TOC in two members, or two TOCs in one, is one TOC or none", async () => {
    const sound = estargz(ITEMS);
    const members = sound.blob.subarray(0, sound.tocOffset);
    const tocTar = tar([{ name: "stargz.index.json", mode: 0, mtime: 0, data: sound.tocJson }]);
    const split = concat(
      members,
      gzipMembers([tocTar.subarray(0, 700), tocTar.subarray(700)]),
      estargzFooter("estargz", members.length),
    );
    for (const [way, report] of await verifyBoth(split, expecting({ tocDigest: sound.tocDigest }))) {
      expect(report.result, way).toBe("verified");
    }
    const file = { name: "stargz.index.json", mode: 0, mtime: 0 };
    const two = tar([{ ...file, data: sound.tocJson }, { ...file, data: `{"version":1,"entries":[]}` }]);
    const doubled = concat(members, gzipMember(two), estargzFooter("estargz", members.length));
    for (const [way, report] of await verifyBoth(doubled, expecting({ digest: sha256(doubled) }))) {
      expect(report.result, way).not.toBe("verified");
    }
  });
});

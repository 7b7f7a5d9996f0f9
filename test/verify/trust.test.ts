/** The trust rules: what may be called verified, and what never. */
import { describe, expect, test } from "vitest";
import type { LayerReport, LayerSource, VerifyOptions } from "../../src/mod.ts";
import { memorySource, UnsupportedError, UsageError, verifyLayer } from "../../src/mod.ts";
import { parseTocAnnotations } from "../../src/toc/annotations.ts";
import { parseToc } from "../../src/toc/parse.ts";
import { ITEMS } from "../support/fixtures.ts";
import {
  bytes,
  type Dialect,
  estargz,
  gzipMember,
  LAYOUTS,
  sha256,
  tar,
  TOC_DIGEST_ANNOTATION,
  zstdChunked,
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
  WRONG,
} from "./verifying.ts";

const NEW = "io.github.containers.zstd-chunked.";
const OLD = "io.containers.zstd-chunked.";
const DIALECTS = Object.keys(LAYOUTS) as Dialect[];

/** A layer of each kind, with its true values. */
const LAYERS = {
  "tar": plain((data) => data),
  "gzip": plain((data) => gzipMember(data)),
  "zstd": plain((data) => zstdFrame(data)),
  "eStargz": estargz(ITEMS),
  "legacy stargz": estargz(ITEMS, { footer: "legacy" }),
  "lossless eStargz": estargz(ITEMS, { lossless: true }),
  "shared members": estargz(ITEMS, { minChunkSize: 9000, chunkSize: 4096 }),
  ...Object.fromEntries(DIALECTS.map((dialect) => [dialect, zstdChunked(ITEMS, { dialect })])),
};

function plain(compress: (data: Uint8Array) => Uint8Array) {
  const archive = tar(ITEMS);
  const blob = compress(archive);
  return {
    blob,
    digest: sha256(blob),
    diffID: sha256(archive),
    tar: archive,
    tocDigest: null,
    annotations: {},
  };
}

const verifiedClaims = (report: LayerReport) =>
  report.claims.filter(({ status }) => status === "verified").map(({ claim }) => claim);

describe("nothing is verified without a digest from outside", () => {
  for (const [name, layer] of Object.entries(LAYERS)) {
    test(`${name}: consistent at best, with the blob's own word as it is`, async () => {
      for (const [way, report] of await verifyBoth(layer.blob)) {
        expect(report, way).toMatchObject({
          result: "consistent",
          error: null,
          digest: layer.digest,
          diffID: layer.diffID,
          tocDigest: layer.tocDigest,
        });
        expect(verifiedClaims(report), way).toEqual([]);
        expect(report.claims.flatMap(({ chain }) => chain), way).toEqual([]);
      }
    });

    test(`${name}: sizes from outside are numbers, and prove nothing`, async () => {
      const sizes = { size: layer.blob.length, uncompressedSize: layer.tar.length };
      for (const given of [{ size: sizes.size }, { uncompressedSize: sizes.uncompressedSize }, sizes]) {
        for (const [way, report] of await verifyBoth(layer.blob, expecting(given))) {
          expect(report.result, way).toBe("consistent");
          expect(verifiedClaims(report), way).toEqual([]);
          for (const claim of Object.keys(given)) expect(statuses(report)[claim]).toBe("consistent");
        }
      }
    });

    test(`${name}: a wrong size is a mismatch all the same`, async () => {
      for (const given of [{ size: layer.blob.length + 1 }, { uncompressedSize: layer.tar.length - 1 }]) {
        const [claim, value] = Object.entries(given)[0]!;
        for (const [way, report] of await verifyBoth(layer.blob, expecting(given))) {
          expect(report.result, way).toBe("mismatch");
          expect(claimOf(report, claim as "size")).toMatchObject({
            status: "mismatch",
            expected: String(value),
            actual: String(claim === "size" ? layer.blob.length : layer.tar.length),
          });
        }
      }
    });
  }
});

describe("what one digest from outside proves", () => {
  for (const [name, layer] of Object.entries(LAYERS)) {
    test(`${name}: its blob digest proves the blob, and by it all that is in it`, async () => {
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ digest: layer.digest }))) {
        expect(report.result, way).toBe("verified");
        expect(claimOf(report, "digest")).toMatchObject({
          status: "verified",
          expected: layer.digest,
          actual: layer.digest,
          chain: ["--digest"],
        });
        // Nobody said what the diffID is, so it is only computed.
        expect(claimOf(report, "diffID")).toMatchObject({
          status: "absent",
          expected: null,
          actual: layer.diffID,
          chain: [],
        });
        if (layer.tocDigest === null) continue;
        expect(claimOf(report, "toc")).toMatchObject({
          status: "verified",
          chain: ["--digest", "blob", "TOC"],
        });
        expect(claimOf(report, "tocDigest")).toMatchObject({ status: "absent", actual: layer.tocDigest });
        expect(claimOf(report, "tocMatchesTar")).toMatchObject({ status: "verified" });
        expect(claimOf(report, "files").chain).toEqual(["--digest", "blob", "TOC"]);
      }
    });

    test(`${name}: its diffID proves the tar stream and its length, not the blob and not the TOC`, async () => {
      const given = { diffID: layer.diffID, uncompressedSize: layer.tar.length, size: layer.blob.length };
      for (const [way, report] of await verifyBoth(layer.blob, expecting(given))) {
        expect(report.result, way).toBe("verified");
        expect(claimOf(report, "diffID")).toMatchObject({ status: "verified", chain: ["--diffID"] });
        expect(claimOf(report, "uncompressedSize")).toMatchObject({
          status: "verified",
          chain: ["--uncompressedSize", "--diffID"],
        });
        expect(statuses(report)).toMatchObject({ digest: "absent", size: "consistent" });
        if (layer.tocDigest !== null) expect(claimOf(report, "toc").status).toBe("consistent");
      }
    });

    if (layer.tocDigest === null) continue;
    const tocDigest = layer.tocDigest;
    test(`${name}: its TOC digest proves TOC, chunks, files and tree, not the blob`, async () => {
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest }))) {
        expect(report.result, way).toBe("verified");
        expect(claimOf(report, "tocDigest")).toMatchObject({
          status: "verified",
          expected: tocDigest,
          actual: tocDigest,
          chain: ["--tocDigest"],
        });
        const chain = ["--tocDigest", "TOC"];
        for (const claim of ["toc", "files", "tocMatchesTar"] as const) {
          expect(claimOf(report, claim), `${way} ${claim}`).toMatchObject({ status: "verified", chain });
        }
        const shared = name === "shared members" && way === "pipe";
        expect(claimOf(report, "chunks").status, way).toBe(shared ? "not checked" : "verified");
        expect(statuses(report)).toMatchObject({ digest: "absent", diffID: "absent", tar: "consistent" });
        expect(statuses(report).compressionChecksums).toBe("consistent");
      }
    });
  }
});

describe("one wrong expectation is a mismatch, and does not spoil the others", () => {
  for (const [name, layer] of Object.entries(LAYERS)) {
    const truth = {
      digest: layer.digest,
      size: layer.blob.length,
      diffID: layer.diffID,
      uncompressedSize: layer.tar.length,
      ...(layer.tocDigest === null ? {} : { tocDigest: layer.tocDigest }),
    };
    test(`${name}: all of them right`, async () => {
      for (const [way, report] of await verifyBoth(layer.blob, expecting(truth))) {
        expect(report.result, way).toBe("verified");
        for (const claim of Object.keys(truth)) expect(statuses(report)[claim], claim).toBe("verified");
      }
    });
    for (const [key, value] of Object.entries(truth)) {
      test(`${name}: wrong ${key}`, async () => {
        const wrong = typeof value === "number" ? value + 1 : WRONG;
        for (const [way, report] of await verifyBoth(layer.blob, expecting({ ...truth, [key]: wrong }))) {
          expect(report.result, way).toBe("mismatch");
          expect(claimOf(report, key as "digest"), way).toMatchObject({
            status: "mismatch",
            expected: String(wrong),
            actual: String(value),
          });
          for (const claim of Object.keys(truth)) {
            if (claim === key) continue;
            // A size counts as verified only through the digest of the bytes that it measures.
            const measured = claim === "size" && key === "digest";
            expect(statuses(report)[claim], `${way} ${claim}`).toBe(measured ? "consistent" : "verified");
          }
        }
      });
    }
  }
});

describe("the TOC digest is of the right bytes (A14)", () => {
  for (const dialect of DIALECTS) {
    const layer = zstdChunked(ITEMS, { dialect });
    const jsonDigest = sha256(layer.tocJson);
    const key = `${LAYOUTS[dialect].prefix}manifest-checksum`;

    test(`${dialect}: manifest-checksum with the digest of the JSON text is refused, and told why`, async () => {
      const options = annotated({ ...layer.annotations, [key]: jsonDigest });
      for (const [way, report] of await verifyBoth(layer.blob, options)) {
        expect(report.result, way).toBe("mismatch");
        const [claim] = report.claims.filter(({ claim, status }) =>
          claim === "tocDigest" && status === "mismatch"
        );
        expect(claim).toMatchObject({ expected: jsonDigest, actual: layer.manifestChecksum });
        expect(findingOf(report, "toc-digest-mismatch").message).toContain("the compressed TOC");
        expect(claimOf(report, "toc").status).toBe("mismatch");
      }
    });

    if (dialect === "stargz") {
      test("stargz: both of its digests are good, each for its own bytes", async () => {
        for (const tocDigest of [jsonDigest, layer.manifestChecksum]) {
          expect((await verifyMemory(layer.blob, expecting({ tocDigest }))).result).toBe("verified");
        }
        for (const [way, report] of await verifyBoth(layer.blob, annotated(layer.annotations))) {
          expect(report.result, way).toBe("verified");
          const digests = report.claims.filter(({ claim }) => claim === "tocDigest");
          expect(digests.map(({ status, expected }) => [status, expected])).toEqual([
            ["verified", layer.manifestChecksum],
            ["verified", jsonDigest],
          ]);
        }
        const swapped = { ...layer.annotations, [TOC_DIGEST_ANNOTATION]: layer.manifestChecksum };
        const report = await verifyMemory(layer.blob, annotated(swapped));
        expect(report.result).toBe("mismatch");
        expect(findingOf(report, "toc-digest-mismatch").message).toContain("JSON text");
      });
    } else {
      test(`${dialect}: --toc-digest with the digest of the JSON text is refused with the hint`, async () => {
        for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: jsonDigest }))) {
          expect(report.result, way).toBe("mismatch");
          expect(claimOf(report, "tocDigest")).toMatchObject({
            status: "mismatch",
            actual: layer.manifestChecksum,
          });
          expect(claimOf(report, "tocDigest").where).toContain("that of the JSON text");
          expect(claimOf(report, "toc").status, "the TOC is then nobody's").toBe("consistent");
        }
      });
    }
  }

  test("eStargz: the digest of the gzip member is refused", async () => {
    const layer = estargz(ITEMS);
    const member = layer.blob.subarray(layer.tocOffset, layer.blob.length - 51);
    for (const [way, report] of await verifyBoth(layer.blob, expecting({ tocDigest: sha256(member) }))) {
      expect(report.result, way).toBe("mismatch");
      expect(claimOf(report, "tocDigest").actual).toBe(layer.tocDigest);
    }
  });

  test("bytes that failed their digest are not parsed", async () => {
    const layer = estargz(ITEMS, { mutateTocJson: () => "{ this is no JSON" });
    for (const [way, report] of await verifyBoth(layer.blob, annotated({ [TOC_DIGEST_ANNOTATION]: WRONG }))) {
      expect(report.result, way).toBe("mismatch");
      expect(codesOf(report)).toContain("toc-digest-mismatch");
      expect(codesOf(report)).not.toContain("toc-json");
    }
  });
});

/** A source that fails the test when a byte of it is asked for. */
function untouchable(): LayerSource {
  const touched = (): never => {
    throw new Error("a byte was fetched");
  };
  return { name: "untouchable", size: 1000, read: touched, stream: touched };
}

describe("a descriptor that can be read in two ways (A04, A13)", () => {
  const stargz = zstdChunked(ITEMS, { dialect: "stargz" });
  const storage = zstdChunked(ITEMS);
  const refused: Record<string, Record<string, string>> = {
    "an eStargz and a zstd:chunked digest": {
      [TOC_DIGEST_ANNOTATION]: sha256("a"),
      [`${NEW}manifest-checksum`]: sha256("b"),
    },
    "both digests, and both the same": {
      [TOC_DIGEST_ANNOTATION]: sha256("a"),
      [`${NEW}manifest-checksum`]: sha256("a"),
    },
    "the annotations of two sound layers": { ...estargz(ITEMS).annotations, ...storage.annotations },
    "both prefixes with different checksums": {
      [`${OLD}manifest-checksum`]: sha256("a"),
      [`${NEW}manifest-checksum`]: sha256("b"),
    },
    "both prefixes with different positions": {
      [`${OLD}manifest-position`]: "100:10:20:1",
      [`${NEW}manifest-position`]: "100:10:21:1",
    },
    "both prefixes with different tar-splits": {
      [`${OLD}tarsplit-position`]: "100:10:20",
      [`${NEW}tarsplit-position`]: "101:10:20",
    },
  };
  for (const [name, annotations] of Object.entries(refused)) {
    test(`${name}: refused before any byte is fetched`, async () => {
      const report = await verifyLayer(untouchable(), annotated(annotations));
      expect(report).toMatchObject({
        result: "error",
        error: { code: "ambiguous-toc", kind: "refused" },
        digest: null,
        tocDigest: null,
        claims: [],
      });
      expect(report.error?.advice).toContain("one format");
      expect(() => parseTocAnnotations(annotations)).toThrow(/Cannot tell which TOC/);
    });
  }

  test("both prefixes with the same values are one claim", async () => {
    const twice = Object.fromEntries(
      Object.entries(storage.annotations).flatMap((
        [key, value],
      ) => [[key, value], [key.replace(NEW, OLD), value]]),
    );
    for (const [way, report] of await verifyBoth(storage.blob, annotated(twice))) {
      expect(report.result, way).toBe("verified");
      expect(claimOf(report, "tocDigest").status).toBe("verified");
    }
  });

  test("stargz-snapshotter's two annotations are its own dialect, not an ambiguity", async () => {
    expect((await verifyMemory(stargz.blob, annotated(stargz.annotations))).result).toBe("verified");
  });

  for (const dialect of DIALECTS) {
    test(`${dialect}: the TOC digest is taken from the prefix that is there`, async () => {
      const layer = zstdChunked(ITEMS, { dialect });
      const { prefix } = LAYOUTS[dialect];
      const options = annotated({ [`${prefix}manifest-checksum`]: layer.manifestChecksum });
      for (const [way, report] of await verifyBoth(layer.blob, options)) {
        expect(report.result, way).toBe("verified");
        expect(claimOf(report, "tocDigest")).toMatchObject({
          status: "verified",
          expected: layer.manifestChecksum,
          chain: ["manifest", "annotation manifest-checksum"],
        });
      }
    });
  }
});

describe("what was expected and cannot be checked is never verified", () => {
  const layer = estargz(ITEMS, { footer: "external" });
  const cut = gzipMember(tar(ITEMS)).slice(0, -9);

  test("a diffID of a blob that does not decompress", async () => {
    for (const given of [{ diffID: WRONG }, { diffID: WRONG, digest: sha256(cut) }]) {
      for (const [way, report] of await verifyBoth(cut, expecting(given))) {
        expect(report.result, way).toBe("error");
        expect(report.error?.code).toBe("gzip-truncated");
        expect(claimOf(report, "diffID")).toMatchObject({ status: "not checked", actual: null });
        expect(report.diffID).toBe(null);
      }
    }
  });

  test("an uncompressed size of a blob that does not decompress", async () => {
    for (const [way, report] of await verifyBoth(cut, expecting({ uncompressedSize: tar(ITEMS).length }))) {
      expect(report.result, way).toBe("error");
      expect(claimOf(report, "uncompressedSize").status).toBe("not checked");
    }
  });

  test("the digest of an external TOC that was not given", async () => {
    const given = { tocDigest: layer.tocDigest, digest: layer.digest, diffID: layer.diffID };
    for (const [way, report] of await verifyBoth(layer.blob, expecting(given))) {
      expect(report, way).toMatchObject({
        result: "error",
        error: { code: "expectation-not-checked", kind: "format" },
      });
      expect(report.error?.message).toContain("tocDigest");
      expect(statuses(report)).toMatchObject({
        tocDigest: "not checked",
        digest: "verified",
        diffID: "verified",
      });
    }
  });

  test("a TOC digest of a layer without a TOC", async () => {
    for (const name of ["tar", "gzip", "zstd"] as const) {
      const { blob, digest } = LAYERS[name];
      for (const [way, report] of await verifyBoth(blob, expecting({ tocDigest: WRONG, digest }))) {
        expect(report.result, `${name} ${way}`).toBe("mismatch");
        expect(claimOf(report, "tocDigest")).toMatchObject({ expected: WRONG, actual: null });
      }
    }
  });

  test("a TOC over the limit", async () => {
    for (const sound of [estargz(ITEMS), zstdChunked(ITEMS)]) {
      const options = { ...expecting({ tocDigest: sound.tocDigest }), limits: { toc: 50 } };
      for (const [way, report] of await verifyBoth(sound.blob, options)) {
        expect(report, way).toMatchObject({ result: "error", error: { code: "expectation-not-checked" } });
        expect(claimOf(report, "tocDigest").status).toBe("not checked");
      }
    }
  });

  test("contents for which the trusted TOC has no digests, when nothing else was given", async () => {
    const bare = estargz(ITEMS, { digests: "none" });
    const { tocDigest, digest, diffID } = bare;
    for (const [way, report] of await verifyBoth(bare.blob, expecting({ tocDigest }))) {
      expect(report, way).toMatchObject({ result: "error", error: { code: "expectation-not-checked" } });
      expect(statuses(report)).toMatchObject({ tocDigest: "verified", chunks: "not checked" });
    }
    for (const anchor of [{ digest }, { diffID }]) {
      for (const [way, report] of await verifyBoth(bare.blob, expecting({ tocDigest, ...anchor }))) {
        expect(report.result, way).toBe("verified");
      }
    }
  });

  test("a TOC with more entries than the limit, when nothing else was given", async () => {
    // Two nodes for each entry and two for the root: 5 entries, 2 of them allowed.
    const sound = zstdChunked(["a", "b", "c", "d", "e", "f", "g"].map((name) => ({ name: `${name}/` })));
    const options = { ...expecting({ tocDigest: sound.tocDigest }), limits: { entries: 2 } };
    const report = await verifyMemory(sound.blob, options);
    expect(report.result).not.toBe("verified");
    expect(statuses(report).toc).toBe("not checked");
  });
});

describe("the tar-split", () => {
  for (const dialect of DIALECTS) {
    const layer = zstdChunked(ITEMS, { dialect });
    const inToc = LAYOUTS[dialect].tarSplitDigest === "toc";
    test(`${dialect}: ${inToc ? "verified, for the TOC names it" : "never trusted"}`, async () => {
      const options = {
        expect: {
          descriptor: {
            value: { digest: layer.digest, annotations: layer.annotations },
            from: ["manifest"],
          },
        },
      };
      for (const [way, report] of await verifyBoth(layer.blob, options)) {
        expect(report.result, way).toBe("verified");
        expect(report.tarSplitDigest).toBe(layer.tarSplitDigest);
        if (layer.tarSplitDigest === null) expect(statuses(report).tarSplitDigest).toBe(undefined);
        else if (inToc) {
          expect(claimOf(report, "tarSplitDigest")).toMatchObject({
            status: "verified",
            expected: layer.tarSplitDigest,
            actual: layer.tarSplitDigest,
          });
        } else {
          expect(claimOf(report, "tarSplitDigest")).toMatchObject({ status: "absent", chain: [] });
          expect(codesOf(report)).toContain("tar-split-not-authenticated");
        }
      }
    });
  }

  test("another one than the TOC names is a mismatch", async () => {
    const layer = zstdChunked(ITEMS, { mutateToc: (toc) => void (toc.tarSplitDigest = WRONG) });
    for (const [way, report] of await verifyBoth(layer.blob, expecting({ digest: layer.digest }))) {
      expect(report.result, way).toBe("mismatch");
      expect(claimOf(report, "tarSplitDigest")).toMatchObject({
        status: "mismatch",
        expected: WRONG,
        actual: layer.tarSplitDigest,
      });
    }
  });

  test("none where the TOC names one is a mismatch", async () => {
    const layer = zstdChunked(ITEMS, { mutatePositions: (positions) => void (positions.tarSplit = null) });
    for (const [way, report] of await verifyBoth(layer.blob, expecting({ digest: layer.digest }))) {
      expect(report.result, way).toBe("mismatch");
      expect(claimOf(report, "tarSplitDigest")).toMatchObject({ status: "mismatch", actual: null });
    }
  });
});

describe("a digest that is no digest (A92)", () => {
  const malformed: Record<string, string> = {
    "a path": "sha256:../../x",
    "no digits": "sha256:",
    "no algorithm": ":abc",
    "empty": "",
    "upper case": sha256("").toUpperCase(),
    "upper-case digits": `sha256:${sha256("").slice(7).toUpperCase()}`,
    "sha1": `sha1:${"a".repeat(40)}`,
    "too short": sha256("").slice(0, -1),
    "too long": `${sha256("")}0`,
    "1 MB": `sha256:${"a".repeat(1e6)}`,
    "a NUL behind it": `${sha256("")}\0`,
    "a NUL in it": sha256("").slice(0, -1) + "\0",
    "a newline behind it": `${sha256("")}\n`,
    "a newline in it": sha256("").slice(0, -1) + "\n",
    "a blank before it": ` ${sha256("")}`,
    "full-width digits": `sha256:${"\uff11".repeat(64)}`,
  };
  const entryPoints: Record<string, (value: string) => VerifyOptions> = {
    "--digest": (digest) => expecting({ digest }),
    "--diff-id": (diffID) => expecting({ diffID }),
    "--toc-digest": (tocDigest) => expecting({ tocDigest }),
    "the descriptor's digest": (digest) => ({
      expect: { descriptor: { value: { digest }, from: ["manifest"] } },
    }),
    "the annotation toc.digest": (value) => annotated({ [TOC_DIGEST_ANNOTATION]: value }),
    "the annotation manifest-checksum": (value) => annotated({ [`${NEW}manifest-checksum`]: value }),
    "the old annotation manifest-checksum": (value) => annotated({ [`${OLD}manifest-checksum`]: value }),
  };
  for (const [point, options] of Object.entries(entryPoints)) {
    for (const [name, value] of Object.entries(malformed)) {
      test(`${point}: ${name} is wrong usage, told in a short message`, async () => {
        const error = await verifyLayer(untouchable(), options(value)).catch((error: unknown) => error);
        expect(error).toBeInstanceOf(UsageError);
        expect(error).toMatchObject({ code: "digest-malformed" });
        expect((error as Error).message.length).toBeLessThan(1000);
        expect((error as Error).message).not.toMatch(/[\0\n]/);
      });
    }
  }

  test("sha512 is a digest that this program does not compute", async () => {
    for (const options of Object.values(entryPoints)) {
      const error = await verifyLayer(untouchable(), options(`sha512:${"a".repeat(128)}`))
        .catch((error: unknown) => error);
      expect(error).toBeInstanceOf(UnsupportedError);
    }
  });

  test("in a TOC it is refused with entry and field", () => {
    for (const [name, value] of Object.entries(malformed)) {
      if (value === "") continue;
      for (const field of ["digest", "chunkDigest"]) {
        const entry = { name: "etc/motd", type: "reg", size: 1, [field]: value };
        const json = bytes(JSON.stringify({ version: 1, entries: [entry] }));
        expect(() => parseToc(json, 10), name).toThrow(`etc/motd: ${field} is no sha256 digest`);
      }
      const json = bytes(JSON.stringify({ version: 1, entries: [], tarSplitDigest: value }));
      expect(() => parseToc(json, 10), name).toThrow("tarSplitDigest is no sha256 digest");
    }
  });

  test("two values for one thing are wrong usage", async () => {
    const options: VerifyOptions = {
      expect: {
        digest: { value: sha256("a"), from: ["--digest"] },
        descriptor: { value: { digest: sha256("b") }, from: ["manifest"] },
      },
    };
    await expect(verifyLayer(untouchable(), options)).rejects.toMatchObject({
      name: "UsageError",
      code: "expectations-contradict",
    });
  });
});

describe("a blob that is what the manifest says can still contradict itself", () => {
  const lie = { mutateToc: (toc: { entries: { mode?: number }[] }) => void (toc.entries[1]!.mode = 0o4755) };
  for (
    const [name, layer] of [["eStargz", estargz(ITEMS, lie)], [
      "zstd:chunked",
      zstdChunked(ITEMS, lie),
    ]] as const
  ) {
    test(`${name}: TOC and tar that disagree are a mismatch, whatever digests match`, async () => {
      const { digest, diffID, tocDigest } = layer;
      for (const [way, report] of await verifyBoth(layer.blob, expecting({ digest, diffID, tocDigest }))) {
        expect(report.result, way).toBe("mismatch");
        expect(statuses(report)).toMatchObject({
          digest: "verified",
          diffID: "verified",
          tocDigest: "verified",
          tocMatchesTar: "mismatch",
        });
        expect(findingOf(report, "toc-tar-mode")).toMatchObject({ severity: "error", entry: "etc/empty" });
      }
    });
  }

  test("a TOC that was read, but not hashed with the blob, is not verified through the blob", async () => {
    // What random access gives holds a TOC, what streams by is another blob whose tar breaks off.
    const sound = estargz(ITEMS);
    const broken = gzipMember(tar(ITEMS, { noEnd: true }).subarray(0, 700));
    const padded = new Uint8Array(sound.blob.length);
    padded.set(broken);
    const source: LayerSource = {
      name: "two-faced",
      size: sound.blob.length,
      read: (offset, length) => Promise.resolve(sound.blob.subarray(offset, offset + length)),
      async *stream() {
        yield padded;
      },
    };
    const report = await verifyLayer(source, expecting({ digest: sha256(padded) }));
    expect(report.result).not.toBe("verified");
    expect(report.claims.filter(({ claim, status }) => claim === "toc" && status === "verified")).toEqual([]);
  });
});

test("an outside digest without a named origin is still an outside digest", async () => {
  const blob = bytes("");
  const digest = {
    value: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    from: [],
  };
  const report = await verifyLayer(memorySource(blob), { expect: { digest, diffID: digest } });
  for (const name of ["digest", "diffID"]) {
    expect(report.claims.find(({ claim }) => claim === name)?.status).toBe("verified");
  }
  expect(report.result).toBe("verified");
});

test("an uncompressed size that contradicts the descriptor's annotation is refused before anything is read", async () => {
  const annotations = { "io.containers.estargz.uncompressed-size": "1024" };
  const descriptor = { value: { annotations }, from: ["descriptor"] };
  const both = (value: number) =>
    verifyLayer(memorySource(bytes("\0".repeat(1024))), {
      expect: { descriptor, uncompressedSize: { value, from: ["option"] } },
    });
  await expect(both(1025)).rejects.toThrow(UsageError);
  expect((await both(1024)).result).toBe("consistent");
});

/** eStargz whose TOC lies in another image: what a given TOC proves, and what it does not. */
import { describe, expect, test } from "vitest";
import { gunzipSync } from "node:zlib";
import type { VerifyOptions } from "../../src/mod.ts";
import { fixture, ITEMS, text } from "../support/fixtures.ts";
import {
  bytes,
  concat,
  estargz,
  gzipMember,
  gzipMembers,
  randomBytes,
  sha256,
  slices,
  tar,
} from "../support/mod.ts";
import { claimOf, codesOf, expecting, findingOf, statuses, verifyBoth, WRONG } from "./verifying.ts";

interface Listed {
  readonly file: string;
  readonly digest: string;
  readonly diffID: string;
  readonly tocDigest: string;
  readonly annotations: Record<string, string>;
}
const { layers } = JSON.parse(text(fixture("index.json"))) as { layers: Listed[] };
const TOC_NAME = "stargz.index.json";

/** The TOC's JSON, by the tar format alone: one header, then as many bytes as it says. */
function jsonOf(tocBlob: Uint8Array): Uint8Array {
  const archive = gunzipSync(tocBlob);
  expect(text(archive.subarray(0, TOC_NAME.length))).toBe(TOC_NAME);
  const size = parseInt(text(archive.subarray(124, 136)), 8);
  return new Uint8Array(archive.subarray(512, 512 + size));
}

for (const name of ["small", "big"]) {
  describe(`${name}.exttoc.esgz`, () => {
    const blob = fixture(`layers/${name}.exttoc.esgz`);
    const tocBlob = fixture(`layers/${name}.exttoc.toc.tar.gz`);
    const json = jsonOf(tocBlob);
    const layer = layers.find(({ file }) => file === `${name}.exttoc.esgz`)!;
    const forms = { "the TOC image's layer": tocBlob, "its JSON": json };

    test("the TOC's JSON is what the index has the digest of", () =>
      expect(sha256(json)).toBe(layer.tocDigest));

    for (const [form, toc] of Object.entries(forms)) {
      test(`with ${form} it is consistent, and nothing is verified`, async () => {
        for (const [way, report] of await verifyBoth(blob, { toc })) {
          expect(report, way).toMatchObject({
            result: "consistent",
            tocDigest: layer.tocDigest,
            format: "estargz",
            dialect: "eStargz with external TOC",
          });
          expect(report.chunks.total).toBeGreaterThan(0);
          expect(report.chunks.verified).toBe(report.chunks.total);
          expect(Object.values(statuses(report))).not.toContain("verified");
        }
      });

      test(`with ${form} and the TOC digest, TOC, files and chunks are verified`, async () => {
        const options = { toc, ...expecting({ tocDigest: layer.tocDigest }) };
        for (const [way, report] of await verifyBoth(blob, options)) {
          expect(report.result, way).toBe("verified");
          expect(statuses(report)).toMatchObject({
            tocDigest: "verified",
            toc: "verified",
            files: "verified",
            chunks: "verified",
            chunkPositions: "verified",
            tocMatchesTar: "verified",
            digest: "absent",
          });
          expect(claimOf(report, "files").chain).toEqual(["--tocDigest", "TOC"]);
        }
      });

      test(`with ${form} and the blob's digest alone, the TOC is nobody's: it is not in the blob`, async () => {
        for (const [way, report] of await verifyBoth(blob, { toc, ...expecting({ digest: layer.digest }) })) {
          expect(report.result, way).toBe("verified");
          expect(statuses(report)).toMatchObject({
            digest: "verified",
            toc: "consistent",
            files: "consistent",
            tocMatchesTar: "consistent",
          });
        }
      });

      test(`with ${form} and the wrong TOC digest it is a mismatch`, async () => {
        for (const [way, report] of await verifyBoth(blob, { toc, ...expecting({ tocDigest: WRONG }) })) {
          expect(report.result, way).toBe("mismatch");
          expect(claimOf(report, "tocDigest")).toMatchObject({ expected: WRONG, actual: layer.tocDigest });
          expect(claimOf(report, "toc").status).toBe("consistent");
        }
      });
    }

    test("with its manifest's descriptor and its TOC everything is verified", async () => {
      const options: VerifyOptions = {
        toc: tocBlob,
        expect: {
          descriptor: {
            value: { digest: layer.digest, annotations: layer.annotations },
            from: ["manifest"],
          },
          diffID: { value: layer.diffID, from: ["config"] },
        },
      };
      for (const [way, report] of await verifyBoth(blob, options)) {
        expect(report.result, way).toBe("verified");
        expect(statuses(report)).toMatchObject({ tocDigest: "verified", uncompressedSize: "verified" });
        expect(claimOf(report, "tocDigest").chain).toEqual(["manifest", "annotation stargz/toc.digest"]);
      }
    });

    test("without its TOC: told, and not verified by a TOC digest", async () => {
      for (const [way, report] of await verifyBoth(blob, expecting({ tocDigest: layer.tocDigest }))) {
        expect(report, way).toMatchObject({ result: "error", error: { code: "expectation-not-checked" } });
        expect(findingOf(report, "external-toc-missing").message).toContain("another image");
      }
      for (const [way, report] of await verifyBoth(blob, expecting({ digest: layer.digest }))) {
        expect(report.result, way).toBe("verified");
        expect(statuses(report).toc).toBe("not checked");
      }
    });

    test("with another layer's TOC: the tar disagrees", async () => {
      const other = fixture(`layers/${name === "big" ? "small" : "big"}.exttoc.toc.tar.gz`);
      for (
        const [way, report] of await verifyBoth(blob, { toc: other, ...expecting({ digest: layer.digest }) })
      ) {
        expect(report.result, way).toBe("mismatch");
        expect(codesOf(report)).toEqual(expect.arrayContaining(["toc-missing-entry", "toc-extra-entry"]));
        expect(statuses(report)).toMatchObject({ digest: "verified", tocMatchesTar: "mismatch" });
      }
    });

    test("with a TOC that is cut: refused, the layer is still verified as a stream", async () => {
      const half = tocBlob.length >> 1;
      const cuts = name === "big" ? [half] : [1, 2, 20, half, tocBlob.length - 9, tocBlob.length - 1];
      const cut = [
        ...cuts.map((length) => tocBlob.subarray(0, length)),
        ...(name === "big" ? [] : [1, json.length >> 1, json.length - 2]).map((length) =>
          json.subarray(0, length)
        ),
      ];
      for (const toc of cut) {
        for (const [way, report] of await verifyBoth(blob, { toc, ...expecting({ digest: layer.digest }) })) {
          expect(report.result, `${toc.length} bytes, ${way}`).toBe("mismatch");
          expect(claimOf(report, "toc")).toMatchObject({ status: "mismatch", actual: null });
          expect(report).toMatchObject({
            diffID: layer.diffID,
            tocDigest: toc[0] === 0x1f ? null : sha256(toc),
          });
          expect(statuses(report).digest).toBe("verified");
        }
        const given = { toc, ...expecting({ tocDigest: layer.tocDigest }) };
        for (const [, report] of await verifyBoth(blob, given)) expect(report.result).toBe("mismatch");
      }
    });
  });
}

describe("what may be given as a TOC", () => {
  const layer = estargz(ITEMS, { footer: "external", chunkSize: 4096 });
  const tocTar = tar([{ name: TOC_NAME, mode: 0, mtime: 0, data: layer.tocJson }]);
  const good: Record<string, Uint8Array> = {
    "one member": gzipMember(tocTar),
    "many members": gzipMembers(slices(tocTar, 100)),
    "a directory before it": gzipMember(tar([{ name: "./" }, { name: TOC_NAME, data: layer.tocJson }])),
    "JSON": layer.tocJson,
  };
  for (const [name, toc] of Object.entries(good)) {
    test(`good: ${name}`, async () => {
      for (
        const [way, report] of await verifyBoth(layer.blob, {
          toc,
          ...expecting({ tocDigest: layer.tocDigest }),
        })
      ) {
        expect(report.result, way).toBe("verified");
      }
    });
  }

  const wrongCrc = gzipMember(tocTar, { badCrc: true });
  const bad: Record<string, readonly [Uint8Array, string]> = {
    "nothing": [new Uint8Array(0), "toc-json"],
    "random bytes": [randomBytes(500), "toc-json"],
    "a tar without a TOC": [gzipMember(tar([{ name: "other", data: layer.tocJson }])), "toc-missing"],
    "a directory called like it": [gzipMember(tar([{ name: TOC_NAME, typeflag: "5" }])), "toc-missing"],
    "a gzip of the JSON alone": [gzipMember(layer.tocJson), "tar-"],
    "a wrong CRC": [wrongCrc, "toc-checksum"],
    "bytes behind the gzip": [concat(gzipMember(tocTar), bytes("x")), "gzip-trailing-data"],
    "a list": [bytes("[]"), "toc-json"],
  };
  for (const [name, [toc, code]] of Object.entries(bad)) {
    test(`refused: ${name}`, async () => {
      const options = { toc, ...expecting({ tocDigest: layer.tocDigest, digest: layer.digest }) };
      for (const [way, report] of await verifyBoth(layer.blob, options)) {
        expect(report.result, way).toBe("mismatch");
        expect(codesOf(report).join(" "), way).toContain(code);
        expect(statuses(report)).toMatchObject({ digest: "verified", toc: "mismatch" });
        expect(report.error).toBe(null);
      }
    });
  }

  test("one over the limit is not read, and told so", async () => {
    for (const toc of [gzipMember(tocTar), layer.tocJson]) {
      const limits = { toc: layer.tocJson.length - 1 };
      for (const [way, report] of await verifyBoth(layer.blob, { toc, limits })) {
        expect(report.result, way).toBe("consistent");
        expect(findingOf(report, "toc-limit").severity).toBe("error");
        expect(claimOf(report, "toc").status).toBe("not checked");
      }
    }
  });

  test("a bomb stops at the limit", async () => {
    const bomb = gzipMembers(Array.from({ length: 40 }, () => new Uint8Array(2 ** 20)));
    for (const [way, report] of await verifyBoth(layer.blob, { toc: bomb, limits: { toc: 2 ** 17 } })) {
      expect(report.result, way).not.toBe("verified");
      expect(claimOf(report, "toc").status).not.toBe("consistent");
    }
  });

  test("a TOC that nothing asked for is told as unused, so that nobody takes it for checked", async () => {
    const inBlob = estargz(ITEMS);
    for (const blob of [inBlob.blob, gzipMember(tar(ITEMS)), tar(ITEMS)]) {
      for (const [way, report] of await verifyBoth(blob, { toc: layer.tocJson })) {
        expect(findingOf(report, "external-toc-unused").severity, way).toBe("warning");
      }
    }
    for (const [, report] of await verifyBoth(layer.blob, { toc: layer.tocJson })) {
      expect(codesOf(report)).not.toContain("external-toc-unused");
    }
  });
});

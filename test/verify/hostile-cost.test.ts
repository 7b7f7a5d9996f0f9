/**
 * Small inputs that are made to cost much: each ends in a typed error or a report, with little memory and no long wait
 * (a test's time limit is the only clock here).
 */
import { expect, test } from "vitest";
import { nativeHashes } from "../../src/digest/native.ts";
import { type LayerReport, memorySource, verifyLayer } from "../../src/mod.ts";
import { gzipMember, tar, zstdChunked } from "../support/mod.ts";

const verify = (blob: Uint8Array): Promise<LayerReport> =>
  verifyLayer(memorySource(blob), { hashes: nativeHashes });

test("paths of 32,000 components cost no square of their depth", async () => {
  const items = Array.from({ length: 40 }, (_, i) => ({ name: `${i}/${"a/".repeat(32_000)}f` }));
  const report = await verify(gzipMember(tar(items)));
  expect(report).toMatchObject({ result: "consistent", entries: 40 });
});

test("implied directories count as entries", async () => {
  const items = Array.from({ length: 40 }, (_, i) => ({ name: `${i}/${"a/".repeat(1000)}f` }));
  const limits = { entries: 10_000 };
  const report = await verifyLayer(memorySource(tar(items)), { hashes: nativeHashes, limits });
  expect(report.error?.code).toBe("entries-limit");
});

test("a file of 100,000 chunks is compared in one walk", async () => {
  const size = 100_000;
  const layer = zstdChunked([{ name: "f", data: "x".repeat(size) }], {
    mutateToc: (toc) => {
      const [file] = toc.entries;
      const digest = "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
      const chunk = (chunkOffset: number) => ({
        name: "f",
        chunkOffset,
        chunkSize: 1,
        chunkDigest: digest,
        offset: file!.offset!,
      });
      toc.entries.splice(0, 1, { ...file!, ...chunk(0) });
      for (let at = 1; at < size; at++) toc.entries.push({ type: "chunk", ...chunk(at) });
    },
  });
  const report = await verify(layer.blob);
  expect(report.chunks).toEqual({ total: size, verified: size });
});

test("100,000 entries of one name are taken one by one", async () => {
  const items = Array.from({ length: 100_000 }, () => ({ name: "f" }));
  const layer = zstdChunked([{ name: "f" }], {
    mutateToc: (toc) => {
      toc.entries.splice(0, 1, ...items.map(() => ({ ...toc.entries[0]! })));
    },
  });
  const report = await verify(layer.blob);
  expect(report.claims.find(({ claim }) => claim === "toc")).toMatchObject({ status: "mismatch" });
  expect(report.findings.some(({ code }) => code === "toc-duplicate-entry")).toBe(true);
});

test("texts of a TOC are bounded, and messages stay short and printable", async () => {
  const texts: Record<string, object> = {
    name: { name: "\x7f".repeat(8_000_000) },
    link: { linkName: "\x1b[31m".repeat(1_000_000) },
    xattr: { xattrs: { "user.a": "A".repeat(40_000_000) } },
    "xattr name": { xattrs: { ["\u0001".repeat(100_000)]: "" } },
    time: { modtime: "\x1b[31m\u202e" },
  };
  for (const [what, change] of Object.entries(texts)) {
    const layer = zstdChunked([{ name: "f" }], {
      mutateToc: (toc) => {
        Object.assign(toc.entries[0]!, change);
      },
    });
    const report = await verify(layer.blob);
    expect(report.result, what).toBe("mismatch");
    const text = JSON.stringify(report);
    expect(text.length, what).toBeLessThan(30_000);
    // deno-lint-ignore no-control-regex -- these are what must not be there
    expect(/\\u001b|\\ud[89a-f]|[\u0000-\u001f\u202e]/.test(text), what).toBe(false);
  }
});

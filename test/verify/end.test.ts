/** How archives end (A41 to A46): findings about it, and the same digests for every way of cutting the stream. */
import { describe, expect, test } from "vitest";
import { bytes, concat, gzipMember, sha256, tar, zstdFrame } from "../support/mod.ts";
import { verifyBytes, verifyPiped } from "./layers.ts";

const MEMBER = tar([{ name: "a", data: "data" }], { noEnd: true });
const zeros = (blocks: number) => new Uint8Array(512 * blocks);

const CASES: [promise: string, tail: Uint8Array, want: [code: string, severity: string, offset: number][]][] =
  [
    ["two zero blocks are the end", zeros(2), []],
    ["an archive padded to its record is usual", zeros(18), []],
    ["one zero block more than the record is extra", zeros(19), [["tar-extra-end", "info", 1024]]],
    ["no zero block", zeros(0), [["tar-no-end", "warning", 1024]]],
    ["half a zero block", new Uint8Array(100), [["tar-no-end", "warning", 1024]]],
    ["one zero block", zeros(1), [["tar-lone-zero-block", "warning", 1024]]],
    ["one zero block and a half", new Uint8Array(700), [["tar-lone-zero-block", "warning", 1024]]],
    ["one zero block, then a member", concat(zeros(1), MEMBER), [
      ["data-after-end", "warning", 1536],
      ["tar-lone-zero-block", "warning", 1024],
    ]],
    ["junk behind the end", concat(zeros(2), bytes("junk")), [["data-after-end", "warning", 2048]]],
    ["junk behind the padding", concat(zeros(18), bytes("junk")), [["data-after-end", "warning", 10240]]],
    ["another archive behind the end", concat(zeros(2), MEMBER, zeros(2)), [[
      "data-after-end",
      "warning",
      2048,
    ]]],
  ];

for (const [promise, tail, want] of CASES) {
  test(promise, async () => {
    const archive = concat(MEMBER, tail);
    for (const blob of [archive, gzipMember(archive), zstdFrame(archive)]) {
      for (const piece of [1, 511, 512, 513, 65536]) {
        const report = await verifyPiped(blob, {}, piece);
        expect(report.findings.map(({ code, severity, offset }) => [code, severity, offset])).toEqual(want);
        expect(report).toMatchObject({
          result: "consistent",
          entries: 1,
          diffID: sha256(archive),
          uncompressedSize: archive.length,
          digest: sha256(blob),
          size: blob.length,
        });
      }
    }
  });
}

describe("compressed edges", () => {
  const archive = concat(MEMBER, zeros(2));

  test("zeros behind the last gzip member are told, and count in the digest", async () => {
    const blob = concat(gzipMember(archive), zeros(1));
    for (const verify of [verifyBytes, verifyPiped]) {
      const report = await verify(blob);
      expect(report).toMatchObject({ result: "consistent", digest: sha256(blob), diffID: sha256(archive) });
      expect(report.findings).toEqual([
        expect.objectContaining({ code: "gzip-zero-padding", severity: "info", offset: blob.length - 512 }),
      ]);
    }
  });

  test("a wrong checksum is a mismatch that names the member or frame, and the digests still come out", async () => {
    const good = gzipMember(archive.subarray(0, 1000));
    const cases: [blob: Uint8Array, offset: number][] = [
      [concat(good, gzipMember(archive.subarray(1000), { badCrc: true })), good.length],
      [concat(good, gzipMember(archive.subarray(1000), { badIsize: true })), good.length],
      [zstdFrame(archive, { checksum: 1 }), 0],
    ];
    for (const [blob, offset] of cases) {
      const report = await verifyBytes(blob);
      if (report.result === "error") throw new Error(JSON.stringify(report.error));
      expect(report).toMatchObject({ result: "mismatch", diffID: sha256(archive), digest: sha256(blob) });
      expect(report.findings).toContainEqual(
        expect.objectContaining({ code: "checksum-mismatch", severity: "error", offset }),
      );
      expect(report.claims).toContainEqual(
        expect.objectContaining({ claim: "compressionChecksums", status: "mismatch" }),
      );
    }
  });

  test("with the right digest from outside, a wrong checksum inside is still a mismatch", async () => {
    const blob = gzipMember(archive, { badCrc: true });
    const report = await verifyBytes(blob, {
      expect: { digest: { value: sha256(blob), from: ["--digest"] } },
    });
    expect(report.result).toBe("mismatch");
  });

  test("a tar that cannot be read still has its diffID, a blob that cannot be decompressed its digest", async () => {
    const broken = concat(MEMBER, bytes("x".repeat(512)));
    expect(await verifyBytes(gzipMember(broken))).toMatchObject({
      result: "error",
      error: { code: "tar-bad-checksum", kind: "format" },
      diffID: sha256(broken),
      entries: null,
    });
    const cut = gzipMember(archive).subarray(0, -9);
    expect(await verifyBytes(cut)).toMatchObject({
      result: "error",
      error: { code: "gzip-truncated" },
      digest: sha256(cut),
      diffID: null,
      uncompressedSize: null,
    });
  });

  test("a sparse map that lies is refused whether or not anybody asks for the content", async () => {
    const archive = tar([{ name: "s", data: "x", pax: { "GNU.sparse.map": "0,2", "GNU.sparse.size": "5" } }]);
    for (const options of [{}, { onEntry: () => {} }]) {
      expect(await verifyBytes(archive, options)).toMatchObject({
        result: "error",
        error: { code: "sparse-malformed" },
        diffID: sha256(archive),
      });
    }
  });
});

/**
 * Layers made so that one reader sees one tree and another sees another: none of them may be verified.
 */
import { expect, test } from "vitest";
import { nativeHashes } from "../../src/digest/native.ts";
import { type LayerReport, memorySource, streamSource, verifyLayer } from "../../src/mod.ts";
import {
  concat,
  entry,
  estargz,
  type EstargzOptions,
  gzipMember,
  paxHeader,
  sha256,
  sparse,
  tar,
  type TarItem,
  zstdChunked,
  type ZstdChunkedOptions,
} from "../support/mod.ts";

interface Built {
  readonly blob: Uint8Array;
  readonly diffID: string;
  readonly tocDigest: string;
}

/** The reports from memory and from a pipe, with every outside digest given, and with the TOC digest alone. */
async function reports({ blob, diffID, tocDigest }: Built): Promise<readonly LayerReport[]> {
  const one = (value: string) => ({ value, from: ["test"] });
  const all = { digest: one(sha256(blob)), diffID: one(diffID), tocDigest: one(tocDigest) };
  const out: LayerReport[] = [];
  for (const expected of [all, { tocDigest: all.tocDigest }]) {
    const options = { expect: expected, hashes: nativeHashes };
    out.push(await verifyLayer(memorySource(blob), options));
    const pipe = new Blob([blob as Uint8Array<ArrayBuffer>]).stream() as ReadableStream<Uint8Array>;
    out.push(await verifyLayer(streamSource(pipe), options));
  }
  return out;
}

async function expectRefused(layer: Built, code: string): Promise<void> {
  for (const report of await reports(layer)) {
    expect(report.result, JSON.stringify(report.claims)).toBe("mismatch");
    expect(report.findings.map((finding) => finding.code)).toContain(code);
  }
}

const FILES: readonly TarItem[] = [{ name: "etc/" }, { name: "etc/motd", data: "hello" }];
const both: readonly [
  string,
  (items: readonly TarItem[], options: EstargzOptions & ZstdChunkedOptions) => Built,
][] = [
  ["eStargz", (items, options) => estargz(items, { ...options, lossless: true })],
  ["zstd:chunked", (items, options) => zstdChunked(items, options)],
];

for (const [format, build] of both) {
  test(`${format}: a global header stands for no entry of the TOC`, async () => {
    const global = paxHeader({ comment: "x" }, { global: true, name: "etc/shadow" });
    const layer = build([global, ...FILES], {
      mutateToc: (toc) => {
        toc.entries.push({ name: "etc/shadow", type: "symlink", linkName: "/tmp/evil", mode: 0o777 });
      },
    });
    await expectRefused(layer, "toc-extra-entry");
  });

  test(`${format}: keys that Go folds to known ones are refused`, async () => {
    for (const extra of ['"entrie\u017f":[]', '"Entries":[]', '"TARSPLITDIGEST":""']) {
      const layer = build(FILES, {
        mutateTocJson: (json) => json.replace(/\}\s*$/, `,${extra}}`),
      });
      await expectRefused(layer, "toc-ambiguous-key");
    }
  });

  test(`${format}: a root that only the TOC describes must be what readers assume`, async () => {
    const root = (more: object) =>
      build(FILES, {
        mutateToc: (toc) => {
          toc.entries.push({ name: "/", type: "dir", mode: 0o755, ...more });
        },
      });
    for (const report of await reports(root({}))) expect(report.result).toBe("verified");
    for (const more of [{ mode: 0o777 }, { uid: 1000 }, { xattrs: { "trusted.overlay.opaque": "eQ==" } }]) {
      await expectRefused(root(more), "toc-extra-entry");
    }
  });
}

test("a sparse member's stored bytes are not taken for the file", async () => {
  // Map and data are as long as the file that they stand for, so that size and digest of the stored bytes fit.
  const member = sparse(
    { name: "f", realSize: 1024, regions: [{ offset: 0, data: "x".repeat(512) }] },
    "pax-1.0",
  );
  const archive = tar([member]);
  const stored = archive.subarray(archive.length - 1024 - 1024, archive.length - 1024);
  const digest = sha256(stored);
  const layer = zstdChunked([{ name: "f", data: stored }], { dialect: "cs-1.54" });
  const { toc } = layer;
  expect(toc.entries[0]).toMatchObject({ name: "f", size: 1024, digest });
  // The same TOC over the sparse archive: everything but the kind of member agrees.
  const report = await verifyLayer(memorySource(withArchive(layer.blob, archive)), { hashes: nativeHashes });
  const codes = report.findings.map(({ code }) => code);
  expect(codes).toContain("sparse-member");
  expect(codes).toContain("toc-tar-sparse");
  expect(codes.filter((code) => code.startsWith("toc-")), "nothing else tells").toEqual(["toc-tar-sparse"]);
  expect(report.result).toBe("mismatch");
});

/** The TOC, tar-split and footer of one zstd:chunked blob behind the frames of another archive. */
function withArchive(blob: Uint8Array, archive: Uint8Array): Uint8Array {
  const end = blob.length - 72;
  const view = new DataView(blob.buffer, blob.byteOffset + end + 8);
  const tocOffset = Number(view.getBigUint64(0, true)) - 8;
  const front = zstdChunked([archive], { dialect: "cs-1.54" });
  const frontView = new DataView(front.blob.buffer, front.blob.byteOffset + front.blob.length - 64);
  const frontEnd = Number(frontView.getBigUint64(0, true)) - 8;
  const moved = blob.slice(tocOffset);
  const movedView = new DataView(moved.buffer, moved.length - 64);
  for (const field of [0, 32]) {
    const offset = Number(movedView.getBigUint64(field, true));
    movedView.setBigUint64(field, BigInt(offset - tocOffset + frontEnd), true);
  }
  return concat(front.blob.subarray(0, frontEnd), moved);
}

test("a second stargz.index.json in the TOC's member is no entry of the layer's own", async () => {
  for (const typeflag of ["3", "2"]) {
    const extra = entry({ name: "stargz.index.json", typeflag, linkname: typeflag === "2" ? "x" : "" });
    const layer = estargz(FILES);
    const gz = gzipMember(concat(tocMember(layer.tocJson), extra));
    const blob = concat(layer.blob.subarray(0, layer.tocOffset), gz, layer.footer);
    const diff = concat(layer.tar.subarray(0, tarEnd(layer.tar)), tocMember(layer.tocJson), extra);
    await expectRefused({ blob, diffID: sha256(diff), tocDigest: layer.tocDigest }, "toc-missing-entry");
  }
});

function tocMember(json: Uint8Array): Uint8Array {
  return entry({ name: "stargz.index.json", data: json });
}

/** Where the archive's own entries end in an eStargz tar: the TOC's header is the last one of that name. */
function tarEnd(archive: Uint8Array): number {
  const text = new TextDecoder("latin1").decode(archive);
  return text.lastIndexOf("stargz.index.json\0");
}

test("chunks without a digest must still lie where the TOC says", async () => {
  const data = "a".repeat(100) + "b".repeat(100);
  const items = [{ name: "f", data }, { name: "g", data: "c".repeat(100) + "d".repeat(100) }];
  const layer = estargz(items, {
    chunkSize: 100,
    lossless: true,
    mutateToc: (toc) => {
      const moved = toc.entries.filter(({ name }) => name === "g").at(-1)!;
      moved.offset = toc.entries.find(({ name }) => name === "f")!.offset!;
      for (const one of toc.entries) delete one.chunkDigest;
    },
  });
  await expectRefused(layer, "chunk-position-mismatch");
});

test("attribute names that are not UTF-8 are compared as TOC writers have them", async () => {
  // "NN SCHILY.xattr.user.\x80=v\n" is 25 bytes long, its own length included.
  const record = Uint8Array.from("25 SCHILY.xattr.user.\x80=v\n", (char) => char.charCodeAt(0));
  expect(record.length).toBe(25);
  const build = (name: string) =>
    zstdChunked([paxHeader(record), { name: "f" }], {
      mutateToc: (toc) => {
        toc.entries[0]!.xattrs = { [name]: "dg==" };
      },
    });
  for (const report of await reports(build("user.\ufffd"))) expect(report.result).toBe("verified");
  await expectRefused(build("user.other"), "toc-tar-xattr");
  await expectRefused(build("user.\udc80"), "toc-bad-field");
});

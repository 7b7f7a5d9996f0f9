/** TOC, tar-split and tar: whichever of the three tells something else, it is found, from a file, a pipe, and ranges. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import {
  base64,
  bytes,
  concat,
  crc64,
  type Entry,
  random,
  randomBytes,
  randomText,
  sha256,
  tarParts,
  tarSplit,
  type TarSplitLine,
  zstdChunked,
  type ZstdChunkedLayer,
  type ZstdChunkedOptions,
  zstdFrame,
} from "../support/mod.ts";
import type { LayerReport } from "../../src/mod.ts";
import { fixture, text, unzstd } from "../support/fixtures.ts";
import {
  annotated,
  claimOf,
  codesOf,
  expecting,
  statuses,
  verifyBoth,
  verifyMemory,
  verifyPipe,
} from "./verifying.ts";

const ITEMS: readonly Entry[] = [
  { name: "dir/", mode: 0o755, uid: 5, gid: 6, mtime: 1000 },
  {
    name: "dir/file",
    data: randomText(700),
    mode: 0o640,
    uid: 7,
    gid: 8,
    mtime: 2000,
    xattrs: { "user.a": "one" },
  },
  { name: "dir/other", data: randomBytes(70_000, 7), mtime: 3500 },
  { name: "dir/symlink", typeflag: "2", linkname: "../target/./x", mtime: 4000 },
  { name: "dir/hardlink", typeflag: "1", linkname: "dir/file", mtime: 2000 },
  { name: "dev/", mtime: 5000 },
  { name: "dev/char", typeflag: "3", devmajor: 1, devminor: 3, mtime: 5000 },
  { name: "dir/latin-\u00e9", data: "last", mtime: 6000 },
];

/** The layer of `ITEMS` with the tar-split of other entries. */
function withSplitOf(items: readonly Entry[]): ZstdChunkedLayer {
  const { parts, tail } = tarParts(items);
  return zstdChunked(ITEMS, { mutateTarSplitJson: () => tarSplit(parts, tail) });
}

/** `ITEMS` with something else in the entry of that name. */
function changed(name: string, change: Partial<Entry>): Entry[] {
  return ITEMS.map((item) => (item.name === name ? { ...item, ...change } : item));
}

/** From memory, from a pipe, and by TOC and tar-split alone. */
async function threeWays(layer: ZstdChunkedLayer): Promise<(readonly [string, LayerReport])[]> {
  const { blob, digest, tocDigest } = layer;
  const metadata = await verifyMemory(blob, { ...expecting({ tocDigest }), metadataOnly: true });
  return [...await verifyBoth(blob, expecting({ digest })), ["metadata", metadata]];
}

describe("three views that agree", () => {
  test("are proved by the digest of blob or TOC", async () => {
    const layer = zstdChunked(ITEMS);
    for (const [way, report] of await threeWays(layer)) {
      expect(report, way).toMatchObject({
        result: "verified",
        format: "zstd:chunked",
        entries: ITEMS.length,
        uncompressedSize: layer.tar.length,
        tarSplitDigest: layer.tarSplitDigest,
      });
      const proved = { tarSplitDigest: "verified", tarSplit: "verified", tarSplitMatchesToc: "verified" };
      expect(statuses(report), way).toMatchObject(proved);
      expect(statuses(report).tarSplitMatchesTar, way).toBe(way === "metadata" ? undefined : "verified");
      expect(codesOf(report)).toEqual([]);
    }
  });

  test("however the headers are cut into lines", async () => {
    const pieces = zstdChunked(ITEMS, {
      mutateTarSplit: (lines) =>
        lines.flatMap((line) => line.type === 2 ? halves(line) : [line]).map((line, position) => ({
          ...line,
          position,
        })),
    });
    for (const [way, report] of await threeWays(pieces)) expect(report.result, way).toBe("verified");
  });
});

/** One segment as two. */
function halves(line: TarSplitLine): TarSplitLine[] {
  const raw = Uint8Array.from(atob(line.payload!), (char) => char.charCodeAt(0));
  const at = 1 + (raw.length >> 1);
  return [raw.subarray(0, at), raw.subarray(at)].map((part) => ({ ...line, payload: base64(part) }));
}

describe("tar-splits by real tools", () => {
  const { layers } = JSON.parse(text(fixture("index.json"))) as {
    readonly layers: readonly {
      readonly path: string;
      readonly annotations?: Record<string, string>;
      readonly uncompressedSize: number;
    }[];
  };
  // Those of sparse archives are corrupt as the real writer leaves them.
  const withSplit = layers.filter(({ path, annotations }) =>
    path.endsWith(".zstdchunked") && !path.includes("sparse") &&
    Object.keys(annotations ?? {}).some((key) => key.endsWith("tarsplit-position"))
  );

  test("are there", () => expect(withSplit.length).toBeGreaterThan(30));

  test.each(withSplit.map((layer) => [layer.path, layer] as const))("%s", async (path, layer) => {
    const { annotations, uncompressedSize } = layer;
    const blob = fixture(path);
    const report = await verifyMemory(blob, annotated(annotations!));
    const { tarSplitMatchesTar, tarSplitMatchesToc, tarSplitDigest } = statuses(report);
    const named = tarSplitDigest === "verified" ? "verified" : "consistent";
    expect({ tarSplitMatchesTar, tarSplitMatchesToc }).toEqual({
      tarSplitMatchesTar: named,
      tarSplitMatchesToc: named,
    });
    const metadata = await verifyMemory(blob, { ...annotated(annotations!), metadataOnly: true });
    // What no digest names is nobody's word.
    expect(metadata.uncompressedSize).toBe(tarSplitDigest === "verified" ? uncompressedSize : null);
  });
});

describe("a tar-split with another attribute", () => {
  const lies: Record<string, readonly Entry[]> = {
    mode: changed("dir/file", { mode: 0o4640 }),
    uid: changed("dir/file", { uid: 0 }),
    gid: changed("dir/other", { gid: 1 }),
    mtime: changed("dir/", { mtime: 1001 }),
    "link-name": changed("dir/symlink", { linkname: "../target/x" }),
    "dev-minor": changed("dev/char", { devminor: 0 }),
    xattr: changed("dir/file", { xattrs: { "user.a": "two" } }),
    size: changed("dir/file", { data: randomText(701) }),
    type: changed("dir/hardlink", { typeflag: "2" }),
  };
  test.each(Object.keys(lies))("%s", async (attribute) => {
    for (const [way, report] of await threeWays(withSplitOf(lies[attribute]!))) {
      expect(report.result, way).toBe("mismatch");
      expect(codesOf(report), way).toContain(`toc-tar-split-${attribute}`);
      expect(statuses(report).tarSplitMatchesToc, way).toBe("mismatch");
      if (way === "metadata") continue;
      expect(statuses(report), way).toMatchObject({
        tarSplitMatchesTar: "mismatch",
        tocMatchesTar: "verified",
      });
      expect(codesOf(report), way).toContain("tar-split-tar-mismatch");
    }
  });

  test("or an entry more, or less", async () => {
    const more = withSplitOf([...ITEMS, { name: "added", mode: 0o644 }]);
    for (const [way, report] of await threeWays(more)) {
      expect(report.result, way).toBe("mismatch");
      expect(codesOf(report), way).toContain("toc-tar-split-missing-entry");
    }
    for (const [way, report] of await threeWays(withSplitOf(ITEMS.slice(1)))) {
      expect(report.result, way).toBe("mismatch");
      expect(codesOf(report), way).toContain("toc-tar-split-extra-entry");
    }
  });
});

describe("a tar-split that rebuilds another tar, although all attributes are right", () => {
  const cases: Record<string, ZstdChunkedOptions["mutateTarSplit"]> = {
    "another CRC-64": (lines) => {
      lines.find(({ size }) => size)!.payload = base64(crc64(bytes("something else")));
    },
    "no CRC-64 but zeros": (lines) => {
      lines.find(({ size }) => size)!.payload = base64(new Uint8Array(8));
    },
    "another byte in the padding": (lines) => {
      const at = lines.findIndex(({ size }) => size) + 1;
      const raw = Uint8Array.from(atob(lines[at]!.payload!), (char) => char.charCodeAt(0));
      raw[0] = 1;
      lines[at]!.payload = base64(raw);
    },
  };
  test.each(Object.keys(cases))("%s", async (name) => {
    const layer = zstdChunked(ITEMS, { mutateTarSplit: cases[name]! });
    for (const [way, report] of await threeWays(layer)) {
      expect(statuses(report).tarSplitMatchesToc, way).toBe("verified");
      if (way === "metadata") continue;
      expect(report.result, way).toBe("mismatch");
      expect(claimOf(report, "tarSplitMatchesTar"), way).toMatchObject({
        status: "mismatch",
        actual: "another tar",
      });
      expect(codesOf(report), way).toEqual(["tar-split-tar-mismatch"]);
    }
  });
});

describe("a tar-split that cannot be read", () => {
  const cases: Record<string, readonly [code: string, options: ZstdChunkedOptions]> = {
    "a record under another name than its headers": ["tar-split-order", {
      mutateTarSplit: (lines) => void (lines.find(({ size }) => size)!.name = "dir/another"),
    }],
    "a record of another size than its headers": ["tar-split-order", {
      mutateTarSplit: (lines) => void (lines.find(({ size }) => size)!.size! += 1),
    }],
    "a record twice": ["tar-split-order", {
      mutateTarSplit: (lines) => {
        const at = lines.findIndex(({ size }) => size);
        lines.splice(at, 0, lines[at]!);
        return lines.map((line, position) => ({ ...line, position }));
      },
    }],
    "text that is no JSON": ["tarsplit-malformed", { mutateTarSplitJson: (text) => text.replace("{", "[") }],
    "text that is cut": ["tarsplit-truncated", { mutateTarSplitJson: (text) => text.slice(0, -1) }],
    "headers that are cut": ["tar-truncated", {
      mutateTarSplit: (lines) => {
        const at = lines.findLastIndex(({ size }) => size);
        const raw = Uint8Array.from(atob(lines[at - 1]!.payload!), (char) => char.charCodeAt(0));
        return [...lines.slice(0, at - 1), { ...lines[at - 1]!, payload: base64(raw.subarray(0, -100)) }];
      },
    }],
    "bytes that are no zstd frame": ["zstd-bad-magic", { compressTarSplit: (lines) => lines }],
    "a frame that is cut": ["zstd-truncated", { compressTarSplit: (lines) => zstdFrame(lines).slice(0, -5) }],
    "fewer bytes than claimed": ["tar-split-length", {
      mutatePositions: (positions) => void (positions.tarSplit!.uncompressed += 1),
    }],
    "more bytes than claimed": ["tar-split-length", {
      mutatePositions: (positions) => void (positions.tarSplit!.uncompressed -= 1),
    }],
  };
  test.each(Object.keys(cases))("%s", async (name) => {
    const [code, options] = cases[name]!;
    for (const [way, report] of await threeWays(zstdChunked(ITEMS, options))) {
      expect(report.result, way).toBe("mismatch");
      expect(codesOf(report), way).toContain(code);
      expect(statuses(report).tarSplit, way).toBe("mismatch");
      if (way === "metadata") expect(report.uncompressedSize).toBe(null);
    }
  });

  test("is not read at all when its digest is wrong", async () => {
    const layer = zstdChunked(ITEMS, {
      mutateTarSplitJson: () => "no JSON\n",
      mutateToc: (toc) => void (toc.tarSplitDigest = sha256(bytes("another"))),
    });
    for (const [way, report] of await threeWays(layer)) {
      expect(report.result, way).toBe("mismatch");
      expect(codesOf(report), way).toContain("tar-split-digest-mismatch");
      expect(codesOf(report), way).not.toContain("tarsplit-malformed");
    }
  });

  test("is not read beyond the limit, and says so", async () => {
    const compressed = zstdChunked(ITEMS, {
      compressTarSplit: (lines) => concat(zstdFrame(lines), padding(10_000)),
    });
    const limits = { toc: compressed.tocJson.length };
    for (
      const report of [
        await verifyMemory(compressed.blob, { limits }),
        await verifyPipe(compressed.blob, { limits }),
        await verifyMemory(compressed.blob, { limits, metadataOnly: true }),
      ]
    ) {
      expect(statuses(report).tarSplit).toBe("not checked");
      expect(codesOf(report)).toContain("tar-split-limit");
      expect(report.claims.filter(({ status }) => status === "mismatch")).toEqual([]);
      expect(report.result).toBe("consistent");
    }
  });

  test("or is damaged anywhere, is never called matching", async () => {
    const layer = zstdChunked(ITEMS, { dialect: "cs-1.50" });
    const { offset, length } = layer.positions.tarSplit!;
    const { below } = random(5);
    let told = 0;
    for (let i = 0; i < 150; i++) {
      const blob = layer.blob.slice();
      blob[offset + below(length)]! ^= 1 << below(8);
      // Some bits of a frame's header say nothing about its content.
      const same = sameText(blob.subarray(offset, offset + length), layer.tarSplit!);
      const report = await verifyMemory(blob);
      const { tarSplit, tarSplitMatchesTar, tarSplitMatchesToc } = statuses(report);
      const wrong = [tarSplit, tarSplitMatchesTar, tarSplitMatchesToc].includes("mismatch");
      if (!same) expect(wrong, `flip ${i}`).toBe(true);
      if (wrong) told++;
      // Without the tar, a wrong CRC-64 or padding cannot be seen; what is seen must not be called sound.
      const metadata = await verifyMemory(blob, { metadataOnly: true });
      expect(metadata.error).toBe(null);
      if (tarSplit === "mismatch") expect(statuses(metadata).tarSplit, `flip ${i}`).toBe("mismatch");
    }
    expect(told).toBeGreaterThan(100);
  });

  test("sizes whose sum is no exact number prove nothing", async () => {
    // 3 * (2^53 - 1) is beyond what a number counts in ones.
    const huge = String(Number.MAX_SAFE_INTEGER);
    const lines = ["a", "b", "c"].flatMap((name) => {
      const { parts } = tarParts([{ name, pax: { size: huge } }]);
      const header = concat(...parts.map((part) => part.header));
      return [
        { type: 2, payload: base64(header) },
        { type: 1, name, size: Number.MAX_SAFE_INTEGER, payload: base64(new Uint8Array(8)) },
        { type: 2, payload: base64(new Uint8Array(1)) },
      ];
    });
    const layer = zstdChunked(ITEMS, {
      mutateTarSplitJson: () =>
        lines.map((line, position) => JSON.stringify({ ...line, position }) + "\n").join(""),
    });
    for (const [way, report] of await threeWays(layer)) {
      expect(report.result, way).toBe("mismatch");
      if (way === "metadata") expect(report.uncompressedSize).toBe(null);
    }
  });

  test("content among the headers, a path twice, and more than the tar has", async () => {
    const inSegment = zstdChunked(ITEMS, {
      mutateTarSplit: (all) => {
        const at = all.findIndex(({ size }) => size);
        const content = base64(randomText(700));
        const record = { ...all[at]!, payload: null };
        delete record.size;
        return [
          ...all.slice(0, at),
          record,
          { type: 2 as const, payload: content, position: 0 },
          ...all.slice(at + 1),
        ]
          .map((line, position) => ({ ...line, position }));
      },
    });
    const twice = [...ITEMS, ITEMS.find(({ name }) => name === "dir/file")!];
    const duplicate = zstdChunked(twice);
    const more = zstdChunked(ITEMS, {
      mutateTarSplit: (all) => [
        ...all,
        { type: 2, payload: base64(new Uint8Array(512)), position: all.length },
      ],
    });
    for (
      const [layer, code] of [
        [inSegment, "tar-split-order"],
        [duplicate, "tar-split-order"],
        [more, "tar-split-size"],
      ] as const
    ) {
      for (const [way, report] of await threeWays(layer)) {
        if (way === "metadata" && layer === more) continue;
        expect(report.result, `${code} ${way}`).toBe("mismatch");
        expect(codesOf(report), way).toContain(code);
      }
    }
  });

  test("what was wrong before a limit is wrong", async () => {
    const layer = withSplitOf(Array.from({ length: 30 }, (_, i) => ({ name: `other${i}` })));
    const limits = { entries: 20 };
    for (const metadataOnly of [false, true]) {
      const report = await verifyMemory(layer.blob, { limits, metadataOnly });
      expect(report.result).toBe("mismatch");
    }
  });

  test("a place outside of the blob is wrong, whatever the limit", async () => {
    const layer = zstdChunked(ITEMS, {
      mutatePositions: (positions) => void (positions.tarSplit!.length = 2 ** 52),
    });
    for (const [way, report] of await threeWays(layer)) expect(report.result, way).toBe("mismatch");
  });

  test("from a pipe, TOC and tar-split that are more than the limit together are not read", async () => {
    const layer = zstdChunked(ITEMS, {
      compressTarSplit: (lines) => concat(zstdFrame(lines), padding(3000)),
    });
    const { toc, tarSplit } = layer.positions;
    const limits = { toc: Math.max(toc.uncompressed, tarSplit!.length) + 10 };
    expect(toc.length + tarSplit!.length).toBeGreaterThan(limits.toc);
    expect(statuses(await verifyMemory(layer.blob, { limits })).tarSplit).toBe("consistent");
    expect(statuses(await verifyPipe(layer.blob, { limits })).tarSplit).toBe("not checked");
  });

  test("one that becomes much more than it is can be interrupted, and ends at the tar's size", async () => {
    const line = (position: number) =>
      JSON.stringify({ type: 2, payload: base64(new Uint8Array(3000)), position }) + "\n";
    const layer = zstdChunked(ITEMS, {
      mutateTarSplitJson: (head) => {
        const first = head.split("\n").length - 1;
        return head + Array.from({ length: 30_000 }, (_, i) => line(first + i)).join("");
      },
    });
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error("interrupted")));
    const options = { metadataOnly: true, signal: abort.signal };
    await expect(verifyMemory(layer.blob, options)).rejects.toThrow("interrupted");
    await expect(verifyMemory(layer.blob, options)).rejects.toThrow("interrupted");
    const whole = await verifyMemory(layer.blob, expecting({ digest: layer.digest }));
    expect(codesOf(whole)).toContain("tar-split-size");
    const limited = await verifyMemory(layer.blob, { metadataOnly: true, limits: { total: 1_000_000 } });
    expect(statuses(limited).tarSplit).toBe("not checked");
  });
});

/** Whether a frame still decompresses to the text. */
function sameText(frame: Uint8Array, lines: Uint8Array): boolean {
  try {
    return Buffer.from(unzstd(frame)).equals(lines);
  } catch {
    return false;
  }
}

/** A skippable zstd frame, which says nothing. */
function padding(length: number): Uint8Array {
  const frame = new Uint8Array(8 + length);
  new DataView(frame.buffer).setUint32(0, 0x184d2a50, true);
  new DataView(frame.buffer).setUint32(4, length, true);
  return frame;
}

describe("by TOC and tar-split alone", () => {
  test("only ranges are read: a blob whose content is gone says the same", async () => {
    const layer = zstdChunked(ITEMS);
    const blob = layer.blob.slice();
    blob.fill(0xa5, 16, layer.positions.toc.offset - 8);
    const options = { ...expecting({ tocDigest: layer.tocDigest }), metadataOnly: true };
    const report = await verifyMemory(blob, options);
    expect(report).toMatchObject({
      result: "verified",
      uncompressedSize: layer.tar.length,
      digest: null,
      diffID: null,
    });
    expect(claimOf(report, "uncompressedSize")).toMatchObject({
      status: "verified",
      actual: String(layer.tar.length),
      chain: ["--tocDigest", "TOC", "tar-split"],
    });
    const damaged = await verifyMemory(blob, expecting({ tocDigest: layer.tocDigest }));
    expect(damaged.result).not.toBe("verified");
  });

  test("a size is proved only where the TOC names the tar-split and is named itself", async () => {
    const unproved = zstdChunked(ITEMS);
    const consistent = await verifyMemory(unproved.blob, { metadataOnly: true });
    expect(consistent).toMatchObject({ result: "consistent", uncompressedSize: unproved.tar.length });
    expect(claimOf(consistent, "uncompressedSize").status).not.toBe("verified");
  });

  test("a tar-split that the TOC does not name gives no size, and meets no expectation of one", async () => {
    const { blob, tocDigest, tar } = zstdChunked(ITEMS, { dialect: "cs-1.50" });
    const report = await verifyMemory(blob, { ...expecting({ tocDigest }), metadataOnly: true });
    expect(report).toMatchObject({ result: "verified", uncompressedSize: null });
    const sized = expecting({ tocDigest, uncompressedSize: tar.length });
    const asked = await verifyMemory(blob, { ...sized, metadataOnly: true });
    expect(asked).toMatchObject({ result: "error", error: { code: "expectation-not-checked" } });
  });

  test("a wrong size in the annotations is a mismatch", async () => {
    const layer = zstdChunked(ITEMS);
    const wrong = {
      ...expecting({ tocDigest: layer.tocDigest, uncompressedSize: 4711 }),
      metadataOnly: true,
    };
    const report = await verifyMemory(layer.blob, wrong);
    expect(report.result).toBe("mismatch");
    expect(claimOf(report, "uncompressedSize").status).toBe("mismatch");
  });

  test("a pipe and a blob without TOC are refused", async () => {
    const { blob } = zstdChunked(ITEMS);
    await expect(verifyPipe(blob, { metadataOnly: true })).rejects.toMatchObject({
      code: "metadata-needs-ranges",
    });
    const plain = await verifyMemory(zstdFrame(bytes("no layer")), { metadataOnly: true });
    expect(plain).toMatchObject({ result: "error", error: { code: "metadata-missing" } });
  });
});

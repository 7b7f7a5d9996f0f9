/** Every limit: exactly at it a layer passes, one more is a typed error, and nothing is kept of what is too much. */
import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS, type LayerReport, type Limits } from "../../src/mod.ts";
import {
  type Entry,
  estargz,
  gnuLongName,
  gzipMember,
  paxHeader,
  sha256,
  sparse,
  storedFrame,
  tar,
  tarHeader,
  zstdChunked,
} from "../support/mod.ts";
import { verifyBytes, verifyPiped } from "./layers.ts";

/** What a layer says under a limit, seekable and through a pipe: `ok`, or the code of the error. */
async function under(blob: Uint8Array, limits: Partial<Limits>): Promise<string> {
  const outcomes: string[] = [];
  for (const verify of [verifyBytes, verifyPiped]) {
    const report: LayerReport = await verify(blob, { limits });
    expect(report.digest).toBe(sha256(blob));
    outcomes.push(report.error?.code ?? (report.result === "consistent" ? "ok" : codeOfToc(report)));
  }
  expect(outcomes[0]).toBe(outcomes[1]);
  return outcomes[0]!;
}

/** A TOC over a limit is told in its claim, and the layer is still read. */
function codeOfToc({ claims, findings }: LayerReport): string {
  const toc = claims.find(({ claim }) => claim === "toc");
  return findings.find(({ message }) => message === toc?.where)?.code ?? "mismatch";
}

describe("limits", () => {
  test("entries", async () => {
    const list = (count: number): Entry[] => Array.from({ length: count }, (_, at) => ({ name: `f${at}` }));
    for (const pack of [(blob: Uint8Array) => blob, gzipMember]) {
      expect(await under(pack(tar(list(7))), { entries: 7 })).toBe("ok");
      expect(await under(pack(tar(list(8))), { entries: 7 })).toBe("entries-limit");
    }
  });

  test("path, in bytes: of names and of link targets, in whatever header they stand", async () => {
    const name = (bytes: number) => "é".repeat(bytes / 2);
    for (const format of ["pax", "gnu"] as const) {
      expect(await under(tar([{ name: name(300) }], { format }), { path: 300 })).toBe("ok");
      expect(await under(tar([{ name: name(302) }], { format }), { path: 300 })).toBe("path-limit");
      expect(await under(tar([{ name: "a", linkname: name(300) }], { format }), { path: 300 })).toBe("ok");
      expect(await under(tar([{ name: "a", linkname: name(302) }], { format }), { path: 300 })).toBe(
        "path-limit",
      );
    }
    expect(await under(tar([{ name: "a".repeat(100), prefix: "p".repeat(50) }]), { path: 151 })).toBe("ok");
    expect(await under(tar([{ name: "a".repeat(100), prefix: "p".repeat(50) }]), { path: 150 })).toBe(
      "path-limit",
    );
  });

  test("pax: extended headers, global ones, long names and sparse maps", async () => {
    const headers = [
      paxHeader({ comment: "x".repeat(500) }),
      paxHeader({ comment: "x".repeat(500) }, { global: true }),
      gnuLongName("n".repeat(500)),
      gnuLongName("n".repeat(500), { link: true }),
    ];
    for (const header of headers) {
      const size = parseInt(new TextDecoder().decode(header.subarray(124, 135)), 8);
      const archive = tar([header, { name: "a" }]);
      expect(await under(archive, { pax: size })).toBe("ok");
      expect(await under(archive, { pax: size - 1 })).toBe("tar-header-limit");
    }
    const regions = Array.from({ length: 100 }, (_, at) => ({ offset: at * 1024, data: "x" }));
    const file = { name: "s", realSize: 200_000, regions };
    expect(await under(tar([sparse(file, "gnu")]), { pax: 8192 })).toBe("ok");
    expect(await under(tar([sparse(file, "gnu")]), { pax: 1024 })).toBe("sparse-map-limit");
    expect(await under(tar([sparse(file, "pax-1.0")]), { pax: 8192 })).toBe("ok");
    expect(await under(tar([sparse(file, "pax-1.0")]), { pax: 512 })).toBe("sparse-map-limit");
  });

  test("zstd window", async () => {
    const archive = tar([{ name: "a" }]);
    for (const windowLog of [11, 20, 27]) {
      const blob = storedFrame(archive, { windowLog });
      expect(await under(blob, { zstdWindow: 2 ** windowLog })).toBe("ok");
      expect(await under(blob, { zstdWindow: 2 ** windowLog - 1 })).toBe("zstd-window-limit");
    }
    expect(await under(storedFrame(archive, { windowLog: 28 }), {})).toBe("zstd-window-limit");
  });

  test("total, in uncompressed bytes", async () => {
    const archive = tar([{ name: "a", data: "x".repeat(5000) }]);
    for (const blob of [archive, gzipMember(archive), storedFrame(archive)]) {
      expect(await under(blob, { total: archive.length })).toBe("ok");
      expect(await under(blob, { total: archive.length - 1 })).toBe("total-limit");
      expect(await under(blob, { total: null })).toBe("ok");
    }
  });

  test("ratio, once 64 MiB have come out", async () => {
    const small = gzipMember(tar([{ name: "a", data: new Uint8Array(2 ** 20) }]));
    expect(await under(small, { ratio: 2 })).toBe("ok");
    const large = gzipMember(tar([{ name: "a", data: new Uint8Array(65 * 2 ** 20) }]));
    expect(await under(large, { ratio: 100 })).toBe("ratio-limit");
    expect(await under(large, { ratio: 1100 })).toBe("ok");
    expect(await under(large, {})).toBe("ok");
  });

  test("TOC, compressed and uncompressed: told in its claim, and the layer is still read", async () => {
    const items: Entry[] = Array.from(
      { length: 20 },
      (_, at) => ({ name: `file-${at}`, data: `content ${at}` }),
    );
    const stargz = estargz(items);
    const chunked = zstdChunked(items);
    const cases: [Uint8Array, number][] = [
      [stargz.blob, stargz.tocJson.length],
      [chunked.blob, Math.max(chunked.tocJson.length, chunked.tocCompressed.length)],
    ];
    for (const [blob, size] of cases) {
      expect(await under(blob, { toc: size })).toBe("ok");
      const over = await verifyBytes(blob, { limits: { toc: size - 1 } });
      expect(over.claims).toContainEqual(expect.objectContaining({ claim: "toc", status: "not checked" }));
      expect(over.findings).toContainEqual(expect.objectContaining({ code: "toc-limit", severity: "error" }));
      expect(over.diffID).toBe((await verifyBytes(blob)).diffID);
    }
  });

  test("no limit but the defaults: a layer with a little of everything passes", async () => {
    expect(await under(tar([{ name: "a".repeat(65536) }]), {})).toBe("ok");
    expect(await under(tar([{ name: "a".repeat(65537) }]), {})).toBe("path-limit");
  });
});

test("a limit given as undefined leaves the default in place", async () => {
  const header = tarHeader({ name: "x", typeflag: "x", size: DEFAULT_LIMITS.pax + 1 });
  expect(await under(header, { pax: undefined } as unknown as Partial<Limits>)).toBe("tar-header-limit");
});

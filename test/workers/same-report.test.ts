/** However many threads share the work, the report is the one that a single thread makes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import type { LayerReport, ReportedEntry, VerifyOptions } from "../../src/mod.ts";
import type { WorkerPool } from "../../src/workers/pool.ts";
import {
  concat,
  estargz,
  gzipMember,
  random,
  randomBytes,
  sha256,
  slices,
  tar,
  zstdFrame,
} from "../support/mod.ts";
import type { TocEntry } from "../support/toc.ts";
import { LAYERS } from "../verify/layers.ts";
import { expecting, verifyMemory, verifyPipe } from "../verify/verifying.ts";
import { eagerPool, PLANS } from "./pools.ts";

const FIXTURES = join(import.meta.dirname!, "../fixtures");
const INDEX = JSON.parse(readFileSync(join(FIXTURES, "index.json"), "utf8")) as {
  readonly layers: readonly { readonly path: string }[];
};

for (const [name, plan] of PLANS) {
  describe(name, () => {
    const pool = eagerPool(plan);
    afterAll(() => pool.close());

    test.each(INDEX.layers.map(({ path }) => path))("%s", async (file) => {
      const blob = readFileSync(join(FIXTURES, file));
      await sameReport(blob, pool);
    });

    test("small layers of every format, expected to be right and to be wrong", async () => {
      for (const layer of LAYERS) {
        await sameReport(layer.blob, pool, expecting({ diffID: sha256(layer.tar) }));
        await sameReport(layer.blob, pool, expecting({ diffID: sha256(layer.blob), size: 7 }));
      }
    });

    test("small layers that are cut or damaged anywhere", async () => {
      const { below } = random(4711);
      for (const layer of LAYERS) {
        for (let i = 0; i < 25; i++) {
          await sameReport(layer.blob.subarray(0, below(layer.blob.length)), pool);
          const damaged = layer.blob.slice();
          damaged[below(damaged.length)]! ^= 1 << below(8);
          await sameReport(damaged, pool);
        }
      }
    });

    test("large layers that are cut or damaged, of which the rest is still hashed", async () => {
      const files = Array.from({ length: 30 }, (_, i) => ({ name: `f${i}`, data: randomBytes(90_000, i) }));
      const { below } = random(99);
      for (const compress of [gzipMember, zstdFrame]) {
        const blob = compress(tar(files));
        for (let i = 0; i < 8; i++) {
          await sameReport(blob.subarray(0, below(blob.length)), pool);
          const damaged = blob.slice();
          damaged.fill(0xff, below(blob.length), blob.length);
          await sameReport(damaged, pool);
        }
      }
    });

    test("limits end the work at the same place", async () => {
      const content = tar([{ name: "zeros", data: new Uint8Array(3_000_000) }, { name: "end", data: "x" }]);
      for (const blob of [gzipMember(content), zstdFrame(content)]) {
        await sameReport(blob, pool, { limits: { total: 1_000_000 } });
        await sameReport(blob, pool, { limits: { entries: 1 } });
      }
    });

    test("limits let through what lies in front of them, and nothing behind", async () => {
      const size = 300_000;
      const content = tar([{ name: "noise", data: randomBytes(size, 1) }, { name: "../escapes" }]);
      // The header of the second entry ends there.
      const escapes = 512 + Math.ceil(size / 512) * 512 + 512;
      for (const blob of [gzipMember(content), zstdFrame(content), content]) {
        for (const total of [0, 1, escapes - 1, escapes]) {
          const { findings, error } = await sameReport(blob, pool, { limits: { total } });
          expect(error?.code).toBe("total-limit");
          expect(findings.some(({ code }) => code === "path-escapes-root")).toBe(total === escapes);
        }
      }
    });

    test("windows for which the shared memory has to grow, and members in it then", async () => {
      const [once, other] = [randomBytes(5_000_000, 1), randomBytes(6_000_000, 2)];
      // Raw blocks, and matches that reach back by 11 MB.
      const layer = tar(["a", "b", "a again"].map((name, i) => ({ name, data: i === 1 ? other : once })));
      const frame = zstdFrame(layer, { windowLog: 24, checksum: true });
      expect(frame.length).toBeLessThan(12_000_000);
      const damaged = frame.slice();
      damaged[frame.length - 100]! ^= 1;
      for (
        const blob of [frame, damaged, gzipMember(layer), gzipMember(layer).subarray(0, 9_000_000), frame]
      ) {
        await sameReport(blob, pool, expecting({ diffID: sha256(layer) }));
      }
    });

    test("a limit for the ratio counts alike", async () => {
      const zeros = new Uint8Array(72_000_000);
      const content = tar([{ name: "zeros", data: zeros }, { name: "noise", data: randomBytes(900_000, 1) }]);
      const blob = gzipMember(content);
      for (const ratio of [30, 600]) {
        const pieces = () => slices(blob, 16_384);
        const limits = { limits: { ratio } };
        const alone = await verifyPipe(blob, limits, pieces());
        expect(await verifyPipe(blob, { ...limits, workers: pool }, pieces())).toEqual(alone);
        expect(alone.error?.code).toBe("ratio-limit");
      }
    });
  });
}

describe("where a stream may be split", () => {
  const pool = eagerPool({ decoders: 3 });
  afterAll(() => pool.close());
  const noise = (size: number, seed: number) => randomBytes(size, seed);

  test("members and frames of all sizes, empty ones among them", async () => {
    const { below } = random(12);
    const content = tar(
      Array.from({ length: 40 }, (_, i) => ({ name: `f${i}`, data: noise(below(9000), i) })),
    );
    for (const compress of [gzipMember, zstdFrame]) {
      const parts: Uint8Array[] = [];
      for (let at = 0; at < content.length;) {
        const size = below(4) === 0 ? 0 : below(6000);
        parts.push(compress(content.subarray(at, at + size)));
        at += size;
      }
      await sameReport(concat(...parts), pool);
    }
  });

  test("what looks like a member or frame inside of one is none: files that are compressed already", async () => {
    const inner = Array.from({ length: 60 }, (_, i) => ({
      name: `inner${i}`,
      data: concat(gzipMember(noise(700, i)), zstdFrame(noise(700, i))),
    }));
    const first = tar(inner.slice(0, 10)).subarray(0, -1024);
    const rest = tar(inner.slice(10));
    for (const compress of [storedMember, zstdFrame]) {
      await sameReport(concat(compress(first), compress(rest)), pool);
      const halves = [rest.subarray(0, 30_000), rest.subarray(30_000)];
      await sameReport(concat(compress(first), ...halves.map((half) => compress(half))), pool);
    }
  });

  test("a member's header in the zeros behind the last one is trailing data", async () => {
    const content = tar([{ name: "f", data: noise(5000, 1) }]);
    const blob = concat(gzipMember(content), new Uint8Array(3000), gzipMember(noise(3000, 2)));
    const report = await sameReport(blob, pool);
    expect(report.error?.code).toBe("gzip-trailing-data");
  });

  test("a file that its TOC cuts into 250,000 chunks of a byte", async () => {
    const count = 250_000;
    const chunkDigest = sha256(new Uint8Array(1));
    const { blob } = estargz([{ name: "zeros", data: new Uint8Array(count) }], {
      mutateToc(toc) {
        const [file, ...rest] = toc.entries;
        const chunk = (at: number): TocEntry => ({
          ...(at === 0 ? { ...file!, chunkDigest } : { name: "zeros", type: "chunk", chunkDigest }),
          offset: file!.offset!,
          ...(at > 0 && { innerOffset: at, chunkOffset: at }),
          ...(at < count - 1 && { chunkSize: 1 }),
        });
        toc.entries = [...Array.from({ length: count }, (_, at) => chunk(at)), ...rest];
      },
    });
    const alone = await verifyMemory(blob);
    expect(alone.chunks).toEqual({ total: count, verified: count });
    expect(await verifyMemory(blob, { workers: pool })).toEqual(alone);
  });

  test("a pipe that brings a few bytes at a time", async () => {
    const content = tar([{ name: "noise", data: noise(90_000, 1) }, {
      name: "zeros",
      data: new Uint8Array(600_000),
    }]);
    for (const blob of [gzipMember(content), zstdFrame(content)]) {
      const alone = await verifyPipe(blob, {}, slices(blob, 9));
      const shared = await verifyPipe(blob, { workers: pool }, slices(blob, 9));
      expect(shared).toEqual(alone);
    }
  });

  test("more output than all rings hold", async () => {
    const content = tar([{ name: "zeros", data: new Uint8Array(40_000_000) }, { name: "end", data: "x" }]);
    for (const compress of [gzipMember, zstdFrame]) {
      const parts = [
        content.subarray(0, 9_000_000),
        content.subarray(9_000_000, 9_000_600),
        content.subarray(9_000_600),
      ];
      await sameReport(concat(...parts.map((part) => compress(part))), pool);
    }
  });
});

/** One member of stored blocks, in which what it holds can be seen. */
function storedMember(content: Uint8Array): Uint8Array {
  return gzipMember(content, { level: 0 });
}

/** Verifies with and without the pool, from memory and as a pipe. */
async function sameReport(
  blob: Uint8Array,
  pool: WorkerPool,
  options: VerifyOptions = {},
): Promise<LayerReport> {
  let report!: LayerReport;
  for (const verify of [verifyMemory, verifyPipe]) {
    const [alone, together] = [[], []] as [ReportedEntry[], ReportedEntry[]];
    report = await verify(blob, { ...options, onEntry: (entry) => alone.push(entry) });
    const shared = await verify(blob, {
      ...options,
      workers: pool,
      onEntry: (entry) => together.push(entry),
    });
    expect(shared).toEqual(report);
    expect(together).toEqual(alone);
  }
  return report;
}

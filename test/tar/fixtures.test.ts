import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { TarEntry } from "../../src/tar/entry.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { SparseExpander } from "../../src/tar/sparse.ts";
import { fixture, unzstd } from "../support/fixtures.ts";
import { listed } from "./listed.ts";

const index = JSON.parse(readFileSync(new URL("../fixtures/index.json", import.meta.url), "utf8")) as {
  sources: { name: string; tar: string; list: string }[];
};

/** Lists entries in the form of the fixtures' lists; contents of sparse members are expanded. */
function list(tar: Uint8Array, piece: number): Record<string, unknown>[] {
  const out: Record<string, unknown>[] = [];
  let entry: TarEntry;
  let hash = createHash("sha256");
  let expander: SparseExpander | null = null;
  const reader = new TarReader({
    entry(next) {
      entry = next;
      hash = createHash("sha256");
      expander = next.sparse
        ? new SparseExpander(next.sparse, next.size, {
          sink: (bytes) => void hash.update(bytes),
          offset: next.headerOffset,
          mapLimit: 1 << 20,
        })
        : null;
    },
    payload: (bytes) => expander ? expander.push(bytes) : void hash.update(bytes),
    entryEnd() {
      expander?.end();
      out.push(listed({ ...entry, sha256: entry.kind === "file" ? hash.digest("hex") : null }));
    },
  }, { pax: 1 << 20, path: 1 << 16, entries: 1e6 });
  for (let at = 0; at < tar.length; at += piece) reader.push(tar.subarray(at, at + piece));
  reader.end();
  return out;
}

for (const source of index.sources) {
  test(`${source.name}: the entries are those that Go's reader lists`, () => {
    const compressed = source.tar.includes("(compressed)");
    const bytes = fixture(source.tar.split(" ")[0]!);
    const tar = compressed ? unzstd(bytes) : bytes;
    const expected = JSON.parse(Buffer.from(fixture(source.list)).toString()) as Record<string, unknown>[];
    const got = list(tar, 65536);
    expect(got.length).toBe(expected.length);
    got.forEach((entry, i) => {
      const { tarFormat: _, ...want } = expected[i]!;
      expect(entry).toEqual(want);
    });
    for (const piece of [511, 512, 513, ...(tar.length < 400_000 ? [1] : [])]) {
      expect(list(tar, piece)).toEqual(got);
    }
  });
}

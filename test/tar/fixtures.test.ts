import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { TarEntry } from "../../src/tar/entry.ts";
import { encodeName, replacedName } from "../../src/tar/names.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { SparseExpander } from "../../src/tar/sparse.ts";
import { fixture, unzstd } from "../support/fixtures.ts";

interface Listed {
  name?: string;
  nameB64?: string;
  type: string;
  size?: number;
  mode: string;
  uid?: number;
  gid?: number;
  uname?: string;
  gname?: string;
  mtime?: [number, number];
  linkname?: string;
  dev?: [number, number];
  xattrsB64?: Record<string, string>;
  paxB64?: Record<string, string>;
  sha256?: string;
  tarFormat?: string;
}

const index = JSON.parse(readFileSync(new URL("../fixtures/index.json", import.meta.url), "utf8")) as {
  sources: { name: string; tar: string; list: string }[];
};

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
const mapB64 = (map: ReadonlyMap<string, Uint8Array> | null) =>
  map && map.size > 0 ? Object.fromEntries([...map].map(([key, value]) => [key, base64(value)])) : undefined;

/** Lists entries in the form of the fixtures' lists; contents of sparse members are expanded. */
function list(tar: Uint8Array, piece: number): Listed[] {
  const out: Listed[] = [];
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
      out.push(listed(entry, hash.digest("hex")));
    },
  }, { pax: 1 << 20, path: 1 << 16, entries: 1e6 });
  for (let at = 0; at < tar.length; at += piece) reader.push(tar.subarray(at, at + piece));
  reader.end();
  return out;
}

function listed(entry: TarEntry, sha256: string): Listed {
  const raw = encodeName(entry.name);
  const found: Record<string, unknown> = {
    name: replacedName(entry.name),
    nameB64: entry.name.isWellFormed() ? undefined : base64(raw),
    type: entry.typeflag,
    size: entry.size || undefined,
    mode: entry.mode.toString(8),
    uid: entry.uid || undefined,
    gid: entry.gid || undefined,
    uname: entry.userName || undefined,
    gname: entry.groupName || undefined,
    // Go gives a global header no time, and prints that as year 1.
    mtime: entry.kind === "pax-global" ? [-62135596800, 0] : [entry.mtime.seconds, entry.mtime.nanoseconds],
    linknameB64: entry.linkName.isWellFormed() ? undefined : base64(encodeName(entry.linkName)),
    linkname: replacedName(entry.linkName) || undefined,
    dev: entry.kind === "char" || entry.kind === "block" ? [entry.devMajor, entry.devMinor] : undefined,
    xattrsB64: mapB64(entry.xattrs),
    // The lists leave out the records that they give as xattrs.
    paxB64: mapB64(entry.pax && new Map([...entry.pax].filter(([key]) => !key.startsWith("SCHILY.xattr.")))),
    sha256: entry.kind === "file" ? sha256 : undefined,
  };
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== undefined),
  ) as unknown as Listed;
}

for (const source of index.sources) {
  test(`${source.name}: the entries are those that Go's reader lists`, () => {
    const compressed = source.tar.includes("(compressed)");
    const bytes = fixture(source.tar.split(" ")[0]!);
    const tar = compressed ? unzstd(bytes) : bytes;
    const expected = JSON.parse(Buffer.from(fixture(source.list)).toString()) as Listed[];
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

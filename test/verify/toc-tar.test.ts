/** Every attribute of a TOC against the tar: each lie gives its own finding, with the entry and both values. */
import { describe, expect, test } from "vitest";
import {
  base64,
  bytes,
  type Dialect,
  type Entry,
  estargz,
  LAYOUTS,
  randomBytes,
  randomText,
  rfc3339,
  sha256,
  type Toc,
  type TocEntry,
  type TocHooks,
  zstdChunked,
} from "../support/mod.ts";
import { claimOf, codesOf, statuses, verifyBoth, verifyMemory, WRONG } from "./verifying.ts";

/** Entries of every kind, with something in every attribute. */
const ITEMS: readonly Entry[] = [
  { name: "dir/", mode: 0o755, uid: 5, gid: 6, uname: "five", gname: "six", mtime: 1000 },
  {
    name: "dir/file",
    data: randomText(700),
    mode: 0o640,
    uid: 7,
    gid: 8,
    uname: "seven",
    gname: "eight",
    mtime: 2000,
    xattrs: { "user.a": "one", "user.b": Uint8Array.of(0, 255, 10) },
  },
  { name: "dir/chunked", data: randomBytes(10_000), mtime: 3000 },
  { name: "dir/other", data: randomBytes(700, 7), mtime: 3500, pax: { atime: "3600.5", ctime: "3700" } },
  { name: "dir/symlink", typeflag: "2", linkname: "../target/./x", mtime: 4000 },
  { name: "dir/hardlink", typeflag: "1", linkname: "dir/file", mtime: 2000 },
  { name: "dev/", mtime: 5000 },
  { name: "dev/char", typeflag: "3", devmajor: 1, devminor: 3, mtime: 5000 },
  { name: "dev/block", typeflag: "4", devmajor: 8, devminor: 1, mtime: 5000 },
  { name: "dev/fifo", typeflag: "6", mtime: 5000 },
  { name: "empty", mtime: 6000 },
];

interface Made {
  readonly blob: Uint8Array;
  readonly toc: Toc;
}

type Variant = readonly [
  name: string,
  make: (hooks?: TocHooks, items?: readonly Entry[]) => Made,
  family: "stargz" | "storage",
];

const VARIANTS: readonly Variant[] = [
  ...(["estargz", "legacy"] as const).map((footer) =>
    [
      `${footer} footer`,
      (hooks = {}, items = ITEMS) => estargz(items, { footer, chunkSize: 4096, ...hooks }),
      "stargz",
    ] as const
  ),
  ["lossless eStargz", (hooks = {}, items = ITEMS) => {
    return estargz(items, { lossless: true, chunkSize: 4096, ...hooks });
  }, "stargz"],
  ...(Object.keys(LAYOUTS) as Dialect[]).map((dialect) =>
    [
      `zstd:chunked ${dialect}`,
      (hooks = {}, items = ITEMS) => zstdChunked(items, { dialect, chunkSize: 4096, ...hooks }),
      dialect === "stargz" ? "stargz" : "storage",
    ] as const
  ),
];

/** The TOC's first entry of that name. */
function of(toc: Toc, name: string): TocEntry {
  const found = toc.entries.find((entry) => entry.name === name);
  if (!found) throw new Error(`the TOC has no ${name}`);
  return found;
}

/** A lie, and how it is told: in the finding's code, entry, and both values in its message. */
interface Lie {
  readonly name: string;
  readonly change: (toc: Toc) => Toc | void;
  readonly code: string;
  readonly entry: string;
  /** What the message says, in this order. */
  readonly says: readonly string[];
  readonly claim?: "tocMatchesTar" | "files" | "chunks" | "chunkPositions";
  readonly family?: Variant[2];
  /** How many findings of the code the entry gets; 1 unless it is said. */
  readonly times?: number;
}

const set = (name: string, fields: Partial<TocEntry>) => (toc: Toc) =>
  void Object.assign(of(toc, name), fields);
const attribute = (
  code: string,
  entry: string,
  fields: Partial<TocEntry>,
  tocSays: string,
  tarSays: string,
): Lie => ({
  name: `${Object.keys(fields).join(" and ")} of ${entry}`,
  change: set(entry, fields),
  code: `toc-tar-${code}`,
  entry,
  says: [`TOC ${tocSays}`, `tar ${tarSays}`],
});
const hexOf = (data: string | Uint8Array) =>
  Array.from(bytes(data), (byte) => byte.toString(16).padStart(2, "0")).join("");
const data = (name: string) => ITEMS.find((item) => item.name === name)!.data as Uint8Array;
const digestOf = (name: string) => sha256(data(name));

const LIES: readonly Lie[] = [
  attribute("mode", "dir/file", { mode: 0o4755 }, "4755", "0640"),
  attribute("mode", "dir/", { mode: 0o1777 }, "1777", "0755"),
  attribute("mode", "dir/file", { mode: 0 }, "0000", "0640"),
  attribute("mode", "dev/char", { mode: 0o666 }, "0666", "0644"),
  attribute("uid", "dir/file", { uid: 0 }, "0", "7"),
  attribute("gid", "dir/", { gid: 4294967294 }, "4294967294", "6"),
  attribute("mtime", "dir/file", { modtime: rfc3339({ seconds: 2001 }) }, "2001", "2000"),
  attribute("mtime", "dir/", { modtime: rfc3339({ seconds: 0 }) }, "absent", "1000"),
  attribute("mtime", "dir/symlink", { modtime: "0001-01-01T00:00:00Z" }, "absent", "4000"),
  attribute("mtime", "empty", { modtime: "1970-01-01T01:40:00+01:00" }, "2400", "6000"),
  ...([
    ["atime", "dir/other", { accesstime: rfc3339({ seconds: 3600 }) }, "3600", "3600.500000000"],
    ["ctime", "dir/other", { changetime: undefined }, "absent", "3700"],
    ["atime", "dir/file", { accesstime: rfc3339({ seconds: 1 }) }, "1", "absent"],
    [
      "ctime",
      "dir/",
      { changetime: rfc3339({ seconds: 9, fraction: "000000001" }) },
      "9.000000001",
      "absent",
    ],
  ] as const).map(([code, entry, fields, toc, tar]): Lie => ({
    ...attribute(code, entry, fields as Partial<TocEntry>, toc, tar),
    family: "storage",
  })),
  attribute("link-name", "dir/symlink", { linkName: "../target/x" }, "../target/x", "../target/./x"),
  attribute("link-name", "dir/symlink", { linkName: "" }, "", "../target/./x"),
  attribute("link-name", "dir/hardlink", { linkName: "dir/chunked" }, "dir/chunked", "dir/file"),
  attribute("dev-major", "dev/char", { devMajor: 2 }, "2", "1"),
  attribute("dev-minor", "dev/char", { devMinor: 9 }, "9", "3"),
  attribute("dev-major", "dev/block", { devMajor: 0 }, "0", "8"),
  attribute("dev-minor", "dev/block", { devMinor: -1 }, "-1", "1"),
  attribute("type", "empty", { type: "dir" }, "dir", "file"),
  attribute("type", "dir/symlink", { type: "hardlink" }, "hardlink", "symlink"),
  attribute("type", "dev/char", { type: "block" }, "block", "char"),
  attribute("type", "dev/fifo", { type: "char" }, "char", "fifo"),
  attribute("type", "dir/", { type: "reg" }, "file", "dir"),
  attribute("size", "empty", { size: 5, offset: 1, chunkDigest: WRONG }, "5", "0"),
  {
    ...attribute("xattr", "dir/file", { xattrs: { "user.a": base64("one") } }, "absent", "00ff0a"),
    name: "an xattr left out",
  },
  {
    ...attribute(
      "xattr",
      "empty",
      { xattrs: { "security.capability": base64("cap") } },
      hexOf("cap"),
      "absent",
    ),
    name: "an xattr added",
  },
  {
    name: "an xattr changed",
    change: (toc) => void (of(toc, "dir/file").xattrs!["user.a"] = base64("two")),
    code: "toc-tar-xattr",
    entry: "dir/file",
    says: ["user.a", `TOC ${hexOf("two")}`, `tar ${hexOf("one")}`],
  },
  {
    name: "an xattr emptied",
    change: (toc) => void (of(toc, "dir/file").xattrs!["user.a"] = ""),
    code: "toc-tar-xattr",
    entry: "dir/file",
    says: ["user.a", `tar ${hexOf("one")}`],
  },
  {
    name: "an xattr called otherwise",
    change: set("dir/file", {
      xattrs: { "user.A": base64("one"), "user.b": base64(Uint8Array.of(0, 255, 10)) },
    }),
    code: "toc-tar-xattr",
    entry: "dir/file",
    times: 2,
    says: ["user.A", `TOC ${hexOf("one")}`, "tar absent"],
  },
  {
    ...attribute("user-name", "dir/file", { userName: "root" }, "root", "seven"),
    family: "stargz",
  },
  {
    ...attribute("group-name", "dir/", { groupName: "root" }, "root", "six"),
    family: "stargz",
  },
  {
    ...attribute("user-name", "dir/file", { userName: "" }, "", "seven"),
    name: "no userName where it is the first of its id",
    family: "stargz",
  },
  {
    ...attribute("user-name", "empty", { userName: "root" }, "root", ""),
    name: "a userName where the tar has none",
    family: "stargz",
  },
  {
    name: "the size of a file",
    change: set("dir/other", { size: 699 }),
    code: "toc-tar-size",
    entry: "dir/other",
    says: ["TOC 699", "tar 700"],
  },
  {
    name: "the size of a file cut to nothing",
    change: set("dir/other", { size: 0 }),
    code: "toc-tar-size",
    entry: "dir/other",
    says: ["TOC 0", "tar 700"],
  },
  {
    name: "a name",
    change: set("dir/symlink", { name: "dir/elsewhere" }),
    code: "toc-missing-entry",
    entry: "dir/symlink",
    says: ["the tar stream has an entry that the TOC does not have"],
  },
  {
    name: "a name (the other side of it)",
    change: set("dir/symlink", { name: "dir/elsewhere" }),
    code: "toc-extra-entry",
    entry: "dir/elsewhere",
    says: ["the TOC has an entry that the tar stream does not have"],
  },
  {
    name: "a name that leaves the root",
    change: set("dir/symlink", { name: "../dir/symlink" }),
    code: "toc-tar-name",
    entry: "dir/symlink",
    says: ["TOC ../dir/symlink", "tar dir/symlink"],
  },
  {
    name: "an entry left out",
    change: (toc) => void toc.entries.splice(toc.entries.indexOf(of(toc, "dev/fifo")), 1),
    code: "toc-missing-entry",
    entry: "dev/fifo",
    says: ["the TOC does not have"],
  },
  {
    name: "all entries left out",
    change: (toc) => void (toc.entries = []),
    code: "toc-missing-entry",
    entry: "dir/",
    says: ["the TOC does not have"],
  },
  {
    name: "an entry added",
    change: (toc) =>
      void toc.entries.push({ type: "symlink", name: "etc/passwd", linkName: "/x", mode: 0o777 }),
    code: "toc-extra-entry",
    entry: "etc/passwd",
    says: ["the tar stream does not have"],
  },
  {
    name: "an entry twice",
    change: (toc) => void toc.entries.push({ ...of(toc, "dir/symlink") }),
    code: "toc-duplicate-entry",
    entry: "dir/symlink",
    says: ["2 entries"],
  },
  {
    name: "an entry twice under two spellings",
    change: (toc) =>
      void toc.entries.push({ ...of(toc, "dir/symlink"), name: "./dir//symlink", linkName: "/etc" }),
    code: "toc-duplicate-entry",
    entry: "dir/symlink",
    says: ["2 entries"],
  },
  {
    name: "the digest of a file",
    change: set("dir/file", { digest: WRONG }),
    code: "file-digest-mismatch",
    entry: "dir/file",
    says: [WRONG, digestOf("dir/file")],
    claim: "files",
  },
  {
    name: "the digest of nothing for a file with content (A29)",
    change: set("dir/other", { digest: sha256("") }),
    code: "file-digest-mismatch",
    entry: "dir/other",
    says: [sha256(""), digestOf("dir/other")],
    claim: "files",
  },
  {
    name: "a digest for an empty file that is not of nothing (A28)",
    change: set("empty", { digest: WRONG }),
    code: "file-digest-mismatch",
    entry: "empty",
    says: [WRONG, sha256("")],
    claim: "files",
  },
  {
    name: "the digests of two files swapped",
    change: (toc) => {
      const [a, b] = [of(toc, "dir/file"), of(toc, "dir/other")];
      [a.digest, b.digest] = [b.digest!, a.digest!];
    },
    code: "file-digest-mismatch",
    entry: "dir/other",
    says: [digestOf("dir/file"), digestOf("dir/other")],
    claim: "files",
  },
  {
    name: "the digest of the second chunk",
    change: (toc) => void (chunks(toc)[1]!.chunkDigest = WRONG),
    code: "chunk-digest-mismatch",
    entry: "dir/chunked",
    says: ["the chunk at 4096 (4096 bytes)", WRONG, sha256(data("dir/chunked").subarray(4096, 8192))],
    claim: "chunks",
  },
  {
    name: "the digests of two chunks swapped",
    change: (toc) => {
      const [a, b] = chunks(toc);
      [a!.chunkDigest, b!.chunkDigest] = [b!.chunkDigest!, a!.chunkDigest!];
    },
    code: "chunk-digest-mismatch",
    entry: "dir/chunked",
    times: 2,
    says: ["the chunk at 0 (4096 bytes)", sha256(data("dir/chunked").subarray(0, 4096))],
    claim: "chunks",
  },
  {
    name: "the offset of a chunk",
    change: (toc) => void (chunks(toc)[2]!.offset! += 1),
    code: "chunk-position-mismatch",
    entry: "dir/chunked",
    says: ["the chunk at 8192 (1808 bytes)", "inner offset 0"],
    claim: "chunkPositions",
  },
  {
    name: "the offsets of two files swapped, as if each were the other",
    change: (toc) => {
      const [a, b] = [of(toc, "dir/file"), of(toc, "dir/other")];
      [a.offset, b.offset] = [b.offset!, a.offset!];
    },
    code: "chunk-position-mismatch",
    entry: "dir/file",
    says: ["the chunk at 0 (700 bytes)"],
    claim: "chunkPositions",
  },
  {
    name: "an inner offset",
    change: set("dir/other", { innerOffset: 512 }),
    code: "chunk-position-mismatch",
    entry: "dir/other",
    says: ["inner offset 512", "inner offset 0"],
    claim: "chunkPositions",
  },
];

function chunks(toc: Toc): TocEntry[] {
  return toc.entries.filter(({ name }) => name === "dir/chunked");
}

for (const [variant, make, family] of VARIANTS) {
  describe(variant, () => {
    test("the true TOC agrees with the tar in everything", async () => {
      const { blob } = make();
      for (const [way, report] of await verifyBoth(blob)) {
        expect(report, way).toMatchObject({ result: "consistent", chunks: { total: 5, verified: 5 } });
        expect(claimOf(report, "tocMatchesTar")).toMatchObject({
          status: "consistent",
          expected: "11 entries",
          actual: "11 entries agree",
        });
        const about = /^(tar-no-end|zstd-chunked-footer-broken|tar-split-not-authenticated|reserved-name)$/;
        expect(codesOf(report).filter((code) => !about.test(code))).toEqual([]);
      }
    });

    for (const lie of LIES) {
      if (lie.family !== undefined && lie.family !== family) continue;
      test(`told: ${lie.name}`, async () => {
        const { blob } = make({ mutateToc: lie.change });
        for (const [way, report] of await verifyBoth(blob)) {
          expect(report.result, way).toBe("mismatch");
          expect(statuses(report)[lie.claim ?? "tocMatchesTar"], way).toBe("mismatch");
          const findings = report.findings.filter(({ code, entry }) =>
            code === lie.code && entry?.replace(/\/$/, "") === lie.entry.replace(/\/$/, "")
          );
          expect(findings.length, `${way}: ${JSON.stringify(report.findings)}`).toBe(lie.times ?? 1);
          expect(findings[0]!.severity).toBe("error");
          let at = 0;
          for (const part of lie.says) {
            const found = findings[0]!.message.indexOf(part, at);
            expect(found, `${part} in ${findings[0]!.message}`).toBeGreaterThanOrEqual(0);
            at = found;
          }
        }
      });
    }

    test("told: each lie with both values in the claim, the first of them", async () => {
      const { blob } = make({ mutateToc: set("dir/file", { uid: 99 }) });
      const report = await verifyMemory(blob);
      const claim = claimOf(report, "tocMatchesTar");
      expect(claim.actual).toBe("1 differences");
      expect(claim.where).toBe("dir/file: TOC: 99, tar: 7");
    });

    test("not a difference: the spelling of a path, type bits in a mode, a directory twice the same", async () => {
      const { blob } = make({
        mutateToc(toc) {
          of(toc, "dir/other").name = "./dir//other";
          of(toc, "dir/file").mode = 0o100640;
          of(toc, "dir/hardlink").linkName = "./dir/file";
        },
      });
      for (const [way, report] of await verifyBoth(blob)) expect(report.result, way).toBe("consistent");
    });
  });
}

describe("chunk sizes and offsets that do not fit the file", () => {
  const cases: readonly (readonly [name: string, code: string, change: (toc: Toc) => void])[] = [
    ["a gap", "toc-chunk-gap", (toc) => void (chunks(toc)[1]!.chunkOffset! += 1)],
    ["an overlap", "toc-chunk-overlap", (toc) => void (chunks(toc)[1]!.chunkOffset! -= 1)],
    [
      "a chunk left out",
      "toc-chunk-gap",
      (toc) => void toc.entries.splice(toc.entries.indexOf(chunks(toc)[1]!), 1),
    ],
    [
      "the last chunk left out",
      "toc-chunk-gap",
      (toc) => void toc.entries.splice(toc.entries.indexOf(chunks(toc)[2]!), 1),
    ],
    ["a chunk longer than the file", "toc-chunk-overlap", (toc) => void (chunks(toc)[2]!.chunkSize = 1809)],
    ["a first chunk of size 0", "toc-chunk-gap", (toc) => void (chunks(toc)[0]!.chunkSize = 0)],
    ["two chunks in the wrong order", "toc-chunk-gap", (toc) => {
      const [, b, c] = chunks(toc);
      const at = toc.entries.indexOf(b!);
      toc.entries.splice(at, 2, c!, b!);
    }],
    ["a chunk of another file", "toc-chunk-without-file", (toc) => void (chunks(toc)[1]!.name = "dir/file")],
  ];
  for (const [variant, make] of VARIANTS) {
    for (const [name, code, change] of cases) {
      test(`${variant}: ${name} is refused, the layer is still read`, async () => {
        const { blob } = make({ mutateToc: change });
        for (const [way, report] of await verifyBoth(blob)) {
          expect(report.result, way).toBe("mismatch");
          expect(codesOf(report), way).toContain(code);
          expect(report.diffID).not.toBe(null);
          expect(claimOf(report, "tar").status).toBe("consistent");
        }
      });
    }
  }
});

describe("times", () => {
  const at = (mtime: number | undefined, pax: Record<string, string> = {}): readonly Entry[] => [
    { name: "f", data: "x", ...(mtime === undefined ? {} : { mtime }), pax },
  ];
  const cases: readonly (readonly [
    name: string,
    items: readonly Entry[],
    modtime: string | undefined,
    stargz: boolean,
    storage: boolean,
  ])[] = [
    ["1970 in the tar, absent in the TOC", at(0), undefined, true, true],
    ["1970 in the tar, year 1 in the TOC", at(0), "0001-01-01T00:00:00Z", true, true],
    ["1970 in both", at(0), "1970-01-01T00:00:00Z", true, true],
    ["year 1 in the tar, absent in the TOC", at(0, { mtime: "-62135596800" }), undefined, true, true],
    ["year 1 in both", at(0, { mtime: "-62135596800" }), "0001-01-01T00:00:00Z", true, true],
    ["an offset of +02:00", at(7200), "1970-01-01T04:00:00+02:00", true, true],
    ["an offset of -11:30", at(7200), "1969-12-31T14:30:00-11:30", true, true],
    ["an offset that was left out of the account", at(7200), "1970-01-01T02:00:00+02:00", false, false],
    ["rounded down", at(0, { mtime: "100.4" }), "1970-01-01T00:01:40Z", true, false],
    ["rounded up", at(0, { mtime: "100.6" }), "1970-01-01T00:01:41Z", true, false],
    ["rounded up from a whole second", at(100), "1970-01-01T00:01:41Z", false, false],
    ["two seconds away", at(0, { mtime: "100.6" }), "1970-01-01T00:01:42Z", false, false],
    ["a second too early", at(0, { mtime: "100.6" }), "1970-01-01T00:01:39Z", false, false],
    ["nanoseconds", at(0, { mtime: "100.123456789" }), "1970-01-01T00:01:40.123456789Z", true, true],
    ["one nanosecond off", at(0, { mtime: "100.123456789" }), "1970-01-01T00:01:40.123456788Z", false, false],
    ["a nanosecond in 1970", at(0, { mtime: "0.000000001" }), "1970-01-01T00:00:00.000000001Z", true, true],
    ["1901", at(0, { mtime: "-2177452800" }), "1901-01-01T00:00:00Z", true, true],
    ["1901 with a fraction", at(0, { mtime: "-2177452799.5" }), "1901-01-01T00:00:00.5Z", true, true],
    ["1901 for 1902", at(0, { mtime: "-2145916800" }), "1901-01-01T00:00:00Z", false, false],
    ["the last second of 32 bits", at(2147483647), "2038-01-19T03:14:07Z", true, true],
    ["2262 and later", at(0, { mtime: "9223372037" }), "2262-04-11T23:47:17Z", true, true],
    ["2999", at(0, { mtime: "32472144000" }), "2999-01-01T00:00:00Z", true, true],
    ["9999", at(0, { mtime: "253402300799" }), "9999-12-31T23:59:59Z", true, true],
    ["29 February", at(951782400), "2000-02-29T00:00:00Z", true, true],
  ];
  for (const [name, items, modtime, stargz, storage] of cases) {
    for (
      const [variant, make, family] of VARIANTS.filter(([name]) => /^estargz|1\.55|stargz$|1\.43/.test(name))
    ) {
      const equal = family === "stargz" ? stargz : storage;
      test(`${variant}: ${name}: ${equal ? "one time" : "two times"}`, async () => {
        const { blob } = make({
          mutateToc(toc) {
            if (modtime === undefined) delete toc.entries[0]!.modtime;
            else toc.entries[0]!.modtime = modtime;
          },
        }, items);
        for (const [way, report] of await verifyBoth(blob)) {
          expect(report.result, way).toBe(equal ? "consistent" : "mismatch");
          if (!equal) expect(codesOf(report)).toContain("toc-tar-mtime");
          for (const { message } of report.findings) expect(message).not.toContain("NaN");
        }
      });
    }
  }

  const noTimes = [
    "yesterday",
    "2024-13-01T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2024-01-01T24:00:00Z",
    "2024-01-01T00:00:00",
    "2024-01-01 00:00:00Z",
    "2024-01-01T00:00:00+24:00",
    "12024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.Z",
    `2024-01-01T00:00:00.${"1".repeat(1000)}Z`,
  ];
  for (const modtime of noTimes) {
    test(`no time: ${modtime.slice(0, 40)}`, async () => {
      const { blob } = estargz(ITEMS, { mutateToc: set("dir/file", { modtime }) });
      for (const [way, report] of await verifyBoth(blob)) {
        expect(report.result, way).toBe("mismatch");
        const finding = report.findings.find(({ code }) => code === "toc-bad-field");
        expect(finding).toMatchObject({ entry: "dir/file", severity: "error" });
        expect(finding!.message).toContain("modtime");
      }
    });
  }
});

describe("names that are not UTF-8 (the TOC has U+FFFD)", () => {
  const items: readonly Entry[] = [{ name: Uint8Array.of(0x61, 0xe9), data: "x" }];
  for (const [variant, make] of VARIANTS) {
    test(`${variant}: the replacement is the same entry, another letter is not`, async () => {
      for (const [way, report] of await verifyBoth(make({}, items).blob)) {
        expect(report.result, way).toBe("consistent");
        expect(codesOf(report)).toContain("name-not-utf8");
      }
      const { blob } = make({ mutateToc: (toc) => void (toc.entries[0]!.name = "a\u00e9") }, items);
      for (const [way, report] of await verifyBoth(blob)) {
        expect(report.result, way).toBe("mismatch");
        expect(report.findings.find(({ code }) => code === "toc-missing-entry")?.entry).toBe("a\\xE9");
      }
    });
  }
});

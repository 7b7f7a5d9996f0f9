/** What the tar, gzip and zstd builders make, against GNU tar, gzip and zstd. */
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { xxhash64 } from "hash-wasm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytes, collect, concat, hex, latin1, sha256, slices } from "./bytes.ts";
import { gzipMember, gzipMembers, gzipMemberStream, gzipStream } from "./gzip.ts";
import { run, testWith } from "./programs.ts";
import { random, randomBytes, randomText } from "./random.ts";
import { expanded, sparse, type SparseFile } from "./tar-sparse.ts";
import {
  base256,
  type Entry,
  entry,
  gnuLongName,
  headerSum,
  paxHeader,
  paxRecord,
  repeated,
  tar,
  type TarFormat,
  tarHeader,
  type TarOptions,
  tarStream,
} from "./tar.ts";
import { xxh64 } from "./xxh64.ts";
import {
  rawFrame,
  rleFrameStream,
  skippable,
  storedFrame,
  zstdFrame,
  zstdFrames,
  zstdStream,
} from "./zstd.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "layerproof-support-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** GNU tar's listing, a line for each member: mode, owner, size, time, name. */
function list(archive: Uint8Array): string[] {
  const options = [
    "--list",
    "--verbose",
    "--full-time",
    "--numeric-owner",
    "--quoting-style=literal",
    "--file=-",
  ];
  const { stdout, stderr } = run("tar", options, archive);
  expect(stderr).toBe("");
  return new TextDecoder().decode(stdout).trimEnd().split("\n").map((line) => line.replace(/ +/g, " "));
}

/** Extracts with GNU tar into a new directory. */
function extract(archive: Uint8Array): string {
  const into = mkdtempSync(join(directory, "x-"));
  run(
    "tar",
    ["--extract", "--no-same-owner", "--same-permissions", "--file=-", `--directory=${into}`],
    archive,
  );
  return into;
}

const LONG = `${"d".repeat(90)}/${"f".repeat(120)}`;
const TARGET = "t".repeat(180);

const MEMBERS: readonly Entry[] = [
  { name: "dir/", mode: 0o1750, mtime: 1_000_000_000 },
  { name: "dir/a", data: "hi", mode: 0o4711, mtime: 1 },
  { name: "dir/empty", uid: 12, gid: 34 },
  { name: "link", linkname: "dir/a" },
  { name: "hard", linkname: "dir/a", typeflag: "1" },
  { name: "block", data: randomBytes(512) },
  { name: "over", data: randomBytes(513) },
  { name: LONG, data: "long" },
  { name: "longlink", linkname: TARGET },
  { name: "fifo", typeflag: "6" },
  { name: "null", typeflag: "3", devmajor: 1, devminor: 3 },
  { name: "owner", uid: 4_000_000_000, gid: 2_097_152 },
  { name: "old", mtime: -100 },
];

const LISTED = [
  "drwxr-x--T 0/0 0 2001-09-09 01:46:40 dir/",
  "-rws--x--x 0/0 2 1970-01-01 00:00:01 dir/a",
  "-rw-r--r-- 12/34 0 2023-11-14 22:13:20 dir/empty",
  "lrwxrwxrwx 0/0 0 2023-11-14 22:13:20 link -> dir/a",
  "hrw-r--r-- 0/0 0 2023-11-14 22:13:20 hard link to dir/a",
  "-rw-r--r-- 0/0 512 2023-11-14 22:13:20 block",
  "-rw-r--r-- 0/0 513 2023-11-14 22:13:20 over",
  `-rw-r--r-- 0/0 4 2023-11-14 22:13:20 ${LONG}`,
  `lrwxrwxrwx 0/0 0 2023-11-14 22:13:20 longlink -> ${TARGET}`,
  "prw-r--r-- 0/0 0 2023-11-14 22:13:20 fifo",
  "crw-r--r-- 0/0 1,3 2023-11-14 22:13:20 null",
  "-rw-r--r-- 4000000000/2097152 0 2023-11-14 22:13:20 owner",
  "-rw-r--r-- 0/0 0 1969-12-31 23:58:20 old",
];

describe("tar", () => {
  for (const format of ["pax", "gnu"] as const satisfies readonly TarFormat[]) {
    testWith(["tar"], `GNU tar lists what a ${format} archive says`, () => {
      expect(list(tar(MEMBERS, { format, recordSize: 10240 }))).toEqual(LISTED);
    });

    testWith(["tar"], `GNU tar extracts a ${format} archive with names, modes, times and links`, () => {
      const root = extract(tar(MEMBERS.filter((member) => member.name !== "null"), { format }));
      const a = lstatSync(join(root, "dir/a"));
      expect(a.mode & 0o7777).toBe(0o4711);
      expect(a.mtimeMs).toBe(1000);
      expect(lstatSync(join(root, "hard")).ino).toBe(a.ino);
      expect(lstatSync(join(root, "old")).mtimeMs).toBe(-100_000);
      expect(readFileSync(join(root, LONG), "utf8")).toBe("long");
      expect(readlinkSync(join(root, "longlink"))).toBe(TARGET);
      expect(new Uint8Array(readFileSync(join(root, "over")))).toEqual(randomBytes(513));
    });
  }

  testWith(["tar"], "PAX records carry names in UTF-8 and fractions of seconds", () => {
    const archive = tar([{ name: "naïve-🦊", data: "x", mtime: 1.25 }, { name: "before", mtime: -1.5 }]);
    expect(list(archive)[0]).toBe("-rw-r--r-- 0/0 1 1970-01-01 00:00:01.25 naïve-🦊");
    // Extracted, because tar's listing is a second late for times with a fraction before 1970.
    expect(lstatSync(join(extract(archive), "before")).mtimeMs).toBe(-1500);
  });

  testWith(["tar"], "a PAX size wins over the header's", () => {
    const data = concat(tar([{ name: "hidden", data: "x" }], { noEnd: true }), new Uint8Array(512));
    const archive = tar([{ name: "outer", size: 0, data, pax: { size: String(data.length) } }, {
      name: "next",
    }]);
    expect(list(archive).map((line) => line.split(" ").at(-1))).toEqual(["outer", "next"]);
  });

  testWith(["tar"], "odd encodings that readers accept are what they claim", () => {
    const archive = tar([
      { name: "seven", checksum: "7digits" },
      { name: "blanks", checksum: "blanks", mode: "   644 \0", size: "          1 ", data: "x" },
      { name: latin1("caf\xe9"), checksum: "signed" },
      { name: "binary", uid: base256(7, 8), size: base256(3, 12), data: "abc" },
      { name: "tail", prefix: "in/front" },
      { name: "v7", magic: "v7", prefix: "not a prefix" },
      { name: "full".padEnd(100, "x"), gnuLong: false },
    ]);
    expect(list(archive).map((line) => line.split(" ").slice(2).join(" "))).toEqual([
      "0 2023-11-14 22:13:20 seven",
      "1 2023-11-14 22:13:20 blanks",
      "0 2023-11-14 22:13:20 caf\ufffd",
      "3 2023-11-14 22:13:20 binary",
      "0 2023-11-14 22:13:20 in/front/tail",
      "0 2023-11-14 22:13:20 v7",
      `0 2023-11-14 22:13:20 ${"full".padEnd(100, "x")}`,
    ]);
  });

  testWith(["tar"], "a wrong checksum is refused", () => {
    expect(() => list(tar([{ name: "a", checksum: 1 }]))).toThrow(/ended with 2/);
  });

  test("hooks reach every byte, before and after the checksum", () => {
    const before = tarHeader({ raw: (header) => (header[500] = 7) });
    const after = tarHeader({ after: (header) => (header[500] = 7) });
    const stated = (header: Uint8Array) => parseInt(new TextDecoder().decode(header.subarray(148, 154)), 8);
    expect(stated(before)).toBe(headerSum(before));
    expect(stated(after)).toBe(headerSum(after) - 7);
  });

  test("a PAX record's length counts its own digits", () => {
    for (const length of [0, 1, 85, 86, 87, 88, 89, 90, 91, 980, 985, 990, 995, 9985]) {
      const record = paxRecord("path", "x".repeat(length));
      expect(parseInt(new TextDecoder().decode(record))).toBe(record.length);
    }
  });

  testWith(["tar"], "extension headers made by hand work in front of a plain member", () => {
    const plain = entry({ name: "short", data: "x" });
    const archive = tar([
      paxHeader({ comment: "for all" }, { global: true }),
      paxHeader([["path", "first"], ["path", "second"]]),
      plain,
      gnuLongName("n".repeat(5000), { trailingNuls: 5 }),
      plain,
    ]);
    expect(list(archive).map((line) => line.split(" ").at(-1))).toEqual(["second", "n".repeat(5000)]);
  });

  for (const format of ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"] as const) {
    testWith(["tar"], `GNU tar expands ${format} sparse members`, () => {
      const runs = (count: number) =>
        Array.from({ length: count }, (_, at) => ({ offset: at * 8192 + 512, data: randomBytes(512, at) }));
      const files: readonly SparseFile[] = [0, 1, 4, 5, 25, 26, 60].map((count) => ({
        name: `s/${count}`,
        realSize: count * 8192 + 1000,
        regions: runs(count),
      }));
      const archive = tar([...files.map((file) => sparse(file, format)), { name: "after", data: "x" }]);
      const root = extract(archive);
      for (const file of files) {
        expect(sha256(readFileSync(join(root, file.name)))).toBe(sha256(expanded(file)));
      }
      expect(readFileSync(join(root, "after"), "utf8")).toBe("x");
    });
  }

  test("a streamed archive has the bytes of one made at once", () => {
    const piece = randomBytes(1000);
    const options: TarOptions = { recordSize: 10240, zeroBlocks: 5, trailing: "junk" };
    const data = () => repeated(piece, 3500);
    const streamed = collect(
      tarStream([{ name: "a", size: 3500, data: data() }, { name: "b", data: "x" }], options),
    );
    const whole = tar([{ name: "a", data: collect(data()) }, { name: "b", data: "x" }], options);
    expect(sha256(streamed)).toBe(sha256(whole));
    expect(() => collect(tarStream([{ name: "a", size: 5, data: [piece] }]))).toThrow(RangeError);
  });

  test("the end of an archive is what the options say", () => {
    expect(tar([]).length).toBe(1024);
    expect(tar([], { noEnd: true }).length).toBe(0);
    expect(tar([{ name: "a" }], { recordSize: 10240, trailing: "junk" }).length).toBe(10244);
    expect(tar([], { zeroBlocks: 10 }).length).toBe(6144);
  });
});

describe("gzip", () => {
  testWith(["gzip"], "gzip reads members with every header field", () => {
    const text = randomText(100_000);
    const noise = randomBytes(100_000);
    const file = concat(
      gzipMembers(["a", "b", ""]),
      gzipMember(text, { name: "n", comment: "c", extra: "SG\x01\0x", text: true, mtime: 5, os: 3 }),
      gzipMember(noise, { stored: true }),
      gzipMember(noise, { level: 9 }),
      collect(gzipStream([{ data: "xyz", times: 3 }])),
      collect(gzipMemberStream([{ data: text, times: 3 }, "end"])),
    );
    const expected = concat(
      bytes("ab"),
      text,
      noise,
      noise,
      bytes("xyzxyzxyz"),
      text,
      text,
      text,
      bytes("end"),
    );
    run("gzip", ["--test"], file);
    expect(sha256(run("gzip", ["-dc"], file).stdout)).toBe(sha256(expected));
  });

  testWith(["gzip"], "faults are faults to gzip too", () => {
    for (const fault of [{ badCrc: true }, { badIsize: true }, { reservedFlags: 0x20 }, { method: 7 }]) {
      expect(() => run("gzip", ["--test"], gzipMember("data", fault))).toThrow(/ended with [12]/);
    }
    expect(() => run("gzip", ["--test"], gzipMember("data", { name: "no end", unterminated: true })))
      .toThrow();
  });

  test("the header's CRC-16 is that of the header", () => {
    // The last two bytes: Python's zlib.crc32 of the ten before them, & 0xffff, little-endian.
    expect(hex(gzipMember("", { hcrc: true }).subarray(0, 12))).toBe("1f8b08020000000000ff" + "90c9");
  });
});

describe("zstd", () => {
  const text = randomText(300_000);
  const noise = randomBytes(300_000);

  testWith(["zstd"], "zstd reads real frames with every choice of header", () => {
    for (const data of [new Uint8Array(0), bytes("x"), text.subarray(0, 70_000), text, noise]) {
      for (const contentSize of [true, false]) {
        for (const checksum of [true, false]) {
          for (const singleSegment of contentSize ? [true, false] : [false]) {
            const frame = zstdFrame(data, {
              contentSize,
              checksum,
              singleSegment,
              level: singleSegment ? 19 : 1,
            });
            expect(sha256(run("zstd", ["-dc"], frame).stdout)).toBe(sha256(data));
          }
        }
      }
    }
  });

  testWith(["zstd"], "zstd reads hand-made frames, skippable frames and streams", () => {
    const mixed = rawFrame(
      [{ type: "rle", data: "r", size: 1000 }, { type: "raw", data: noise.subarray(0, 77) }],
      { checksum: true, contentSize: 1077, unusedBit: true },
    );
    const file = concat(
      zstdFrames(["a", "b"]),
      skippable("skip me", 15),
      storedFrame(noise, { checksum: true, windowLog: 18 }),
      storedFrame("", { checksum: true }),
      storedFrame("tiny", { singleSegment: true, contentSize: 4 }),
      mixed,
      collect(rleFrameStream(0x7a, 300_000)),
      collect(zstdStream([{ data: "xyz", times: 3 }])),
    );
    const expected = concat(
      bytes("ab"),
      noise,
      bytes("tiny"),
      new Uint8Array(1000).fill(0x72),
      noise.subarray(0, 77),
      new Uint8Array(300_000).fill(0x7a),
      bytes("xyzxyzxyz"),
    );
    run("zstd", ["--test"], file);
    expect(sha256(run("zstd", ["-dc"], file).stdout)).toBe(sha256(expected));
  });

  testWith(["zstd"], "faults are faults to zstd too", () => {
    const block = [{ type: "raw", data: "data" }] as const;
    for (
      const bad of [
        zstdFrame("data", { checksum: 1 }),
        zstdFrame("data", { contentSize: 5 }),
        rawFrame(block, { reservedBit: true }),
        rawFrame(block, { windowLog: 41 }),
        rawFrame(block, { dictId: 7 }),
        rawFrame([{ type: "reserved", data: "data" }]),
        rawFrame([{ type: "raw", data: "data", last: false }]),
        rawFrame([{ type: "rle", data: "x", size: 1_572_321 }], { windowLog: 23 }),
      ]
    ) {
      const path = join(directory, "bad.zst");
      writeFileSync(path, bad);
      expect(() => run("zstd", ["--test", path])).toThrow(/ended with 1/);
    }
  });

  test("XXH64 is that of hash-wasm, at every length around its block sizes", async () => {
    const data = randomBytes(100);
    for (let length = 0; length <= data.length; length++) {
      const piece = data.subarray(0, length);
      expect(xxh64(piece).toString(16).padStart(16, "0")).toBe(await xxhash64(piece));
    }
  });
});

describe("random data", () => {
  test("is the same for the same seed, and another for another", () => {
    expect(randomBytes(100, 3)).toEqual(randomBytes(100, 3));
    expect(randomBytes(100, 3)).not.toEqual(randomBytes(100, 4));
    expect(randomBytes(101, 3).subarray(0, 100)).toEqual(randomBytes(100, 3));
    expect(randomText(1000).length).toBe(1000);
    expect(zstdFrame(randomBytes(10_000)).length).toBeGreaterThan(10_000);
    expect(zstdFrame(randomText(10_000)).length).toBeLessThan(5_000);
    const { below } = random(1);
    expect(new Set(Array.from({ length: 200 }, () => below(4)))).toEqual(new Set([0, 1, 2, 3]));
    expect([...slices(bytes("abcde"), 2)].map((piece) => piece.length)).toEqual([2, 2, 1]);
  });
});

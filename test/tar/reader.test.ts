import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { encodeName } from "../../src/tar/names.ts";
import {
  base256,
  bytes,
  type BytesLike,
  concat,
  type Entry,
  gnuLongName,
  headerSum,
  latin1,
  padded,
  paxHeader,
  paxRecord,
  randomBytes,
  tar,
  tarHeader,
} from "../support/mod.ts";
import { codeOf, LIMITS, read, readOne } from "./read.ts";

const PIECES = [1, 511, 512, 513, 65536];
const END = new Uint8Array(1024);
const codeOfArchive = (...parts: Uint8Array[]) => codeOf(() => read(concat(...parts, END)));

describe("long names (A33, A34)", () => {
  for (const length of [99, 100, 101, 255, 256, 5000]) {
    for (const format of ["gnu", "pax"] as const) {
      test(`a name and a link target of ${length} bytes in ${format} format come out whole`, () => {
        const archive = tar([
          { name: "n".repeat(length), linkname: "t".repeat(length) },
          { name: "after", data: "x" },
        ], { format });
        for (const piece of PIECES) {
          const { entries } = read(archive, piece);
          expect(entries[0]!.entry).toMatchObject({
            name: "n".repeat(length),
            linkName: "t".repeat(length),
            headerOffset: 0,
          });
          expect(entries[1]!.entry).toMatchObject({ name: "after", linkName: "" });
        }
      });
    }
  }

  for (const nuls of [0, 1, 5]) {
    test(`a GNU long name with ${nuls} NULs behind it ends at the first`, () => {
      const long = gnuLongName("l".repeat(300), { trailingNuls: nuls });
      const target = gnuLongName("t".repeat(300), { trailingNuls: nuls, link: true });
      expect(readOne(tar([long, target, { name: "short", linkname: "x" }]))).toMatchObject({
        name: "l".repeat(300),
        linkName: "t".repeat(300),
      });
    });
  }

  test("a GNU long name with bytes behind its NUL ends at the NUL", () => {
    expect(readOne(tar([gnuLongName("real\0hidden"), { name: "short" }])).name).toBe("real");
  });

  test("an empty GNU long name leaves the header's, as in Go", () => {
    const archive = tar([gnuLongName(""), gnuLongName("", { link: true }), { name: "own", linkname: "to" }]);
    expect(readOne(archive)).toMatchObject({ name: "own", linkName: "to" });
  });

  test("a long name wins over a PAX path, whichever comes first, as in Go", () => {
    const records = paxHeader({ path: "by-pax", linkpath: "pax-link" });
    for (const before of [[records, gnuLongName("by-gnu")], [gnuLongName("by-gnu"), records]]) {
      expect(readOne(tar([...before, { name: "own" }]))).toMatchObject({
        name: "by-gnu",
        linkName: "pax-link",
      });
    }
  });

  test("extension headers are for the next entry only", () => {
    const archive = tar([
      paxHeader({ path: "first", uid: "7", mtime: "1.5" }),
      { name: "a" },
      { name: "b", uid: 3 },
      gnuLongName("third"),
      { name: "c" },
      { name: "d" },
    ]);
    const { entries } = read(archive);
    expect(entries.map(({ entry }) => entry.name)).toEqual(["first", "b", "third", "d"]);
    expect(entries[1]!.entry).toMatchObject({ uid: 3, mtime: { seconds: 1_700_000_000, nanoseconds: 0 } });
  });

  for (const key of ["path", "linkpath", "uname", "gname"]) {
    test(`a PAX ${key} with a NUL is refused`, () => {
      for (const value of ["a\0b", "a\0", "\0"]) {
        expect(codeOfArchive(paxHeader({ [key]: value }), tar([{ name: "x" }]))).toBe("pax-malformed");
      }
    });
  }

  test("a PAX value that names nothing may hold a NUL, a key may not", () => {
    expect(readOne(tar([{ name: "a", xattrs: { "user.x": "a\0b" } }])).xattrs?.get("user.x")).toEqual(
      bytes("a\0b"),
    );
    expect(codeOfArchive(paxHeader({ "k\0ey": "x" }), tar([{ name: "x" }]))).toBe("pax-malformed");
  });
});

describe("PAX records", () => {
  const raw = (body: BytesLike) => concat(paxHeader(bytes(body)), tar([{ name: "x" }]));

  test("malformed ones are refused", () => {
    const bad = [
      "x",
      "6 a=b",
      "6 a=bc",
      "7 a=b\n",
      "5 a=b\n",
      "06",
      " 6 a=b\n",
      "-6 a=b\n",
      "0x6 a=b\n",
      "5 =b\n",
      "5 ab\n",
      "3 \n",
      "2\n",
      "99999999999 a=b\n",
      "6 a=b\n6 a=",
      "6 a=b\n\0",
      "1000000 a=b\n",
    ];
    for (const body of bad) expect([body, codeOf(() => read(raw(body)))]).toEqual([body, "pax-malformed"]);
  });

  test("numbers and times that cannot be read are refused", () => {
    const bad: [string, string][] = [
      ["uid", "x"],
      ["gid", "1.5"],
      ["size", ""],
      ["size", "0x10"],
      ["size", "9007199254740992"],
      ["uid", "99999999999999999999999"],
      ["mtime", "now"],
      ["mtime", "1e3"],
      ["mtime", "1.2.3"],
      ["atime", "x"],
      ["ctime", "--1"],
    ];
    for (const [key, value] of bad) {
      const archive = tar([paxHeader({ [key]: value }), { name: "x", uid: 5 }]);
      // An empty value deletes the record, and the header's counts.
      if (value === "") expect(readOne(archive).uid).toBe(5);
      else expect([key, value, codeOf(() => read(archive))]).toEqual([key, value, "pax-malformed"]);
    }
  });

  test("times count to nanoseconds, forward also before 1970", () => {
    const cases: [string, number, number][] = [
      ["0", 0, 0],
      ["1", 1, 0],
      ["1.", 1, 0],
      ["1.5", 1, 500_000_000],
      ["1.123456789", 1, 123_456_789],
      ["1.1234567899", 1, 123_456_789],
      ["1.000000001", 1, 1],
      ["-1", -1, 0],
      ["-1.25", -2, 750_000_000],
      ["-0.5", -1, 500_000_000],
      ["-0.0", 0, 0],
      ["9007199254740991", Number.MAX_SAFE_INTEGER, 0],
    ];
    for (const [text, seconds, nanoseconds] of cases) {
      expect([text, readOne(tar([{ name: "a", pax: { mtime: text } }])).mtime]).toEqual([
        text,
        { seconds, nanoseconds },
      ]);
    }
  });

  test("the last of equal keys wins, and an empty value gives the header's back", () => {
    const list = [["path", "one"], ["path", "two"]] as const;
    expect(readOne(tar([paxHeader(list), { name: "own" }])).name).toBe("two");
    expect(readOne(tar([paxHeader([...list, ["path", ""]]), { name: "own" }])).name).toBe("own");
  });

  test("the second of two extended headers replaces the first, as in Go", () => {
    const archive = tar([paxHeader({ path: "one", uid: "9" }), paxHeader({ path: "two" }), { name: "own" }]);
    expect(readOne(archive)).toMatchObject({ name: "two", uid: 0 });
  });

  test("keys and values are bytes: not UTF-8, newlines and '=' included", () => {
    const value = latin1("a=b\n\xff\0");
    const entry = readOne(
      tar([{ name: "a", xattrs: { "user.b=c": "no" }, pax: { "SCHILY.xattr.user.k": value } }]),
    );
    expect(entry.xattrs?.get("user.k")).toEqual(value);
    // The key ends at the first "=": this is the attribute "user.b" with the value "c=no".
    expect(entry.xattrs?.get("user.b")).toEqual(bytes("c=no"));
    expect(encodeName(readOne(tar([{ name: "a", pax: { path: latin1("caf\xe9") } }])).name)).toEqual(
      latin1("caf\xe9"),
    );
  });
});

describe("magic and prefix (A35, A36)", () => {
  const prefix = { name: "tail", prefix: "in/front" };

  test("the prefix counts for POSIX ustar, whatever its version field", () => {
    for (const version of ["00", "  ", "\0\0", "01"]) {
      expect(readOne(tar([{ ...prefix, magic: bytes(`ustar\0${version}`) }]))).toMatchObject({
        name: "in/front/tail",
        format: "ustar",
      });
    }
  });

  test("star's prefix has 131 bytes, its times stand behind", () => {
    const raw = (header: Uint8Array) => {
      header.set(bytes("14524770400\0" + "14524770400\0"), 476);
      header.set(bytes("tar\0"), 508);
    };
    expect(readOne(tar([{ name: "tail", prefix: "p".repeat(131), raw }]))).toMatchObject({
      name: `${"p".repeat(131)}/tail`,
      format: "star",
    });
  });

  test("v7 has no prefix, no user name and no devices, whatever bytes stand there", () => {
    const entry = readOne(
      tar([{ ...prefix, magic: "v7", uname: "u", gname: "g", devmajor: "x", devminor: "y" }]),
    );
    expect(entry).toMatchObject({ name: "tail", format: "v7", userName: "", groupName: "", devMajor: 0 });
  });

  test("GNU keeps times there: they are no prefix", () => {
    const times = { prefix: "14524770400\0" + "14524770401\0" };
    for (const fields of [times, { prefix: concat(base256(-5, 12), base256(2 ** 40, 12)) }, {}]) {
      expect(readOne(tar([{ name: "tail", magic: "gnu", ...fields }]))).toMatchObject({
        name: "tail",
        format: "gnu",
      });
    }
  });

  test("a prefix that Go before 1.8 wrote into GNU headers is read as Go reads it", () => {
    expect(readOne(tar([{ ...prefix, magic: "gnu" }])).name).toBe("in/front/tail");
    expect(readOne(tar([{ ...prefix, prefix: "caf\xe9", magic: "gnu" }])).name).toBe("tail");
  });

  test("the three magics are all accepted", () => {
    for (const [magic, format] of [["ustar", "ustar"], ["gnu", "gnu"], ["v7", "v7"]] as const) {
      expect(readOne(tar([{ name: "a", magic, data: "x" }]))).toMatchObject({ format, size: 1 });
    }
  });
});

describe("header checksum and octal fields (A37)", () => {
  test("every way of writing the checksum is accepted", () => {
    for (const checksum of ["ok", "7digits", "blanks", "signed"] as const) {
      expect(encodeName(readOne(tar([{ name: latin1("\xe9\xff"), checksum }])).name)).toEqual(
        latin1("\xe9\xff"),
      );
    }
    const sum = headerSum(tarHeader({ name: "a", typeflag: "0" })).toString(8);
    for (const text of [`${sum}`, `${sum} `, `  ${sum}`, `${sum.padStart(8, "0")}`]) {
      expect(readOne(tar([{ name: "a", checksum: bytes(text.padEnd(8, "\0")) }])).name).toBe("a");
    }
  });

  test("a wrong one is refused, and so is one that is no octal number", () => {
    const right = headerSum(tarHeader({ name: "a", typeflag: "0" }));
    for (
      const checksum of [right + 1, right - 1, 0, bytes("9999999\0"), bytes("garbage\0"), base256(right, 8)]
    ) {
      expect(codeOf(() => read(tar([{ name: "a", checksum }])))).toBe("tar-bad-checksum");
    }
  });

  test("each single flipped bit of a header is refused, or leaves the checksum's number what it is", () => {
    const archive = tar([{ name: "a", data: "x" }]);
    for (let bit = 0; bit < 512 * 8; bit++) {
      const bad = archive.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      let accepted = true;
      try {
        read(bad);
      } catch {
        accepted = false;
      }
      if (!accepted) continue;
      // A leading zero for a blank, or a NUL for a blank behind the digits.
      expect(bit >> 3).toBeGreaterThanOrEqual(148);
      expect(bit >> 3).toBeLessThan(156);
      const number = (header: Uint8Array) =>
        parseInt(new TextDecoder().decode(header.subarray(148, 156)).replaceAll("\0", " ").trim(), 8);
      expect(number(bad)).toBe(number(archive));
    }
  });

  test("octal is octal, with blanks or NULs around it", () => {
    for (const mode of ["0000755\0", "   755 \0", "755\0\0\0\0\0", "0000755 ", "00000755", " 755\0 \0 "]) {
      expect(readOne(tar([{ name: "a", mode: bytes(mode) }])).mode).toBe(493);
    }
    expect(readOne(tar([{ name: "a", mode: "", uid: "\0\0\0\0\0\0\0\0", gid: "        " }]))).toMatchObject({
      mode: 0,
      uid: 0,
      gid: 0,
    });
  });

  for (const field of ["mode", "uid", "gid", "size", "mtime", "devmajor", "devminor"] as const) {
    test(`a ${field} field that is no number is refused by its name`, () => {
      for (const value of ["89\0", "7 7\0", "-1\0", "0x1\0", "abc\0"]) {
        const archive = tar([{ name: "a", [field]: value } satisfies Entry]);
        expect(codeOf(() => read(archive))).toBe("tar-bad-number");
        expect(() => read(archive)).toThrow(field);
      }
    });
  }
});

describe("base-256 numbers (A38)", () => {
  test("ids over 2097151, negative times and sizes over 8 GiB are exact", () => {
    const header = tarHeader({
      name: "a",
      typeflag: "5",
      uid: base256(4_000_000_000, 8),
      gid: base256(-2, 8),
      mtime: base256(-1, 12),
      size: base256(2 ** 33, 12),
    });
    expect(readOne(tar([header]))).toMatchObject({
      uid: 4_000_000_000,
      gid: -2,
      mtime: { seconds: -1, nanoseconds: 0 },
      // A directory has no payload, whatever its size says.
      size: 2 ** 33,
      storedSize: 0,
    });
  });

  test("a size is exact up to 2^53 - 1, refused above, and refused when negative", () => {
    const size = (value: number | bigint) =>
      tarHeader({ name: "a", typeflag: "0", size: base256(value, 12) });
    const announced = (value: number) => {
      let seen = -1;
      try {
        read(size(value));
      } catch {
        // The payload is missing; the size was told before that.
      }
      try {
        read(concat(size(value), new Uint8Array(1)), 512, LIMITS);
      } catch (error) {
        expect(codeOf(() => {
          throw error;
        })).toBe("tar-truncated");
        seen = value;
      }
      return seen;
    };
    for (const value of [2 ** 33, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER]) expect(announced(value)).toBe(value);
    for (const value of [2n ** 53n, 2n ** 60n, 2n ** 63n, 2n ** 80n]) {
      expect(codeOfArchive(size(value))).toBe("tar-bad-number");
    }
    for (const value of [-1, -(2 ** 53), -512]) expect(codeOfArchive(size(value))).toBe("tar-bad-number");
  });

  test("a negative size in a PAX record is refused too", () => {
    expect(codeOfArchive(paxHeader({ size: "-1" }), tarHeader({ name: "a" }))).toBe("tar-bad-number");
  });
});

describe("PAX size against header size (A39)", () => {
  const hidden = padded(tar([{ name: "hidden", data: "evil" }], { noEnd: true }));

  test("the PAX size wins over a header that says 0: what looks like a member is data", () => {
    const archive = tar([{ name: "outer", size: 0, data: hidden, pax: { size: `${hidden.length}` } }, {
      name: "b",
    }]);
    for (const piece of PIECES) {
      const { entries } = read(archive, piece);
      expect(entries.map(({ entry }) => entry.name)).toEqual(["outer", "b"]);
      expect(entries[0]!.payload).toEqual(hidden);
    }
  });

  test("the PAX size wins over a header that says more: what looks like data is a member", () => {
    const archive = tar([{ name: "outer", size: hidden.length, data: hidden, pax: { size: "0" } }, {
      name: "b",
    }]);
    expect(read(archive).entries.map(({ entry }) => entry.name)).toEqual(["outer", "hidden", "b"]);
  });

  test("a PAX size is not that of a long-name header between it and its entry", () => {
    const archive = tar([
      paxHeader({ size: "4" }),
      gnuLongName("long"),
      tarHeader({ name: "short", typeflag: "0", size: 0 }),
      padded(bytes("data")),
      { name: "next" },
    ]);
    const { entries } = read(archive);
    expect(entries.map(({ entry }) => [entry.name, entry.size])).toEqual([["long", 4], ["next", 0]]);
    expect(entries[0]!.payload).toEqual(bytes("data"));
  });
});

describe("bombs (A40)", () => {
  test("an extended header over 1 MiB is refused before a byte of it is kept", () => {
    for (const typeflag of ["x", "g", "L", "K"]) {
      for (const size of [2 ** 20 + 1, 2 ** 32, 2 ** 33, Number.MAX_SAFE_INTEGER]) {
        // Only the header is there: allocating what it claims would fail or show up as memory.
        const header = tarHeader({ name: "x", typeflag, size: size < 8 ** 11 ? size : base256(size, 12) });
        expect(codeOf(() => read(header))).toBe("tar-header-limit");
      }
    }
  });

  test("one of exactly 1 MiB is read", () => {
    const record = paxRecord("comment", "c".repeat(2 ** 20 - 17));
    expect(record.length).toBe(2 ** 20);
    expect(readOne(tar([paxHeader(record), { name: "a" }])).pax?.get("comment")?.length).toBe(2 ** 20 - 17);
    expect(codeOfArchive(paxHeader(paxRecord("comment", "c".repeat(2 ** 20 - 16))))).toBe("tar-header-limit");
  });
});

describe("members without payload (A39, A52)", () => {
  for (const typeflag of ["1", "2", "3", "4", "5", "6"]) {
    test(`type ${typeflag} has none, whatever its size says`, () => {
      const archive = tar([
        { name: "a", typeflag, size: 1024, linkname: "t", devmajor: 8, devminor: 1 },
        { name: "b" },
      ]);
      for (const piece of PIECES) {
        const { entries } = read(archive, piece);
        expect(entries.map(({ entry }) => entry.name)).toEqual(["a", "b"]);
        expect(entries[0]!.entry).toMatchObject({ storedSize: 0, devMajor: 8, devMinor: 1 });
        expect(entries[0]!.payload.length).toBe(0);
      }
    });
  }

  test("'7' is a file; unknown types and 'M' keep their payload; NUL with a slash is a directory", () => {
    const archive = tar([
      { name: "seven", typeflag: "7", data: "7" },
      { name: "zed", typeflag: "Z", data: "zz" },
      { name: "multi", typeflag: "M", data: "mmm" },
      { name: "old", typeflag: "\0", data: "oooo" },
      { name: "dir/", typeflag: "\0" },
      { name: "high", typeflag: 0xe9, data: "x" },
    ]);
    const { entries } = read(archive);
    expect(entries.map(({ entry, payload }) => [entry.kind, entry.typeflag, payload.length])).toEqual([
      ["file", "7", 1],
      ["unknown", "Z", 2],
      ["unknown", "M", 3],
      ["file", "0", 4],
      ["dir", "5", 0],
      ["unknown", "\xe9", 1],
    ]);
  });

  test("'g' is told as what it is, keeps nothing for the next entry, and its records are given raw", () => {
    const archive = tar([paxHeader({ path: "evil", comment: "all" }, { global: true }), {
      name: "a",
      data: "x",
    }]);
    const { entries } = read(archive);
    expect(entries.map(({ entry }) => [entry.kind, entry.name, entry.size])).toEqual([
      ["pax-global", "pax_global_header", 0],
      ["file", "a", 1],
    ]);
    expect(entries[0]!.entry.pax?.get("comment")).toEqual(bytes("all"));
    expect(entries[1]!.entry.pax).toBeNull();
  });

  test("a global header between an extended header and its entry is refused: Go forgets, GNU tar keeps", () => {
    for (const before of [paxHeader({ path: "evil" }), gnuLongName("evil")]) {
      const archive = tar([before, paxHeader({ comment: "x" }, { global: true }), { name: "good" }]);
      expect(codeOf(() => read(archive))).toBe("pax-malformed");
    }
  });
});

describe("the end (A41, A43, A44, A46, A48)", () => {
  const member = tar([{ name: "a", data: "data" }], { noEnd: true });

  test("the end is told the same for all piece sizes, empty pieces included", () => {
    const tails: [Uint8Array, Partial<ReturnType<typeof read>["end"]>][] = [
      [new Uint8Array(0), { zeroBlocks: 0, dataOffset: null, trailerLength: 0 }],
      [new Uint8Array(100), { zeroBlocks: 0, dataOffset: null }],
      [new Uint8Array(512), { zeroBlocks: 1, dataOffset: null, trailerLength: 512 }],
      [new Uint8Array(700), { zeroBlocks: 1, dataOffset: null, trailerLength: 700 }],
      [new Uint8Array(1024), { zeroBlocks: 2, dataOffset: null, trailerLength: 1024 }],
      [new Uint8Array(10240), { zeroBlocks: 2, dataOffset: null, trailerLength: 10240 }],
      [concat(END, bytes("x")), { zeroBlocks: 2, dataOffset: 2048, trailerLength: 1025 }],
      [concat(END, new Uint8Array(99), bytes("x\0")), { zeroBlocks: 2, dataOffset: 2147 }],
      [concat(new Uint8Array(512), member), { zeroBlocks: 1, dataOffset: 1536 }],
      [concat(new Uint8Array(612), bytes("x")), { zeroBlocks: 1, dataOffset: 1636 }],
      [concat(END, member), { zeroBlocks: 2, dataOffset: 2048, trailerLength: 2048 }],
    ];
    for (const [tail, want] of tails) {
      for (const cuts of [...PIECES, 7, [0, 0, 512], [1, 0, 700, 0]]) {
        const { entries, end } = read(concat(member, tail), cuts);
        expect(entries.length).toBe(1);
        expect(end).toMatchObject({ entriesEnd: 1024, ...want });
      }
    }
  });

  test("members behind the end marker are not read", () => {
    const archive = concat(tar([{ name: "a" }]), bytes("garbage".padEnd(512, " ")), tar([{ name: "b" }]));
    expect(read(archive).entries.map(({ entry }) => entry.name)).toEqual(["a"]);
  });

  test("an archive cut at any byte is an error inside a header or payload, and the end between members", () => {
    const archive = tar([
      { name: "a", data: randomBytes(700) },
      { name: "n".repeat(200), data: "x" },
      { name: "d/" },
    ]);
    // First member: header, 700 bytes, padding. Second: PAX header and record (1024), header, 1 byte, padding.
    const [first, second, third] = [1536, 1536 + 2048, 1536 + 2048 + 512];
    const allowed = (at: number) =>
      at === 0 || (at >= 512 + 700 && at <= first) || (at >= first + 1537 && at <= second) || at >= third;
    for (let at = 0; at < archive.length; at++) {
      if (allowed(at)) expect(read(archive.subarray(0, at)).entries.length).toBeLessThanOrEqual(3);
      else expect([at, codeOf(() => read(archive.subarray(0, at)))]).toEqual([at, "tar-truncated"]);
    }
  });

  test("an extended header without an entry is an error, also in front of the end marker", () => {
    for (const header of [paxHeader({ path: "x" }), gnuLongName("x")]) {
      expect(codeOf(() => read(header))).toBe("tar-truncated");
      expect(codeOf(() => read(concat(header, END)))).toBe("tar-truncated");
    }
  });

  test("zeros only, and nothing at all, are archives without entries", () => {
    expect(read(new Uint8Array(0)).end).toMatchObject({ zeroBlocks: 0, trailerLength: 0 });
    for (const length of [1, 511, 512, 1024, 100_000]) {
      expect(read(new Uint8Array(length)).entries).toEqual([]);
    }
  });

  test("garbage where a header should be is refused at its offset", () => {
    const archive = concat(member, randomBytes(512));
    expect(codeOf(() => read(archive))).toBe("tar-bad-checksum");
    expect(() => read(archive)).toThrow("1024");
  });
});

describe("views (A45)", () => {
  test("attributes do not change when the caller's buffer is used again", () => {
    const entry = readOne(tar([{ name: "a", data: "x", xattrs: { "user.x": "value" } }]), 65536);
    expect(Buffer.from(entry.xattrs!.get("user.x")!).toString()).toBe("value");
    expect(entry.name).toBe("a");
  });
});

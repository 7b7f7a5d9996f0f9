/** Where segments are cut and what lines say, from the format's rules and from archives made by hand. */
import { describe, expect, test } from "vitest";
import {
  concat,
  crc64,
  type Entry,
  gnuLongName,
  latin1,
  padded,
  paxHeader,
  randomBytes,
  sha256,
  tar,
  tarHeader,
  type TarOptions,
  tarParts,
  tarSplit,
} from "../support/mod.ts";
import { text } from "../support/fixtures.ts";
import {
  assemble,
  base64,
  cutsOf,
  disassemble,
  disassembledLines,
  errorOf,
  filesOf,
  lengths,
  recordsOf,
} from "./splitting.ts";

describe("lines", () => {
  test("a file: headers, name, size, big-endian CRC-64; padding goes with the end", async () => {
    const data = "123456789";
    const archive = tar([{ name: "a", data }]);
    // b90956c775a41001 is the check value of CRC-64/GO-ISO.
    const payload = base64(Uint8Array.of(0xb9, 0x09, 0x56, 0xc7, 0x75, 0xa4, 0x10, 0x01));
    expect(text(await disassemble(archive))).toBe(
      `{"type":2,"payload":"${base64(archive.subarray(0, 512))}","position":0}\n` +
        `{"type":1,"name":"a","size":9,"payload":"${payload}","position":1}\n` +
        `{"type":2,"payload":"${base64(archive.subarray(521))}","position":2}\n`,
    );
  });

  test("whatever has no payload has a line without size", async () => {
    const kinds: Entry[] = [
      { name: "dir/" },
      { name: "empty" },
      { name: "hard", typeflag: "1", linkname: "empty" },
      { name: "sym", linkname: "x" },
      { name: "char", typeflag: "3" },
      { name: "fifo", typeflag: "6" },
    ];
    const lines = await disassembledLines(tar(kinds));
    expect(lines.filter((line) => line["type"] === 1)).toEqual(
      kinds.map(({ name }, index) => ({ type: 1, name, payload: null, position: 2 * index + 1 })),
    );
  });

  test("a link with a size field has no payload", async () => {
    const items: Entry[] = [{ name: "f", data: "x" }, { name: "l", typeflag: "1", linkname: "f", size: 1 }];
    expect(await cutsOf(items)).toEqual([512, "f", 511 + 512, "l", 1024]);
  });

  test("an empty name is left out", async () => {
    const lines = await disassembledLines(tar([{ name: "", data: "x" }]));
    expect(lines[1]).toEqual({ type: 1, size: 1, payload: base64(crc64(Uint8Array.of(0x78))), position: 1 });
  });

  const NAMES: readonly (readonly [what: string, name: string, json: string])[] = [
    ["HTML", "<&>", "\\u003c\\u0026\\u003e"],
    ["line separators", "\u2028\u2029", "\\u2028\\u2029"],
    ["short escapes", '"\\\n\r\t\b\f', '\\"\\\\\\n\\r\\t\\b\\f'],
    ["other control characters", "\x01\x1f\x0b", "\\u0001\\u001f\\u000b"],
    [
      "what is written as it is",
      "/\x7f\x80é日本\u{1f600}\ufffd\ufeff'",
      "/\x7f\x80é日本\u{1f600}\ufffd\ufeff'",
    ],
  ];
  for (const [what, name, json] of NAMES) {
    test(`names as Go's encoding/json (since 1.22) writes them: ${what}`, async () => {
      const out = text(await disassemble(tar([{ name }])));
      expect(out.split("\n")[1]).toBe(`{"type":1,"name":"${json}","payload":null,"position":1}`);
    });
  }

  const RAW: readonly (readonly [what: string, bytes: string])[] = [
    ["Latin-1", "caf\xe9"],
    ["a surrogate", "\xed\xa0\x80"],
    ["an overlong form", "\xc0\xaf"],
    ["over U+10FFFF", "\xf4\x90\x80\x80"],
    ["a cut sequence", "\xe3\x81"],
  ];
  for (const [what, bytes] of RAW) {
    test(`names that are not UTF-8 in base64: ${what}`, async () => {
      const lines = await disassembledLines(tar([{ name: latin1(bytes) }]));
      expect(lines[1]).toEqual({ type: 1, name_raw: btoa(bytes), payload: null, position: 1 });
    });
  }

  test("a name that is longer than a batch", async () => {
    const name = "\x01é/".repeat(16_000).slice(0, -1);
    const archive = tar([concat(gnuLongName(name), tarHeader({ name: "cut" }))]);
    const lines = await disassembledLines(archive);
    expect(lines[1]!["name"]).toBe(name);
    expect(sha256(await assemble(await recordsOf(await disassemble(archive)), () => null))).toBe(
      sha256(archive),
    );
  });
});

describe("segments are cut", () => {
  test("only where an entry begins its payload: extended headers stay with their entry", async () => {
    const item = { name: "n".repeat(300), linkname: "l".repeat(300), typeflag: "2" };
    expect(await cutsOf([{ name: "a" }, item], { format: "gnu" })).toEqual([
      512,
      "a",
      512 * 5,
      item.name,
      1024,
    ]);
  });

  test("behind the records of a global header, in front of their padding", async () => {
    const header = paxHeader({ comment: "x" }, { global: true });
    // "13 comment=x\n"
    expect(await cutsOf([header, { name: "a", data: "b" }])).toEqual([
      512 + 13,
      "pax_global_header",
      499 + 512,
      "a",
      511 + 1024,
    ]);
  });

  test("two global headers have one name, which the reference refuses", async () => {
    const header = paxHeader({ comment: "x" }, { global: true });
    expect((await errorOf(() => disassemble(tar([header, header])))).code).toBe("tarsplit-duplicate-path");
  });

  test("a global header of no records, in pieces of one byte", async () => {
    const header = tarHeader({ name: "g", typeflag: "g" });
    const lines = await disassembledLines(tar([{ name: "a", data: "x" }, header]), {}, 1);
    expect(lengths(lines)).toEqual([512, "a", 511 + 512, "g", 1024]);
  });

  const MIB = 2 ** 20;
  const TAILS: readonly (readonly [string, TarOptions, readonly number[]])[] = [
    ["no end", { noEnd: true }, []],
    ["one zero block", { noEnd: true, zeroBlocks: 1 }, [512]],
    ["two zero blocks", {}, [1024]],
    ["a third one", { zeroBlocks: 1 }, [1024, 512]],
    ["1 MiB behind", { zeroBlocks: 2048 }, [1024, MIB]],
    ["1 MiB and a byte", { zeroBlocks: 2048, trailing: "x" }, [1024, MIB, 1]],
    ["3 MiB and a half", { zeroBlocks: 7 * 1024 }, [1024, MIB, MIB, MIB, MIB / 2]],
    ["a block of data behind one zero block", { noEnd: true, zeroBlocks: 1, trailing: "x".repeat(600) }, [
      1024,
      88,
    ]],
    ["less than a block", { noEnd: true, trailing: "\0".repeat(100) }, [100]],
    ["another archive", { trailing: tar([{ name: "b", data: "c" }]) }, [1024, 2048]],
  ];
  for (const [what, options, expected] of TAILS) {
    test(`at the end, behind the second zero block and then every 1 MiB: ${what}`, async () => {
      for (const items of [[{ name: "a" }], []]) {
        const archive = tar(items, options);
        for (const cuts of [65_536, 511, [1, 600, 3], archive.length || 1]) {
          const lines = lengths(await disassembledLines(archive, {}, cuts));
          expect(lines).toEqual(items.length > 0 ? [512, "a", ...expected] : expected);
        }
      }
    });
  }

  test("padding that is cut off at the end of the stream", async () => {
    const whole = tar([{ name: "a", data: "x" }]);
    expect(lengths(await disassembledLines(whole.subarray(0, 513)))).toEqual([512, "a"]);
    expect(lengths(await disassembledLines(whole.subarray(0, 600)))).toEqual([512, "a", 87]);
  });

  test("padding that is no zeros, and data that are", async () => {
    const padding = randomBytes(511, 3);
    const items: Entry[] = [{ name: "a", data: "x", padding }, { name: "b", data: new Uint8Array(1024) }];
    expect(await cutsOf(items)).toEqual([512, "a", 511 + 512, "b", 1024]);
  });

  test("at 4 MiB where one entry repeats its extended headers, which the reader then takes", async () => {
    const large = paxHeader({ comment: "x".repeat(900_000) });
    const archive = tar([...Array.from({ length: 9 }, () => large), { name: "a", data: "x" }]);
    const lines = lengths(await disassembledLines(archive));
    expect(lines.slice(0, 2)).toEqual([4 * MIB, 9 * large.length - 4 * MIB + 512]);
    const records = await recordsOf(await disassemble(archive));
    expect(sha256(await assemble(records, filesOf(archive)))).toBe(sha256(archive));
  });

  test("nowhere else: three extended headers of nearly 1 MiB are one segment", async () => {
    const long = "n".repeat(65_000);
    const header = concat(
      paxHeader({ comment: "x".repeat(1_000_000) }),
      gnuLongName(long),
      gnuLongName(long, { link: true }),
      tarHeader({ name: "a" }),
    );
    expect(lengths(await disassembledLines(tar([header])))).toEqual([header.length, long, 1024]);
  });
});

test("the test builder's tar-split of many kinds of entries", async () => {
  const items: Entry[] = [
    { name: "d/", xattrs: { "user.a": "b" } },
    { name: `d/${"n".repeat(200)}`, data: randomBytes(1000) },
    { name: latin1("d/\xff"), data: randomBytes(512, 2) },
    { name: "d/<é>", data: padded(randomBytes(1, 3)), uid: 3_000_000 },
    { name: "d/s", linkname: "x".repeat(150) },
    { name: "d/last" },
  ];
  for (const format of ["pax", "gnu"] as const) {
    const { parts, tail } = tarParts(items, { format, zeroBlocks: 2100, trailing: "end" });
    const archive = tar(items, { format, zeroBlocks: 2100, trailing: "end" });
    for (const cuts of [65_536, 511, [7, 0, 2048]]) {
      expect(text(await disassemble(archive, {}, cuts))).toBe(text(tarSplit(parts, tail)));
    }
  }
});

/** The JSON of a TOC: what is read, and what is refused because two readers could understand it in two ways. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FormatError, LayerproofError } from "../../src/errors.ts";
import { parseRfc3339 } from "../../src/toc/fields.ts";
import { parseStrictJson } from "../../src/json/strict.ts";
import { parseToc } from "../../src/toc/parse.ts";
import { bytes, concat, sha256, type TocEntry } from "../support/mod.ts";

const toc = (entries: readonly unknown[], top: Record<string, unknown> = {}) =>
  parseToc(bytes(JSON.stringify({ version: 1, entries, ...top })), 1000);
const one = (entry: TocEntry) => toc([{ name: "f", type: "reg", ...entry }]).files[0]!;
const raw = (entry: string) => parseToc(bytes(`{"version":1,"entries":[${entry}]}`), 1000);
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("JSON that two parsers understand differently (A05, A93)", () => {
  const good = `{"version":1,"entries":[{"name":"a","type":"dir"}]}`;
  const refused: Record<string, string | Uint8Array> = {
    "a second object behind it": good + good,
    "a letter behind it": good + "x",
    "a NUL behind it": good + "\0",
    "a comma behind it": good + ",",
    "nothing": "",
    "blanks only": "  \n",
    "cut short": good.slice(0, -1),
    "a byte-order mark": "\ufeff" + good,
    "bytes that are not UTF-8": concat(
      bytes(good.slice(0, -30)),
      Uint8Array.of(0xe9),
      bytes(good.slice(-30)),
    ),
    "an overlong form": concat(
      bytes(`{"version":1,"entries":[{"name":"`),
      Uint8Array.of(0xc0, 0xaf),
      bytes(`"}]}`),
    ),
    "a surrogate in UTF-8": concat(
      bytes(`{"version":1,"entries":[{"name":"`),
      Uint8Array.of(0xed, 0xa0, 0x80),
      bytes(`","type":"dir"}]}`),
    ),
    "NaN": `{"version":1,"entries":[{"name":"a","type":"reg","size":NaN}]}`,
    "Infinity": `{"version":1,"entries":[{"name":"a","type":"reg","size":Infinity}]}`,
    "a comment": `{"version":1,/* */"entries":[]}`,
    "single quotes": `{'version':1,"entries":[]}`,
    "a trailing comma": `{"version":1,"entries":[],}`,
    "a newline in a string": `{"version":1,"entries":[{"name":"a\nb","type":"dir"}]}`,
    "a duplicate key at the top": `{"version":1,"entries":[],"entries":[{"name":"a","type":"dir"}]}`,
    "a duplicate version": `{"version":1,"version":1,"entries":[]}`,
    "a duplicate key in an entry": `{"version":1,"entries":[{"name":"a","name":"b","type":"dir"}]}`,
    "a duplicate key, once escaped": `{"version":1,"entries":[{"name":"a","n\\u0061me":"b","type":"dir"}]}`,
    "a duplicate xattr": `{"version":1,"entries":[{"name":"a","type":"dir","xattrs":{"x":"","x":""}}]}`,
    "a duplicate unknown key": `{"version":1,"x":1,"x":2,"entries":[]}`,
    "a duplicate __proto__": `{"version":1,"__proto__":1,"__proto__":2,"entries":[]}`,
    "an array": "[]",
    "a string": `"toc"`,
    "null": "null",
    "entries that are no array": `{"version":1,"entries":{}}`,
    "entries that are a string": `{"version":1,"entries":"a"}`,
    "deep nesting": `{"version":1,"entries":[],"x":${"[".repeat(17)}${"]".repeat(17)}}`,
    "very deep nesting": "[".repeat(100_000),
  };
  for (const [name, text] of Object.entries(refused)) {
    test(`refused: ${name}`, () => {
      expect(() => parseToc(bytes(text), 1000)).toThrow(FormatError);
      expect(() => parseToc(bytes(text), 1000)).toThrow(code("toc-json"));
    });
  }

  test("white space before and behind it is fine", () => {
    expect(parseToc(bytes(` \t\r\n${good}\r\n \t\n`), 10).files.length).toBe(1);
  });

  test("colons, braces and escaped quotes in strings are no structure", () => {
    const name = `{"a":[1,{}],\\"b":"c"}\\\\`;
    expect(toc([{ name, type: "dir", userName: ":::" }]).files[0]!.name).toBe(name);
  });

  test("keys that differ only in case from one that readers know are refused", () => {
    for (
      const key of ["Name", "NAME", "Digest", "chunkdigest", "ChunkSize", "linkname", "devmajor", "Type"]
    ) {
      expect(() => toc([{ name: "a", type: "dir", [key]: "x" }]), key).toThrow(LayerproofError);
    }
    for (const key of ["Version", "Entries", "tarsplitdigest", "TarSplitDigest"]) {
      expect(() => toc([], { [key]: 1 }), key).toThrow(LayerproofError);
    }
  });

  test("unknown keys are left alone", () => {
    expect(toc([{ name: "a", type: "dir", future: { a: [1] } }], { generator: "x" }).files.length).toBe(1);
  });

  test("a name called __proto__ changes nothing but its own entry", () => {
    const { files } = raw(
      `{"name":"a","type":"dir","__proto__":{"mode":7,"uid":8}},{"name":"b","type":"dir"}`,
    );
    expect(files.map(({ mode, uid }) => [mode, uid])).toEqual([[0, 0], [0, 0]]);
    const attributes = raw(`{"name":"a","type":"dir","xattrs":{"__proto__":"eA==","constructor":"eQ=="}}`);
    expect([...attributes.files[0]!.xattrs!.keys()]).toEqual(["__proto__", "constructor"]);
  });

  test("whatever the bytes are, the only errors are typed, and accepted text is what JSON.parse reads", () => {
    const value = fc.jsonValue({ maxDepth: 5 });
    fc.assert(fc.property(value, (value) => {
      const text = JSON.stringify(value);
      expect(parseStrictJson(bytes(text), { what: "it", code: "json", maxNodes: 1e6 })).toEqual(
        JSON.parse(text),
      );
    }));
    const mutated = fc.tuple(fc.nat(good.length), fc.nat(4), fc.string({ maxLength: 4, unit: "binary" }));
    fc.assert(
      fc.property(mutated, ([at, remove, insert]) => {
        const text = good.slice(0, at) + insert + good.slice(at + remove);
        try {
          parseToc(bytes(text), 1000);
        } catch (error) {
          expect(error).toBeInstanceOf(LayerproofError);
        }
      }),
      { numRuns: 2000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (data) => {
      try {
        parseToc(data, 1000);
      } catch (error) {
        expect(error).toBeInstanceOf(LayerproofError);
      }
    }));
  });
});

describe("bounds", () => {
  test("as many entries as the limit allows, and not one more", () => {
    const entries = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ name: `d${i}`, type: "dir" }));
    const parse = (count: number, limit: number) =>
      parseToc(bytes(JSON.stringify({ version: 1, entries: entries(count) })), limit);
    expect(parse(100, 100).files.length).toBe(100);
    expect(() => parse(101, 100)).toThrow(code("entries-limit"));
  });

  test("a million empty objects are refused before one is made", () => {
    const text = `{"version":1,"entries":[${"{},".repeat(1e6)}{}]}`;
    expect(() => parseToc(bytes(text), 1000)).toThrow(code("entries-limit"));
  });

  test("a string of many backslashes takes no quadratic time", () => {
    const text = "\\".repeat(2_000_000) + '"'.repeat(1_000_000);
    const options = { what: "it", code: "json", maxNodes: 10 };
    expect(parseStrictJson(bytes(JSON.stringify([text])), options)).toEqual([text]);
  });

  test("version 1 only", () => {
    for (const version of [0, 2, undefined, -1]) {
      expect(() => toc([], { version })).toThrow(code("toc-version"));
    }
    for (const version of ["1", 1.5, [1]]) expect(() => toc([], { version })).toThrow(code("toc-bad-field"));
  });

  test("no entries, as an empty list, null or nothing (A11)", () => {
    for (const text of [`{"version":1,"entries":[]}`, `{"version":1,"entries":null}`, `{"version":1}`]) {
      expect(parseToc(bytes(text), 10)).toEqual({ files: [], tarSplitDigest: null, chunks: 0 });
    }
  });
});

describe("names (A17, A19)", () => {
  test("escapes are decoded", () => {
    const cases: Record<string, string> = {
      '\\"': '"',
      "\\\\": "\\",
      "\\t\\n\\r\\b\\f\\/": "\t\n\r\b\f/",
      "\\u0041": "A",
      "\\ud83d\\ude00": "\u{1f600}",
      "\\u2028\\u2029\u2028": "\u2028\u2029\u2028",
      "\\u0026\\u003c\\u003e": "&<>",
      "\u{1f600}": "\u{1f600}",
      "e\u0301": "e\u0301",
      "\\ufffd": "\ufffd",
      "\\ufeffx": "\ufeffx",
    };
    for (const [text, name] of Object.entries(cases)) {
      expect(raw(`{"name":"${text}","type":"dir"}`).files[0]!.name).toBe(name);
    }
  });

  test("half of a surrogate pair, or a NUL, cannot be a name", () => {
    for (const text of ["\\ud83d", "\\ude00", "a\\ud83db", "\\ude00\\ud83d", "a\\u0000"]) {
      expect(() => raw(`{"name":"${text}","type":"dir"}`), text).toThrow(code("toc-bad-field"));
    }
    expect(() => raw(`{"name":"l","type":"symlink","linkName":"\\ud83d"}`)).toThrow(/linkName/);
  });

  test("messages show a name so that it cannot write to the terminal", () => {
    const error = (() => {
      try {
        raw(`{"name":"a\\u001b[31m\\n","type":"strange"}`);
      } catch (error) {
        return error as FormatError;
      }
      throw new Error("not refused");
    })();
    expect(error.details.entry).toBe("a\\x1B[31m\\x0A");
    expect(error.message).not.toContain("\x1b");
  });
});

describe("fields", () => {
  test("numbers are integers that a double holds", () => {
    for (
      const field of [
        "size",
        "mode",
        "uid",
        "gid",
        "devMajor",
        "devMinor",
        "offset",
        "endOffset",
        "chunkSize",
      ]
    ) {
      for (const value of ["1.5", "1e400", "9007199254740992", `"1"`, "[1]", "true", "{}"]) {
        const entry = `{"name":"f","type":"reg","size":1,"${field}":${value}}`.replace(
          field === "size" ? `"size":1,` : "\0",
          "",
        );
        expect(() => raw(entry), `${field} ${value}`).toThrow(code("toc-bad-field"));
        expect(() => raw(entry)).toThrow(field);
      }
    }
    for (
      const field of ["size", "uid", "gid", "offset", "innerOffset", "chunkOffset", "chunkSize", "endOffset"]
    ) {
      const entry = `{"name":"f","type":"reg",${field === "size" ? "" : `"size":1,`}"${field}":-1}`;
      expect(() => raw(entry), field).toThrow(/is negative/);
    }
    expect(one({ size: 0, uid: 4294967294, mode: 0o100644 })).toMatchObject({
      uid: 4294967294,
      mode: 0o100644,
    });
  });

  test("an unknown type is refused, and so is a missing one", () => {
    for (const type of ["REG", "file", "", "socket", "x".repeat(10_000)]) {
      expect(() => toc([{ name: "f", type }]), type.slice(0, 20)).toThrow(LayerproofError);
    }
    expect(() => toc([{ name: "f" }])).toThrow(code("toc-bad-field"));
    expect(() => toc([null])).toThrow(code("toc-bad-field"));
    expect(() => toc(["f"])).toThrow(code("toc-bad-field"));
    expect(() => toc([[]])).toThrow(code("toc-bad-field"));
    expect(() => toc([{ name: 5, type: "dir" }])).toThrow(code("toc-bad-field"));
  });

  test("xattrs are base64, decoded (A21)", () => {
    const xattrs = (value: unknown) => one({ xattrs: { "user.a": value } as Record<string, string> }).xattrs;
    expect(xattrs("AP8=")?.get("user.a")).toEqual(Uint8Array.of(0, 255));
    expect(xattrs("")?.get("user.a")).toEqual(new Uint8Array(0));
    // Base64 of something that is base64 itself is decoded once.
    expect(xattrs("WVFETj0=")?.get("user.a")).toEqual(bytes("YQDN="));
    for (const bad of ["A", "AP8", "AP8==", "A P8=", "AP8=\n", "AP8_", "=", "\u00e9===", 5, null, {}]) {
      expect(() => xattrs(bad), String(bad)).toThrow(code("toc-bad-field"));
      expect(() => xattrs(bad)).toThrow("f: xattrs.user.a is not base64");
    }
    expect(() => one({ xattrs: [] as unknown as Record<string, string> })).toThrow(code("toc-bad-field"));
    expect(one({ xattrs: {} }).xattrs).toBe(null);
  });

  test("absent, year 1 and 1970 are no time (A23)", () => {
    for (const modtime of [undefined, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"]) {
      expect(one(modtime === undefined ? {} : { modtime }).mtime).toBe(null);
    }
    expect(one({ modtime: "1970-01-01T00:00:00.1Z" }).mtime).toEqual({ seconds: 0, nanoseconds: 1e8 });
  });

  test("times equal those of Date, to the second, and keep their nanoseconds", () => {
    const years = {
      min: new Date("0000-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    };
    fc.assert(
      fc.property(
        fc.date(years),
        fc.integer({ min: -1439, max: 1439 }),
        fc.nat(999_999_999),
        (date, zone, ns) => {
          const seconds = Math.floor(date.getTime() / 1000);
          const local = new Date((seconds + zone * 60) * 1000);
          if (!/^\d{4}-/.test(local.toISOString())) return;
          const [hours, minutes] = [Math.floor(Math.abs(zone) / 60), Math.abs(zone) % 60];
          const two = (value: number) => String(value).padStart(2, "0");
          const text = `${local.toISOString().slice(0, 19)}.${String(ns).padStart(9, "0")}${
            zone < 0 ? "-" : "+"
          }${two(hours)}:${two(minutes)}`;
          expect(parseRfc3339(text)).toEqual({ seconds, nanoseconds: ns });
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("chunks", () => {
  const digest = sha256("x");
  const file = (first: TocEntry, ...rest: TocEntry[]) =>
    toc([
      { name: "f", type: "reg", size: 10, ...first },
      ...rest.map((row) => ({ name: "f", type: "chunk", ...row })),
    ])
      .files[0]!;

  test("an empty file has none, with or without offset and digest (A28)", () => {
    for (const entry of [{}, { offset: 5 }, { digest: sha256("") }, { size: 0, chunkDigest: digest }]) {
      expect(one(entry).chunks).toEqual([]);
    }
    expect(one({ digest: sha256("") }).digest).toBe(sha256(""));
  });

  test("one chunk for a file that says nothing of chunks, with the file's digest", () => {
    expect(file({ offset: 7, digest }).chunks).toEqual([
      { chunkOffset: 0, length: 10, offset: 7, innerOffset: 0, digest, zeros: false },
    ]);
  });

  test("a size of 0 on the last chunk is the rest (A30)", () => {
    const { chunks } = file({ chunkSize: 4 }, { chunkOffset: 4, chunkSize: 4 }, { chunkOffset: 8 });
    expect(chunks.map(({ chunkOffset, length }) => [chunkOffset, length])).toEqual([[0, 4], [4, 4], [8, 2]]);
    expect(chunks.every((chunk) => chunk.digest === null), "the file's digest is not a chunk's").toBe(true);
  });

  const refused: readonly (readonly [string, string, TocEntry, ...TocEntry[]])[] = [
    ["a gap", "toc-chunk-gap", { chunkSize: 4 }, { chunkOffset: 5 }],
    ["an overlap", "toc-chunk-overlap", { chunkSize: 4 }, { chunkOffset: 3 }],
    ["one twice", "toc-chunk-overlap", { chunkSize: 10 }, { chunkOffset: 0, chunkSize: 10 }],
    ["a gap at the start", "toc-chunk-gap", { chunkOffset: 1 }],
    ["a gap at the end", "toc-chunk-gap", { chunkSize: 4 }, { chunkOffset: 4, chunkSize: 5 }],
    ["one over the end", "toc-chunk-overlap", { chunkSize: 4 }, { chunkOffset: 4, chunkSize: 7 }],
    ["one larger than the file", "toc-chunk-overlap", { chunkSize: 11 }],
    ["a huge one", "toc-chunk-overlap", { chunkSize: 2 ** 52 }],
    ["one behind the end", "toc-chunk-gap", { chunkSize: 10 }, { chunkOffset: 10 }],
    ["size 0 before the last", "toc-chunk-gap", { chunkSize: 4 }, { chunkOffset: 4 }, {
      chunkOffset: 4,
      chunkSize: 6,
    }],
    ["an unknown type of chunk", "toc-bad-field", { chunkType: "ones" }],
  ];
  for (const [name, expected, first, ...rest] of refused) {
    test(`refused: ${name}`, () => expect(() => file(first, ...rest)).toThrow(code(expected)));
  }

  test("chunks belong to the file before them", () => {
    const chunk = { name: "f", type: "chunk", chunkOffset: 4 };
    expect(() => toc([chunk])).toThrow(code("toc-chunk-without-file"));
    expect(() => toc([{ name: "g", type: "reg", size: 10, chunkSize: 4 }, chunk])).toThrow(
      code("toc-chunk-without-file"),
    );
    expect(() => toc([{ name: "f", type: "dir" }, chunk])).toThrow(code("toc-chunk-without-file"));
    expect(() => toc([{ name: "f", type: "symlink", linkName: "x" }, chunk])).toThrow(
      code("toc-chunk-without-file"),
    );
  });

  test("runs of zeros are chunks like others (A32)", () => {
    const { chunks } = file({ chunkSize: 4, chunkType: "zeros" }, {
      chunkOffset: 4,
      chunkSize: 6,
      chunkType: "zeros",
    });
    expect(chunks.map(({ zeros }) => zeros)).toEqual([true, true]);
  });

  test("any cut of a file into chunks is read back", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 2 ** 40 }), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(sizes, fc.boolean(), (sizes, rest) => {
      let at = 0;
      const rows = sizes.map((chunkSize, i) => {
        const row = { chunkOffset: at, ...(rest && i === sizes.length - 1 ? {} : { chunkSize }) };
        at += chunkSize;
        return row;
      });
      const { chunks } = file({ ...rows[0]!, size: at }, ...rows.slice(1));
      expect(chunks.map(({ length }) => length)).toEqual(sizes);
    }));
  });
});

describe("owners' names", () => {
  test("are those last given for the id", () => {
    const { files } = toc([
      { name: "a", type: "dir", uid: 1, userName: "one", gid: 2, groupName: "two" },
      { name: "b", type: "dir", uid: 1, gid: 1 },
      { name: "c", type: "dir", uid: 1, userName: "uno", gid: 2 },
      { name: "d", type: "dir", uid: 1 },
      { name: "e", type: "dir", gid: 2 },
    ]);
    expect(files.map(({ userName, groupName }) => [userName, groupName])).toEqual([
      ["one", "two"],
      ["one", ""],
      ["uno", "two"],
      ["uno", ""],
      ["", "two"],
    ]);
    expect(files.map(({ namesUser, namesGroup }) => [namesUser, namesGroup])).toEqual([
      [true, true],
      [false, false],
      [true, false],
      [false, false],
      [false, false],
    ]);
  });
});

/** The reader against text that is damaged, hostile, or only odd. */
import { describe, expect, test } from "vitest";
import { FormatError, LayerproofError, LimitExceeded } from "../../src/errors.ts";
import { readTarSplit, TarSplitReader, type TarSplitRecord } from "../../src/tarsplit/read.ts";
import { addSize, tarSplitSize } from "../../src/tarsplit/record.ts";
import { bytes, type BytesLike, concat, latin1, random, randomBytes } from "../support/mod.ts";
import { mutate } from "../support/damage.ts";
import { fixture, unzstd } from "../support/fixtures.ts";
import { errorOf, recordsOf } from "./splitting.ts";

const SEGMENT = '{"type":2,"payload":"AAEC","position":0}\n';
const FILE = '{"type":1,"name":"a","size":1,"payload":"AAAAAAAAAAE=","position":0}\n';
const failure = (text: BytesLike, size?: number) => errorOf(() => recordsOf(bytes(text), size));
const read = async (text: BytesLike) => await recordsOf(bytes(text));
const file = (fields: string) => `{"type":1,${fields}"position":0}\n`;

describe("records", () => {
  test("of a segment and a file", async () => {
    const text = SEGMENT + FILE.replace('"position":0', '"position":1');
    const expected: TarSplitRecord[] = [
      { kind: "segment", bytes: Uint8Array.of(0, 1, 2), position: 0 },
      { kind: "file", name: "a", size: 1, crc64: 1n, position: 1 },
    ];
    for (const size of [1, 2, 7, 40, 41, 1000]) expect(await recordsOf(bytes(text), size)).toEqual(expected);
  });

  test("the checksum is big-endian", async () => {
    const [record] = await read(FILE.replace("AAAAAAAAAAE=", "uQlWx3WkEAE="));
    expect(record).toMatchObject({ crc64: 0xb90956c775a41001n });
  });

  const ODD: Readonly<Record<string, readonly [string, object]>> = {
    "an empty segment": ['{"type":2,"payload":"","position":0}\n', {
      kind: "segment",
      bytes: new Uint8Array(0),
    }],
    "a segment of null": ['{"type":2,"payload":null,"position":0}\n', { bytes: new Uint8Array(0) }],
    "a segment without payload": ['{"type":2,"position":0}\n', { bytes: new Uint8Array(0) }],
    "another order of keys, and blanks": [
      '{ "position" : 0,\t"payload": null, "name":"a","type":1 }\r\n',
      { name: "a", size: 0, crc64: null },
    ],
    "an unknown key": [file('"name":"a","later":[{"x":[]}],"payload":null,'), { name: "a", size: 0 }],
    "no name": [file('"payload":null,'), { name: "", size: 0, crc64: null }],
    "an empty file with the checksum of nothing": [
      file('"name":"a","size":0,"payload":"AAAAAAAAAAA=",'),
      { size: 0, crc64: null },
    ],
    "escapes": [file('"name":"\\u003c\\u00e9\\ud83d\\ude00\\/",'), { name: "<é\u{1f600}/" }],
    "name_raw": [file(`"name_raw":"${btoa("caf\xe9")}",`), { name: "caf\udce9" }],
    "name_raw that is UTF-8": [file(`"name_raw":"${btoa("caf\xc3\xa9")}",`), { name: "café" }],
    "both names, the same": [file('"name":"a","name_raw":"YQ==",'), { name: "a" }],
    "the largest size": [
      file('"name":"a","size":9007199254740991,"payload":"//////////8=",'),
      { size: Number.MAX_SAFE_INTEGER, crc64: 2n ** 64n - 1n },
    ],
  };
  for (const [what, [text, expected]] of Object.entries(ODD)) {
    test(`of what is odd but clear: ${what}`, async () => {
      expect(await read(text)).toEqual([expect.objectContaining(expected)]);
    });
  }

  test("none of an empty tar-split", async () => {
    expect(await read("")).toEqual([]);
  });

  test("all that the handler is told, of pieces that are empty or wiped later", () => {
    const told: unknown[] = [];
    const reader = new TarSplitReader({
      segment: (data) => told.push(data),
      file: ({ name }) => told.push(name),
    });
    const text = bytes(SEGMENT + FILE.replace('"position":0', '"position":1'));
    for (const byte of text) {
      const piece = Uint8Array.of(byte);
      reader.push(new Uint8Array(0));
      reader.push(piece);
      piece.fill(0);
    }
    reader.end();
    expect(told).toEqual([Uint8Array.of(0, 1, 2), "a"]);
  });
});

/** What writers write is read without JSON; a blank more makes it a line like any other. */
describe("a file's line as it is written, and the same with a blank, are the same or both refused", () => {
  const NAMES = [
    "a",
    "\u00e9",
    "\u{1f600}",
    "\ufeff",
    "\u2028",
    "\x7f",
    "a\\\\b",
    "\\u0061",
    "\x1f",
    "a\nb",
    "\\",
    "",
  ];
  const SIZES = [
    "",
    '"size":1,',
    '"size":0,',
    '"size":01,',
    '"size":-1,',
    '"size":1.0,',
    '"size":1e3,',
    '"size":null,',
  ];
  const LARGE = ['"size":9007199254740991,', '"size":9007199254740992,', '"size":9007199254740993,'];
  const PAYLOADS = [
    "null",
    '""',
    '"AAAAAAAAAAA="',
    '"AAAAAAAAAAE="',
    '"AAAAAAAAAAF="',
    '"AAAAAAAAAAAA"',
    '"AAAAAAAAAA=="',
  ];
  const ODD_PAYLOADS = ['"AAAAAAAAA==="', '"AAAA=AAAAAA="', '"\u00e9AAAAAAAAAA="', '"AAAAAAAAAA\\n"'];
  const outcome = async (text: string) => {
    try {
      return await read(text);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return error.code;
    }
  };
  for (const position of ["0", "1", "00", "-0"]) {
    test(`with the position ${position}`, async () => {
      for (const name of NAMES) {
        for (const size of [...SIZES, ...LARGE]) {
          for (const payload of [...PAYLOADS, ...ODD_PAYLOADS]) {
            const line = `{"type":1,"name":"${name}",${size}"payload":${payload},"position":${position}}\n`;
            expect([line, await outcome(line)]).toEqual([line, await outcome(line.replace("}\n", " }\n"))]);
          }
        }
      }
    });
  }
});

describe("a damaged line is refused, with its number", () => {
  const BAD: Readonly<Record<string, BytesLike>> = {
    "an empty line": "\n",
    "no JSON": "hello\n",
    "cut JSON": SEGMENT.slice(0, 20) + "\n",
    "two objects": '{"type":2,"position":0}{"type":2,"position":1}\n',
    "an object on two lines": '{"type":2,\n"position":0}\n',
    "a number": "1\n",
    "null": "null\n",
    "an array": "[]\n",
    "a byte-order mark": "\ufeff" + SEGMENT,
    "no UTF-8": concat(bytes('{"type":1,"name":"'), latin1("\xe9"), bytes('","position":0}\n')),
    "a NUL": "\0" + SEGMENT,
    "a key twice": '{"type":2,"payload":"AAEC","payload":"AAED","position":0}\n',
    "a key twice, escaped": '{"type":2,"payload":"AAEC","p\\u0061yload":"AAED","position":0}\n',
    "a key that Go takes for another": '{"type":2,"Payload":"AAEC","position":0}\n',
    "a key with the long s": file('"\u017fize":1,'),
    "__proto__ as the type": '{"__proto__":{"type":2},"position":0}\n',
    "deep nesting": `{"type":2,"x":${"[".repeat(50)}${"]".repeat(50)},"position":0}\n`,
    "very deep nesting": `{"type":2,"x":${"[".repeat(100_000)}\n`,
    "many arrays": `{"type":2,"x":[${"[],".repeat(200)}[]],"position":0}\n`,
    "no type": '{"payload":"AAEC","position":0}\n',
    "type 0": '{"type":0,"payload":"AAEC","position":0}\n',
    "type 3": '{"type":3,"payload":"AAEC","position":0}\n',
    "a type that is text": '{"type":"2","payload":"AAEC","position":0}\n',
    "no position": '{"type":2,"payload":"AAEC"}\n',
    "a position that is text": '{"type":2,"payload":"AAEC","position":"0"}\n',
    "another position": SEGMENT.replace('"position":0', '"position":7'),
    "a negative position": SEGMENT.replace('"position":0', '"position":-1'),
    "a position that is no whole number": SEGMENT.replace('"position":0', '"position":0.5'),
    "a segment with a name": '{"type":2,"name":"a","payload":"AAEC","position":0}\n',
    "a segment with a size": '{"type":2,"size":3,"payload":"AAEC","position":0}\n',
    "a name that is a number": file('"name":1,'),
    "a name that is null": file('"name":null,'),
    "a name with half a surrogate pair": file('"name":"\\udce9",'),
    "a name_raw that is a number": file('"name_raw":1,'),
    "a name_raw that is no base64": file('"name_raw":"?",'),
    "names that differ": file('"name":"b","name_raw":"YQ==",'),
    "a name that only replaces name_raw": file('"name":"\ufffd","name_raw":"6Q==",'),
    "a negative size": FILE.replace('"size":1', '"size":-1'),
    "a size that is no whole number": FILE.replace('"size":1', '"size":1.5'),
    "a size over 2^53": FILE.replace('"size":1', '"size":9007199254740992'),
    "a size over 2^64": FILE.replace('"size":1', '"size":1e300'),
    "a size that overflows": FILE.replace('"size":1', '"size":1e999'),
    "a size that is text": FILE.replace('"size":1', '"size":"1"'),
    "a size that is null": FILE.replace('"size":1', '"size":null'),
    "a file without checksum": file('"name":"a","size":1,"payload":null,'),
    "a checksum of 7 bytes": FILE.replace("AAAAAAAAAAE=", "AAAAAAAAAA=="),
    "a checksum of 9 bytes": FILE.replace("AAAAAAAAAAE=", "AAAAAAAAAAAA"),
    "an empty file with a short checksum": file('"name":"a","payload":"AA==",'),
    "an empty file with the checksum of something": file('"name":"a","payload":"AAAAAAAAAAE=",'),
    "a payload that is a number": '{"type":2,"payload":1,"position":0}\n',
    "a payload that is an object": '{"type":2,"payload":{},"position":0}\n',
    ...Object.fromEntries(
      [
        "AAE",
        "AAE==",
        "AA=",
        "AA==AA==",
        "A===",
        "====",
        "AA=A",
        "AAEC\\n",
        " AAE",
        "AA-_",
        "AAF=",
        "AB==",
        "AAé=",
        "AA\u0141A",
        "AA\\u0000A",
        "\u{1f600}AA",
        "=AAA",
      ].map((
        base64,
      ) => [`base64 that no encoder writes: ${base64}`, `{"type":2,"payload":"${base64}","position":0}\n`]),
    ),
  };
  for (const [what, line] of Object.entries(BAD)) {
    test(what, async () => {
      for (const size of [65_536, 3]) {
        const first = await failure(line, size);
        expect(first).toBeInstanceOf(FormatError);
        expect(first.code).toBe("tarsplit-malformed");
        expect(first.message).toMatch(/line 1 of the tar-split: /);
        // deno-lint-ignore no-control-regex -- control characters are what must not be in a message
        expect(first.message).not.toMatch(/[\0-\x1f\x7f-\x9f]/);
        const second = await failure(concat(bytes(SEGMENT), bytes(line)), size);
        expect(second.code).toBe("tarsplit-malformed");
        expect(second.message).toMatch(/line 2 of the tar-split: /);
      }
    });
  }

  test("positions that repeat or leave one out", async () => {
    for (const position of [0, 2]) {
      const error = await failure(SEGMENT + SEGMENT.replace('"position":0', `"position":${position}`));
      expect(error).toMatchObject({
        code: "tarsplit-malformed",
        details: { expected: "1", actual: `${position}` },
      });
    }
  });
});

describe("a tar-split that is cut short", () => {
  test("is told at any place but between lines", async () => {
    const text = SEGMENT + FILE.replace('"position":0', '"position":1');
    for (let length = 1; length < text.length; length++) {
      if (length === SEGMENT.length) continue;
      expect((await failure(text.slice(0, length))).code).toBe("tarsplit-truncated");
    }
  });
});

describe("long lines", () => {
  const line = (length: number) => {
    const payload = Buffer.alloc(length).toString("base64");
    return bytes(`{"type":2,"payload":"${payload}","position":0}\n`);
  };
  const rest = '{"type":2,"payload":"","position":0}'.length;

  test("are taken up to the limit, newline not counted", async () => {
    const options = { maxLine: rest + 400 };
    for (const size of [1, 100, 10_000]) {
      expect(await recordsOf(line(300), size, options)).toHaveLength(1);
      const error = await errorOf(() => recordsOf(line(303), size, options));
      expect(error).toBeInstanceOf(LimitExceeded);
      expect(error.code).toBe("tarsplit-line-limit");
      expect(error.message).toContain("Line 1 ");
    }
  });

  test("by default those of segments of 4 MiB", async () => {
    expect(await recordsOf(line(2 ** 22))).toHaveLength(1);
    expect((await errorOf(() => recordsOf(line(5_000_000)))).code).toBe("tarsplit-line-limit");
  });

  test("without end are not kept", async () => {
    const piece = bytes("x".repeat(65_536));
    let taken = 0;
    const endless = function* () {
      while (true) {
        taken++;
        yield piece;
      }
    };
    const error = await errorOf(async () => {
      for await (const _ of readTarSplit(endless()));
    });
    expect(error.code).toBe("tarsplit-line-limit");
    expect(taken).toBe(6 * 16 + 1);
  });
});

describe("the size of the archive", () => {
  const segment = (length: number): TarSplitRecord => ({
    kind: "segment",
    bytes: new Uint8Array(length),
    position: 7,
  });
  const large: TarSplitRecord = {
    kind: "file",
    name: "a",
    size: Number.MAX_SAFE_INTEGER - 10,
    crc64: 0n,
    position: 8,
  };

  test("is the sum of segments and files", async () => {
    expect(await tarSplitSize([])).toBe(0);
    expect(await tarSplitSize([segment(10), large])).toBe(Number.MAX_SAFE_INTEGER);
    expect(addSize(5, segment(3))).toBe(8);
  });

  test("over 2^53 - 1 is refused", async () => {
    const error = await errorOf(() => tarSplitSize([segment(11), large]));
    expect(error).toMatchObject({ name: "FormatError", code: "tarsplit-size-overflow" });
    expect(error.message).toContain("line 9");
  });
});

describe("seeded damage: a typed error or records, never anything else", () => {
  const golden = ["small", "nonutf8", "global", "sparse-gnu", "small-junk", "wh-types"].map((name) =>
    unzstd(fixture(`src/${name}.tar-split.json.zst`))
  );
  for (let seed = 1; seed <= 20; seed++) {
    test(`seed ${seed}`, async () => {
      const source = random(seed);
      let refused = 0;
      for (let round = 0; round < 60; round++) {
        const damaged = mutate(source.pick(golden), source);
        try {
          await recordsOf(damaged, 1 + source.below(5000));
        } catch (error) {
          if (!(error instanceof LayerproofError)) throw error;
          expect(error.code).toMatch(/^tarsplit-(malformed|truncated|line-limit)$/);
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(0);
    });
  }

  test("random bytes", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const error = await failure(randomBytes(1 + seed * 100, seed), 1 + seed);
      expect(error.code).toMatch(/^tarsplit-(malformed|truncated)$/);
    }
  });
});

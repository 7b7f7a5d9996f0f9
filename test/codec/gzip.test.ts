import { constants, crc32, gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  bytes,
  concat,
  gzipHeader,
  gzipMember,
  gzipMembers,
  type GzipOptions,
  random,
  randomBytes,
  randomText,
  sha256,
} from "../support/mod.ts";
import { gunzip } from "./gzip-run.ts";

const PIECES = [1, 511, 512, 513, 65536];
const text = (data: Uint8Array) => new TextDecoder("latin1").decode(data);

describe("members (A53, A56, A57)", () => {
  test("all members come out, each with its place in the blob and in the output", () => {
    const members = [
      gzipMember("a", { name: "x" }),
      gzipMember(""),
      gzipMember(randomText(3000)),
      gzipMember("b"),
    ];
    const blob = concat(...members);
    for (const piece of [...PIECES, 2, 3, 7, 17]) {
      const run = gunzip(blob, piece);
      expect(run).toMatchObject({ error: null, padding: null, checksums: ["ok", "ok", "ok", "ok"] });
      expect(text(run.data)).toBe(`a${text(randomText(3000))}b`);
      let at = 0;
      const outs = [0, 1, 1, 3001, 3002];
      members.forEach((member, index) => {
        expect(run.starts[index]).toMatchObject({ blobOffset: at, outOffset: outs[index]! });
        expect(run.ends[index]).toMatchObject({
          blobOffset: at,
          endOffset: at + member.length,
          outOffset: outs[index]!,
          outEnd: outs[index + 1]!,
        });
        at += member.length;
      });
    }
  });

  test("a thousand members of one byte", () => {
    const content = randomText(1000);
    const blob = gzipMembers(Array.from(content, (byte) => Uint8Array.of(byte)));
    for (const piece of PIECES) {
      const run = gunzip(blob, piece);
      expect(run.error).toBeNull();
      expect(sha256(run.data)).toBe(sha256(content));
      expect(run.checksums.filter((one) => one === "ok").length).toBe(1000);
    }
  });

  test("64 KiB members as parallel compressors write them", () => {
    const content = concat(randomText(150_000), randomBytes(150_000));
    const parts = [];
    for (let at = 0; at < content.length; at += 65536) parts.push(content.subarray(at, at + 65536));
    for (const piece of [511, 512, 513, 65536, 10_000_000]) {
      const run = gunzip(gzipMembers(parts), piece);
      expect(run.error).toBeNull();
      expect(sha256(run.data)).toBe(sha256(content));
    }
  });

  test("the length comes from counting, not from the last trailer", () => {
    const run = gunzip(gzipMembers(["0123456789", "abcdefghij"]));
    expect(run.ends.at(-1)!.outEnd).toBe(20);
    expect(run.data.length).toBe(20);
  });

  test("long back-references and long runs cross the output buffer", () => {
    const window = randomBytes(32768);
    for (
      const content of [
        concat(window, window, window, window, window, window),
        new Uint8Array(1_000_000),
        concat(randomBytes(131_072 - 3), new Uint8Array(600), randomBytes(131_072)),
      ]
    ) {
      for (const piece of [1021, 65536]) {
        expect(sha256(gunzip(gzipMember(content, { level: 9 }), piece).data)).toBe(sha256(content));
      }
    }
  });
});

describe("header fields (A55)", () => {
  const choices: GzipOptions[] = [
    {},
    { extra: "SG\x01\0x" },
    { extra: "" },
    { extra: new Uint8Array(65535) },
    { name: "file.tar" },
    { name: "" },
    { comment: "a comment" },
    { hcrc: true },
    { text: true },
    { extra: "SG\x01\0x", name: "n", comment: "c", hcrc: true, text: true },
    { extra: "", name: "", comment: "", hcrc: true },
    { name: "n".repeat(64 * 1024) },
    { mtime: 2 ** 32 - 1, xfl: 2, os: 3 },
  ];

  for (const [index, options] of choices.entries()) {
    test(`choice ${index} (${Object.keys(options).join(", ") || "none"}) is read in every piece size`, () => {
      const blob = concat(gzipMember("first", options), gzipMember("second", options));
      expect(text(new Uint8Array(gunzipSync(blob)))).toBe("firstsecond");
      for (const piece of PIECES) {
        const run = gunzip(blob, piece);
        expect(run).toMatchObject({ error: null, checksums: ["ok", "ok"] });
        expect(text(run.data)).toBe("firstsecond");
        const { extra } = options;
        const kept = extra !== undefined && extra.length <= 64 ? bytes(extra) : null;
        expect(run.starts.map((unit) => unit.extra)).toEqual([kept, kept]);
      }
    });
  }

  test("each reserved flag bit is refused", () => {
    for (const reservedFlags of [0x20, 0x40, 0x80, 0xe0]) {
      expect(gunzip(gzipMember("x", { reservedFlags }))).toMatchObject({ error: "gzip-reserved-flags" });
      const second = gunzip(concat(gzipMember("x"), gzipMember("y", { reservedFlags })));
      expect(second).toMatchObject({ error: "gzip-reserved-flags" });
    }
  });

  test("compression methods other than deflate are refused", () => {
    for (const method of [0, 7, 9, 255]) {
      expect(gunzip(gzipMember("x", { method })).error).toBe("gzip-method");
    }
  });

  test("a name or comment without an end is refused, in bounded memory", () => {
    for (const piece of PIECES) {
      const endless = new Uint8Array(200_000).fill(0x61);
      for (const options of [{ name: "n" }, { comment: "c" }]) {
        const header = gzipHeader({ ...options, unterminated: true });
        expect(gunzip(concat(header, endless), piece).error).toBe("gzip-header-too-long");
        expect(gunzip(header, piece).error).toBe("gzip-truncated");
      }
    }
  });

  test("a wrong CRC-16 of the header is refused, each bit of it", () => {
    const right = crc32(gzipMember("x", { name: "n", hcrc: true }).subarray(0, 12)) & 0xffff;
    expect(gunzip(gzipMember("x", { name: "n", hcrc: right })).error).toBeNull();
    for (let bit = 0; bit < 16; bit++) {
      expect(gunzip(gzipMember("x", { name: "n", hcrc: right ^ (1 << bit) })).error).toBe("gzip-header-crc");
    }
  });
});

describe("what follows the last member (A54)", () => {
  const member = gzipMember("data");

  test("zeros are told and change nothing", () => {
    for (const length of [1, 2, 511, 512, 100_000]) {
      for (const piece of PIECES) {
        expect(gunzip(concat(member, new Uint8Array(length)), piece)).toMatchObject({
          error: null,
          padding: member.length,
          data: bytes("data"),
        });
      }
    }
  });

  test("anything else is an error", () => {
    const zeros = new Uint8Array(512);
    const cases: [Uint8Array, string][] = [
      [bytes("junk"), "gzip-trailing-data"],
      [Uint8Array.of(0xff), "gzip-trailing-data"],
      [concat(zeros, bytes("x")), "gzip-trailing-data"],
      [concat(zeros, member), "gzip-trailing-data"],
      [Uint8Array.of(0x1f), "gzip-truncated"],
      [Uint8Array.of(0x1f, 0x8b), "gzip-truncated"],
      [member.subarray(0, 5), "gzip-truncated"],
      [member.subarray(0, 10), "gzip-truncated"],
      [concat(Uint8Array.of(0x1f, 0x8c), zeros), "gzip-trailing-data"],
      [concat(Uint8Array.of(0x1f), zeros), "gzip-trailing-data"],
    ];
    for (const [tail, code] of cases) {
      for (const piece of PIECES) expect(gunzip(concat(member, tail), piece).error).toBe(code);
    }
  });

  test("no bytes at all, and zeros only, are no gzip", () => {
    expect(gunzip(new Uint8Array(0)).error).toBe("gzip-truncated");
    expect(gunzip(new Uint8Array(20)).error).not.toBeNull();
  });

  test("a decoder that has failed keeps failing", () => {
    const run = gunzip(concat(member, bytes("junk"), member), 1);
    expect(run.error).toBe("gzip-trailing-data");
    expect(run.ends.length).toBe(1);
  });
});

describe("trailers", () => {
  test("a wrong CRC-32 or length is told with the member, and the bytes still come out", () => {
    for (const piece of PIECES) {
      const bad = gunzip(concat(gzipMember("one", { badCrc: 5 }), gzipMember("two", { badIsize: 9 })), piece);
      expect(bad.error).toBeNull();
      expect(text(bad.data)).toBe("onetwo");
      expect(bad.checksums).toEqual([
        { expected: 5, actual: crc32("one") },
        { expected: 9, actual: 3 },
      ]);
    }
  });

  test("each flipped bit of the trailer is told", () => {
    const member = gzipMember("content");
    for (let bit = (member.length - 8) * 8; bit < member.length * 8; bit++) {
      const bad = member.slice();
      bad[bit >> 3]! ^= 1 << (bit & 7);
      const run = gunzip(concat(bad, member));
      expect(run.error).toBeNull();
      expect(run.checksums[0]).toEqual(expect.objectContaining({ expected: expect.any(Number) }));
      expect(run.checksums[1]).toBe("ok");
    }
  });
});

describe("cuts and damage (A64)", () => {
  test("a two-member gzip cut at any offset is an error, but at the edge of a member", () => {
    const first = gzipMember("first", { name: "n", extra: "abc", comment: "c", hcrc: true });
    const second = gzipMember(randomBytes(300), { stored: true });
    const blob = concat(first, second);
    for (let at = 0; at < blob.length; at++) {
      for (const piece of [1, 65536]) {
        const { error, ends } = gunzip(blob.subarray(0, at), piece);
        if (at === first.length) expect([at, error, ends.length]).toEqual([at, null, 1]);
        else expect([at, error]).toEqual([at, "gzip-truncated"]);
      }
    }
  });

  test("data that is no deflate stream is refused where it breaks a rule, wherever the blob is cut", () => {
    const bad: [bytes: Uint8Array, size: number][] = [
      [Uint8Array.of(0x07), 1], // block type 3
      [Uint8Array.of(0x01, 0x05, 0x00, 0x00, 0x00), 5], // stored block whose lengths do not complement each other
      // Fixed codes, 3 + 7 + 5 bits: a match of three bytes one back, where nothing was written.
      [Uint8Array.of(0x03, 0x02, 0x00), 2],
    ];
    const sound = gzipMember(randomBytes(3000, 1));
    const header = gzipHeader();
    for (const [deflated, size] of bad) {
      const blob = concat(sound, header, deflated, new Uint8Array(64).fill(0xff));
      for (const piece of [1, 7, 65536]) {
        const run = gunzip(blob, piece);
        expect(run).toMatchObject({
          error: "gzip-corrupt",
          errorOffset: sound.length + header.length + size,
          ends: [{ blobOffset: 0 }],
        });
      }
    }
  });
});

/** node:zlib's word on some bytes: the content, or null where it refuses. It takes any bytes behind the last member. */
function reference(blob: Uint8Array): Uint8Array | null {
  try {
    return new Uint8Array(gunzipSync(blob));
  } catch {
    return null;
  }
}

describe("against node:zlib", () => {
  test("the same bytes for every level, strategy, window and kind of content", () => {
    const { below, pick } = random(7);
    const strategies = [
      constants.Z_DEFAULT_STRATEGY,
      constants.Z_FILTERED,
      constants.Z_HUFFMAN_ONLY,
      constants.Z_RLE,
      constants.Z_FIXED,
    ];
    for (let round = 0; round < 150; round++) {
      const length = pick([0, 1, 2, 100, 5000, 70_000]) + below(50);
      const content = pick([
        () => randomBytes(length, round + 1),
        () => randomText(length, round + 1),
        () => new Uint8Array(length).fill(below(256)),
        () => concat(randomText(length >> 1, round), new Uint8Array(length >> 1)),
      ])();
      const blob = new Uint8Array(gzipSync(content, {
        level: below(10),
        strategy: pick(strategies),
        memLevel: 1 + below(9),
        windowBits: 9 + below(7),
      }));
      const run = gunzip(blob, pick(PIECES));
      expect(run).toMatchObject({ error: null, checksums: ["ok"] });
      expect(sha256(run.data)).toBe(sha256(content));
    }
  });

  test("mutated blobs give a typed error, a checksum that is told, or the bytes that node:zlib gives", () => {
    const { below, pick } = random(11);
    const seeds = [
      gzipMember(randomText(400)),
      gzipMember(randomBytes(200), { stored: true, name: "n", hcrc: true }),
      concat(gzipMember("a".repeat(300), { extra: "xx" }), gzipMember(randomText(100), { comment: "c" })),
      new Uint8Array(gzipSync(randomText(2000), { strategy: constants.Z_FIXED })),
    ];
    let accepted = 0;
    for (let round = 0; round < 4000; round++) {
      const blob = mutate(pick(seeds), below);
      const run = gunzip(blob, pick(PIECES));
      if (run.error !== null || run.checksums.some((one) => one !== "ok")) continue;
      accepted++;
      const want = reference(blob);
      expect(want, `seed 11, round ${round}`).not.toBeNull();
      expect(sha256(run.data)).toBe(sha256(want!));
    }
    // Some mutations are harmless (times, names, a whole member cut off): the comparison has to have taken place.
    expect(accepted).toBeGreaterThan(20);
  });

  test("what node:zlib refuses is never taken without complaint", () => {
    const { below } = random(23);
    const seed = gzipMember(randomText(300));
    for (let round = 0; round < 1500; round++) {
      const blob = mutate(seed, below);
      if (reference(blob) !== null) continue;
      const run = gunzip(blob);
      expect(run.error !== null || run.checksums.some((one) => one !== "ok"), `round ${round}`).toBe(true);
    }
  });
});

/** One to three changes: a flipped bit, a new byte, bytes taken out, doubled, or cut off. */
function mutate(seed: Uint8Array, below: (limit: number) => number): Uint8Array {
  let blob = seed.slice();
  for (let count = 1 + below(3); count > 0; count--) {
    const at = below(blob.length);
    const length = 1 + below(20);
    switch (below(5)) {
      case 0:
        blob[at]! ^= 1 << below(8);
        break;
      case 1:
        blob[at] = below(256);
        break;
      case 2:
        blob = concat(blob.subarray(0, at), blob.subarray(at + length));
        break;
      case 3:
        blob = concat(blob.subarray(0, at + length), blob.subarray(at));
        break;
      default:
        blob = blob.slice(0, Math.max(1, at));
    }
    if (blob.length === 0) return seed;
  }
  return blob;
}

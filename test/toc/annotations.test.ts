/** Annotations that claim a TOC: read strictly, and refused where they can be read in two ways. */
import { describe, expect, test } from "vitest";
import { AmbiguousToc, parseTocAnnotations } from "../../src/toc/annotations.ts";
import { sha256 } from "../support/mod.ts";

const NEW = "io.github.containers.zstd-chunked.";
const OLD = "io.containers.zstd-chunked.";
const JSON_DIGEST = "containerd.io/snapshot/stargz/toc.digest";

test("none is nothing", () => {
  const nothing = {
    jsonDigest: null,
    compressedDigest: null,
    tocPosition: null,
    tarSplitPosition: null,
    uncompressedSize: null,
  };
  expect(parseTocAnnotations({})).toEqual(nothing);
  expect(parseTocAnnotations({ other: "x", [`${NEW}tarsplit-checksum`]: "never trusted" })).toEqual(nothing);
});

test("an eStargz layer's", () => {
  const annotations = { [JSON_DIGEST]: sha256("a"), "io.containers.estargz.uncompressed-size": "12345" };
  expect(parseTocAnnotations(annotations)).toMatchObject({
    jsonDigest: sha256("a"),
    compressedDigest: null,
    uncompressedSize: 12345,
  });
});

for (const prefix of [OLD, NEW]) {
  test(`a zstd:chunked layer's with the prefix ${prefix}`, () => {
    const annotations = {
      [`${prefix}manifest-checksum`]: sha256("a"),
      [`${prefix}manifest-position`]: "10:20:30:1",
      [`${prefix}tarsplit-position`]: "40:50:9007199254740991",
    };
    expect(parseTocAnnotations(annotations)).toMatchObject({
      jsonDigest: null,
      compressedDigest: sha256("a"),
      tocPosition: { offset: 10, length: 20, uncompressedLength: 30 },
      tarSplitPosition: { offset: 40, length: 50, uncompressedLength: 9007199254740991 },
    });
  });

  describe(`positions that cannot be used (A07), ${prefix}`, () => {
    const wrong: Record<string, string> = {
      "three fields": "10:20:30",
      "five fields": "10:20:30:1:5",
      "no fields": "",
      "negative": "-10:20:30:1",
      "not a number": "10:twenty:30:1",
      "a fraction": "10:20.5:30:1",
      "an exponent": "1e3:20:30:1",
      "hexadecimal": "0x10:20:30:1",
      "an empty field": "10::30:1",
      "a blank": "10: 20:30:1",
      "a sign": "+10:20:30:1",
      "2^53": "9007199254740992:20:30:1",
      "2^64": "18446744073709551616:20:30:1",
      "another type": "10:20:30:2",
      "other digits": "\u0661\u0660:20:30:1",
      "1 MB": "1".repeat(1e6),
    };
    for (const [name, value] of Object.entries(wrong)) {
      test(name, () => {
        const parse = () => parseTocAnnotations({ [`${prefix}manifest-position`]: value });
        expect(parse).toThrow(expect.objectContaining({ name: "FormatError", code: "annotation-malformed" }));
        expect(parse).toThrow(/manifest-position.{0,400}$/s);
      });
    }
    test("a tar-split's has three fields", () => {
      for (const value of ["1:2:3:1", "1:2", "a:b:c"]) {
        expect(() => parseTocAnnotations({ [`${prefix}tarsplit-position`]: value })).toThrow(
          /tarsplit-position/,
        );
      }
    });
  });
}

test("an uncompressed size that is no number is malformed", () => {
  for (const value of ["-1", "x", "", "1:2", "9007199254740992"]) {
    expect(() => parseTocAnnotations({ "io.containers.estargz.uncompressed-size": value }))
      .toThrow(expect.objectContaining({ code: "annotation-malformed" }));
  }
});

test("two ways to read one descriptor are refused (A04, A13), equal values under both prefixes are one", () => {
  const both = { [`${OLD}manifest-checksum`]: sha256("a"), [`${NEW}manifest-checksum`]: sha256("a") };
  expect(parseTocAnnotations(both).compressedDigest).toBe(sha256("a"));
  expect(() => parseTocAnnotations({ ...both, [`${OLD}manifest-checksum`]: sha256("b") })).toThrow(
    AmbiguousToc,
  );
  expect(() => parseTocAnnotations({ ...both, [JSON_DIGEST]: sha256("b") })).toThrow(AmbiguousToc);
  const stargz = { [JSON_DIGEST]: sha256("b"), [`${OLD}manifest-checksum`]: sha256("a") };
  expect(parseTocAnnotations(stargz)).toMatchObject({
    jsonDigest: sha256("b"),
    compressedDigest: sha256("a"),
  });
});

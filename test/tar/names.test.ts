import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeName, encodeName, escapeName, isUtf8Name, replacedName } from "../../src/tar/names.ts";
import { bytes, latin1 } from "../support/mod.ts";

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 60 }),
  // Pieces of valid and broken sequences, which random bytes hardly ever hit.
  fc.array(
    fc.constantFrom(
      ...[
        "61",
        "5c",
        "5c7834",
        "c3a9",
        "e38182",
        "f09fa68a",
        "efbfbd",
        "efbbbf",
        "c0af",
        "eda080",
        "f4908080",
      ],
      ...["e381", "f09f", "80", "ff", "00", "1b5b326a", "7f", "c285", "e280ae"],
    ),
    { maxLength: 10 },
  ).map((list) => Uint8Array.from(Buffer.from(list.join(""), "hex"))),
);

/** Go's utf8.DecodeRune rule by RFC 3629: how long the valid sequence at `at` is, or 0. */
function validLength(data: Uint8Array, at: number): number {
  for (let length = 1; length <= 4; length++) {
    const piece = data.subarray(at, at + length);
    if (piece.length < length) return 0;
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(piece);
      if ([...text].length === 1) return length;
    } catch {
      // Longer may be valid.
    }
  }
  return 0;
}

describe("names", () => {
  test("decoding loses nothing: encoding gives the same bytes", () => {
    fc.assert(
      fc.property(anyBytes, (data) => {
        expect(encodeName(decodeName(data))).toEqual(data);
      }),
      { numRuns: 1000 },
    );
  });

  test("names are equal exactly if their bytes are", () => {
    fc.assert(fc.property(anyBytes, anyBytes, (a, b) => {
      expect(decodeName(a) === decodeName(b)).toBe(Buffer.compare(a, b) === 0);
    }));
  });

  test("valid UTF-8 is decoded as such, and nothing else counts as it", () => {
    fc.assert(fc.property(anyBytes, (data) => {
      const valid = Buffer.from(data).toString("utf8");
      const isValid = Buffer.compare(Buffer.from(valid, "utf8"), data) === 0;
      expect(isUtf8Name(decodeName(data))).toBe(isValid);
      if (isValid) expect(decodeName(data)).toBe(valid);
    }));
  });

  test("a TOC's name has one U+FFFD for each byte that is not UTF-8, as Go writes it", () => {
    fc.assert(fc.property(anyBytes, (data) => {
      let want = "";
      for (let at = 0; at < data.length;) {
        const length = validLength(data, at);
        want += length === 0 ? "\ufffd" : Buffer.from(data.subarray(at, at + length)).toString();
        at += Math.max(length, 1);
      }
      expect(replacedName(decodeName(data))).toBe(want);
    }));
    expect(replacedName(decodeName(latin1("\xe3\x81")))).toBe("\ufffd\ufffd");
    expect(replacedName(decodeName(latin1("\xed\xa0\x80")))).toBe("\ufffd\ufffd\ufffd");
    expect(replacedName(decodeName(latin1("\xf0\x9f\xa6")))).toBe("\ufffd\ufffd\ufffd");
  });

  test("an escaped name is printable, and reads back to the same bytes", () => {
    fc.assert(
      fc.property(anyBytes, (data) => {
        const shown = escapeName(decodeName(data));
        expect(shown).not.toMatch(
          /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff]/u,
        );
        const parts = [...shown.matchAll(/\\\\|\\x([0-9A-F]{2})|[^\\]+/gu)];
        expect(parts.map(([part]) => part).join("")).toBe(shown);
        const back = parts.map(([part, code]) => {
          if (code !== undefined) return Buffer.of(parseInt(code, 16));
          return Buffer.from(part === "\\\\" ? "\\" : part);
        });
        expect(new Uint8Array(Buffer.concat(back))).toEqual(data);
      }),
      { numRuns: 1000 },
    );
  });

  test("escapes are those that the documentation names", () => {
    const cases: [Uint8Array, string][] = [
      [bytes("plain-é-🦊"), "plain-é-🦊"],
      [latin1("caf\xe9"), "caf\\xE9"],
      [bytes("a\\x41"), "a\\\\x41"],
      [bytes("\u001b[2J\n\t\u007f"), "\\x1B[2J\\x0A\\x09\\x7F"],
      [bytes("\u0085"), "\\xC2\\x85"],
      [bytes("gpj.\u202etxt"), "gpj.\\xE2\\x80\\xAEtxt"],
    ];
    for (const [raw, shown] of cases) expect(escapeName(decodeName(raw))).toBe(shown);
  });
});

/** Footers of both families: what is one, and that nothing else is taken for one or makes a probe fail. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findEstargzFooter, parseEstargzExtra } from "../../src/toc/footer-estargz.ts";
import { findZstdChunkedFooter, parseZstdChunkedFooter } from "../../src/toc/footer-zstdchunked.ts";
import {
  bytes,
  concat,
  estargzFooter,
  gzipHeader,
  gzipMember,
  littleEndian,
  randomBytes,
  skippable,
  zstdChunkedFooter,
} from "../support/mod.ts";

const before = randomBytes(100);
const positions = (offset: number, length: number, uncompressed: number, type = 1) => ({
  toc: { offset, length, uncompressed },
  type,
  tarSplit: { offset: 7, length: 8, uncompressed: 9 },
});

describe("eStargz", () => {
  for (const [kind, length] of [["estargz", 51], ["legacy", 47]] as const) {
    for (const tocOffset of [0, 1, 0xabcdef, 2 ** 32, 2 ** 53 - 1]) {
      test(`${kind}: ${length} bytes, TOC at ${tocOffset}`, () => {
        const footer = estargzFooter(kind, tocOffset);
        expect(footer.length).toBe(length);
        expect(findEstargzFooter(footer)).toEqual({ kind, length, tocOffset });
        expect(findEstargzFooter(concat(before, footer))).toEqual({ kind, length, tocOffset });
      });
    }
    test(`${kind}: an offset that a double cannot hold is no offset`, () => {
      for (const digits of ["0020000000000000", "8000000000000000", "ffffffffffffffff"]) {
        const extra = concat(bytes(kind === "legacy" ? "" : "SG\x16\0"), bytes(`${digits}STARGZ`));
        expect(parseEstargzExtra(extra)).toBe(null);
      }
    });
    test(`${kind}: an offset is 16 hex digits, and nothing else`, () => {
      for (const digits of ["-000000000000001", "0x00000000000001", "000000000000001g", " 00000000000001 "]) {
        const extra = concat(bytes(kind === "legacy" ? "" : "SG\x16\0"), bytes(`${digits}STARGZ`));
        expect(parseEstargzExtra(extra)).toBe(null);
      }
    });
  }

  test("an external TOC: 46 bytes", () => {
    const footer = estargzFooter("external", 0);
    expect(footer.length).toBe(46);
    expect(findEstargzFooter(concat(before, footer))).toEqual({ kind: "external", length: 46 });
  });

  test("every byte that tells the footer counts", () => {
    for (const kind of ["estargz", "legacy", "external"] as const) {
      const footer = estargzFooter(kind, 0x1234);
      // Magic, method, flags, extra length, subfield, and the word behind the offset.
      const word = 12 + (kind === "legacy" ? 16 : kind === "external" ? 4 : 20);
      for (const at of [0, 1, 2, 3, 10, 11, word, word + 5]) {
        const other = footer.slice();
        other[at]! ^= 1;
        expect(findEstargzFooter(concat(before, other)), `${kind} ${at}`).toBe(null);
      }
    }
  });

  test("a blob shorter than a footer, or cut, has none", () => {
    for (const kind of ["estargz", "legacy", "external"] as const) {
      const footer = estargzFooter(kind, 5);
      for (let length = 0; length < footer.length; length++) {
        expect(findEstargzFooter(footer.subarray(0, length))).toBe(null);
        expect(findEstargzFooter(footer.subarray(footer.length - length))).toBe(null);
      }
    }
  });

  test("an ordinary gzip whose tail begins as a header is none (A01)", () => {
    for (const size of [0, 1, 3, 4, 20, 21, 22, 23, 25, 26, 27]) {
      for (const content of [randomBytes(size), bytes("SG\x16\0".padEnd(size, "0").slice(0, size))]) {
        const member = gzipMember("", { extra: content });
        expect(findEstargzFooter(member)).toBe(null);
        expect(findEstargzFooter(concat(before, member))).toBe(null);
        expect(parseEstargzExtra(content)).toBe(null);
      }
    }
    // No extra field at all, at each of the places where a footer could begin.
    for (const length of [46, 47, 51]) {
      const header = gzipHeader();
      expect(findEstargzFooter(concat(header, new Uint8Array(length - header.length)))).toBe(null);
    }
  });

  test("no tail makes the probe throw", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 120 }),
      fc.constantFrom(estargzFooter("estargz", 9), estargzFooter("legacy", 9), estargzFooter("external", 9)),
      fc.integer({ min: 0, max: 30 }).map((size) => gzipHeader({ extra: new Uint8Array(size) })),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), fc.nat(60), (pieces, cut) => {
        const tail = concat(...pieces);
        const found = findEstargzFooter(tail.subarray(Math.min(cut, tail.length)));
        if (found && found.kind !== "external") expect(Number.isSafeInteger(found.tocOffset)).toBe(true);
        parseEstargzExtra(tail.subarray(0, 70));
      }),
      { numRuns: 3000 },
    );
  });
});

describe("zstd:chunked", () => {
  for (const length of [40, 56, 64] as const) {
    const kind = `${length}-byte`;
    const tarSplit = length === 64 ? { offset: 7, length: 8, uncompressedLength: 9 } : null;
    test(`${kind}: found at the end, with its positions`, () => {
      const footer = zstdChunkedFooter(length, positions(1000, 200, 3000));
      const found = { kind, toc: { offset: 1000, length: 200, uncompressedLength: 3000 }, tarSplit };
      expect(findZstdChunkedFooter(skippable(footer))).toEqual(found);
      expect(findZstdChunkedFooter(concat(before, skippable(footer)))).toEqual(found);
      expect(parseZstdChunkedFooter(footer)).toEqual(found);
    });

    test(`${kind}: numbers over 2^53 are no positions; those at it are`, () => {
      const big = 2 ** 53 - 1;
      for (const at of [0, 1, 2]) {
        const values = [0, 0, 0];
        values[at] = big;
        const [offset, size, uncompressed] = values as [number, number, number];
        const footer = zstdChunkedFooter(length, positions(offset, size, uncompressed));
        expect(parseZstdChunkedFooter(footer)?.toc).toEqual({
          offset,
          length: size,
          uncompressedLength: uncompressed,
        });
        for (const wrong of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
          footer.set(littleEndian(wrong, 8), 8 * at);
          expect(parseZstdChunkedFooter(footer)).toBe(null);
        }
      }
      // Their sum wraps even if neither does.
      expect(parseZstdChunkedFooter(zstdChunkedFooter(length, positions(big, 1, 1)))).toBe(null);
    });

    test(`${kind}: another type of TOC, another magic, another length are none`, () => {
      expect(parseZstdChunkedFooter(zstdChunkedFooter(length, positions(1, 2, 3, 0)))).toBe(null);
      expect(parseZstdChunkedFooter(zstdChunkedFooter(length, positions(1, 2, 3, 2)))).toBe(null);
      const footer = zstdChunkedFooter(length, positions(1, 2, 3));
      const magicAt = length === 64 ? 56 : 32;
      for (let at = magicAt; at < magicAt + 8; at++) {
        const other = footer.slice();
        other[at]! ^= 0x20;
        expect(parseZstdChunkedFooter(other)).toBe(null);
        expect(findZstdChunkedFooter(skippable(other))).toBe(null);
      }
      expect(parseZstdChunkedFooter(concat(footer, new Uint8Array(1)))).toBe(null);
      expect(parseZstdChunkedFooter(footer.subarray(1))).toBe(null);
    });

    test(`${kind}: cut anywhere, none`, () => {
      const frame = skippable(zstdChunkedFooter(length, positions(1, 2, 3)));
      for (let size = 0; size < frame.length; size++) {
        expect(findZstdChunkedFooter(frame.subarray(0, size))).toBe(null);
        expect(findZstdChunkedFooter(frame.subarray(frame.length - size))).toBe(null);
      }
    });
  }

  test("the one differing byte of the two magics belongs to the length", () => {
    const swapped = zstdChunkedFooter(64, positions(1, 2, 3));
    swapped.set(bytes("GnUlInUx"), 56);
    expect(parseZstdChunkedFooter(swapped)).toBe(null);
    const old = zstdChunkedFooter(40, positions(1, 2, 3));
    old.set(bytes("GNUlInUx"), 32);
    expect(parseZstdChunkedFooter(old)).toBe(null);
  });

  test("a tar-split of no bytes, or out of range, is no tar-split", () => {
    const footer = zstdChunkedFooter(64, { ...positions(1, 2, 3), tarSplit: null });
    expect(parseZstdChunkedFooter(footer)).toMatchObject({ tarSplit: null, toc: { offset: 1 } });
    footer.set(littleEndian(2n ** 60n, 8), 32);
    footer.set(littleEndian(5, 8), 40);
    expect(parseZstdChunkedFooter(footer)).toMatchObject({ tarSplit: null });
  });

  test("no tail makes the probe throw", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 90 }),
      fc.constantFrom(
        ...([40, 56, 64] as const).map((size) => skippable(zstdChunkedFooter(size, positions(1, 2, 3)))),
      ),
      fc.constantFrom(40, 56, 64).map((size) => skippable(new Uint8Array(size))),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 4 }), fc.nat(80), (pieces, cut) => {
        const tail = concat(...pieces);
        const found = findZstdChunkedFooter(tail.subarray(Math.min(cut, tail.length)));
        if (found) expect(Number.isSafeInteger(found.toc.offset + found.toc.length)).toBe(true);
        parseZstdChunkedFooter(tail.subarray(0, 64));
      }),
      { numRuns: 3000 },
    );
  });
});

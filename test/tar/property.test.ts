import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeName } from "../../src/tar/names.ts";
import { base256, concat, type Entry, randomBytes, tar, tarHeader, type TarOptions } from "../support/mod.ts";
import { codeOf, read } from "./read.ts";

const cuts = fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 8 })
  .filter((sizes) => sizes.some((size) => size > 0));

/** Bytes of a name: any but NUL, and not ending in "/", which would make a v7 or NUL-type member a directory. */
const name = fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 300 })
  .filter((bytes) => bytes.at(-1) !== 0x2f);
const short = (length: number) => fc.uint8Array({ min: 1, max: 255, maxLength: length });

const TYPES = ["0", "\0", "1", "2", "3", "4", "5", "6", "7", "Z"] as const;
const KINDS = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "dir",
  "6": "fifo",
  Z: "unknown",
} as const;
const HAS_PAYLOAD = new Set<string>(["0", "\0", "7", "Z"]);

/** Everything an entry can say, in the ranges that each field has. */
const model = fc.record({
  name,
  typeflag: fc.constantFrom(...TYPES),
  linkname: fc.uint8Array({ min: 1, max: 255, maxLength: 150 }),
  mode: fc.integer({ min: 0, max: 0o7777777 }),
  uid: fc.oneof(fc.integer({ min: 0, max: 0o7777777 }), fc.maxSafeInteger().map(Math.abs)),
  gid: fc.oneof(fc.integer({ min: 0, max: 0o7777777 }), fc.integer({ min: -2147483648, max: -1 })),
  mtime: fc.maxSafeInteger(),
  uname: short(32),
  gname: short(32),
  devmajor: fc.nat(0o7777777),
  devminor: fc.nat(),
  length: fc.integer({ min: 0, max: 1600 }),
  xattr: fc.option(fc.uint8Array({ minLength: 1, maxLength: 40 })),
});

type Model = typeof model extends fc.Arbitrary<infer T> ? T : never;

function entryOf(one: Model): Entry & { data: Uint8Array } {
  const { length, xattr, ...fields } = one;
  const data = HAS_PAYLOAD.has(one.typeflag) ? randomBytes(length, length + 1) : new Uint8Array(0);
  return { ...fields, data, ...(xattr ? { xattrs: { "user.x": xattr } } : {}) };
}

function check(list: readonly Model[], archive: Uint8Array, sizes: readonly number[]): void {
  const { entries, end } = read(archive, sizes);
  expect(entries.length).toBe(list.length);
  expect(end).toMatchObject({ zeroBlocks: 2, dataOffset: null, trailerLength: 1024 });
  list.forEach((want, index) => {
    const { entry, payload } = entries[index]!;
    const { data } = entryOf(want);
    expect(encodeName(entry.name)).toEqual(want.name);
    expect(encodeName(entry.linkName)).toEqual(want.linkname);
    expect(encodeName(entry.userName)).toEqual(want.uname);
    expect(encodeName(entry.groupName)).toEqual(want.gname);
    expect(entry).toMatchObject({
      kind: KINDS[want.typeflag],
      typeflag: want.typeflag === "\0" ? "0" : want.typeflag,
      mode: want.mode,
      uid: want.uid,
      gid: want.gid,
      mtime: { seconds: want.mtime, nanoseconds: 0 },
      devMajor: want.devmajor,
      devMinor: want.devminor,
      size: data.length,
      storedSize: data.length,
      sparse: null,
    });
    expect(entry.xattrs?.get("user.x") ?? null).toEqual(want.xattr);
    expect(payload).toEqual(data);
  });
}

describe("every field comes out as it was written, whatever the pieces", () => {
  for (const format of ["pax", "gnu"] as const) {
    test(format, () => {
      fc.assert(
        fc.property(fc.array(model, { maxLength: 5 }), cuts, (list, sizes) => {
          check(list, tar(list.map(entryOf), { format } satisfies TarOptions), sizes);
        }),
        { numRuns: 150 },
      );
    });
  }

  test("offsets say where the first header and the payload are", () => {
    fc.assert(
      fc.property(fc.array(model, { minLength: 1, maxLength: 4 }), cuts, (list, sizes) => {
        const items = list.map(entryOf);
        let at = 0;
        read(tar(items), sizes).entries.forEach(({ entry, payload }, index) => {
          expect(entry.headerOffset).toBe(at);
          const length = tar([items[index]!], { noEnd: true }).length;
          const padded = Math.ceil(payload.length / 512) * 512;
          expect(entry.payloadOffset).toBe(at + length - padded);
          at += length;
        });
      }),
      { numRuns: 60 },
    );
  });

  test("a ustar name is cut at the field, or split at the prefix", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 100 }),
        fc.uint8Array({ min: 1, max: 255, maxLength: 155 }),
        cuts,
        (tail, prefix, sizes) => {
          const archive = concat(tarHeader({ name: tail, prefix, typeflag: "0" }), new Uint8Array(1024));
          const whole = prefix.length > 0 ? concat(prefix, Uint8Array.of(0x2f), tail) : tail;
          expect(encodeName(read(archive, sizes).entries[0]!.entry.name)).toEqual(whole);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("base-256 numbers", () => {
  test("are exact up to 2^53 - 1 and refused above, in both directions", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 86n), max: 2n ** 86n }), (value) => {
        const archive = tar([tarHeader({ name: "a", typeflag: "5", mtime: base256(value, 12) })]);
        if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
          expect(codeOf(() => read(archive))).toBe("tar-bad-number");
        } else expect(BigInt(read(archive).entries[0]!.entry.mtime.seconds)).toBe(value);
      }),
      { numRuns: 200, examples: [[2n ** 53n - 1n], [2n ** 53n], [-(2n ** 53n) + 1n], [-(2n ** 53n)], [-1n]] },
    );
  });
});

describe("any bytes at all", () => {
  test("a header block with any field overwritten gives an entry or a typed error, never another exception", () => {
    const fields = [0, 100, 108, 116, 124, 136, 156, 157, 257, 265, 297, 329, 337, 345, 386, 482, 483, 508];
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...fields), fc.uint8Array({ minLength: 1, maxLength: 24 })), {
          minLength: 1,
          maxLength: 4,
        }),
        cuts,
        (edits, sizes) => {
          const raw = (header: Uint8Array) => {
            for (const [at, bytes] of edits) header.set(bytes.subarray(0, 512 - at), at);
          };
          const archive = concat(tarHeader({ name: "a", magic: "gnu", raw }), randomBytes(2048));
          try {
            read(archive, sizes);
          } catch (error) {
            expect(codeOf(() => {
              throw error;
            })).toMatch(/^[a-z0-9-]+$/);
          }
        },
      ),
      { numRuns: 600 },
    );
  });

  test("a PAX body of any bytes gives records or a typed error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        const header = tarHeader({ name: "x", typeflag: "x", size: body.length });
        const padding = new Uint8Array((512 - body.length % 512) % 512);
        const archive = concat(header, body, padding, tar([{ name: "a" }]));
        if (body.length === 0) expect(read(archive).entries.length).toBe(1);
        else {
          try {
            read(archive);
          } catch (error) {
            expect(codeOf(() => {
              throw error;
            })).toBe("pax-malformed");
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

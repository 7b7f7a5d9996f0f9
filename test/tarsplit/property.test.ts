/** Any archive comes out of its tar-split as it went in, and the tar-split is what the format's rules say. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBase64, encodeBase64 } from "../../src/tarsplit/base64.ts";
import { cleanPath } from "../../src/tarsplit/clean-path.ts";
import {
  type Entry,
  paxHeader,
  randomBytes,
  sha256,
  sparse,
  tar,
  type TarItem,
  type TarOptions,
  tarParts,
  tarSplit,
} from "../support/mod.ts";
import { text } from "../support/fixtures.ts";
import { assemble, disassemble, filesOf, recordsOf } from "./splitting.ts";

const cuts = fc.array(fc.integer({ min: 0, max: 1500 }), { minLength: 1, maxLength: 8 })
  .filter((sizes) => sizes.some((size) => size > 0));
/** Bytes of a name, without "/" and "." so that names are the same only if their bytes are. */
const name = fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 150 })
  .filter((bytes) => !bytes.includes(0x2f) && !bytes.includes(0x2e));
const member = fc.record({
  name,
  typeflag: fc.constantFrom("0", "1", "2", "3", "5", "7", "Z"),
  length: fc.oneof(fc.constantFrom(0, 1, 511, 512, 513), fc.nat(3000)),
  linkname: fc.uint8Array({ min: 1, max: 255, maxLength: 150 }),
  xattr: fc.option(fc.uint8Array({ minLength: 1, maxLength: 600 })),
  dirty: fc.boolean(),
});
type Member = typeof member extends fc.Arbitrary<infer T> ? T : never;

function entryOf({ length, xattr, dirty, ...fields }: Member): Entry {
  const size = "07Z".includes(fields.typeflag) ? length : 0;
  const padding = (512 - size % 512) % 512;
  return {
    ...fields,
    data: randomBytes(size, length + 1),
    ...(dirty ? { padding: randomBytes(padding, 9) } : {}),
    ...(xattr ? { xattrs: { "user.x": xattr } } : {}),
  };
}

const options: fc.Arbitrary<TarOptions> = fc.record({
  format: fc.constantFrom("pax", "gnu"),
  zeroBlocks: fc.nat(4),
  recordSize: fc.constantFrom(1, 512, 10_240),
  trailing: fc.uint8Array({ maxLength: 1200 }),
});

async function comesBack(archive: Uint8Array, split: Uint8Array, cut: number): Promise<void> {
  const out = await assemble(await recordsOf(split, cut), filesOf(archive));
  expect(sha256(out)).toBe(sha256(archive));
}

test("members of all kinds, names of any bytes, all ends: as the builder's, and back", async () => {
  const list = fc.uniqueArray(member, {
    maxLength: 6,
    selector: (one) => String(one.name),
  });
  await fc.assert(
    fc.asyncProperty(
      list,
      options,
      cuts,
      fc.integer({ min: 1, max: 3000 }),
      async (members, opts, sizes, cut) => {
        const items = members.map(entryOf);
        const archive = tar(items, opts);
        const { parts, tail } = tarParts(items, opts);
        const split = await disassemble(archive, {}, sizes);
        expect(text(split)).toBe(text(tarSplit(parts, tail)));
        await comesBack(archive, split, cut);
      },
    ),
    { numRuns: 150, seed: 11 },
  );
});

const extra: fc.Arbitrary<TarItem> = fc.oneof(
  member.map(entryOf),
  fc.nat(1200).map((length) => paxHeader({ comment: "x".repeat(length) }, { global: true })),
  fc.record({
    form: fc.constantFrom("gnu" as const, "pax-0.0" as const, "pax-0.1" as const, "pax-1.0" as const),
    lengths: fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 30 }),
  }).map(({ form, lengths }) => {
    const regions = lengths.map((length, at) => ({
      offset: 2000 * at + 7,
      data: randomBytes(length, at + 1),
    }));
    return sparse({ name: "sparse", realSize: 2000 * lengths.length + 9, regions }, form);
  }),
);

test("sparse members, global headers, equal names, and one end more or less: back", async () => {
  const ends: fc.Arbitrary<TarOptions> = fc.oneof(
    options,
    fc.constant({ noEnd: true }),
    fc.record({
      noEnd: fc.constant(true),
      zeroBlocks: fc.constant(1),
      trailing: fc.uint8Array({ maxLength: 700 }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(extra, { maxLength: 6 }),
      ends,
      cuts,
      fc.integer({ min: 1, max: 3000 }),
      async (items, opts, sizes, cut) => {
        const archive = tar(items, opts);
        const split = await disassemble(archive, { duplicates: "keep" }, sizes);
        expect(text(split)).toBe(text(await disassemble(archive, { duplicates: "keep" })));
        await comesBack(archive, split, cut);
      },
    ),
    { numRuns: 150, seed: 12 },
  );
});

test("base64 is the platform's", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (data) => {
    const expected = btoa(String.fromCharCode(...data));
    expect(encodeBase64(data)).toBe(expected);
    expect(decodeBase64(expected)).toEqual(data);
  }));
});

test("any text is base64 of some bytes, or none", () => {
  const char = fc.constantFrom("A", "B", "/", "+", "=", "-", "é", "\n", "\u{1f600}");
  fc.assert(
    fc.property(fc.string({ unit: char, maxLength: 12 }), (candidate) => {
      const data = decodeBase64(candidate);
      if (data) expect(btoa(String.fromCharCode(...data))).toBe(candidate);
      else if (/^(?:[A-Z/+]{4})*$/.test(candidate)) expect.unreachable();
    }),
    { numRuns: 2000 },
  );
});

test("clean paths stay clean, and mean the same", () => {
  const part = fc.constantFrom("a", "b", "..", ".", "", "...", ".b");
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
      const path = cleanPath(parts.join("/"));
      expect(cleanPath(path)).toBe(path);
      expect(cleanPath(`${parts.join("/")}/`)).toBe(parts.join("/") === "" ? "/" : path);
      // Walked from a deep place, both come to the same one.
      const walk = (steps: readonly string[]) => {
        const at = Array.from({ length: 10 }, (_, index) => `up${index}`);
        for (const step of steps) {
          if (step === "..") at.pop();
          else if (step !== "" && step !== ".") at.push(step);
        }
        return at.join("/");
      };
      if (!parts.join("/").startsWith("/")) expect(walk(path.split("/"))).toBe(walk(parts));
      expect(path).not.toMatch(/\/\/|[^/]\/$|^\.\/|\/\.\/|\/\.$/);
    }),
    { numRuns: 1000 },
  );
});

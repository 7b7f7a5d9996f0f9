import { describe, expect, test } from "vitest";
import { SparseExpander } from "../../src/tar/sparse.ts";
import {
  bytes,
  concat,
  expanded,
  paxHeader,
  randomBytes,
  sha256,
  sparse,
  type SparseFile,
  type SparseFormat,
  tar,
  tarHeader,
} from "../support/mod.ts";
import { codeOf, read } from "./read.ts";

const FORMATS = ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"] as const satisfies SparseFormat[];
const PIECES = [1, 511, 512, 513, 65536];

/** The content that a sparse member stands for, by reader and expander. */
function expand(archive: Uint8Array, piece = 65536, mapLimit = 1 << 20): Uint8Array {
  const { entry, payload } = read(archive, piece).entries[0]!;
  const out: Uint8Array[] = [];
  const expander = new SparseExpander(entry.sparse!, entry.size, {
    sink: (data) => void out.push(data.slice()),
    offset: entry.headerOffset,
    mapLimit,
  });
  for (let at = 0; at < payload.length; at += piece) expander.push(payload.subarray(at, at + piece));
  expander.end();
  return concat(...out);
}

function file(count: number, extra: Partial<SparseFile> = {}): SparseFile {
  const regions = Array.from({ length: count }, (_, at) => ({
    offset: at * 3000 + 700,
    data: randomBytes(at % 5 === 0 ? 512 : 333, at + 1),
  }));
  return { name: "dir/file", realSize: count * 3000 + 1000, regions, ...extra };
}

describe("sparse members", () => {
  for (const format of FORMATS) {
    test(`${format}: any number of extents gives the file, and its name and size`, () => {
      for (const count of [0, 1, 4, 5, 25, 26, 47]) {
        const one = file(count);
        const archive = tar([sparse(one, format), { name: "next", data: "x" }]);
        for (const piece of count < 6 ? PIECES : [513, 65536]) {
          const { entries } = read(archive, piece);
          expect(entries.map(({ entry }) => entry.name)).toEqual(["dir/file", "next"]);
          expect(entries[0]!.entry).toMatchObject({ size: one.realSize, kind: "file", headerOffset: 0 });
          expect(sha256(expand(archive, piece))).toBe(sha256(expanded(one)));
        }
      }
    });

    test(`${format}: data from the first to the last byte, and a hole of everything`, () => {
      const full = { name: "f", realSize: 600, regions: [{ offset: 0, data: randomBytes(600) }] };
      const hole = { name: "f", realSize: 100_000, regions: [] };
      for (const one of [full, hole]) {
        expect(sha256(expand(tar([sparse(one, format)])))).toBe(sha256(expanded(one)));
      }
    });

    test(`${format}: extents that overlap, are out of order or leave the file are refused`, () => {
      const data = [{ offset: 0, data: randomBytes(512) }, { offset: 512, data: randomBytes(512) }];
      const maps = [
        [[0, 512], [511, 512]],
        [[1024, 512], [0, 512]],
        [[0, 512], [0, 512]],
        [[0, 512], [9_999, 512]],
        [[0, 512], [10_001, 0]],
        [[0, 512], [Number.MAX_SAFE_INTEGER, 512]],
      ] as const;
      for (const map of maps) {
        // Octal in the header of an old GNU member does not hold the largest.
        if (format === "gnu" && map[1][0] > 8 ** 11) continue;
        const archive = tar([sparse({ name: "f", realSize: 10_000, regions: data, map }, format)]);
        expect(codeOf(() => expand(archive))).toBe("sparse-malformed");
      }
    });

    test(`${format}: a map that has more or less room than data is stored is refused`, () => {
      const regions = [{ offset: 0, data: randomBytes(512) }];
      for (const length of [511, 513, 1024, 1]) {
        const archive = tar([sparse({ name: "f", realSize: 4096, regions, map: [[0, length]] }, format)]);
        expect(codeOf(() => expand(archive))).toBe("sparse-malformed");
      }
    });
  }

  test("an overlapping map outside of the payload is refused by the reader itself, as in Go", () => {
    const regions = [{ offset: 0, data: randomBytes(1024) }];
    for (const format of ["gnu", "pax-0.0", "pax-0.1"] as const) {
      const archive = tar([
        sparse({ name: "f", realSize: 2048, regions, map: [[0, 512], [256, 512]] }, format),
      ]);
      expect(codeOf(() => read(archive))).toBe("sparse-malformed");
    }
  });

  test("star's members with the flag of GNU's are refused: their layout is another", () => {
    const one = file(2, { magic: "ustar" });
    expect(codeOf(() => read(tar([sparse(one, "gnu")])))).toBe("sparse-malformed");
  });
});

describe("maps that are no maps", () => {
  const records = (fields: Record<string, string>) => tar([paxHeader(fields), { name: "f", data: "x" }]);

  test("PAX 0.x: odd lists, wrong counts, words and negative numbers are refused", () => {
    for (
      const fields of [
        { "GNU.sparse.map": "0" },
        { "GNU.sparse.map": "0,1,2" },
        { "GNU.sparse.map": "0,x" },
        { "GNU.sparse.map": "-1,2" },
        { "GNU.sparse.map": "0,1,", "GNU.sparse.numblocks": "1" },
        { "GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "2" },
        { "GNU.sparse.map": "0,99999999999999999999" },
        { "GNU.sparse.map": "0,1", "GNU.sparse.size": "x" },
        { "GNU.sparse.map": "0,1", "GNU.sparse.size": "-1" },
      ]
    ) expect([fields, codeOf(() => read(records(fields)))]).toEqual([fields, "sparse-malformed"]);
  });

  test("PAX 0.0: offsets and lengths that do not alternate are refused", () => {
    for (
      const list of [
        [["GNU.sparse.offset", "0"], ["GNU.sparse.offset", "1"]],
        [["GNU.sparse.numbytes", "0"]],
        [["GNU.sparse.offset", "x"]],
      ] as const
    ) expect(codeOf(() => read(tar([paxHeader(list), { name: "f" }])))).toBe("pax-malformed");
  });

  test("PAX 1.0: text that is no map is refused, in whatever pieces", () => {
    const texts = [
      "x\n",
      "-1\n",
      "1\n0\nx\n",
      "\n",
      "99999999999999999\n",
      "1".repeat(600),
      "1\n0\n",
      "2\n0\n1\n",
    ];
    for (const mapText of texts) {
      const archive = tar([sparse({ name: "f", realSize: 512, regions: [], mapText }, "pax-1.0")]);
      for (const piece of PIECES) expect(codeOf(() => expand(archive, piece))).toBe("sparse-malformed");
    }
  });

  test("records of another version mean no sparse file", () => {
    const archive = records({ "GNU.sparse.major": "2", "GNU.sparse.minor": "0", "GNU.sparse.name": "other" });
    expect(read(archive).entries[0]!.entry).toMatchObject({ name: "f", sparse: null });
  });
});

describe("map bombs", () => {
  test("a PAX 1.0 map of ten million entries stops at the limit", () => {
    const expander = new SparseExpander({ form: "1.0", extents: null }, 2 ** 40, {
      sink: null,
      offset: 0,
      mapLimit: 1 << 20,
    });
    const lines = bytes("0\n0\n".repeat(4096));
    let pushed = 0;
    const push = () => {
      expander.push(bytes("10000000\n"));
      for (; pushed < 40_000_000; pushed += lines.length) expander.push(lines);
    };
    expect(codeOf(push)).toBe("sparse-map-limit");
    expect(pushed).toBeLessThan(2 ** 20 + lines.length);
  });

  test("a map whose count is a lie allocates nothing for it", () => {
    const archive = tar([
      sparse({ name: "f", realSize: 1, regions: [], mapText: "9007199254740991\n" }, "pax-1.0"),
    ]);
    expect(codeOf(() => expand(archive))).toBe("sparse-malformed");
  });

  test("old GNU extension headers that go on for ever stop at the limit", () => {
    const extension = new Uint8Array(512);
    for (let at = 0; at < 21; at++) extension.set(bytes("00000000000\0" + "00000000000\0"), 24 * at);
    extension[504] = 1;
    const header = tarHeader({ name: "f", typeflag: "S", magic: "gnu", raw: (block) => (block[482] = 1) });
    const blocks = Math.ceil(2 ** 20 / 24 / 21) + 10;
    const archive = concat(header, ...Array.from({ length: blocks }, () => extension));
    expect(codeOf(() => read(archive))).toBe("sparse-map-limit");
  });

  test("holes of exabytes cost nothing where nobody asks for the content", () => {
    const expander = new SparseExpander({ form: "0.x", extents: [] }, Number.MAX_SAFE_INTEGER, {
      sink: null,
      offset: 0,
      mapLimit: 1,
    });
    expander.end();
  });
});

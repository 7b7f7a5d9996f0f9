/** Members of archives as files: what is found, where, at what cost, and what is refused. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import { openArchive } from "../../src/oci/archive.ts";
import { indexArchive } from "../../src/oci/archive-index.ts";
import {
  bytes,
  concat,
  paxHeader,
  randomBytes,
  sha256,
  sparse,
  tar,
  tarHeader,
  type TarItem,
  TYPE,
} from "../support/mod.ts";

const text = (data: Uint8Array): string => new TextDecoder().decode(data);

function write(data: Uint8Array): string {
  const path = join(mkdtempSync(join(tmpdir(), "layerproof-")), "a.tar");
  writeFileSync(path, data);
  return path;
}

const symlink = (name: string, linkname: string): TarItem => ({ name, linkname, typeflag: TYPE.symlink });
const hardlink = (name: string, linkname: string): TarItem => ({ name, linkname, typeflag: TYPE.hardlink });

async function read(items: TarItem[] | Uint8Array, file: string): Promise<string> {
  const archive = await openArchive(write(items instanceof Uint8Array ? items : tar(items)));
  return text(await archive.read(file));
}

async function codeOf(items: TarItem[] | Uint8Array, file = "x"): Promise<string> {
  try {
    await read(items, file);
  } catch (error) {
    if (!(error instanceof LayerproofError)) throw error;
    expect(error.details.advice, error.message).toBeTruthy();
    expect(error.message.length).toBeLessThan(1000);
    return error.code;
  }
  return "read";
}

describe("members are found", () => {
  test.each(["pax", "gnu", "ustar", "v7"] as const)(
    "in %s archives, by their canonical names",
    async (format) => {
      const data = tar([
        { name: "./" },
        { name: "./dir/" },
        { name: "./dir/a", data: "one" },
        { name: "b//c", data: "x".repeat(513) },
        { name: "empty" },
      ], { format });
      expect(await read(data, "dir/a")).toBe("one");
      expect(await read(data, "b/c")).toBe("x".repeat(513));
      expect(await read(data, "empty")).toBe("");
    },
  );

  test.each(["pax", "gnu"] as const)("under long names (%s), as links to long names", async (format) => {
    const long = `${"d".repeat(90)}/${"e".repeat(90)}/${"f".repeat(90)}`;
    const data = tar([{ name: long, data: "long" }, symlink("s", long), hardlink("h", long)], { format });
    for (const name of [long, "s", "h"]) expect(await read(data, name)).toBe("long");
  });

  test("by links in any order, relative to where the link is", async () => {
    const items = [
      symlink("a/b/layer.tar", "../../c/./layer.tar"),
      hardlink("h", "./a/b/layer.tar"),
      symlink("c/layer.tar", "real.tar"),
      { name: "c/real.tar", data: "content" },
      symlink("top", "c/real.tar"),
    ];
    for (const name of ["a/b/layer.tar", "h", "c/layer.tar", "top"]) {
      expect(await read(items, name)).toBe("content");
    }
  });

  test("whatever lies around them: the same as a list that was kept while writing", async () => {
    const name = fc.stringMatching(/^[a-z]{1,3}(\/[a-z]{1,3}){0,2}$/);
    const member = fc.record({
      name,
      size: fc.oneof(fc.nat(3), fc.nat(2000), fc.constant(512), fc.nat(20000)),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(member, { selector: (item) => item.name, maxLength: 20 }),
        fc.constantFrom("pax", "gnu", "ustar"),
        async (members, format) => {
          const made = members.map(({ name, size }, i) => ({ name, data: randomBytes(size, i + 1) }));
          const archive = await openArchive(write(tar([{ name: "first" }, ...made], { format })));
          for (const { name, data } of made) {
            expect(sha256(await archive.read(name))).toBe(sha256(data));
            const source = await archive.open(name, "the layer");
            expect([source.name, source.size]).toEqual(["the layer", data.length]);
            if (data.length > 2) expect(await source.read!(1, data.length - 2)).toEqual(data.slice(1, -1));
            await source.close();
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

test("payloads are not read: 64 GiB are indexed with one small read for each member", async () => {
  const size = 2 ** 33 + 1;
  const padded = Math.ceil(size / 512) * 512;
  const headers = Array.from({ length: 8 }, (_, i) => tarHeader({ name: `blob-${i}`, size, magic: "gnu" }));
  const total = headers.length * (512 + padded) + 1024;
  let bytesRead = 0;
  const index = await indexArchive({
    name: "virtual",
    size: total,
    read(offset, length) {
      bytesRead += length;
      const out = new Uint8Array(length);
      headers.forEach((header, i) => {
        const at = i * (512 + padded) - offset;
        if (at > -512 && at < length) {
          out.set(header.subarray(Math.max(0, -at), length - at), Math.max(0, at));
        }
      });
      return Promise.resolve(out);
    },
    stream: () => {
      throw new Error("it is not to be streamed");
    },
  }, total);
  expect([...index.values()].map(({ offset }) => offset))
    .toEqual(headers.map((_, i) => i * (512 + padded) + 512));
  expect(bytesRead).toBeLessThan(headers.length * 16 * 1024 + 4096);
});

describe("refused", () => {
  const x = { name: "x", data: "1" };

  test("links that lead out of the archive", async () => {
    for (const target of ["/x", "../x", "a/../../x", "..", "/etc/passwd", "."]) {
      expect(await codeOf([x, symlink("l", target)], "l"), `symlink ${target}`).toBe("archive-link-outside");
    }
    for (const target of ["/x", "../x", "a/../../x"]) {
      expect(await codeOf([x, hardlink("l", target)], "l"), `hard link ${target}`).toBe(
        "archive-link-outside",
      );
    }
  });

  test("links in a circle, and chains without end", async () => {
    expect(await codeOf([symlink("x", "x")])).toBe("archive-link-loop");
    expect(await codeOf([hardlink("x", "x")])).toBe("archive-link-loop");
    expect(await codeOf([symlink("x", "y"), hardlink("y", "x")])).toBe("archive-link-loop");
    const chain = Array.from({ length: 100 }, (_, i) => symlink(`l${i}`, `l${i + 1}`));
    expect(await codeOf([...chain, { name: "l100", data: "far" }], "l0")).toBe("archive-link-loop");
    expect(await read([...chain, { name: "l100", data: "far" }], "l80")).toBe("far");
  });

  test("links to what is not there, and names that are asked for outside", async () => {
    expect(await codeOf([symlink("x", "y")])).toBe("source-not-found");
    expect(await codeOf([x], "y")).toBe("source-not-found");
    expect(await codeOf([x], "x/")).toBe("read");
    for (const name of ["../x", "/x", ""]) expect(await codeOf([x], name), name).toBe("archive-link-outside");
  });

  test("a name twice, of whatever kind and in whatever spelling, if it is the one that is needed", async () => {
    for (
      const other of [
        x,
        { name: "./x", data: "2" },
        symlink("x", "y"),
        hardlink("x", "y"),
        { name: "../x" },
        { name: "/x" },
      ]
    ) {
      expect(await codeOf([x, { name: "y" }, other])).toBe("archive-duplicate");
      expect(await codeOf([other, { name: "y" }, x])).toBe("archive-duplicate");
    }
    expect(await codeOf([x, symlink("l", "x"), x], "l")).toBe("archive-duplicate");
    expect(await codeOf([x, { name: "y" }, { name: "y" }])).toBe("read");
  });

  test("names that are absolute or have a .. in them", async () => {
    for (const name of ["/x", "../x", "a/../x", "./../x", "x/../x"]) {
      expect(await codeOf([{ name, data: "1" }]), name).toBe("archive-unsafe-name");
    }
  });

  test("what is no regular file", async () => {
    for (const typeflag of [TYPE.char, TYPE.block, TYPE.fifo, "Z"]) {
      expect(await codeOf([{ name: "x", typeflag }])).toBe("archive-not-a-file");
    }
    expect(await codeOf([{ name: "x/" }])).toBe("source-not-found");
  });

  test.each(["gnu", "pax-0.0", "pax-0.1", "pax-1.0"] as const)("sparse members (%s)", async (format) => {
    const member = sparse({ name: "x", realSize: 4096, regions: [{ offset: 512, data: "1" }] }, format);
    expect(await codeOf([member])).toBe("archive-sparse");
  });

  test("documents over 4 MiB", async () => {
    expect(await codeOf([{ name: "x", data: new Uint8Array(4 * 2 ** 20 + 1) }])).toBe("source-too-large");
  });

  test("sizes that lie beyond the end, or are no sizes", async () => {
    for (const size of [1025, 2 ** 32, 2 ** 53 - 1]) {
      const data = concat(tarHeader({ name: "x", size, magic: "gnu" }), new Uint8Array(1024));
      expect(await codeOf(data), `${size}`).toBe("tar-truncated");
    }
    for (const size of [2n ** 60n, -1n, -(2n ** 60n)]) {
      expect(
        await codeOf(concat(tarHeader({ name: "x", size, magic: "gnu" }), new Uint8Array(1024))),
        `${size}`,
      )
        .toBe("tar-bad-number");
    }
    expect(await codeOf([{ name: "x", pax: { size: "99999999" }, data: "1" }])).toBe("tar-truncated");
  });

  test("global headers that rename all members for some programs", async () => {
    for (const key of ["path", "linkpath", "size", "GNU.sparse.name"]) {
      expect(await codeOf([paxHeader({ [key]: "1" }, { global: true }), x]), key).toBe("archive-global-path");
    }
    expect(await codeOf([paxHeader({ comment: "1" }, { global: true }), x])).toBe("read");
  });

  test("extended headers and names of any length", async () => {
    expect(await codeOf([paxHeader({ comment: "y".repeat(2 ** 20) }), x])).toBe("tar-header-limit");
    expect(await codeOf([{ name: "n".repeat(5000) }, x])).toBe("path-limit");
  });

  test("compressed archives, with the program that helps", async () => {
    const MAGIC: [string, number[], RegExp][] = [
      ["gzip", [0x1f, 0x8b, 8], /gunzip -c/],
      ["zstd", [0x28, 0xb5, 0x2f, 0xfd], /zstd -d -c/],
      ["bzip2", [0x42, 0x5a, 0x68, 0x39], /bunzip2 -c/],
      ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], /xz -d -c/],
    ];
    for (const [name, magic, advice] of MAGIC) {
      await expect(openArchive(write(concat(Uint8Array.from(magic), new Uint8Array(600)))), name).rejects
        .toMatchObject({ code: "archive-compressed", details: { advice: expect.stringMatching(advice) } });
    }
  });

  test("what is no archive: empty, text, a directory, nothing", async () => {
    expect(await codeOf(new Uint8Array(0))).toBe("archive-not-tar");
    expect(await codeOf(bytes("hello".repeat(200)))).toBe("archive-not-tar");
    await expect(openArchive(tmpdir())).rejects.toMatchObject({ code: "source-is-directory" });
    await expect(openArchive("no/such/file")).rejects.toMatchObject({ code: "source-not-found" });
  });

  test("pipes are not waited for", async () => {
    const path = join(mkdtempSync(join(tmpdir(), "layerproof-")), "fifo");
    execFileSync("mkfifo", [path]);
    for (const pipe of [path, "-"]) {
      await expect(openArchive(pipe)).rejects.toMatchObject({
        code: "archive-not-seekable",
        details: { advice: expect.stringContaining("file") },
      });
    }
  });

  test("names in messages are printable and short", async () => {
    const name = `\u001b[2J${"n".repeat(3000)}`;
    const archive = await openArchive(write(tar([symlink("l", name)])));
    const error = await archive.read("l").catch((cause) => cause);
    expect(error).toMatchObject({ code: "source-not-found" });
    expect(error.message).not.toContain("\u001b");
    expect(error.message.length).toBeLessThan(600);
  });
});

describe("a damaged archive", () => {
  const items: TarItem[] = [
    { name: "a", data: randomBytes(700, 1) },
    { name: `${"d".repeat(120)}/b`, data: randomBytes(1024, 2) },
    symlink("l", `${"d".repeat(120)}/b`),
    { name: "c", data: randomBytes(5, 3) },
  ];
  const wanted = new Map([["a", sha256(randomBytes(700, 1))], ["l", sha256(randomBytes(1024, 2))], [
    "c",
    sha256(randomBytes(5, 3)),
  ]]);

  /** Each member is what it was, or an error says why it is not to be had. */
  async function check(data: Uint8Array): Promise<number> {
    let found = 0;
    try {
      const archive = await openArchive(write(data));
      for (const [name, digest] of wanted) {
        try {
          expect(sha256(await archive.read(name))).toBe(digest);
          found++;
        } catch (error) {
          expect(error).toBeInstanceOf(LayerproofError);
        }
      }
    } catch (error) {
      expect(error).toBeInstanceOf(LayerproofError);
    }
    return found;
  }

  test.each(["pax", "gnu"] as const)(
    "cut off at every block and beside it (%s) never gives other bytes",
    async (format) => {
      const data = tar(items, { format });
      let complete = 0;
      for (let at = 0; at < data.length; at += 512) {
        for (const cut of [at, at + 1, at + 511]) {
          complete += await check(data.subarray(0, cut)) === 3 ? 1 : 0;
        }
      }
      // Only cuts behind the last content leave everything: in its padding, or in the two blocks of zeros.
      expect(complete).toBeLessThanOrEqual(9);
      expect(await check(data)).toBe(3);
    },
  );

  test("with any byte of a header changed: never anything but a typed error", async () => {
    const data = tar(items, { format: "gnu" });
    await fc.assert(
      fc.asyncProperty(fc.nat(data.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const changed = data.slice();
        changed[at]! ^= mask;
        try {
          const archive = await openArchive(write(changed));
          for (const name of wanted.keys()) await archive.read(name);
        } catch (error) {
          expect(error).toBeInstanceOf(LayerproofError);
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** The assembler against files that are not what they were, and sources that fail. */
import { describe, expect, test } from "vitest";
import { DigestMismatch, SourceError } from "../../src/errors.ts";
import { portableHashes } from "../../src/mod.ts";
import { assembleTar, type FileContent, type GetFile } from "../../src/tarsplit/assemble.ts";
import type { TarSplitRecord } from "../../src/tarsplit/read.ts";
import { bytes, crc64, hex, latin1, randomBytes, sha256, slices, tar } from "../support/mod.ts";
import { assemble, disassemble, errorOf, filesOf, recordsOf } from "./splitting.ts";

const hash = await portableHashes.sha256();
const DATA = randomBytes(5000, 5);
const ITEMS = [
  { name: "d/" },
  { name: "d/first", data: "one" },
  { name: "d/f\n", data: DATA },
  { name: "d/last", data: "two" },
];
const TAR = tar(ITEMS);
const DIFF_ID = sha256(TAR);
const RECORDS = await recordsOf(await disassemble(TAR));
/** Offset of the payload of `d/f\n`. */
const AT = 512 + 1024 + 512;

const files = (content: FileContent | null): GetFile => {
  const sound = filesOf(TAR);
  return (name, file) => name === "d/f\n" ? content : sound(name, file);
};
const flipped = (at: number) => {
  const data = DATA.slice();
  data[at]! ^= 0x10;
  return data;
};

/** All that the stream gives until it fails, and the failure. */
async function outcome(stream: ReadableStream<Uint8Array>): Promise<{ length: number; error: unknown }> {
  const reader = stream.getReader();
  let length = 0;
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return { length, error: null };
      length += value.length;
    }
  } catch (error) {
    return { length, error };
  }
}

describe("a file that is not what it was", () => {
  const CHECKSUM = `0x${hex(crc64(DATA))}`;
  const cases: readonly {
    readonly what: string;
    readonly content: () => FileContent | null;
    readonly code: string;
    readonly expected: string;
    readonly actual: string;
    /** Most bytes of it that may be handed on. */
    readonly most: number;
  }[] = [
    ...[0, 2500, 4999].map((at) => ({
      what: `byte ${at} changed`,
      content: () => slices(flipped(at), 1000),
      code: "tarsplit-file-changed",
      expected: CHECKSUM,
      actual: `0x${hex(crc64(flipped(at)))}`,
      most: 4000,
    })),
    {
      what: "changed, in one piece",
      content: () => [flipped(1)],
      code: "tarsplit-file-changed",
      expected: CHECKSUM,
      actual: `0x${hex(crc64(flipped(1)))}`,
      most: 0,
    },
    ...[0, 1, 4999].map((size) => ({
      what: `short: ${size} bytes`,
      content: () => size === 0 ? [] : [DATA.subarray(0, size)],
      code: "tarsplit-file-short",
      expected: "5000",
      actual: `${size}`,
      most: size,
    })),
    {
      what: "long by a byte in a piece of its own",
      content: () => [DATA, Uint8Array.of(1)],
      code: "tarsplit-file-long",
      expected: "5000",
      actual: "more than 5000",
      most: 5000,
    },
    {
      what: "long by a byte in the last piece",
      content: () => [DATA.subarray(0, 4000), new Uint8Array([...DATA.subarray(4000), 1])],
      code: "tarsplit-file-long",
      expected: "5000",
      actual: "more than 5000",
      most: 4000,
    },
    {
      what: "without end",
      *content() {
        while (true) yield DATA;
      },
      code: "tarsplit-file-long",
      expected: "5000",
      actual: "more than 5000",
      most: 5000,
    },
    {
      what: "missing",
      content: () => null,
      code: "tarsplit-file-missing",
      expected: `5000 bytes with the CRC-64 ${CHECKSUM}`,
      actual: "no file",
      most: 0,
    },
  ];
  for (const { what, content, code, expected, actual, most } of cases) {
    test(what, async () => {
      const options = { hash, diffID: DIFF_ID, onEnd: () => expect.unreachable() };
      const { length, error } = await outcome(assembleTar(RECORDS, files(content()), options));
      expect(`sha256:${hash.finish()}`).toBe(sha256(""));
      expect(error).toMatchObject({ code, details: { entry: "d/f\\x0A", expected, actual } });
      expect(error).toBeInstanceOf(code === "tarsplit-file-changed" ? DigestMismatch : SourceError);
      expect((error as Error).message).toContain("d/f\\x0A");
      expect(length).toBeLessThanOrEqual(AT + most);
    });
  }

  test("the next archive is not disturbed by it: the checksum starts anew", async () => {
    const { kernelCrc64 } = await import("../../src/kernel/crc64.ts");
    const crc = await kernelCrc64();
    for (const content of [[DATA.subarray(0, 10)], [DATA, DATA], slices(flipped(3), 100)]) {
      await errorOf(() => assemble(RECORDS, files(content), { crc64: crc }));
      expect(sha256(await assemble(RECORDS, filesOf(TAR), { crc64: crc }))).toBe(DIFF_ID);
    }
  });

  const failure = new Error("disk on fire");
  const failing: Readonly<Record<string, GetFile>> = {
    "throws when opened": () => {
      throw failure;
    },
    "rejects when opened": () => Promise.reject(failure),
    "throws at the first piece": () => ({
      [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }),
    }),
    "fails in the middle": async function* () {
      yield await Promise.resolve(bytes("o"));
      throw failure;
    } as unknown as GetFile,
    "is a stream that fails": () => new ReadableStream({ start: (controller) => controller.error(failure) }),
  };
  for (const [what, getFile] of Object.entries(failing)) {
    test(`cannot be read: ${what}`, async () => {
      const error = await errorOf(() => assemble(RECORDS, getFile));
      expect(error).toBeInstanceOf(SourceError);
      expect(error).toMatchObject({
        code: "tarsplit-file-failed",
        details: { entry: "d/first", cause: failure },
      });
      expect(error.message).toContain("disk on fire");
    });
  }

  test("an error of ours from a file goes through", async () => {
    const own = new SourceError("source-read-failed", "no");
    expect(await errorOf(() => assemble(RECORDS, () => Promise.reject(own)))).toBe(own);
  });
});

describe("files come", () => {
  const forms: Readonly<Record<string, (data: Uint8Array) => FileContent>> = {
    "as an array": (data) => [data],
    "in pieces of one byte, with empty ones": function* (data) {
      for (const piece of slices(data, 1)) {
        yield piece;
        yield new Uint8Array(0);
      }
    },
    "as an asynchronous iterable": async function* (data) {
      for (const piece of slices(data, 700)) yield await Promise.resolve(piece);
    },
    "as a stream": (data) => new Blob([data.slice()]).stream(),
  };
  for (const [what, form] of Object.entries(forms)) {
    test(what, async () => {
      const data = new Map(ITEMS.map((item) => [item.name, bytes(item.data ?? "")]));
      const out = await assemble(RECORDS, (name) => Promise.resolve(form(data.get(name)!)));
      expect(sha256(out)).toBe(DIFF_ID);
    });
  }

  test("by their names as bytes, and never for what is empty", async () => {
    const archive = tar([{ name: latin1("\xe9/../x"), data: "1" }, { name: "/abs" }, { name: "dir/" }]);
    const asked: unknown[] = [];
    const records = await recordsOf(await disassemble(archive));
    const out = await assemble(records, (name, file) => {
      asked.push(name, file.size, file.position);
      return [bytes("1")];
    });
    expect(sha256(out)).toBe(sha256(archive));
    expect(asked).toEqual(["\udce9/../x", 1, 1]);
  });
});

describe("the digest of the archive", () => {
  test("is told, with the size, when all is well", async () => {
    const ends: unknown[] = [];
    await assemble(RECORDS, filesOf(TAR), { hash, onEnd: (end) => ends.push(end) });
    await assemble(RECORDS, filesOf(TAR), { onEnd: (end) => ends.push(end) });
    expect(ends).toEqual([{ size: TAR.length, digest: DIFF_ID }, { size: TAR.length, digest: null }]);
  });

  test("fails the stream before it closes where it is not the diffID", async () => {
    const changed = RECORDS.map((record) => {
      if (record.kind === "file" || record.position !== 0) return record;
      const header = record.bytes.slice();
      header[0]! ^= 1;
      return { ...record, bytes: header };
    });
    const options = { hash, diffID: DIFF_ID, onEnd: () => expect.unreachable() };
    const { length, error } = await outcome(assembleTar(changed, filesOf(TAR), options));
    expect(length).toBe(TAR.length);
    const wrong = TAR.slice();
    wrong[0]! ^= 1;
    expect(error).toBeInstanceOf(DigestMismatch);
    expect(error).toMatchObject({
      code: "tarsplit-diff-id",
      details: { expected: DIFF_ID, actual: sha256(wrong) },
    });
  });

  test("of nothing", async () => {
    const empty = sha256("");
    expect(await assemble([], () => null, { hash, diffID: empty })).toEqual(new Uint8Array(0));
    expect((await errorOf(() => assemble([], () => null, { hash, diffID: DIFF_ID }))).code).toBe(
      "tarsplit-diff-id",
    );
  });

  test("what cannot be checked is refused at once", () => {
    const never: GetFile = () => expect.unreachable();
    expect(() => assembleTar(RECORDS, never, { diffID: DIFF_ID })).toThrow(
      expect.objectContaining({ name: "UsageError", code: "tarsplit-no-hash" }),
    );
    for (const diffID of ["", "sha256:", DIFF_ID.toUpperCase(), DIFF_ID.slice(7)]) {
      expect(() => assembleTar(RECORDS, never, { diffID, hash })).toThrow(
        expect.objectContaining({ code: "digest-malformed" }),
      );
    }
    expect(() => assembleTar(RECORDS, never, { diffID: `sha512:${"a".repeat(128)}`, hash })).toThrow(
      expect.objectContaining({ code: "digest-algorithm" }),
    );
  });
});

test("records that cannot be read: raw errors become ours, ours go through", async () => {
  const failing = async function* (error: Error): AsyncGenerator<TarSplitRecord> {
    yield await Promise.resolve(RECORDS[0]!);
    throw error;
  };
  const raw = new TypeError("boom");
  const error = await errorOf(() => assemble(failing(raw), () => null));
  expect(error).toMatchObject({ code: "tarsplit-source-failed", details: { cause: raw } });
  const own = new SourceError("source-read-failed", "no");
  expect(await errorOf(() => assemble(failing(own), () => null))).toBe(own);
});

test("sizes that cannot be counted", async () => {
  const file = (position: number): TarSplitRecord => ({
    kind: "file",
    name: "x",
    size: Number.MAX_SAFE_INTEGER,
    crc64: 1n,
    position,
  });
  const segment: TarSplitRecord = { kind: "segment", bytes: Uint8Array.of(0), position: 0 };
  const error = await errorOf(() => assemble([segment, file(1)], () => expect.unreachable()));
  expect(error.code).toBe("tarsplit-size-overflow");
  expect(error.message).toContain("line 2");
});

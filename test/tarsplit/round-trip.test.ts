/** Every archive of the fixtures, taken apart and put together again. */
import { describe, expect, test } from "vitest";
import { portableHashes } from "../../src/mod.ts";
import { type AssembledTar, assembleTar } from "../../src/tarsplit/assemble.ts";
import { readTarSplit } from "../../src/tarsplit/read.ts";
import { tarSplitSize } from "../../src/tarsplit/record.ts";
import { fixture, unzstd } from "../support/fixtures.ts";
import { sha256, slices } from "../support/mod.ts";
import { disassemble, drain, errorOf, filesOf, recordsOf, sources, tarOf } from "./splitting.ts";

const hash = await portableHashes.sha256();

describe("the same tar again, from the tar-split and the payloads", () => {
  for (const source of sources) {
    test(source.name, async () => {
      const tar = tarOf(source);
      const split = await disassemble(tar, { duplicates: "keep" });
      expect(await tarSplitSize(await recordsOf(split, 1009))).toBe(source.size);
      let end: AssembledTar | null = null;
      const stream = assembleTar(readTarSplit(slices(split, 777)), filesOf(tar), {
        hash,
        diffID: source.diffID,
        onEnd: (tar) => end = tar,
      });
      expect(sha256(await drain(stream))).toBe(source.diffID);
      expect(end).toEqual({ size: source.size, digest: source.diffID });
    });
  }
});

describe("what the reference wrote gives the tar again", () => {
  for (const source of sources.filter((one) => one.tarSplit && one.tarSplitRoundTrip !== false)) {
    test(source.name, async () => {
      const records = readTarSplit([unzstd(fixture(source.tarSplit!))]);
      const stream = assembleTar(records, filesOf(tarOf(source)), { hash, diffID: source.diffID });
      expect(sha256(await drain(stream))).toBe(source.diffID);
    });
  }
});

describe("what the reference wrote of sparse members does not, and that is told", () => {
  for (const source of sources.filter((one) => one.tarSplitRoundTrip === false)) {
    test(source.name, async () => {
      const records = readTarSplit([unzstd(fixture(source.tarSplit!))]);
      const error = await errorOf(() => drain(assembleTar(records, filesOf(tarOf(source)))));
      expect(error.code).toMatch(/^tarsplit-file-(missing|short)$/);
    });
  }
});

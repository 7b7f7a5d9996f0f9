import { describe, expect, test } from "vitest";
import { describe as describeProgress } from "../../src/cli/progress.ts";
import {
  clock,
  counted,
  fullBytes,
  grouped,
  parseBytes,
  parseCount,
  shortBytes,
} from "../../src/cli/units.ts";

describe("units", () => {
  test("sizes are short, and exact where that matters", () => {
    expect([0, 1, 1023, 1024, 1536, 2 ** 20 - 1, 2 ** 30].map(shortBytes)).toEqual(
      ["0 bytes", "1 byte", "1023 bytes", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 GiB"],
    );
    expect(fullBytes(1234567)).toBe("1.2 MiB (1,234,567 bytes)");
    expect(fullBytes(12)).toBe("12 bytes");
    expect(grouped(1234567890)).toBe("1,234,567,890");
    expect([counted(1, "layer"), counted(2, "entry", "entries")]).toEqual(["1 layer", "2 entries"]);
  });

  test("times are minutes and hours", () => {
    expect([0, 6.2, 754, 3723].map(clock)).toEqual(["0:00", "0:07", "12:34", "1:02:03"]);
  });

  test("sizes are read with and without units", () => {
    const texts = ["17", "17B", "1KiB", "64 MiB", "1.5gib", "2TiB"];
    expect(texts.map((text) => parseBytes(text, "--x"))).toEqual(
      [17, 17, 1024, 64 * 2 ** 20, 1.5 * 2 ** 30, 2 ** 41],
    );
    for (const text of ["", "-1", "1.5", "1e3", "0x10", "1 MB", "1KiBB", "99999999999999999999", "NaN"]) {
      expect(() => parseBytes(text, "--x")).toThrow(/--x/);
    }
    for (const text of ["", "-1", "1.5", "1e3", " 1", "99999999999999999999"]) {
      expect(() => parseCount(text, "--x")).toThrow(/--x/);
    }
  });

  test("progress has throughput and remaining time; a pipe only what is known", () => {
    expect(describeProgress({ bytes: 2 ** 30, total: 3 * 2 ** 30 }, 4000)).toEqual(
      { done: "1.0 GiB", whole: "3.0 GiB", rate: "256.0 MiB", left: "0:08" },
    );
    expect(describeProgress({ bytes: 2 ** 20, total: null }, 1000)).toMatchObject({
      left: "?",
      rate: "1.0 MiB",
    });
  });
});

/** Layers of several GiB are verified in constant memory. What is bounded is memory, not time. */
import process from "node:process";
import { expect, test } from "vitest";
import { runChild } from "./child.ts";

const LIMIT = 256 * 2 ** 20;

interface Outcome {
  readonly memory: number;
  readonly got: Readonly<Record<string, unknown>>;
  readonly want: { readonly diffID: string; readonly uncompressedSize: number };
}

/** Over 4 GiB a gzip trailer counts modulo 2^32 (A57); inflating that takes half a minute, so it is for CI. */
const GIB = process.env.CI ? 4 : 1;

test(`one gzip member of over ${GIB} GiB: right size and diffID`, () => {
  const { memory, got, want } = JSON.parse(runChild("memory-child.ts", ["gzip", `${GIB}`])) as Outcome;
  expect(want.uncompressedSize).toBeGreaterThan(2 ** 30 * GIB);
  expect(got).toEqual({ result: "consistent", error: null, entries: 1, checksums: "consistent", ...want });
  expect(memory).toBeLessThan(LIMIT);
});

test("3 GiB of zeros behind the end of a zstd layer: right size and diffID (A41)", () => {
  const { memory, got, want } = JSON.parse(runChild("memory-child.ts", ["zstd"])) as Outcome;
  expect(got).toEqual({ result: "consistent", error: null, entries: 1, checksums: "consistent", ...want });
  expect(memory).toBeLessThan(LIMIT);
});

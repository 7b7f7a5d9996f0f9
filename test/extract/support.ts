/** What the tests of extraction share: the directory to extract into, and how the system sees what lies there. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { LayerproofError } from "../../src/errors.ts";
import { compareDirectory, type CompareOptions, type Comparison } from "../../src/extract/compare.ts";
import { type ExtractionReport, extractLayer, type ExtractOptions } from "../../src/extract/extract.ts";
import { slices, tar, type TarItem } from "../support/mod.ts";

/** What root alone can set is looked at by root alone. */
export const ROOT: boolean = process.getuid!() === 0;
export const NOT_ROOT = "not root: owners, devices and trusted.* cannot be set";

/** A new directory, empty, in one of its own. */
export function newDirectory(): string {
  const directory = join(mkdtempSync(join(tmpdir(), "layerproof-extract-")), "diff");
  mkdirSync(directory);
  return directory;
}

/** Extracts an archive, in pieces that are wiped after use. */
export async function extract(
  archive: Uint8Array,
  directory: string,
  options: ExtractOptions = {},
  size = 4096,
): Promise<ExtractionReport> {
  const extraction = await extractLayer(directory, options);
  try {
    for (let at = 0; at < archive.length; at += size) {
      const piece = archive.slice(at, at + size);
      extraction.write(piece);
      piece.fill(0xa5);
      await extraction.ready();
    }
    return await extraction.finish();
  } finally {
    await extraction.abort();
  }
}

/** Extracts members into a new directory. */
export async function extracted(items: readonly TarItem[], options?: ExtractOptions): Promise<
  { directory: string; report: ExtractionReport; archive: Uint8Array }
> {
  const directory = newDirectory();
  const archive = tar(items);
  return { directory, archive, report: await extract(archive, directory, options) };
}

export async function compare(
  directory: string,
  archive: Uint8Array,
  options?: CompareOptions,
): Promise<Comparison> {
  return await compareDirectory(directory, pieces(archive), options);
}

async function* pieces(archive: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* slices(archive, 10_000);
}

/** Runs a program of coreutils, or tar; what it printed. Bytes that are not UTF-8 come as one character each. */
export function system(program: string, args: readonly string[]): string {
  const env = { PATH: process.env.PATH!, LC_ALL: "C", TZ: "UTC" };
  const { status, stdout, stderr } = spawnSync(program, args, {
    env,
    maxBuffer: 2 ** 28,
    encoding: "latin1",
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}

/** What coreutils' stat says of each path below a directory, by a format of it. */
export function stat(directory: string, format: string, paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  const full = paths.map((path) => `${directory}/${path}`);
  const lines = system("stat", [`--printf=${format}\\0`, "--", ...full]).split("\0");
  lines.pop();
  return lines;
}

/** All that GNU tar lists of a directory, line by line and sorted: the same lines mean the same tree. */
export function listing(directory: string): string[] {
  const args = ["--create", "--file=-", "--sort=name", "--format=posix", "-C", directory, "."];
  const { stdout } = spawnSync("tar", args, { maxBuffer: 2 ** 28 });
  const { stdout: text } = spawnSync("tar", ["--list", "--verbose", "--full-time", "--numeric-owner"], {
    input: stdout,
    encoding: "latin1",
    env: { PATH: process.env.PATH!, LC_ALL: "C", TZ: "UTC" },
  });
  return text.split("\n").filter((line) => line !== "").sort();
}

/** The typed error of a body; any other outcome fails the test. */
export async function errorOf(body: () => Promise<unknown>): Promise<LayerproofError> {
  try {
    await body();
  } catch (error) {
    if (error instanceof LayerproofError) return error;
    throw error;
  }
  throw new Error("there was no error");
}

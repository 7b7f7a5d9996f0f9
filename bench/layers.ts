/**
 * The layers that the benchmarks run on: one tar of about 600 MB, made from files that every machine has, compressed
 * by the real programs. Kept between runs in the folder that the caller names.
 *
 * @module
 */
import {
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
} from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { spawn } from "node:child_process";
import { estargz } from "../test/support/estargz.ts";
import { type TarItem, tarStream } from "../test/support/tar.ts";
import { zstdChunked } from "../test/support/zstdchunked.ts";

/** Uncompressed size at which the tar ends. */
const TARGET = 600_000_000;
/** Where files come from, and how many bytes at most: small ones and large ones, about 10,000 as in real layers. */
const ROOTS: readonly (readonly [string, number])[] = [
  ["/usr/include", 60_000_000],
  ["/usr/share", 120_000_000],
  ["/usr/bin", 150_000_000],
  ["/usr/lib", TARGET],
  ["/usr/local", TARGET],
  ["/opt", TARGET],
];
const MAX_FILE = 64_000_000;

/** The folder that the command line names, or one in the system's temporary directory. */
export function benchFolder(args: readonly string[]): string {
  const [folder = join(tmpdir(), "layerproof-bench")] = args;
  if (args.length <= 1 && !folder.startsWith("-")) return folder;
  console.error("The only argument is a folder for the layers.");
  process.exit(2);
}

export interface BenchLayers {
  readonly tar: string;
  readonly gzip: string;
  readonly zstd: string;
  readonly estargz: string;
  readonly zstdChunked: string;
}

/** Makes what is missing in `dir`. */
export async function benchLayers(dir: string): Promise<BenchLayers> {
  mkdirSync(dir, { recursive: true });
  const layers = {
    tar: join(dir, "layer.tar"),
    gzip: join(dir, "layer.tar.gz"),
    zstd: join(dir, "layer.tar.zst"),
    estargz: join(dir, "layer.esgz"),
    zstdChunked: join(dir, "layer.zstd-chunked"),
  };
  await make(layers.tar, (out) => pipeline(Readable.from(tarStream(items())), createWriteStream(out)));
  await make(layers.gzip, (out) => compress("gzip", ["-6", "-n", "-c", layers.tar], out));
  await make(layers.zstd, (out) => compress("zstd", ["-3", "-q", "-c", layers.tar], out));
  await make(layers.estargz, (out) => writeFile(out, estargz(items()).blob));
  await make(layers.zstdChunked, (out) => writeFile(out, zstdChunked(items()).blob));
  return layers;
}

async function make(path: string, write: (temporary: string) => Promise<void>): Promise<void> {
  if (existsSync(path)) return;
  await write(`${path}.part`);
  renameSync(`${path}.part`, path);
}

function compress(program: string, args: readonly string[], out: string): Promise<void> {
  const child = spawn(program, args, { stdio: ["ignore", openSync(out, "w"), "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on(
      "exit",
      (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with status ${code}`))),
    );
  });
}

/** Regular files and directories of this machine, sorted by name, until there are enough bytes. */
function* items(): Generator<TarItem> {
  let total = 0;
  for (const [root, budget] of ROOTS) {
    let used = 0;
    for (const path of walk(root)) {
      const stat = lstatSync(path);
      const name = path.slice(1);
      if (stat.isDirectory()) yield { name: `${name}/`, mode: stat.mode & 0o7777 };
      if (!stat.isFile() || stat.size > MAX_FILE) continue;
      yield { name, mode: stat.mode & 0o7777, size: stat.size, data: readFileSync(path) };
      used += stat.size;
      total += stat.size;
      if (total > TARGET) return;
      if (used > budget) break;
    }
  }
}

function* walk(root: string): Generator<string> {
  if (!existsSync(root)) return;
  for (const entry of readdirSync(root, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(root, entry.name);
    if (entry.isFile() || entry.isDirectory()) yield path;
    if (entry.isDirectory()) yield* walk(path);
  }
}

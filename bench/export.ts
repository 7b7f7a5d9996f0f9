/**
 * `layerproof export tar` as a whole command: a tar of about 600 MB made again from its directory and tar-split, from
 * compressed blobs, and from the chunks and the tar-split of a zstd:chunked blob, each beside a program that does the
 * same, or the nearest to it.
 *
 *     node bench/export.ts [DIR]      # DIR keeps layers and directory between runs (2.3 GB), default: a folder in the
 *                                     # system's temporary directory
 *
 * Prints one row a command: wall seconds (best of 5, the commands in turn), MB/s of the tar, peak memory of all processes
 * together, ratio to the peer. layerproof computes the tar's SHA-256 and compares it with the diffID; `sha256sum` makes
 * its peers do so. Where the program `tar-split` (vbatts/tar-split) is in PATH it is the peer of the directory; it
 * computes no SHA-256 by itself, so that it is measured with and without. All write to a pipe or to /dev/null.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { benchFolder, benchLayers } from "./layers.ts";
import { best, type Run } from "./run.ts";

const RUNS = 5;
const root = fileURLToPath(new URL("..", import.meta.url));
const folder = benchFolder(process.argv.slice(2));
const layers = await benchLayers(folder);
const bytes = statSync(layers.tar).size;
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
must(process.execPath, [join(root, "scripts/build.mjs")]);
const deno = `deno run -A ${quote(join(root, "src/cli/main.ts"))}`;
const node = `node ${quote(join(root, "dist/bin/layerproof.js"))}`;

const [directory, tarSplit] = [join(folder, "extracted"), join(folder, "layer.tar-split.gz")];
if (!existsSync(directory)) {
  const part = `${directory}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part);
  must("tar", ["-xf", layers.tar, "-C", part, "--no-same-owner"]);
  renameSync(part, directory);
}
if (!existsSync(tarSplit)) {
  must("sh", ["-c", `${node} tarsplit disassemble ${quote(layers.tar)} -o ${quote(tarSplit)}`]);
}
const sha256 = createHash("sha256");
for await (const piece of createReadStream(layers.tar)) sha256.update(piece as Uint8Array);
const diffID = `sha256:${sha256.digest("hex")}`;

/** The first command of each is the peer of the others. */
const GROUPS: readonly (readonly (readonly [name: string, command: string])[])[] = [
  directoryGroup(),
  [
    ["gzip: gunzip -c | sha256sum", `gunzip -c < ${quote(layers.gzip)} | sha256sum`],
    ...exported("gzip", quote(layers.gzip)),
  ],
  [
    ["zstd: zstd -d -c | sha256sum", `zstd -d -c < ${quote(layers.zstd)} | sha256sum`],
    ...exported("zstd", quote(layers.zstd)),
  ],
  [
    ["zstd:chunked: zstd -d -c | sha256sum", `zstd -d -c < ${quote(layers.zstdChunked)} | sha256sum`],
    ...exported("zstd:chunked, whole", quote(layers.zstdChunked)),
    ...exported("zstd:chunked, chunks", `${quote(layers.zstdChunked)} --from chunks`),
  ],
];

console.log(`${cpus().length} cores, ${cpus()[0]?.model}; tar of ${bytes} bytes; best of ${RUNS}`);
const commands = GROUPS.flat();
const results = await best(commands.map(([, command]) => command), RUNS);
for (const group of GROUPS) {
  const runs = results.splice(0, group.length);
  group.forEach(([name], index) => row(name, runs[index]!, runs[0]!));
}

function directoryGroup(): readonly (readonly [string, string])[] {
  const ours = exported("directory", `${quote(directory)} --tar-split ${quote(tarSplit)}`);
  const asm = `tar-split asm --input ${quote(tarSplit)} --path ${quote(directory)} --output`;
  if (spawnSync("tar-split", ["--version"]).status === 0) {
    return [
      ["directory: tar-split asm | sha256sum", `${asm} - 2> /dev/null | sha256sum`],
      ["directory: tar-split asm alone", `${asm} /dev/null 2> /dev/null`],
      ...ours,
    ];
  }
  console.log(
    "tar-split (vbatts/tar-split) is not installed: tar, which makes another tar, stands in for it.",
  );
  return [["directory: tar -c | sha256sum", `tar -c -C ${quote(directory)} . | sha256sum`], ...ours];
}

/** Both runtimes, with the tar to a pipe that nothing slows down. */
function exported(what: string, args: string): readonly (readonly [string, string])[] {
  return [["Deno", deno], ["Node", node]].map(([runtime, program]) => [
    `${what}: layerproof, ${runtime}`,
    `${program} export tar ${args} --diff-id ${diffID} --no-progress | cat > /dev/null`,
  ]);
}

function must(program: string, args: readonly string[]): void {
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  if (status !== 0) throw new Error(`${program} ended with status ${status}`);
}

function row(name: string, { seconds, peak }: Run, peer: Run): void {
  const columns = [
    `${seconds.toFixed(2)} s`,
    `${Math.round(bytes / seconds / 1e6)} MB/s`,
    `${Math.round(peak / 2 ** 20)} MiB`,
    `${(peer.seconds / seconds).toFixed(2)}x`,
  ];
  console.log(name.padEnd(42) + columns.map((text) => text.padStart(11)).join(""));
}

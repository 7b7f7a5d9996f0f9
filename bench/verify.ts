/**
 * `layerproof verify` as a whole command beside the pipelines that people use today, on the same generated tar.
 *
 *     node bench/verify.ts [DIR]      # DIR keeps the layers between runs (1.6 GB), default: a folder in the system's
 *                                     # temporary directory
 *
 * Prints one row a command: wall seconds (best of 5, the commands in turn, so that what else the machine does meets all
 * of them), MB/s of uncompressed data, peak memory of all processes together, ratio to the peer, which reads the same
 * layer, and computes the diffID and nothing else. Deno runs the sources, Node the built package.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { benchFolder, benchLayers } from "./layers.ts";
import { best, type Run } from "./run.ts";

const RUNS = 5;
const root = fileURLToPath(new URL("..", import.meta.url));
const layers = await benchLayers(benchFolder(process.argv.slice(2)));
const bytes = statSync(layers.tar).size;
const built = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], { stdio: "inherit" });
if (built.status !== 0) process.exit(1);

console.log(`${cpus().length} cores, ${cpus()[0]?.model}; tar of ${bytes} bytes; best of ${RUNS}`);
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const deno = `deno run -A ${quote(join(root, "src/cli/main.ts"))} verify --no-progress`;
const node = `node ${quote(join(root, "dist/bin/layerproof.js"))} verify --no-progress`;

/** The peer of a layer reads the same file. */
const LAYERS = [
  { kind: "gzip", layer: layers.gzip, peer: "gunzip -c" },
  { kind: "eStargz", layer: layers.estargz, peer: "gunzip -c" },
  { kind: "zstd", layer: layers.zstd, peer: "zstd -d -c" },
  { kind: "zstd:chunked", layer: layers.zstdChunked, peer: "zstd -d -c" },
];
const commands = LAYERS.flatMap(({ layer, peer }) => [
  `${peer} < ${quote(layer)} | sha256sum`,
  `${deno} ${quote(layer)}`,
  `${node} ${quote(layer)}`,
]);
const results = await best(commands, RUNS);
LAYERS.forEach(({ kind, peer }, index) => {
  const [piped, inDeno, inNode] = results.slice(3 * index, 3 * index + 3) as [Run, Run, Run];
  row(`${kind}: ${peer} | sha256sum`, piped, piped);
  row(`${kind}: layerproof, Deno`, inDeno, piped);
  row(`${kind}: layerproof, Node`, inNode, piped);
});

function row(name: string, { seconds, peak }: Run, peer: Run): void {
  const rate = `${Math.round(bytes / seconds / 1e6)} MB/s`;
  const columns = [
    `${seconds.toFixed(2)} s`,
    rate,
    `${Math.round(peak / 2 ** 20)} MiB`,
    `${(peer.seconds / seconds).toFixed(2)}x`,
  ];
  console.log(name.padEnd(40) + columns.map((text) => text.padStart(11)).join(""));
}

/**
 * `layerproof verify` as a whole command beside the pipelines that people use today, on the same generated layers.
 *
 *     node bench/verify.ts [DIR]      # DIR keeps the layers between runs (about 1 GB), default: a folder in the system's
 *                                     # temporary directory
 *
 * Prints one row a command: wall seconds (best of 3), MB/s of uncompressed data, peak memory, ratio to the peer.
 *
 * @module
 */
import { statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { benchLayers } from "./layers.ts";
import { best, type Run } from "./run.ts";

const RUNS = 3;
const root = fileURLToPath(new URL("..", import.meta.url));
const layers = await benchLayers(process.argv[2] ?? join(tmpdir(), "layerproof-bench"));
const bytes = statSync(layers.tar).size;

console.log(`${cpus().length} cores, ${cpus()[0]?.model}; tar of ${bytes} bytes; best of ${RUNS}`);
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const main = quote(join(root, "src/cli/main.ts"));
const commands = (layer: string) =>
  [
    ["layerproof, Deno", `deno run -A ${main} verify --no-progress ${quote(layer)}`],
    ["layerproof, Node", `node ${main} verify --no-progress ${quote(layer)}`],
  ] as const;

for (const [layer, peer] of [[layers.gzip, "gunzip"], [layers.zstd, "zstd -d"]] as const) {
  const peerRun = await best(`${peer} -c < ${quote(layer)} | sha256sum`, RUNS);
  row(`${peer} -c | sha256sum`, peerRun, peerRun);
  for (const [name, command] of commands(layer)) {
    row(`${name}, ${peer.startsWith("g") ? "gzip" : "zstd"}`, await best(command, RUNS), peerRun);
  }
}

function row(name: string, { seconds, peak }: Run, peer: Run): void {
  const rate = `${Math.round(bytes / seconds / 1e6)} MB/s`;
  const columns = [
    `${seconds.toFixed(2)} s`,
    rate,
    `${Math.round(peak / 2 ** 20)} MiB`,
    `${(peer.seconds / seconds).toFixed(2)}x`,
  ];
  console.log(name.padEnd(30) + columns.map((text) => text.padStart(11)).join(""));
}

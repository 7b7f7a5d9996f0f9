/**
 * `layerproof verify` as a whole command beside the pipelines that people use today, on the same generated tar.
 *
 *     node bench/verify.ts [DIR]      # DIR keeps the layers between runs (1.6 GB), default: a folder in the system's
 *                                     # temporary directory
 *
 * Prints one row a command: wall seconds (best of 5, the commands in turn, so that what else the machine does meets all
 * of them), MB/s of uncompressed data, peak memory of all processes together, ratio to the peer. The peers compute the
 * diffID and nothing else. Deno runs the sources, Node the built package.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { benchLayers } from "./layers.ts";
import { best, type Run } from "./run.ts";

const RUNS = 5;
const root = fileURLToPath(new URL("..", import.meta.url));
const layers = await benchLayers(process.argv[2] ?? join(tmpdir(), "layerproof-bench"));
const bytes = statSync(layers.tar).size;
const built = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], { stdio: "inherit" });
if (built.status !== 0) process.exit(1);

console.log(`${cpus().length} cores, ${cpus()[0]?.model}; tar of ${bytes} bytes; best of ${RUNS}`);
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
const deno = `deno run -A ${quote(join(root, "src/cli/main.ts"))} verify --no-progress`;
const node = `node ${quote(join(root, "dist/bin/layerproof.js"))} verify --no-progress`;

for (
  const { peer, source, kinds } of [
    { peer: "gunzip", source: layers.gzip, kinds: { gzip: layers.gzip, eStargz: layers.estargz } },
    {
      peer: "zstd -d",
      source: layers.zstd,
      kinds: { zstd: layers.zstd, "zstd:chunked": layers.zstdChunked },
    },
  ]
) {
  const commands = new Map([[`${peer} -c | sha256sum`, `${peer} -c < ${quote(source)} | sha256sum`]]);
  for (const [kind, layer] of Object.entries(kinds)) {
    commands.set(`layerproof, Deno, ${kind}`, `${deno} ${quote(layer)}`);
    commands.set(`layerproof, Node, ${kind}`, `${node} ${quote(layer)}`);
  }
  const results = await best([...commands.values()], RUNS);
  [...commands.keys()].forEach((name, index) => row(name, results[index]!, results[0]!));
}

function row(name: string, { seconds, peak }: Run, peer: Run): void {
  const rate = `${Math.round(bytes / seconds / 1e6)} MB/s`;
  const columns = [
    `${seconds.toFixed(2)} s`,
    rate,
    `${Math.round(peak / 2 ** 20)} MiB`,
    `${(peer.seconds / seconds).toFixed(2)}x`,
  ];
  console.log(name.padEnd(34) + columns.map((text) => text.padStart(11)).join(""));
}

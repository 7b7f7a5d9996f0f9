/** Packs the npm package, installs it into empty folders beside Node 22 and Node 24, and uses it there. */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { capture, check, env, root } from "./lib.mjs";

const temp = mkdtempSync(join(tmpdir(), "layerproof-pack-"));
process.on("exit", () => rmSync(temp, { recursive: true, force: true }));

const layer = join(root, "test/fixtures/layers/tree.zstdchunked");
const fixture = JSON.parse(readFileSync(join(root, "test/fixtures/index.json"), "utf8"))
  .layers.find(({ file }) => file === "layers/tree.zstdchunked" || file === "tree.zstdchunked");

const packed = capture("npm", ["pack", "--json", "--pack-destination", temp]);
check(packed.status === 0, "npm pack", packed);
// Lifecycle scripts may print before the JSON.
const [{ filename, files }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf("[\n")));
const names = files.map(({ path }) => path);
check(
  names.includes("dist/bin/layerproof.js") && names.includes("dist/mod.d.ts"),
  "the package has no dist",
  names.join("\n"),
);
check(
  !names.some((name) => /^(src|test|scripts)\//.test(name)),
  "the package holds sources",
  names.join("\n"),
);
console.log(`${filename}: ${names.length} files`);

/** Loaded in front of a program, says at its end how many workers it started. */
const counter = join(temp, "counter.mjs");
writeFileSync(
  counter,
  `import threads from "node:worker_threads";
import { syncBuiltinESMExports } from "node:module";
let started = 0;
const { Worker } = threads;
threads.Worker = class extends Worker {
  constructor(...args) { super(...args); this.once("message", () => started++); }
};
syncBuiltinESMExports();
if (threads.isMainThread) process.on("exit", () => console.error("workers: " + started));
`,
);

/** So large that other threads get a share of the work. */
const large = join(temp, "large.tar.gz");
writeFileSync(join(temp, "content"), randomBytes(12_000_000));
const made = capture("sh", [
  "-c",
  "tar -cf - content | gzip -1n > large.tar.gz && gzip -dc large.tar.gz | sha256sum",
], {
  cwd: temp,
});
check(made.status === 0, "tar and gzip", made);
const largeDiffID = `sha256:${made.stdout.slice(0, 64)}`;

for (const major of [22, 24]) tryUnder(major);
tryTypes();

function tryUnder(major) {
  const folder = join(temp, `node${major}`);
  mkdirSync(folder);
  writeFileSync(
    join(folder, "package.json"),
    JSON.stringify({ private: true, allowScripts: { node: true } }),
  );
  const installed = capture("npm", [
    "install",
    "--no-audit",
    "--no-fund",
    join(temp, filename),
    `node@${major}`,
  ], {
    cwd: folder,
  });
  check(installed.status === 0, `npm install beside Node ${major}`, installed);
  const bin = join(folder, "node_modules/.bin");
  const options = { cwd: folder, env: { ...env, PATH: `${bin}:${process.env.PATH}` } };
  const version = capture("node", ["--version"], options).stdout.trim();
  check(version.startsWith(`v${major}.`), `Node ${major} was asked for, ${version} runs`);

  const verified = capture("layerproof", ["verify", "--json", "--digest", fixture.digest, layer], options);
  check(verified.status === 0, `layerproof verify under ${version}`, verified);
  const report = JSON.parse(verified.stdout);
  check(report.result === "verified" && report.diffID === fixture.diffID, "wrong report", verified.stdout);
  const wrong = capture("layerproof", ["verify", "--diff-id", fixture.digest, layer], options);
  check(wrong.status === 1 && wrong.stdout.startsWith("MISMATCH"), "a wrong diffID is not a mismatch", wrong);
  check(capture("layerproof", ["verify"], options).status === 2, "no arguments: exit status is not 2");
  check(
    capture("layerproof", ["verify", "package.json"], options).status === 3,
    "no layer: exit status is not 3",
  );
  check(capture("layerproof", ["verify", "missing"], options).status === 4, "no file: exit status is not 4");

  const program = `
    import { readFileSync } from "node:fs";
    import { memorySource, verifyLayer } from "layerproof";
    import { openFile } from "layerproof/node";
    const path = ${JSON.stringify(layer)};
    const inMemory = await verifyLayer(memorySource(readFileSync(path)));
    const file = await openFile(path);
    const onDisk = await verifyLayer(file);
    await file.close();
    console.log(inMemory.diffID + " " + onDisk.diffID);`;
  const imported = capture("node", ["--input-type=module", "--eval", program], options);
  check(imported.stdout === `${fixture.diffID} ${fixture.diffID}\n`, `import under ${version}`, imported);

  const counting = { ...options, env: { ...options.env, NODE_OPTIONS: `--import=${counter}` } };
  const threads = `
    const { openFile, verifyLayer, workerPool } = await import("layerproof/node");
    const file = await openFile(${JSON.stringify(large)});
    const workers = workerPool({ jobs: 3 });
    const { diffID, result } = await verifyLayer(file, { workers });
    await workers.close();
    await file.close();
    console.log(result + " " + diffID);`;
  const shared = capture("node", ["--input-type=module", "--eval", threads], counting);
  check(shared.stdout === `consistent ${largeDiffID}\n`, `threads under ${version}`, shared);
  check(shared.stderr === "workers: 2\n", `number of threads under ${version}`, shared);
  const jobs = capture("layerproof", ["verify", "--jobs", "3", "--diff-id", largeDiffID, large], counting);
  check(jobs.status === 0, `layerproof verify --jobs 3 under ${version}`, jobs);
  check(jobs.stderr === "workers: 2\n", `number of threads of the command under ${version}`, jobs);
  console.log(`${version}: command, import and threads work`);
}

/** A program that uses the package compiles against its types, without @types/node for the portable part. */
function tryTypes() {
  const folder = join(temp, "node24");
  writeFileSync(
    join(folder, "use.ts"),
    `import { type LayerReport, memorySource, verifyLayer, type VerifyOptions } from "layerproof";
const options: VerifyOptions = { expect: { size: { value: 1, from: ["here"] } } };
const report: LayerReport = await verifyLayer(memorySource(new Uint8Array(1)), options);
const result: "verified" | "consistent" | "mismatch" | "error" = report.result;
// @ts-expect-error: the type is not any
const wrong: number = report.result;
console.log(result, wrong);
`,
  );
  const compilerOptions = {
    module: "NodeNext",
    target: "ES2024",
    lib: ["ES2024", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
    strict: true,
    noEmit: true,
    types: [],
  };
  const config = join(folder, "tsconfig.json");
  writeFileSync(config, JSON.stringify({ compilerOptions, files: ["use.ts"] }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const compiled = capture("tsc", ["-p", config]);
  check(compiled.status === 0, "a program that imports the types does not compile", compiled);
  console.log("types: a program that imports them compiles");
}

/**
 * The whole test suite: style, types, tests under both runtimes, the npm package, the bare clone. Stops at the first
 * failure. The last line counts the tests.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heading, run } from "./lib.mjs";

const temp = mkdtempSync(join(tmpdir(), "layerproof-test-"));
process.on("exit", () => rmSync(temp, { recursive: true, force: true }));

const entryPoints = ["verify.ts", "src/mod.ts", "src/node.ts", "src/cli/main.ts"];
const vitest = "node_modules/vitest/vitest.mjs";
const totals = { passed: 0, failed: 0, skipped: 0 };

heading("deno fmt");
run("deno", ["fmt", "--check"]);
heading("deno lint");
run("deno", ["lint"]);
heading("tsc");
run("tsc", ["--noEmit"]);
heading("deno check");
run("deno", ["check", "--node-modules-dir=manual", ...entryPoints]);
heading("The kernels are what wasm/ compiles to");
run("node", ["scripts/build-wasm.mjs", "--check"]);
heading("Tests under Node");
tests("node", [vitest]);
heading("Tests under Deno");
tests("deno", ["run", "-A", "--node-modules-dir=manual", vitest]);
heading("The npm package under Node 22 and 24");
run("node", ["scripts/check-pack.mjs"]);
heading("A bare clone with Deno alone");
run("node", ["scripts/check-clone.mjs"]);

heading("All is well");
count();

function tests(program, args) {
  const file = join(temp, `${program}.json`);
  process.once("exit", count);
  run(program, [...args, "run", "--reporter=default", "--reporter=json", `--outputFile.json=${file}`], {
    onEnd: () => add(file),
  });
  process.removeListener("exit", count);
}

function add(file) {
  try {
    const result = JSON.parse(readFileSync(file, "utf8"));
    totals.passed += result.numPassedTests;
    totals.failed += result.numFailedTests;
    totals.skipped += result.numPendingTests;
  } catch {
    // vitest ended before it could write: it has said why.
  }
}

function count() {
  if (totals.skipped > 0) console.log(`${totals.skipped} skipped`);
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
}

/**
 * `deno run --allow-read=LAYER verify.ts LAYER` is `layerproof verify LAYER`, from source.
 *
 * @module
 */
import process from "node:process";
import { runProcess } from "./src/cli/run.ts";

const args = process.argv.slice(2);
await runProcess(args[0] === "--version" || args[0] === "-V" ? args : ["verify", ...args]);

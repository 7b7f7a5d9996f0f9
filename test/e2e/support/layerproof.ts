/** Our program as a process of its own, under the runtime that runs the tests. */
import process from "node:process";
import { type Outcome, run } from "./run.ts";

const RUN = "Deno" in globalThis ? ["run", "--no-prompt", "--node-modules-dir=manual", "-A"] : [];

/** Runs `layerproof ARGS`. */
export function layerproof(args: readonly string[], seconds = 120): Promise<Outcome> {
  // Named directly, Deno's `spawn` would recognise itself and rewrite its arguments.
  return run("bash", ["-c", 'exec "$RUNTIME" "$@"', "bash", ...RUN, "src/cli/main.ts", ...args], {
    seconds,
    env: { RUNTIME: process.execPath },
  });
}

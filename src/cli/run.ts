/**
 * The program in this process: Ctrl-C, outputs, exit status.
 *
 * @module
 */
import process from "node:process";
import { EXIT } from "./exit-status.ts";
import { processIo } from "./io.ts";
import { runCli } from "./program.ts";

/** Runs `layerproof` with these arguments and ends the process. */
export async function runProcess(args: readonly string[]): Promise<never> {
  const interrupt = new AbortController();
  process.on("SIGINT", () => {
    // A second Ctrl-C does not wait for anything.
    if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
    interrupt.abort(new Error("interrupted"));
  });
  const status = await runCli(args, processIo(interrupt.signal));
  // Explicitly: standard input may still be open, and would keep the process alive.
  process.exit(status);
}

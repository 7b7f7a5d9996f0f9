/**
 * The program in this process: Ctrl-C, outputs, exit status.
 *
 * @module
 */
import process from "node:process";
import { EXIT } from "./exit-status.ts";
import { processIo } from "./io.ts";
import { runCli } from "./program.ts";

/** What asks a program to end, by number: it cleans up first. Not SIGHUP, which `nohup` wants ignored. */
const SIGNALS: Readonly<Record<string, number>> = { SIGINT: 2, SIGTERM: 15 };

/** Runs `layerproof` with these arguments and ends the process. */
export async function runProcess(args: readonly string[]): Promise<never> {
  const interrupt = new AbortController();
  // A second Ctrl-C does not wait for anything: the system ends the process, also where a FIFO holds it up.
  let killedBy = 0;
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.once(signal, () => {
      killedBy = number;
      interrupt.abort(new Error("interrupted"));
    });
  }
  onUncaught((error) => {
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    console.error(`layerproof: this is a bug, please report it:\n${text}`);
    process.exit(EXIT.internal);
  });
  const status = await runCli(args, processIo(interrupt.signal));
  // Explicitly: standard input may still be open, and would keep the process alive.
  process.exit(status === EXIT.interrupted && killedBy > 0 ? 128 + killedBy : status);
}

/** What is thrown where nobody catches it; the runtime would end with 1, which stands for a mismatch. */
function onUncaught(handle: (error: unknown) => void): void {
  process.on("uncaughtException", handle);
  // Deno tells its own listeners, as browsers do.
  const { addEventListener } = globalThis as Partial<Pick<typeof globalThis, "addEventListener">>;
  addEventListener?.("error", (event) => handle((event as ErrorEvent).error));
  addEventListener?.("unhandledrejection", (event) => handle((event as PromiseRejectionEvent).reason));
}

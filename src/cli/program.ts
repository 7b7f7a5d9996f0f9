/**
 * The program `layerproof <command>`: a new command is one more import and one more element of `COMMANDS`.
 *
 * @module
 */
import { Command, CommanderError } from "commander";
import { LayerproofError } from "../errors.ts";
import { type CliDeps, type CommandContext, realDeps } from "./context.ts";
import { EXIT, statusOf } from "./exit-status.ts";
import { BrokenPipe, type CliIo } from "./io.ts";
import { printable } from "./printable.ts";
import { addExportCommand } from "./export-command.ts";
import { addStoreCommand } from "./store-command.ts";
import { addTarSplitCommand } from "./tarsplit-command.ts";
import { addVerifyCommand } from "./verify-command.ts";
import { EXIT_HELP } from "./verify-help.ts";
import { VERSION } from "../version.ts";

const COMMANDS: readonly ((program: Command, context: CommandContext) => void)[] = [
  addVerifyCommand,
  addTarSplitCommand,
  addExportCommand,
  addStoreCommand,
];

/**
 * Runs the program.
 * @param args without the names of runtime and script
 * @returns the exit status
 */
export async function runCli(args: readonly string[], io: CliIo, deps: CliDeps = realDeps): Promise<number> {
  let status: number = EXIT.ok;
  const out: string[] = [], err: string[] = [];
  const program = new Command("layerproof")
    .description("Proves what a container layer is.")
    .version(VERSION, "-V, --version")
    .usage("<command> [options]")
    .addHelpText("after", `\nlayerproof <command> --help explains a command.\n\n${EXIT_HELP}`)
    .showHelpAfterError("Try: layerproof --help")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => out.push(text),
      writeErr: (text) => err.push(text),
      getOutHelpWidth: () => 110,
      getErrHelpWidth: () => 110,
      // Asked by commander's own rules, it would read the environment, which Deno may not allow.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => write(printableLines(text)),
    });
  const context: CommandContext = { io, deps, finish: (value) => void (status = value) };
  for (const add of COMMANDS) add(program, context);
  try {
    status = await attempt(() => program.parseAsync(args, { from: "user" }), () => status, io);
    // Commander only ever writes a few lines, and before a command runs or instead of it.
    if (out.length > 0) await io.stdout.write(out.join(""));
    if (err.length > 0) await io.stderr.write(err.join(""));
    return status;
  } catch (error) {
    if (error instanceof BrokenPipe) return EXIT.brokenPipe;
    throw error;
  }
}

async function attempt(run: () => Promise<unknown>, status: () => number, io: CliIo): Promise<number> {
  try {
    await run();
    return status();
  } catch (error) {
    if (error instanceof CommanderError) {
      return error.code === "commander.helpDisplayed" || error.code === "commander.version"
        ? EXIT.ok
        : EXIT.usage;
    }
    if (error instanceof BrokenPipe) throw error;
    if (io.signal.aborted) {
      await io.stderr.write(
        "layerproof: interrupted, nothing is proved about the layer that was being read\n",
      );
      return EXIT.interrupted;
    }
    if (error instanceof LayerproofError) {
      await io.stderr.write(errorText(error));
      return statusOf(error);
    }
    const text = error instanceof Error ? error.stack ?? error.message : String(error);
    await io.stderr.write(`layerproof: this is a bug, please report it:\n${printableLines(text)}\n`);
    return EXIT.internal;
  }
}

/** What went wrong, both values where two were compared, and what to do. */
function errorText({ message, code, details }: LayerproofError): string {
  const { expected, actual, advice } = details;
  const values = expected !== undefined && actual !== undefined
    ? `  expected  ${printable(expected)}\n  actual    ${printable(actual)}\n`
    : "";
  return `layerproof: ${printable(message)} [${code}]\n${values}${advice ? `${printable(advice)}\n` : ""}`;
}

function printableLines(text: string): string {
  return text.split("\n").map(printable).join("\n");
}

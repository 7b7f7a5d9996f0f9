/**
 * `layerproof tarsplit assemble`.
 *
 * @module
 */
import type { Command } from "commander";
import type { CommandContext } from "./context.ts";
import { TARSPLIT_HELP } from "./tarsplit-help.ts";

interface RawOptions {
  readonly output?: string;
  readonly diffId?: string;
}

/** Adds the subcommand. */
export function addTarSplitAssemble(group: Command, context: CommandContext): void {
  group.command("assemble")
    .summary("make the tar again from tar-split and directory")
    .description(TARSPLIT_HELP.assemble)
    .argument("<tar-split>", "file, or - for standard input")
    .argument("<dir>", "the extracted layer")
    .option("-o, --output <file>", "default: standard output, which must not be a terminal")
    .option("--diff-id <digest>", "what the tar must be; else no file is written")
    .addHelpText("after", TARSPLIT_HELP.assembleRest)
    .action(async (tarSplit: string, directory: string, { output, diffId: diffID }: RawOptions) => {
      const { exportDirectory } = await import("./export-directory.ts");
      context.finish(
        await exportDirectory({ tarSplit, directory, output, diffID, progress: false }, context.io),
      );
    });
}

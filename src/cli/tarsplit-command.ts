/**
 * `layerproof tarsplit`: takes a layer's tar apart into a tar-split, and puts it together again.
 *
 * @module
 */
import { type Command, Option } from "commander";
import { compressionByName } from "../output/compressed.ts";
import type { CommandContext } from "./context.ts";
import { addTarSplitAssemble } from "./tarsplit-assemble.ts";
import { TARSPLIT_HELP } from "./tarsplit-help.ts";
import { type VerifiedOutput, writeVerified } from "./verified-output.ts";
import { gatherGiven } from "./verify-options.ts";

interface RawOptions {
  readonly output?: string;
  readonly digest?: string;
  readonly diffId?: string;
  readonly duplicates: "refuse" | "keep";
  readonly progress: boolean;
}

/** Adds the command and its two subcommands to the program. */
export function addTarSplitCommand(program: Command, context: CommandContext): void {
  const group = program.command("tarsplit")
    .summary("take a layer's tar apart, and put it together again, byte for byte")
    .description(TARSPLIT_HELP.purpose)
    .addHelpText("after", TARSPLIT_HELP.group);
  group.command("disassemble")
    .summary("write the tar-split of a layer")
    .description(TARSPLIT_HELP.disassemble)
    .argument("<layer>", "file, or - for standard input")
    .option("-o, --output <file>", "gzip or zstd by its ending (.gz, .zst); default: standard output")
    .option("--digest <digest>", "what the blob must be; else no tar-split is written")
    .option("--diff-id <digest>", "what the tar stream must be; else no tar-split is written")
    .addOption(
      new Option("--duplicates <what>", "entries with one path; keep: a tar-split that only layerproof reads")
        .choices(["refuse", "keep"]).default("refuse"),
    )
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .addHelpText("after", TARSPLIT_HELP.disassembleRest)
    .action(async (layer: string, options: RawOptions) => {
      context.finish(await disassemble(layer, options, context));
    });
  addTarSplitAssemble(group, context);
}

async function disassemble(layer: string, raw: RawOptions, context: CommandContext): Promise<number> {
  const { expect } = await gatherGiven(raw, 0);
  const work: VerifiedOutput = {
    layer,
    what: "tar-split",
    output: raw.output,
    compression: compressionByName(raw.output),
    progress: raw.progress,
    options: { expect },
    sink: "tarSplit",
    duplicates: raw.duplicates,
    said: ({ diffID, uncompressedSize }) => `tar-split of ${diffID}, ${uncompressedSize} bytes`,
  };
  return await writeVerified(work, context);
}

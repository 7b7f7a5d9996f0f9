/**
 * `layerproof export`: hands a layer's bytes on, proved while they flow.
 *
 * @module
 */
import { type Command, Option } from "commander";
import { SourceError, UsageError } from "../errors.ts";
import { DEFAULT_LIMITS } from "../verify/options.ts";
import type { CommandContext } from "./context.ts";
import { addExpectations, EXPECTATION_FLAGS } from "./expectation-options.ts";
import { EXPORT_HELP } from "./export-help.ts";
import { addExportOci } from "./export-oci-command.ts";
import { type VerifiedOutput, writeVerified } from "./verified-output.ts";
import { checkLayerIndex, gatherGiven, type RawExpectations } from "./verify-options.ts";

interface RawOptions extends RawExpectations {
  readonly output?: string;
  readonly progress: boolean;
  /** `tar` only. */
  readonly from?: "blob" | "chunks";
  /** `tar` only. */
  readonly tarSplit?: string;
}

/** Adds the command and its subcommands to the program. */
export function addExportCommand(program: Command, context: CommandContext): void {
  const group = program.command("export")
    .summary("hand a layer's tar or blob on, proved while it flows")
    .description(EXPORT_HELP.purpose)
    .addHelpText("after", EXPORT_HELP.group);
  add(group, "tar", "the exact tar stream of a layer", EXPORT_HELP.tar, EXPORT_HELP.tarRest, context);
  add(group, "blob", "the exact blob of a layer", EXPORT_HELP.blob, EXPORT_HELP.blobRest, context);
  addExportOci(group, context);
}

function add(
  group: Command,
  sink: "tar" | "blob",
  summary: string,
  description: string,
  rest: string,
  context: CommandContext,
): void {
  const command = group.command(sink)
    .summary(summary)
    .description(description)
    .argument(
      "<layer>",
      sink === "tar" ? "file, - for standard input, or a directory" : "file, or - for standard input",
    )
    .option("-o, --output <file>", "default: standard output, which must not be a terminal");
  if (sink === "tar") addSources(command);
  addExpectations(command, "What is expected of the layer; else nothing is written:")
    .optionsGroup("Other options:")
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .addHelpText("after", rest)
    .action(async (layer: string, options: RawOptions) => {
      const special = sink === "tar" ? await assembled(layer, options, context) : null;
      context.finish(special ?? await run(layer, sink, options, context).catch(orDirectory));
    });
}

function addSources(command: Command): void {
  command
    .addOption(
      new Option("--from <what>", "chunks: of a zstd:chunked file read only TOC, tar-split and chunks")
        .choices(["blob", "chunks"]).default("blob"),
    )
    .option(
      "--tar-split <file>",
      "<layer> is the directory that it was extracted to, and this its tar-split",
    );
}

/** The tar of a directory or of chunks. @returns the exit status, or null where the tar is to come from the whole blob */
async function assembled(layer: string, raw: RawOptions, { io }: CommandContext): Promise<number | null> {
  const { output, progress, tarSplit } = raw;
  if (tarSplit !== undefined) {
    checkOnly(raw, "--tar-split", ["diffId", "config"]);
    checkLayerIndex(raw);
    if (raw.from === "chunks") {
      throw new UsageError("options-exclude", "--tar-split goes with a directory, --from chunks with a blob");
    }
    const { expect } = await gatherGiven(raw, 0);
    const { exportDirectory } = await import("./export-directory.ts");
    return await exportDirectory(
      { tarSplit, directory: layer, output, diffID: expect.diffID?.value, progress },
      io,
    );
  }
  if (raw.from !== "chunks") return null;
  checkOnly(raw, "--from chunks", [
    "diffId",
    "config",
    "tocDigest",
    "descriptor",
    "uncompressedSize",
    "size",
  ]);
  checkLayerIndex(raw);
  const [{ refuseTerminal }, { exportChunks }, { expect }] = await Promise.all([
    import("./export-assembled.ts"),
    import("./export-chunks.ts"),
    gatherGiven(raw, 0),
  ]);
  refuseTerminal("tar archive", output, io);
  return await exportChunks({ layer, output, expect, progress }, io);
}

/** A directory was given for a layer: perhaps it is an extracted one. */
function orDirectory(error: unknown): never {
  if (!(error instanceof SourceError) || error.code !== "source-is-directory") throw error;
  const { source } = error.details;
  throw new UsageError("directory-needs-tar-split", `${source} is a directory, which has no tar headers`, {
    advice: 'Give its tar-split to "export tar" with --tar-split FILE.',
  });
}

/** What could not be checked must not be given. @throws {UsageError} `option-not-checked` */
function checkOnly(
  raw: RawOptions,
  because: string,
  checked: readonly (keyof typeof EXPECTATION_FLAGS)[],
): void {
  for (const [key, flag] of Object.entries(EXPECTATION_FLAGS) as [keyof typeof EXPECTATION_FLAGS, string][]) {
    if (raw[key] === undefined || checked.includes(key)) continue;
    const can = checked.map((key) => EXPECTATION_FLAGS[key]).join(", ");
    throw new UsageError("option-not-checked", `${flag} cannot be checked with ${because}`, {
      advice: `What can be checked is given with ${can}.`,
    });
  }
}

async function run(
  layer: string,
  sink: "tar" | "blob",
  raw: RawOptions,
  context: CommandContext,
): Promise<number> {
  checkLayerIndex(raw);
  if ((raw.output === undefined || raw.output === "-") && context.io.stdout.isTerminal) {
    throw new UsageError("output-is-terminal", `A ${sink} is not for a terminal`, {
      advice: "Give -o FILE, or write to a pipe.",
    });
  }
  const { expect } = await gatherGiven(raw, DEFAULT_LIMITS.toc);
  const work: VerifiedOutput = {
    layer,
    what: sink,
    output: raw.output,
    compression: null,
    progress: raw.progress,
    options: { expect },
    sink,
    said: ({ result, digest, diffID, size, uncompressedSize }) => {
      const [bytes, of] = sink === "tar" ? [uncompressedSize, diffID] : [size, digest];
      const proof = result === "verified" ? "as expected" : "compared with no digest";
      return `${bytes} bytes, ${of}, ${proof}`;
    },
  };
  return await writeVerified(work, context);
}

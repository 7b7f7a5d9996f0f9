/**
 * `layerproof export`: hands a layer's bytes on, proved while they flow.
 *
 * @module
 */
import type { Command } from "commander";
import { UsageError } from "../errors.ts";
import { DEFAULT_LIMITS } from "../verify/options.ts";
import type { CommandContext } from "./context.ts";
import { EXPORT_HELP } from "./export-help.ts";
import { type VerifiedOutput, writeVerified } from "./verified-output.ts";
import { checkLayerIndex, gatherGiven, type RawExpectations } from "./verify-options.ts";

interface RawOptions extends RawExpectations {
  readonly output?: string;
  readonly progress: boolean;
}

/** Adds the command and its subcommands to the program. */
export function addExportCommand(program: Command, context: CommandContext): void {
  const group = program.command("export")
    .summary("hand a layer's tar or blob on, proved while it flows")
    .description(EXPORT_HELP.purpose)
    .addHelpText("after", EXPORT_HELP.group);
  add(group, "tar", "the exact tar stream of a layer", EXPORT_HELP.tar, EXPORT_HELP.tarRest, context);
  add(group, "blob", "the exact blob of a layer", EXPORT_HELP.blob, EXPORT_HELP.blobRest, context);
}

function add(
  group: Command,
  sink: "tar" | "blob",
  summary: string,
  description: string,
  rest: string,
  context: CommandContext,
): void {
  group.command(sink)
    .summary(summary)
    .description(description)
    .argument("<layer>", "file, or - for standard input")
    .option("-o, --output <file>", "default: standard output, which must not be a terminal")
    .optionsGroup("What is expected of the layer; else nothing is written:")
    .option("--digest <digest>", "digest of the blob: layers[].digest in the manifest")
    .option("--size <bytes>", "size of the blob: layers[].size in the manifest")
    .option("--diff-id <digest>", "digest of the tar stream: rootfs.diff_ids[] in the config")
    .option("--uncompressed-size <bytes>", "size of the tar stream")
    .option("--toc-digest <digest>", "digest of the TOC")
    .option("--descriptor <file>", "OCI descriptor in JSON: digest, size, mediaType and annotations at once")
    .option("--config <file>", "image config in JSON, for the diffID")
    .option("--layer-index <n>", "which layer of --config, from 0 (needless if it has one)")
    .optionsGroup("Other options:")
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .addHelpText("after", rest)
    .action(async (layer: string, options: RawOptions) => {
      context.finish(await run(layer, sink, options, context));
    });
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

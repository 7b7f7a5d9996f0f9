/**
 * `layerproof tarsplit`: takes a layer's tar apart into a tar-split, and puts it together again.
 *
 * @module
 */
import { type Command, Option } from "commander";
import { parseDigest } from "../digest/digest.ts";
import { UsageError } from "../errors.ts";
import { openFile, stdinSource } from "../source/file.ts";
import type { LayerSource } from "../source/source.ts";
import type { Expectations } from "../verify/options.ts";
import { addTarSplitAssemble } from "./tarsplit-assemble.ts";
import { compressed, compressionByName } from "./compressed-output.ts";
import type { CommandContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import { exitStatus } from "./exit-status.ts";
import { humanReport } from "./human-report.ts";
import type { CliIo } from "./io.ts";
import { type ByteOutput, openOutput } from "./output-file.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { PLAIN } from "./style.ts";
import { TARSPLIT_HELP } from "./tarsplit-help.ts";
import { untilAborted } from "./until-aborted.ts";

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

async function disassemble(layer: string, raw: RawOptions, { io, deps }: CommandContext): Promise<number> {
  if (layer.startsWith("oci:")) {
    throw new UsageError("tarsplit-one-layer", "tarsplit takes one layer, not an image", {
      advice: "Give one of the layout's files: DIR/blobs/sha256/...",
    });
  }
  const digest = raw.digest === undefined ? undefined : parseDigest(raw.digest, "--digest");
  const diffID = raw.diffId === undefined ? undefined : parseDigest(raw.diffId, "--diff-id");
  const expect = {
    ...digest !== undefined && { digest: { value: digest, from: ["--digest"] } },
    ...diffID !== undefined && { diffID: { value: diffID, from: ["--diff-id"] } },
  };
  const source = layer === "-" ? stdinSource() : await openFile(layer);
  const engine = await deps.engine({ jobs: null, hash: "auto" });
  try {
    const output = await compressed(await openOutput(raw.output, io), compressionByName(raw.output));
    return await writeTarSplit(source, expect, output, engine, raw, io);
  } finally {
    source.close().catch(() => {});
    await engine.close();
  }
}

async function writeTarSplit(
  source: LayerSource,
  expect: Expectations,
  output: ByteOutput,
  engine: Engine,
  raw: RawOptions,
  io: CliIo,
): Promise<number> {
  const bar = raw.progress && io.stderr.isTerminal ? progressBar() : NO_PROGRESS;
  let made: Uint8Array[] = [];
  const ready = async (): Promise<void> => {
    const pieces = made;
    made = [];
    for (const piece of pieces) await output.write(piece);
  };
  try {
    const work = engine.verifyLayer(source, {
      expect,
      signal: io.signal,
      onProgress: bar.update,
      tarSplit: { write: (lines) => void made.push(lines.slice()), ready, duplicates: raw.duplicates },
    });
    const report = await untilAborted(work, io.signal);
    bar.stop();
    if (report.result === "error" || report.result === "mismatch") {
      await output.abort();
      await io.stderr.write(humanReport(report, PLAIN));
      await io.stderr.write("layerproof: no tar-split was written\n");
      return exitStatus(report, null);
    }
    await ready();
    await output.commit();
    if (raw.output !== undefined && raw.output !== "-") {
      await io.stderr.write(
        `${raw.output}: tar-split of ${report.diffID}, ${report.uncompressedSize} bytes\n`,
      );
    }
    return 0;
  } catch (error) {
    await output.abort();
    throw error;
  } finally {
    bar.stop();
  }
}

/**
 * `layerproof tarsplit assemble`.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import type { Command } from "commander";
import { parseDigest } from "../digest/digest.ts";
import { SourceError, UsageError } from "../errors.ts";
import { openFile, stdinSource } from "../source/file.ts";
import type { AssembledTar } from "../tarsplit/assemble.ts";
import type { CommandContext } from "./context.ts";
import { type ByteOutput, openOutput } from "./output-file.ts";
import { TARSPLIT_HELP } from "./tarsplit-help.ts";
import { untilAborted } from "./until-aborted.ts";

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
    .action(async (tarSplit: string, directory: string, options: RawOptions) => {
      context.finish(await assemble(tarSplit, directory, options, context));
    });
}

async function assemble(
  tarSplit: string,
  directory: string,
  raw: RawOptions,
  { io }: CommandContext,
): Promise<number> {
  const toFile = raw.output !== undefined && raw.output !== "-";
  if (!toFile && io.stdout.isTerminal) {
    throw new UsageError("output-is-terminal", "A tar archive is not for a terminal", {
      advice: "Give -o FILE, or write to a pipe.",
    });
  }
  const diffID = raw.diffId === undefined ? undefined : parseDigest(raw.diffId, "--diff-id");
  if (!await stat(directory).then((found) => found.isDirectory(), () => false)) {
    throw new SourceError("source-not-a-directory", `${directory} is no directory`, {
      source: directory,
      advice: "Give the directory that the layer was extracted to.",
    });
  }
  const source = tarSplit === "-" ? stdinSource() : await openFile(tarSplit);
  try {
    const [{ assembleTar }, { directoryFiles }, { tarSplitRecords }, { nativeHashes }] = await Promise.all([
      import("../tarsplit/assemble.ts"),
      import("../export/directory.ts"),
      import("../export/tar-split-file.ts"),
      import("../digest/native.ts"),
    ]);
    let made: AssembledTar | null = null;
    const tar = assembleTar(tarSplitRecords(source), directoryFiles(directory), {
      hash: await nativeHashes.sha256(),
      ...diffID !== undefined && { diffID },
      onEnd: (result) => made = result,
    });
    await writeStream(tar, await openOutput(raw.output, io), io.signal);
    const { size, digest } = made!;
    const proof = diffID === undefined ? "compared with no digest" : "as expected";
    if (toFile) await io.stderr.write(`${raw.output}: ${size} bytes, ${digest}, ${proof}\n`);
    return 0;
  } finally {
    source.close().catch(() => {});
  }
}

/** Writes all of a stream, no faster than the output takes it; a file appears only when the stream has not failed. */
async function writeStream(
  stream: ReadableStream<Uint8Array>,
  output: ByteOutput,
  signal: AbortSignal,
): Promise<void> {
  try {
    await untilAborted(copy(stream, output, signal), signal);
    await output.commit();
  } catch (error) {
    await output.abort();
    throw error;
  }
}

/** All of a stream to an output, no faster than that takes it. */
async function copy(tar: ReadableStream<Uint8Array>, output: ByteOutput, signal: AbortSignal): Promise<void> {
  const reader = tar.getReader();
  try {
    while (true) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) return;
      await output.write(value);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

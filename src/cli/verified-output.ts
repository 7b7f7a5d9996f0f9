/**
 * What comes out of a verification: a file that appears only when the layer is what it should be.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import type { ClosableSource } from "../source/file.ts";
import { openFile, stdinSource } from "../source/file.ts";
import { type LayerproofError, UsageError } from "../errors.ts";
import type { TarSplitSink, VerifyOptions } from "../verify/options.ts";
import { imageKind } from "../oci/argument.ts";
import type { LayerReport } from "../verify/report.ts";
import { compressed, type OutputCompression } from "../output/compressed.ts";
import type { CommandContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import { exitStatus } from "./exit-status.ts";
import { humanReport } from "./human-report.ts";
import type { CliIo } from "./io.ts";
import { type ByteOutput, openOutput } from "./output-file.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { PLAIN } from "./style.ts";
import { untilAborted } from "./until-aborted.ts";

export interface VerifiedOutput {
  /** A file, or `-` for standard input. */
  readonly layer: string;
  /** What is written, as messages call it: "tar", "tar-split", "blob". */
  readonly what: string;
  readonly output: string | undefined;
  readonly compression: OutputCompression;
  readonly progress: boolean;
  readonly options: VerifyOptions;
  /** Which of the verification's sinks gives the bytes. */
  readonly sink: "tar" | "blob" | "tarSplit";
  readonly duplicates?: TarSplitSink["duplicates"];
  /** What to say of a file that was written. */
  said(report: LayerReport): string;
}

/** Verifies a layer and writes what comes of it. @returns the exit status */
export async function writeVerified(work: VerifiedOutput, { io, deps }: CommandContext): Promise<number> {
  await refuseOwnInput(work);
  const source = await openLayer(work);
  const engine = await deps.engine({ jobs: null, hash: "auto" }).catch((error) => {
    source.close().catch(() => {});
    throw error;
  });
  try {
    const output = await compressed(await openOutput(work.output, io), work.compression);
    return await write(source, output, engine, work, io);
  } finally {
    source.close().catch(() => {});
    await engine.close();
  }
}

/** @throws {UsageError} `output-is-input` */
async function refuseOwnInput({ layer, output }: VerifiedOutput): Promise<void> {
  if (output === undefined) return;
  const [a, b] = await Promise.all(
    [layer, output].map((path) => stat(path, { bigint: true }).catch(() => null)),
  );
  if (!a?.isFile() || !b || a.dev !== b.dev || a.ino !== b.ino) return;
  throw new UsageError("output-is-input", `${output} is the layer itself`, {
    advice: "Write to another file.",
  });
}

async function openLayer({ layer, what }: VerifiedOutput): Promise<ClosableSource> {
  if (layer === "-") return stdinSource();
  if (!imageKind(layer)) return await openFile(layer);
  throw new UsageError("one-layer", `A ${what} is of one layer, not of an image`, {
    advice: "Give the layer's file, in a layout DIR/blobs/sha256/...",
  });
}

async function write(
  source: ClosableSource,
  output: ByteOutput,
  engine: Engine,
  { options, sink, duplicates, what, output: path, progress, said }: VerifiedOutput,
  io: CliIo,
): Promise<number> {
  const bar = progress && io.stderr.isTerminal ? progressBar() : NO_PROGRESS;
  let made: Uint8Array[] = [];
  let failure: LayerproofError | null = null;
  const ready = async (): Promise<void> => {
    const pieces = made;
    made = [];
    for (const piece of pieces) await output.write(piece);
  };
  try {
    const taken = {
      write: (bytes: Uint8Array) => void made.push(bytes.slice()),
      ready,
      failed: (error: LayerproofError) => void (failure = error),
    };
    const work = engine.verifyLayer(source, {
      ...options,
      signal: io.signal,
      onProgress: bar.update,
      [sink]: duplicates === undefined ? taken : { ...taken, duplicates },
    });
    const report = await untilAborted(work, io.signal);
    bar.stop();
    if (report.result === "error" || report.result === "mismatch") {
      await output.abort();
      await io.stderr.write(humanReport(report, PLAIN));
      await io.stderr.write(`layerproof: no ${what} was written\n`);
      return exitStatus(report, null);
    }
    if (failure) throw failure as LayerproofError;
    await ready();
    await output.commit();
    if (path !== undefined && path !== "-") await io.stderr.write(`${path}: ${said(report)}\n`);
    return 0;
  } catch (error) {
    await output.abort();
    throw error;
  } finally {
    bar.stop();
  }
}

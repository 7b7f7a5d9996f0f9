/**
 * `layerproof verify`: reads layers and says what they are, and whether they are what their digests say.
 *
 * @module
 */
import { type Command, Option } from "commander";
import { LayerproofError } from "../errors.ts";
import { DEFAULT_LIMITS, type VerifyOptions } from "../verify/options.ts";
import type { LayerReport } from "../verify/report.ts";
import type { CommandContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import { exitStatus } from "./exit-status.ts";
import { addExpectations } from "./expectation-options.ts";
import { reportOfFailure } from "./failed-report.ts";
import { humanReport, summaryLine } from "./human-report.ts";
import type { CliIo } from "./io.ts";
import { type LayerTask, layerTasks } from "./layers.ts";
import { printable } from "./printable.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { COLOURED, PLAIN, type Style } from "./style.ts";
import { shortBytes } from "./units.ts";
import { untilAborted } from "./until-aborted.ts";
import { SHORT_USAGE, VERIFY_HELP } from "./verify-help.ts";
import {
  checkApplicable,
  gatherGiven,
  parseJobs,
  parseLimits,
  type RawVerifyOptions,
} from "./verify-options.ts";

/** Adds the command to the program. */
export function addVerifyCommand(program: Command, context: CommandContext): void {
  const { toc, pax, zstdWindow, entries, path } = DEFAULT_LIMITS;
  const command = program.command("verify")
    .summary("prove what layers are: every digest, in one pass")
    .description(VERIFY_HELP.purpose)
    .argument(
      "<layer...>",
      "file, - for standard input, or an image: oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], " +
        "docker://REFERENCE",
    )
    .showHelpAfterError(SHORT_USAGE);
  addExpectations(command, "What is expected of the layer (from outside; for one layer):")
    .option("--toc <file>", "external eStargz TOC: its JSON, or the layer of the TOC image")
    .option("--platform <os/arch[/variant]>", "which images of a multi-platform image (default: all)")
    .optionsGroup("What is read:")
    .option(
      "--metadata-only",
      "TOC and tar-split alone, a few small ranges: size and attributes, nothing of contents",
    )
    .optionsGroup("Output:")
    .option("--json", "one JSON object a layer, one line each (schema/layer-report.schema.json)")
    .addOption(
      new Option("--fail-on <severity>", "exit with 1 if there is a finding of this severity or above")
        .choices(["error", "warning", "info"]),
    )
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .addOption(
      new Option("--color <when>", "colours; auto: on a terminal, unless NO_COLOR is set")
        .choices(["auto", "always", "never"]).default("auto"),
    )
    .optionsGroup("Speed:")
    .option("--jobs <n>", "threads that share the work on large layers (default: one for each core)")
    .addOption(
      new Option("--hash <which>", "SHA-256 by the platform or by WebAssembly; auto: what is faster here")
        .choices(["auto", "native", "wasm"]).default("auto"),
    )
    .optionsGroup("Limits (bytes, or with KiB, MiB, GiB):")
    .option("--limit-toc <size>", `TOC, compressed and uncompressed (default: ${shortBytes(toc)})`)
    .option("--limit-pax <size>", `PAX header, long name, sparse map (default: ${shortBytes(pax)})`)
    .option("--limit-window <size>", `zstd window (default: ${shortBytes(zstdWindow)})`)
    .option("--limit-entries <n>", `number of entries (default: ${entries})`)
    .option("--limit-path <size>", `one path (default: ${shortBytes(path)})`)
    .option("--limit-ratio <n>", "uncompressed over compressed size (default: none)")
    .option("--limit-total <size>", "uncompressed size (default: none)")
    .addHelpText("after", VERIFY_HELP.rest)
    .action(async (layers: string[], options: RawVerifyOptions) => {
      context.finish(await verifyAll(layers, options, context));
    });
}

async function verifyAll(layers: string[], raw: RawVerifyOptions, context: CommandContext): Promise<number> {
  const { io } = context;
  checkApplicable(layers, raw);
  const limits = parseLimits(raw);
  const settings = { jobs: parseJobs(raw.jobs), hash: raw.hash };
  const { expect, toc } = await gatherGiven(raw, limits.toc ?? DEFAULT_LIMITS.toc);
  const tasks = await layerTasks(layers, expect, raw.platform, io);
  const metadataOnly = raw.metadataOnly ?? false;
  const common: VerifyOptions = { limits, metadataOnly, signal: io.signal, ...(toc ? { toc } : {}) };
  let engine: Promise<Engine> | null = null;
  const verifier: Verifier = {
    common,
    raw,
    style: styleFor(raw.color, io),
    context,
    engine: () => engine ??= context.deps.engine(settings),
  };
  try {
    return await reportAll(tasks, verifier);
  } finally {
    // Also after Ctrl-C: threads are better asked to end than killed.
    if (engine) await (await (engine as Promise<Engine>)).close();
  }
}

async function reportAll(tasks: readonly LayerTask[], verifier: Verifier): Promise<number> {
  const { raw, style, context: { io } } = verifier;
  const reports: LayerReport[] = [];
  let status = 0;
  for (const task of tasks) {
    const report = await verifyOne(task, verifier);
    status = Math.max(status, exitStatus(report, raw.failOn ?? null));
    if (raw.json) {
      await io.stdout.write(`${JSON.stringify(report)}\n`);
      if (report.error) {
        await io.stderr.write(`layerproof: ${printable(report.layer)}: ${printable(report.error.message)}\n`);
      }
    } else {
      await io.stdout.write((reports.length > 0 ? "\n" : "") + humanReport(report, style));
    }
    reports.push(report);
  }
  if (!raw.json && reports.length > 1) await io.stdout.write(`\n${summaryLine(reports, style)}`);
  return status;
}

/** What is the same for all layers. */
interface Verifier {
  readonly common: VerifyOptions;
  readonly raw: RawVerifyOptions;
  readonly style: Style;
  readonly context: CommandContext;
  /** Loaded by the first layer that can be opened. */
  engine(): Promise<Engine>;
}

async function verifyOne(
  task: LayerTask,
  { common, raw, context: { io }, engine }: Verifier,
): Promise<LayerReport> {
  const bar = raw.progress && io.stderr.isTerminal ? progressBar() : NO_PROGRESS;
  try {
    const source = await untilAborted(task.open(), io.signal);
    try {
      const { verifyLayer } = await engine();
      const options = { ...common, expect: task.expect, onProgress: bar.update };
      return await untilAborted(verifyLayer(source, options), io.signal);
    } finally {
      // Not awaited: after Ctrl-C a pipe may have a read under way that never ends.
      source.close().catch(() => {});
    }
  } catch (error) {
    if (io.signal.aborted || !(error instanceof LayerproofError)) throw error;
    return reportOfFailure(task.name, error);
  } finally {
    bar.stop();
  }
}

function styleFor(when: RawVerifyOptions["color"], io: CliIo): Style {
  if (when === "always") return COLOURED;
  if (when === "never" || !io.stdout.isTerminal) return PLAIN;
  return io.env("NO_COLOR") || io.env("TERM") === "dumb" ? PLAIN : COLOURED;
}

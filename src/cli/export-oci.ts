/**
 * `layerproof export oci`.
 *
 * @module
 */
import { parseDockerReference } from "../oci/docker-reference.ts";
import { type ExportedLayer, exportImage } from "../store/export-image.ts";
import type { Compression } from "../export/recompress.ts";
import { Pool } from "../store/pool.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./exit-status.ts";
import type { CliIo } from "./io.ts";
import { printable } from "./printable.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { counted } from "./units.ts";
import { parseJobs } from "./verify-options.ts";

/** As commander hands them over. */
export interface RawExportOciOptions {
  readonly output: string;
  readonly compression?: Compression;
  readonly json?: boolean;
  readonly progress: boolean;
  readonly jobs?: string;
}

/** @returns the exit status */
export async function exportOci(
  text: string,
  directory: string,
  raw: RawExportOciOptions,
  { io, deps }: CommandContext,
): Promise<number> {
  const jobs = parseJobs(raw.jobs);
  const reference = parseDockerReference(text).normalised;
  const pool = await Pool.open(directory);
  const engine = await deps.engine({ jobs, hash: "auto" });
  let bar = NO_PROGRESS;
  const layers: ExportedLayer[] = [];
  try {
    const digest = await exportImage(pool, reference, raw.output, {
      ...raw.compression !== undefined && { compression: raw.compression },
      signal: io.signal,
      verify: (source, options) => {
        bar.stop();
        bar = raw.progress && io.stderr.isTerminal ? progressBar() : NO_PROGRESS;
        return engine.verifyLayer(source, { ...options, onProgress: bar.update });
      },
      onLayer: async (layer) => {
        bar.stop();
        layers.push(layer);
        if (!raw.json) await tell(layer, io);
      },
    });
    if (raw.json) {
      await io.stdout.write(`${JSON.stringify({ reference, digest, output: raw.output, layers })}\n`);
    } else {
      await io.stdout.write(
        `${raw.output}: ${printable(reference)}, ${digest}, ${counted(layers.length, "layer")}\n`,
      );
    }
    return EXIT.ok;
  } finally {
    bar.stop();
    await engine.close();
  }
}

async function tell({ digest, size, diffID, because }: ExportedLayer, { stdout }: CliIo): Promise<void> {
  const how = because === null ? "as it was" : `made anew: ${printable(because)}`;
  await stdout.write(`${digest}: ${size} bytes, ${how}\n  diffID  ${diffID}\n`);
}

/**
 * `layerproof store check`, `rm` and `gc`.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { type Checked, checkLayer, checkPlaces } from "../store/check.ts";
import { Pool } from "../store/pool.ts";
import { collectGarbage, removeFromStore } from "../store/remove.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./exit-status.ts";
import type { CliIo } from "./io.ts";
import { printable } from "./printable.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { counted } from "./units.ts";
import { parseJobs } from "./verify-options.ts";

/** As commander hands them over. */
export interface RawKeepOptions {
  readonly json?: boolean;
  readonly progress: boolean;
  readonly jobs?: string;
  readonly dryRun?: boolean;
  readonly all?: boolean;
}

/** @returns the exit status */
export async function storeCheck(
  directory: string,
  raw: RawKeepOptions,
  { io, deps }: CommandContext,
): Promise<number> {
  const jobs = parseJobs(raw.jobs);
  const pool = await Pool.open(directory);
  const engine = await deps.engine({ jobs, hash: "auto" });
  const tally = { layers: 0, places: 0, bad: 0 };
  try {
    for (const digest of await pool.layers()) {
      const bar = raw.progress && io.stderr.isTerminal ? progressBar() : NO_PROGRESS;
      const { verifyLayer: verify } = engine;
      const options = { verify, signal: io.signal, onProgress: bar.update };
      const checked = await checkLayer(pool, digest, options).finally(() => bar.stop());
      tally.layers++;
      await tell(checked, tally, raw, io);
    }
    for await (const checked of checkPlaces(pool)) {
      tally.places++;
      await tell(checked, tally, raw, io);
    }
  } finally {
    await engine.close();
  }
  if (!raw.json) {
    const { layers, places, bad } = tally;
    const verdict = bad === 0 ? "all as they were taken in" : `${bad} with problems`;
    await io.stdout.write(`${counted(layers, "layer")}, ${counted(places, "place")}: ${verdict}\n`);
  }
  return tally.bad === 0 ? EXIT.ok : EXIT.mismatch;
}

async function tell(
  { what, kind, problems, notChecked }: Checked,
  tally: { bad: number },
  { json }: RawKeepOptions,
  { stdout }: CliIo,
): Promise<void> {
  if (problems.length > 0) tally.bad++;
  if (json) {
    await stdout.write(`${JSON.stringify({ kind, what, problems, notChecked })}\n`);
    return;
  }
  if (problems.length === 0 && kind === "place") return;
  const lines = [
    `${printable(what)}: ${problems.length === 0 ? "ok" : "CHANGED"}`,
    ...problems.map(({ code, message }) => `  ${printable(message)} [${code}]`),
    ...notChecked.map((text) => `  not checked: ${printable(text)}`),
  ];
  await stdout.write(`${lines.join("\n")}\n`);
}

/** @returns the exit status */
export async function storeRm(what: string, directory: string, { io }: CommandContext): Promise<number> {
  const { parseDockerReference } = await import("../oci/docker-reference.ts");
  const name = what.startsWith("sha256:") ? what : parseDockerReference(what).normalised;
  const removed = await removeFromStore(await Pool.open(directory), name);
  if (removed.length === 0) {
    throw new SourceError("store-unknown", `${directory} has nothing under ${name}`, {
      source: directory,
      advice: "layerproof store ls names its images and layers.",
    });
  }
  for (const { path } of removed) await io.stdout.write(`removed ${directory}/${path}\n`);
  await io.stdout.write(
    `layerproof store gc ${directory} removes the layers that nothing leads to any more\n`,
  );
  return EXIT.ok;
}

/** @returns the exit status */
export async function storeGc(
  directory: string,
  raw: RawKeepOptions,
  { io }: CommandContext,
): Promise<number> {
  const removed = await collectGarbage(await Pool.open(directory), {
    dryRun: raw.dryRun ?? false,
    ...raw.all && { youngerThan: 0 },
  });
  if (raw.json) {
    await io.stdout.write(`${JSON.stringify(removed)}\n`);
    return EXIT.ok;
  }
  const { layers, documents, leftovers } = removed;
  for (const what of [...layers, ...documents, ...leftovers]) await io.stdout.write(`${what}\n`);
  const verb = raw.dryRun ? "would be removed" : "removed";
  await io.stdout.write(
    `${counted(layers.length, "layer")}, ${counted(documents.length, "document")}, ${
      counted(leftovers.length, "leftover")
    } ${verb}\n`,
  );
  return EXIT.ok;
}

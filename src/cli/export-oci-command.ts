/**
 * The options of `layerproof export oci`. What it does is loaded when it runs.
 *
 * @module
 */
import { type Command, Option } from "commander";
import type { CommandContext } from "./context.ts";
import { EXPORT_OCI_HELP } from "./export-oci-help.ts";
import type { RawExportOciOptions } from "./export-oci.ts";
import { storeDirectory } from "./store-directory.ts";

/** Adds the subcommand. */
export function addExportOci(group: Command, context: CommandContext): void {
  group.command("oci")
    .summary("an image out of a store, as an OCI layout")
    .description(EXPORT_OCI_HELP.purpose)
    .argument("<ref>", "reference, as clients ask for it")
    .argument("[store]", "directory (default: LAYERPROOF_STORE)")
    .requiredOption("-o, --output <dir>", "a directory that is not there yet; it appears whole")
    .addOption(
      new Option(
        "--compression <how>",
        "make all layers anew (default: only those whose blob is lost or damaged)",
      )
        .choices(["gzip", "zstd", "none"]),
    )
    .option("--json", "one JSON object")
    .option("--jobs <n>", "threads that share the work on large layers (default: one for each core)")
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .addHelpText("after", EXPORT_OCI_HELP.rest)
    .action(async (reference: string, store: string | undefined, options: RawExportOciOptions) => {
      const { exportOci } = await import("./export-oci.ts");
      context.finish(await exportOci(reference, storeDirectory(store, context.io), options, context));
    });
}

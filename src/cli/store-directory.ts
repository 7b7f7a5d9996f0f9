/**
 * Which store a command speaks of.
 *
 * @module
 */
import { UsageError } from "../errors.ts";
import type { CliIo } from "./io.ts";

/** Names the store where no argument does. */
export const STORE_VARIABLE = "LAYERPROOF_STORE";

/** @throws {UsageError} `store-not-named` */
export function storeDirectory(argument: string | undefined, io: CliIo): string {
  const directory = argument ?? io.env(STORE_VARIABLE);
  if (directory !== undefined && directory !== "") return directory.replace(/(?<=.)\/+$/, "");
  throw new UsageError("store-not-named", "No store is named", {
    advice: `Give its directory as the last argument, or set ${STORE_VARIABLE}.`,
  });
}

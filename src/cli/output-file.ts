/**
 * Where a command's bytes go: a file that appears whole or not at all, or standard output.
 *
 * @module
 */
import { realpath, stat } from "node:fs/promises";
import { AtomicFile, type ByteOutput } from "../output/file.ts";
import type { CliIo } from "./io.ts";
import { untilAborted } from "./until-aborted.ts";

export type { ByteOutput };

/**
 * Opens the output.
 * @param path a file; standard output if undefined or `-`. What is no regular file (`/dev/null`, a FIFO) is written to.
 * @throws {OutputError} `output-failed`, `output-no-permission`, `output-no-space`
 */
export async function openOutput(path: string | undefined, io: CliIo): Promise<ByteOutput> {
  if (path === undefined || path === "-") {
    return { write: (bytes) => io.stdout.write(bytes), commit: async () => {}, abort: async () => {} };
  }
  const found = await stat(path).catch(() => null);
  if (found && !found.isFile()) return await untilAborted(AtomicFile.direct(path), io.signal);
  // A link stays a link, and a file that only its owner may read stays so.
  const target = found ? await realpath(path).catch(() => path) : path;
  return await AtomicFile.create(target, found ? found.mode & 0o777 : null);
}

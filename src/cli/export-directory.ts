/**
 * A tar from the directory that a layer was extracted to, and its tar-split.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import { parseDigest } from "../digest/digest.ts";
import { SourceError } from "../errors.ts";
import { openFile, stdinSource } from "../source/file.ts";
import type { CliIo } from "./io.ts";

export interface DirectoryExport {
  /** A file, or `-` for standard input. */
  readonly tarSplit: string;
  readonly directory: string;
  readonly output: string | undefined;
  /** `--diff-id` as it was given. */
  readonly diffID: string | undefined;
  readonly progress: boolean;
}

/**
 * @returns the exit status
 * @throws {UsageError} `output-is-terminal`, `digest-malformed`
 * @throws {SourceError} `source-not-a-directory`, and for the tar-split what `openFile` throws
 * @throws what `writeAssembled` throws
 */
export async function exportDirectory(work: DirectoryExport, io: CliIo): Promise<number> {
  const { directory, tarSplit, output, progress } = work;
  const { refuseTerminal, writeAssembled } = await import("./export-assembled.ts");
  refuseTerminal("tar archive", output, io);
  const diffID = work.diffID === undefined ? undefined : parseDigest(work.diffID, "--diff-id");
  if (!await stat(directory).then((found) => found.isDirectory(), () => false)) {
    throw new SourceError("source-not-a-directory", `${directory} is no directory`, {
      source: directory,
      advice: "Give the directory that the layer was extracted to.",
    });
  }
  const source = tarSplit === "-" ? stdinSource() : await openFile(tarSplit);
  try {
    const [{ directoryFiles }, { tarSplitRecords }] = await Promise.all([
      import("../export/directory.ts"),
      import("../export/tar-split-file.ts"),
    ]);
    const [records, getFile] = [tarSplitRecords(source), directoryFiles(directory)];
    return await writeAssembled(
      { records, getFile, diffID, output, progress, total: null, proof: null },
      io,
    );
  } finally {
    source.close().catch(() => {});
  }
}

/**
 * A tar from the chunks and the tar-split of a zstd:chunked blob.
 *
 * @module
 */
import { nativeHashes } from "../digest/native.ts";
import { UsageError } from "../errors.ts";
import { openChunkedLayer } from "../export/chunked-layer.ts";
import { openFile } from "../source/file.ts";
import type { Expectations } from "../verify/options.ts";
import { exitStatus } from "./exit-status.ts";
import { writeAssembled } from "./export-assembled.ts";
import { humanReport } from "./human-report.ts";
import type { CliIo } from "./io.ts";
import { PLAIN } from "./style.ts";

export interface ChunksExport {
  /** A file. */
  readonly layer: string;
  readonly output: string | undefined;
  readonly expect: Expectations;
  readonly progress: boolean;
}

/**
 * @returns the exit status; where TOC or tar-split contradict, their report goes to standard error
 * @throws what `openChunkedLayer` and `writeAssembled` throw
 */
export async function exportChunks(
  { layer, output, expect, progress }: ChunksExport,
  io: CliIo,
): Promise<number> {
  if (layer === "-") {
    throw new UsageError("chunks-need-ranges", "--from chunks cannot be used with standard input", {
      advice: "A pipe can only be read as a whole: give a file, or leave --from chunks out.",
    });
  }
  const source = await openFile(layer);
  try {
    const { report, parts } = await openChunkedLayer(source, {
      expect,
      hashes: nativeHashes,
      signal: io.signal,
    });
    if (!parts) {
      await io.stderr.write(humanReport(report, PLAIN));
      await io.stderr.write("layerproof: no tar was written\n");
      return exitStatus(report, null);
    }
    const { records, getFile, chain } = parts;
    const work = {
      records,
      getFile,
      diffID: expect.diffID?.value,
      output,
      progress,
      total: report.uncompressedSize,
      proof: chain.length > 0 ? `proved by ${chain.join(" > ")}` : null,
    };
    return await writeAssembled(work, io);
  } finally {
    source.close().catch(() => {});
  }
}

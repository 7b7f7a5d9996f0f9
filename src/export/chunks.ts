/**
 * The files of a zstd:chunked layer out of its blob: each chunk fetched by its range, decoded and checked by itself. The
 * frames between them, which hold the tar's headers, are never read.
 *
 * @module
 */
import { defaultHashes } from "../digest/default.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { FormatError, UsageError } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { escapeName, replacedName } from "../tar/names.ts";
import { canonicalPath } from "../tar/paths.ts";
import type { GetFile } from "../tarsplit/assemble.ts";
import type { Toc, TocFile } from "../toc/model.ts";
import { type Limits, limitsWith } from "../verify/options.ts";
import { ChunkReader } from "./chunk-reader.ts";

export interface ChunkFilesOptions {
  /** `zstdWindow` counts here. */
  readonly limits?: Partial<Pick<Limits, "zstdWindow">>;
  /** SHA-256 of chunks and files; the kernels by default. */
  readonly hashes?: HashBackend;
}

/**
 * Finds files by what a TOC says of them, for `assembleTar`. No byte is handed on before the digest of its chunk has been
 * checked, and a file's last bytes only when the digest of the whole has: the files are as good as the TOC is. Of a
 * chunk no more is kept than 8 MiB; a longer one is decoded twice. Runs of zeros are not fetched. A name that the TOC
 * does not have gives null.
 *
 * What it gives fails, when it is read, with
 * - `FormatError` `chunk-position`: the TOC places it outside of the blob, or chunks in no order; `chunk-damaged`: it
 *   cannot be decoded; `chunk-length`: it becomes more or less than the TOC says; `chunk-no-digest`
 * - `DigestMismatch` `chunk-digest-mismatch`, `file-digest-mismatch`
 * - `LimitExceeded` of the decoder, and what the source throws
 *
 * all with the name of the entry.
 * @param source of the blob, which can be read at random
 * @param toc of the blob, which somebody has checked
 * @throws {UsageError} `chunks-need-ranges`: the source is a pipe
 * @throws {FormatError} `toc-tar-split-size`, `toc-duplicate-entry` when a file is asked for that the TOC has in another
 * size, or more than once
 */
export function chunkFiles(
  source: LayerSource,
  toc: Pick<Toc, "files">,
  options: ChunkFilesOptions = {},
): GetFile {
  const { read, size, name: blob } = source;
  if (!read || size === null) {
    throw new UsageError("chunks-need-ranges", `${blob} is a pipe, of which only the whole can be read`, {
      advice: "Give a file, or have the tar made from the whole blob.",
    });
  }
  const seekable = { ...source, read: read.bind(source), size };
  const withContent = toc.files.filter(({ chunks }) => chunks.length > 0);
  const files = new Map<string, TocFile | null>();
  const following = new Map<TocFile, TocFile>();
  withContent.forEach((file, index) => {
    const { path } = canonicalPath(file.name);
    files.set(path, files.has(path) ? null : file);
    if (index > 0) following.set(withContent[index - 1]!, file);
  });
  const hashes = options.hashes ?? defaultHashes();
  const { zstdWindow } = limitsWith(options.limits);
  // One is enough for who reads one file after the other.
  const idle: ChunkReader[] = [];
  async function* content(file: TocFile): AsyncGenerator<Uint8Array, void, void> {
    const reader = idle.pop() ?? await ChunkReader.create(seekable, hashes, zstdWindow);
    try {
      yield* reader.file(file, following.get(file) ?? null);
    } finally {
      reader.reset();
      idle.push(reader);
    }
  }
  return (name, record) => {
    // A TOC has U+FFFD in place of bytes that are not UTF-8.
    const file = files.get(canonicalPath(replacedName(name)).path);
    if (file === undefined) return null;
    const entry = escapeName(name);
    if (file === null) {
      throw new FormatError("toc-duplicate-entry", `The TOC has more than one file of the name ${entry}`, {
        entry,
        advice: "Readers of TOCs refuse such a layer: have the tar made from the whole blob.",
      });
    }
    if (file.size === record.size) return content(file);
    throw new FormatError(
      "toc-tar-split-size",
      `TOC and tar-split disagree about the size of ${entry}: TOC ${file.size}, tar-split ${record.size}`,
      { entry, expected: `${file.size}`, actual: `${record.size}`, advice: "Do not use this layer." },
    );
  };
}

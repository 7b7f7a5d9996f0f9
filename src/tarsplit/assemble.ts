/**
 * Makes the tar archive again from its tar-split and its files.
 *
 * @module
 */
import { parseDigest } from "../digest/digest.ts";
import type { Hasher } from "../digest/hasher.ts";
import { DigestMismatch, LayerproofError, SourceError, UsageError } from "../errors.ts";
import { type Crc64, kernelCrc64 } from "../kernel/crc64.ts";
import { messageOf } from "../source/source.ts";
import { piecesOf, streamOf } from "../source/streams.ts";
import { escapeName } from "../tar/names.ts";
import { FileCheck, missing } from "./file-check.ts";
import { addSize, type TarSplitFile, type TarSplitRecord } from "./record.ts";

/** A file's bytes in pieces of any size. Ending the iteration early must release what is held. */
export type FileContent = AsyncIterable<Uint8Array> | Iterable<Uint8Array> | ReadableStream<Uint8Array>;

/**
 * Opens the file of an entry, which is never empty.
 * @param name as in the archive, in the lossless form of `names.ts`; it may be absolute or hold `..`
 * @param file tells entries of one name apart, which only an archive with duplicate paths has
 * @returns null if there is none
 */
export type GetFile = (
  name: string,
  file: TarSplitFile,
) => FileContent | null | Promise<FileContent | null>;

/** What went through, when all of it has. */
export interface AssembledTar {
  /** Bytes of the archive. */
  readonly size: number;
  /** `sha256:…` of the archive; null where no `hash` was given. */
  readonly digest: string | null;
}

export interface AssembleOptions {
  /** A SHA-256 that nothing else uses meanwhile; gets the archive as it flows, and starts anew however that ends. */
  readonly hash?: Hasher;
  /** What the archive's digest must be: `sha256:` and 64 digits. Needs `hash`. */
  readonly diffID?: string;
  /** Called before the stream closes, only if everything was as it should be. */
  readonly onEnd?: (tar: AssembledTar) => void;
  /** Computes the CRC-64 of files; the kernel's by default. Nothing else may use it meanwhile. */
  readonly crc64?: Crc64;
}

/**
 * The archive that the records were taken from, byte for byte, as it is asked for: nothing is read ahead, and no more is
 * kept than the piece that a file gave. Pieces are handed on as the files gave them; a file that reuses its buffer must
 * not do so before the next pull.
 *
 * The stream fails, and whatever was made of it must be thrown away, with
 * - `DigestMismatch` `tarsplit-file-changed`: a file's CRC-64 is another one. CRC-64 finds accidents, not attacks: that
 *   the archive is the right one is known only by `diffID`.
 * - `SourceError` `tarsplit-file-missing`, `tarsplit-file-short`, `tarsplit-file-long`: no more than a file's bytes
 *   are handed on when it is too long; `tarsplit-file-failed` where a file cannot be read, `tarsplit-source-failed`
 *   where the records cannot
 * - `DigestMismatch` `tarsplit-diff-id`
 * - what `readTarSplit` throws, and `FormatError` `tarsplit-size-overflow`
 *
 * Failing and cancelling end the iteration of the open file and of the records.
 * @throws {UsageError} `digest-malformed`, or `tarsplit-no-hash` for a `diffID` without `hash`, before anything is read
 * @throws {UnsupportedError} `digest-algorithm`
 */
export function assembleTar(
  records: AsyncIterable<TarSplitRecord> | Iterable<TarSplitRecord>,
  getFile: GetFile,
  options: AssembleOptions = {},
): ReadableStream<Uint8Array> {
  if (options.diffID !== undefined) {
    parseDigest(options.diffID, "the diffID");
    if (!options.hash) {
      throw new UsageError(
        "tarsplit-no-hash",
        "Cannot check the diffID: no hash was given to compute it with",
      );
    }
  }
  return streamOf(assemble(records, getFile, options));
}

async function* assemble(
  records: AsyncIterable<TarSplitRecord> | Iterable<TarSplitRecord>,
  getFile: GetFile,
  options: AssembleOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const { hash } = options;
  const crc64 = options.crc64 ?? await kernelCrc64();
  let size = 0;
  let digest: string | null = null;
  try {
    for await (const record of guarded(records, readFailed)) {
      size = addSize(size, record);
      if (record.kind === "file") {
        for await (const piece of filePieces(record, getFile, crc64)) {
          hash?.update(piece);
          yield piece;
        }
      } else if (record.bytes.length > 0) {
        hash?.update(record.bytes);
        yield record.bytes;
      }
    }
  } finally {
    // Also after a failure: the hash is ready for another message then.
    if (hash) digest = `sha256:${hash.finish()}`;
  }
  if (options.diffID !== undefined && digest !== options.diffID) {
    throw new DigestMismatch("tarsplit-diff-id", "The tar archive is not the one that the diffID is of", {
      expected: options.diffID,
      actual: digest!,
      advice: "A file was changed with its checksum kept, or the tar-split belongs to another layer.",
    });
  }
  options.onEnd?.({ size, digest });
}

/** A file's bytes, each piece checked before it is handed on; the last one only after the checksum. */
async function* filePieces(
  record: TarSplitFile,
  getFile: GetFile,
  crc64: Crc64,
): AsyncGenerator<Uint8Array, void, void> {
  // Directories, links and empty files are in the segments.
  if (record.size === 0) return;
  const failed = (cause: unknown) => fileFailed(record, cause);
  const content = await opened(record, getFile, failed);
  const check = new FileCheck(record, crc64);
  try {
    for await (const piece of guarded(iterable(content), failed)) {
      if (piece.length === 0) continue;
      check.piece(piece);
      yield piece;
    }
    check.end();
  } finally {
    check.close();
  }
}

async function opened(
  record: TarSplitFile,
  getFile: GetFile,
  failed: (cause: unknown) => LayerproofError,
): Promise<FileContent> {
  let content: FileContent | null;
  try {
    content = await getFile(record.name, record);
  } catch (cause) {
    throw failed(cause);
  }
  if (!content) throw missing(record);
  return content;
}

/** The same iteration, whose failures are errors of ours. */
async function* guarded<T>(
  items: AsyncIterable<T> | Iterable<T>,
  failed: (cause: unknown) => LayerproofError,
): AsyncGenerator<T, void, void> {
  // `for await` around a `yield` would take what the receiver throws for the source's failure.
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let open = true;
  try {
    while (true) {
      let next: IteratorResult<T>;
      try {
        next = await iterator.next();
      } catch (cause) {
        open = false;
        throw failed(cause);
      }
      if (next.done) {
        open = false;
        return;
      }
      yield next.value;
    }
  } finally {
    // Why it ends early is known already; that closing it fails as well is no news.
    if (open) await Promise.resolve(iterator.return?.()).catch(() => {});
  }
}

function iterable(content: FileContent): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return "getReader" in content ? piecesOf(content) : content;
}

function fileFailed({ name }: TarSplitFile, cause: unknown): LayerproofError {
  if (cause instanceof LayerproofError) return cause;
  const entry = escapeName(name);
  return new SourceError("tarsplit-file-failed", `Cannot read the file ${entry}: ${messageOf(cause)}`, {
    entry,
    cause,
  });
}

function readFailed(cause: unknown): LayerproofError {
  if (cause instanceof LayerproofError) return cause;
  return new SourceError("tarsplit-source-failed", `Cannot read the tar-split: ${messageOf(cause)}`, {
    cause,
  });
}

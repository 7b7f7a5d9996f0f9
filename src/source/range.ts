/**
 * A stretch of a seekable source as a source of its own: a member of an archive, read where it lies.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { ClosableSource } from "./file.ts";
import type { LayerSource } from "./source.ts";

const PIECE = 1 << 20;

/** What a stretch is cut out of: it can be read at random, and closed. */
type Whole = ClosableSource & Required<Pick<LayerSource, "read">>;

/**
 * `length` bytes from `start` of `whole`, seekable. Closing it closes `whole`.
 * @param start bytes from the start of `whole`; with `length` it must lie inside
 * @throws {SourceError} `source-short-read` where it does not
 */
export function rangeSource(whole: Whole, start: number, length: number, name: string): ClosableSource {
  if (whole.size === null || !(start >= 0 && length >= 0 && start + length <= whole.size)) {
    throw shortRead(whole.name, start, length, whole.size ?? 0);
  }
  return {
    name,
    size: length,
    // `async`, so that a bad range is a rejection, as with every other source.
    async read(offset, count) {
      if (!(offset >= 0 && count >= 0 && offset + count <= length)) {
        throw shortRead(name, offset, count, length);
      }
      return await whole.read(start + offset, count);
    },
    stream: () => pieces(whole, start, start + length),
    close: () => whole.close(),
  };
}

/** While the reader works on one piece the next one is being read. */
async function* pieces(whole: Whole, start: number, end: number): AsyncGenerator<Uint8Array> {
  const readAhead = (offset: number): Promise<Uint8Array> | null => {
    if (offset >= end) return null;
    const read = whole.read(offset, Math.min(PIECE, end - offset));
    // The failure is met when the piece is awaited; until then it is not an unhandled rejection.
    read.catch(() => {});
    return read;
  };
  let offset = start;
  let pending = readAhead(offset);
  try {
    while (pending) {
      const piece = await pending;
      offset += piece.length;
      pending = readAhead(offset);
      yield piece;
    }
  } finally {
    // A read under way must not meet a closed descriptor.
    await pending?.catch(() => {});
  }
}

function shortRead(name: string, offset: number, length: number, size: number): SourceError {
  return new SourceError(
    "source-short-read",
    `Cannot read ${length} bytes at offset ${offset} of ${name}: it has ${size} bytes`,
    { source: name, blobOffset: offset },
  );
}

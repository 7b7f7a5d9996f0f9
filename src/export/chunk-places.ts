/**
 * Where the chunks of a file lie in the blob, by the word of a TOC that may be of another one.
 *
 * @module
 */
import { type ChunkName, noDigest, wrongPlace } from "../chunk/errors.ts";
import type { TocChunk, TocFile } from "../toc/model.ts";

/** A chunk that lies inside of the blob: its frame begins at `offset` and is complete at `end`. */
export interface Place extends TocChunk {
  readonly end: number;
  /** Until where the blob may be read at once with it: chunks of the file follow without a gap. */
  readonly runEnd: number;
}

/**
 * Where the chunks of a file lie: in order, inside of the blob, each up to the next one.
 * @throws {FormatError} `chunk-position`, `chunk-no-digest`
 */
export function placesOf(file: TocFile, blobSize: number): Place[] {
  const { chunks, endOffset } = file;
  const places: Place[] = [];
  let runEnd = 0;
  for (let i = chunks.length - 1; i >= 0; i--) {
    const chunk = chunks[i]!;
    const end = chunks[i + 1]?.offset ?? endOffset ?? 0;
    // A run of zeros need not be in the blob.
    if (!chunk.zeros) {
      if (chunk.offset >= end || end > blobSize || chunk.innerOffset !== 0) {
        throw wrongPlace(nameOf(file, chunk), end);
      }
      if (chunk.digest === null) throw noDigest(nameOf(file, chunk));
    }
    // From right to left: what follows has its end already.
    if (i === chunks.length - 1 || chunk.zeros || chunks[i + 1]!.zeros) runEnd = end;
    places.push({ ...chunk, end, runEnd });
  }
  return places.reverse();
}

/** A chunk for messages. */
export function nameOf({ name, chunks }: TocFile, { chunkOffset, length, offset }: TocChunk): ChunkName {
  return { name, whole: chunks.length === 1, chunkOffset, length, offset };
}

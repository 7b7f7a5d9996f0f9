/**
 * The beginning and the end of a blob read at once, as what says where all else is stands there: one round trip to a
 * registry in place of one for each piece.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { LayerSource } from "./source.ts";

/** A source that can be read at random. */
export type SeekableSource = LayerSource & Required<Pick<LayerSource, "read">> & { readonly size: number };

/** Bytes between what was read and what is wanted that are read with it, rather than left for a round trip of their own. */
const GAP = 16 * 2 ** 20;

/** Reads exactly what was asked. @throws {SourceError} `source-short-read`, and what the source throws */
export async function readExactly(
  source: SeekableSource,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = await source.read(offset, length);
  if (bytes.length === length) return bytes;
  throw new SourceError(
    "source-short-read",
    `${source.name} gave ${bytes.length} bytes at offset ${offset} where ${length} were asked`,
    { source: source.name, blobOffset: offset },
  );
}

/**
 * A source that has its first `head` and its last `tail` bytes in memory already. What is read shortly before the tail
 * is read up to it and kept too.
 * @throws {SourceError}
 */
export async function withEnds(source: SeekableSource, head: number, tail: number): Promise<SeekableSource> {
  const { size, name } = source;
  let start = Math.max(0, size - tail);
  const headLength = start <= head ? 0 : head;
  if (headLength === 0) start = 0;
  const [first, last] = await Promise.all([
    headLength > 0 ? readExactly(source, 0, headLength) : new Uint8Array(0),
    readExactly(source, start, size - start),
  ]);
  let kept = last;
  return {
    name,
    size,
    stream: () => source.stream(),
    async read(offset, length) {
      if (offset + length <= first.length) return first.subarray(offset, offset + length);
      const end = offset + length;
      if (offset < start && end <= size && end >= start - GAP) {
        const before = await readExactly(source, offset, start - offset);
        const joined = new Uint8Array(before.length + kept.length);
        joined.set(before);
        joined.set(kept, before.length);
        kept = joined;
        start = offset;
      }
      if (offset >= start && end <= size) return kept.subarray(offset - start, end - start);
      return await readExactly(source, offset, length);
    },
  };
}

/**
 * A tar-split as it is kept: JSON lines, plain or in gzip or zstd, told by content.
 *
 * @module
 */
import { detectContainer } from "../codec/detect.ts";
import type { LayerSource } from "../source/source.ts";
import { piecesOf } from "../source/streams.ts";
import { readTarSplit } from "../tarsplit/read.ts";
import type { TarSplitRecord } from "../tarsplit/record.ts";
import { tarStream } from "./tar-stream.ts";

/** Enough to know gzip and zstd by. */
const MAGIC_BYTES = 4;

/**
 * The records of a tar-split in a file or pipe.
 * @throws {SourceError} and what `readTarSplit` and the decoders throw, while they are read
 */
export async function* tarSplitRecords(source: LayerSource): AsyncGenerator<TarSplitRecord, void, void> {
  yield* readTarSplit(lines(source));
}

async function* lines(source: LayerSource): AsyncGenerator<Uint8Array, void, void> {
  const pieces = source.stream()[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  while (head.length < MAGIC_BYTES) {
    const { done, value } = await pieces.next();
    if (done) break;
    const longer = new Uint8Array(head.length + value.length);
    longer.set(head);
    longer.set(value, head.length);
    head = longer;
  }
  const whole = {
    name: source.name,
    size: source.size,
    async *stream() {
      yield head;
      yield* { [Symbol.asyncIterator]: () => pieces };
    },
  };
  const container = detectContainer(head);
  if (container === "gzip" || container === "zstd") yield* piecesOf(tarStream(whole));
  else yield* whole.stream();
}

/**
 * What the lines of a tar-split say, one record a line.
 *
 * A tar-split (vbatts/tar-split, `tar/storage`) is what has to be kept of a tar archive, apart from its payloads, to make
 * the same bytes again.
 *
 * @module
 */
import { FormatError } from "../errors.ts";

/** Raw bytes of the archive: headers, padding, everything behind the last entry (`"type":2`). */
export interface TarSplitSegment {
  readonly kind: "segment";
  /** The receiver's to keep. May be empty. */
  readonly bytes: Uint8Array;
  /** Number of the line, from 0. */
  readonly position: number;
}

/** An entry of the archive, and the payload that was taken out at this place (`"type":1`). */
export interface TarSplitFile {
  readonly kind: "file";
  /** The name as it stands in the archive, uncleaned, in the lossless form of `names.ts`. */
  readonly name: string;
  /** Bytes of the payload; 0 also for directories, links and devices. */
  readonly size: number;
  /** CRC-64 (ISO) of the payload; null exactly if the size is 0. */
  readonly crc64: bigint | null;
  /** Number of the line, from 0. */
  readonly position: number;
}

export type TarSplitRecord = TarSplitSegment | TarSplitFile;

/** Bytes of the archive that a record stands for. */
export function recordSize(record: TarSplitRecord): number {
  return record.kind === "segment" ? record.bytes.length : record.size;
}

/**
 * The size of an archive in bytes, which is the sum of all segments and all files.
 * @throws {FormatError} `tarsplit-size-overflow` over 2^53 - 1
 */
export async function tarSplitSize(
  records: AsyncIterable<TarSplitRecord> | Iterable<TarSplitRecord>,
): Promise<number> {
  let total = 0;
  for await (const record of records) total = addSize(total, record);
  return total;
}

/** `total` and the bytes of one more record. @throws {FormatError} `tarsplit-size-overflow` over 2^53 - 1 */
export function addSize(total: number, record: TarSplitRecord): number {
  const sum = total + recordSize(record);
  if (Number.isSafeInteger(sum)) return sum;
  throw new FormatError(
    "tarsplit-size-overflow",
    `The tar-split stands for more bytes than can be counted, at line ${record.position + 1}`,
    { expected: `<= ${Number.MAX_SAFE_INTEGER}`, advice: "The tar-split is damaged or malicious." },
  );
}

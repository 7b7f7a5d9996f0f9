/** Runs the gzip decoder over some bytes and keeps what it tells. */
import type { UnitChecksum, UnitEnd, UnitStart } from "../../src/codec/events.ts";
import { GzipDecoder } from "../../src/codec/gzip.ts";
import { loadGzip } from "../../src/codec/gzip-tools.ts";
import { portableHashes } from "../../src/digest/hasher.ts";
import { LayerproofError } from "../../src/errors.ts";
import { concat, slices } from "../support/mod.ts";

export interface GzipRun {
  readonly data: Uint8Array;
  readonly starts: readonly UnitStart[];
  readonly ends: readonly UnitEnd[];
  readonly checksums: readonly UnitChecksum[];
  /** Offset of zeros behind the last member, or null. */
  readonly padding: number | null;
  /** Code of the typed error, or null; another exception is not caught. */
  readonly error: string | null;
  /** Where in the blob the error is. */
  readonly errorOffset: number | null;
}

const { inflater, crcs } = await loadGzip(portableHashes);
const [crc, headerCrc] = crcs;

export function gunzip(blob: Uint8Array, piece = 65536): GzipRun {
  // The hashers start anew with each `finish`: a run that failed leaves something in them.
  crc.finish();
  headerCrc.finish();
  const pieces: Uint8Array[] = [];
  const starts: UnitStart[] = [];
  const ends: UnitEnd[] = [];
  let padding: number | null = null;
  const never = () => {
    throw new Error("gzip has no skippable frames");
  };
  const decoder = new GzipDecoder(
    {
      unitStart: (unit) => void starts.push({ ...unit, extra: unit.extra ? unit.extra.slice() : null }),
      data: (data) => void pieces.push(data.slice()),
      unitEnd: (unit) => void ends.push(unit),
      skippableStart: never,
      skippableData: never,
      skippableEnd: never,
      zeroPadding: (offset) => void (padding = offset),
    },
    inflater,
    crcs,
  );
  let error: string | null = null;
  let errorOffset: number | null = null;
  try {
    for (const part of slices(blob, piece)) decoder.push(part);
    decoder.end();
  } catch (thrown) {
    if (!(thrown instanceof LayerproofError)) throw thrown;
    error = thrown.code;
    errorOffset = thrown.details.blobOffset ?? null;
  }
  const checksums = ends.map((unit) => unit.checksum);
  return { data: concat(...pieces), starts, ends, checksums, padding, error, errorOffset };
}

/**
 * What inflates gzip members: the WebAssembly kernel, or pako where that cannot run.
 *
 * @module
 */
import type { Crc32, HashBackend } from "../digest/hasher.ts";
import { INFLATE_MEMORY, InflateKernel, type OutputArea } from "../kernel/inflate.ts";
import { IO_BASE, kernelMemory, kernelsRun } from "../kernel/load.ts";
import { type HashPlace, STAGING_BYTES } from "../kernel/staging.ts";
import type { Inflater } from "./inflater.ts";

/** A memory that kernels are to work in: `CODEC_MEMORY` bytes from `IO_BASE` on are theirs. */
export interface CodecPlace {
  readonly memory: WebAssembly.Memory;
  /** Where inflated bytes are to lie. */
  readonly area: OutputArea | null;
  /** Address from which on zstd's history may lie; the memory grows with it. */
  readonly history: number;
}

/** Bytes for the inflate kernel, and behind them for the checksums of what is decoded. */
export const CODEC_MEMORY: number = INFLATE_MEMORY + STAGING_BYTES;

/** Where checksums are computed of what is decoded in the same memory. */
export function checksumPlace(memory: WebAssembly.Memory): HashPlace {
  return { memory, staging: IO_BASE + INFLATE_MEMORY };
}

/** An inflater, and the checksums of a member: of content and of headers. */
export interface GzipTools {
  readonly inflater: Inflater;
  readonly crcs: readonly [Crc32, Crc32];
}

/** The kernel (about 520 MB/s), or pako (110 to 140 MB/s). */
export async function loadGzip(
  hashes: Pick<HashBackend, "crc32">,
  kernel = kernelsRun,
  place: CodecPlace | null = null,
): Promise<GzipTools> {
  if (!kernel) {
    const { PakoInflater } = await import("./inflate-pako.ts");
    return { inflater: new PakoInflater(), crcs: [await hashes.crc32(), await hashes.crc32()] };
  }
  const { memory, area } = place ?? { memory: kernelMemory(CODEC_MEMORY), area: null };
  return {
    inflater: await InflateKernel.create(memory, IO_BASE, area),
    crcs: [await hashes.crc32(checksumPlace(memory)), await hashes.crc32()],
  };
}

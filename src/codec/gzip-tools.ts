/**
 * What inflates gzip members: the WebAssembly kernel, or pako where that cannot run.
 *
 * @module
 */
import type { Crc32, HashBackend } from "../digest/hasher.ts";
import { INFLATE_MEMORY, InflateKernel, type OutputArea } from "../kernel/inflate.ts";
import { IO_BASE, kernelMemory, kernelsRun } from "../kernel/load.ts";
import { STAGING_BYTES } from "../kernel/staging.ts";
import type { Inflater } from "./inflater.ts";

/** A memory that kernels are to work in, and where the output is to lie there; `CODEC_MEMORY` bytes are the kernels'. */
export interface InflatePlace {
  readonly memory: WebAssembly.Memory;
  readonly area: OutputArea | null;
}

/** Bytes behind `IO_BASE` for the inflate kernel, and behind it for the CRC of what it gives. */
export const CODEC_MEMORY: number = INFLATE_MEMORY + STAGING_BYTES;

/** An inflater, and the checksums of a member: of content and of headers. */
export interface GzipTools {
  readonly inflater: Inflater;
  readonly crcs: readonly [Crc32, Crc32];
}

/** The kernel (about 520 MB/s), or pako (110 to 140 MB/s). */
export async function loadGzip(
  hashes: Pick<HashBackend, "crc32">,
  kernel = kernelsRun,
  place: InflatePlace | null = null,
): Promise<GzipTools> {
  if (!kernel) {
    const { PakoInflater } = await import("./inflate-pako.ts");
    return { inflater: new PakoInflater(), crcs: [await hashes.crc32(), await hashes.crc32()] };
  }
  const { memory, area } = place ?? { memory: kernelMemory(CODEC_MEMORY), area: null };
  const staging = { memory, staging: IO_BASE + INFLATE_MEMORY };
  return {
    inflater: await InflateKernel.create(memory, IO_BASE, area),
    crcs: [await hashes.crc32(staging), await hashes.crc32()],
  };
}

/**
 * CRC-32 (RFC 1952 section 8) by the WebAssembly kernel `wasm/crc32.ts`.
 *
 * @module
 */
import type { Crc32 } from "../digest/hasher.ts";
import { type HashPlace, inPieces, kernelOn, MemoryView, sharedPlace } from "./staging.ts";

interface Kernel {
  /** Continues a checksum with `length` bytes at `data`. */
  update(crc: number, data: number, length: number): number;
}

/**
 * A streaming CRC-32.
 * @param place where the data is, or is copied to; by default one that all hashes share
 * @throws {WebAssembly.CompileError} where the engine has no WebAssembly
 */
export async function kernelCrc32(place: HashPlace = sharedPlace()): Promise<Crc32> {
  const kernel = await kernelOn("crc32", place.memory) as unknown as Kernel;
  const view = new MemoryView(place.memory);
  let crc = 0;
  const take = (data: number, length: number) => {
    crc = kernel.update(crc, data, length);
  };
  return {
    update: (bytes) => inPieces(bytes, view, place.staging, take),
    finish() {
      const value = crc >>> 0;
      crc = 0;
      return value;
    },
  };
}

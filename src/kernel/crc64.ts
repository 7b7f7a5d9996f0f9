/**
 * CRC-64 with the polynomial of ISO 3309 by the WebAssembly kernel `wasm/crc64.ts`, as tar-split and Go's `hash/crc64`
 * compute it.
 *
 * @module
 */
import { type HashPlace, inPieces, kernelOn, MemoryView, sharedPlace } from "./staging.ts";

/** A streaming CRC-64. */
export interface Crc64 {
  update(bytes: Uint8Array): void;
  /** The CRC of what came since the last call, 0 to 2^64 - 1; then starts anew. */
  finish(): bigint;
}

interface Kernel {
  /** Takes `length` bytes at `data` into the register at `state`. */
  update(state: number, data: number, length: number): void;
}

/** The staging area: the register; the data behind it. */
const DATA = 64;

/**
 * A streaming CRC-64.
 * @param place where the data is, or is copied to; by default one that all hashes share
 * @param others where it may be as well
 * @throws {WebAssembly.CompileError} where the engine has no WebAssembly
 */
export async function kernelCrc64(
  place: HashPlace = sharedPlace(),
  ...others: readonly HashPlace[]
): Promise<Crc64> {
  // The register, in halves.
  let low = 0xffffffff;
  let high = 0xffffffff;
  const updaterIn = async ({ memory, buffer, staging }: HashPlace) => {
    const kernel = await kernelOn("crc64", memory) as unknown as Kernel;
    const view = new MemoryView(memory, buffer);
    const at = staging / 4;
    const take = (data: number, length: number) => {
      const words = view.words;
      words[at] = low;
      words[at + 1] = high;
      kernel.update(staging, data, length);
      low = words[at]!;
      high = words[at + 1]!;
    };
    return { view, update: (bytes: Uint8Array) => inPieces(bytes, view, staging + DATA, take) };
  };
  const updaters = await Promise.all([place, ...others].map(updaterIn));
  const anywhere = updaters[0]!;
  return {
    update: (bytes) => (updaters.find(({ view }) => view.holds(bytes)) ?? anywhere).update(bytes),
    finish() {
      const value = BigInt(~high >>> 0) << 32n | BigInt(~low >>> 0);
      low = high = 0xffffffff;
      return value;
    },
  };
}

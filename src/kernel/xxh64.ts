/**
 * XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) by the WebAssembly kernel `wasm/xxh64.ts`.
 *
 * @module
 */
import { BlockHash, type BlockKernel } from "./block-hash.ts";
import { type HashPlace, kernelOn, MemoryView, sharedPlace } from "./staging.ts";
import type { Xxh64 } from "../digest/xxh64.ts";

/** XXH64 with all of its digest. */
export interface KernelXxh64 extends Xxh64 {
  /** The digest of what was updated since `init`, 0 to 2^64 - 1. */
  digest(): bigint;
}

/** Primes 1 + 2, prime 2, 0 and minus prime 1 of the specification, low halves first: the state for seed 0. */
const INITIAL = Uint32Array.of(
  ...[0xadc0b5d6, 0x60ea27ee, 0x27d4eb4f, 0xc2b2ae3d, 0, 0, 0x7a143579, 0x61c8864e],
);

/**
 * A streaming XXH64 with seed 0.
 * @param place where the data is, or is copied to; by default one that all hashes share
 * @throws {WebAssembly.CompileError} where the engine has no WebAssembly
 */
export async function kernelXxh64(place: HashPlace = sharedPlace()): Promise<KernelXxh64> {
  const kernel = await kernelOn("xxh64", place.memory) as unknown as BlockKernel;
  const view = new MemoryView(place.memory);
  const hash = new BlockHash(kernel, place, INITIAL, 32);
  return {
    init: () => hash.reset(),
    update: (bytes) => hash.update(bytes),
    digestLow32: () => view.words[hash.result() / 4]!,
    digest() {
      const at = hash.result() / 4;
      return BigInt(view.words[at + 1]!) << 32n | BigInt(view.words[at]!);
    },
  };
}

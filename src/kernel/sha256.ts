/**
 * SHA-256 (FIPS 180-4) by the WebAssembly kernel `wasm/sha256.ts`.
 *
 * @module
 */
import { BlockHash, type BlockKernel } from "./block-hash.ts";
import type { Hasher } from "../digest/hasher.ts";
import { type HashPlace, kernelOn, MemoryView, sharedPlace } from "./staging.ts";

/** Section 5.3.3. */
const INITIAL = Uint32Array.of(
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
);

const ascii = new TextDecoder();

/**
 * A streaming SHA-256 without vector instructions. Any number of them may work in one place, in turn.
 * @param place where the data is, or is copied to; by default one that all hashes share
 * @throws {WebAssembly.CompileError} where the engine has no WebAssembly
 */
export async function kernelSha256(place: HashPlace = sharedPlace()): Promise<Hasher> {
  const kernel = await kernelOn("sha256", place.memory) as unknown as BlockKernel;
  const view = new MemoryView(place.memory);
  const hash = new BlockHash(kernel, place, INITIAL, 64);
  return {
    update: (bytes) => hash.update(bytes),
    finish() {
      const at = hash.result();
      hash.reset();
      return ascii.decode(view.bytes.subarray(at, at + 64));
    },
  };
}

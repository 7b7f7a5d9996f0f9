/**
 * The hashes that work without a platform.
 *
 * @module
 */
import { kernelsRun } from "../kernel/load.ts";
import { type HashBackend, portableHashes } from "./hasher.ts";
import { kernelHashes } from "./kernel.ts";

/** The project's own kernels; the hash-wasm package where the engine has no vectors. */
export function defaultHashes(): HashBackend {
  return kernelsRun ? kernelHashes : portableHashes;
}

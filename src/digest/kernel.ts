/**
 * The project's own WebAssembly hashes (`wasm/`): wherever `kernelsRun` is true.
 *
 * @module
 */
import { kernelCrc32 } from "../kernel/crc32.ts";
import { kernelSha256 } from "../kernel/sha256.ts";
import { kernelBatch } from "../kernel/sha256x4.ts";
import { kernelXxh64 } from "../kernel/xxh64.ts";
import type { HashBackend } from "./hasher.ts";

/** Hashes that work in one memory; each kernel is loaded when it is first asked for. */
export const kernelHashes: HashBackend = {
  name: "wasm",
  sha256: () => kernelSha256(),
  crc32: (place) => kernelCrc32(place),
  xxh64: (place) => kernelXxh64(place),
  batch: () => kernelBatch(),
};

/** The kernels, and how they are compiled. */

/** Files in wasm/ that become modules of their own. */
export const KERNELS = ["inflate", "zstd", "sha256", "sha256x4", "crc32", "crc64", "xxh64", "move"];

/** Those that use 128-bit vectors. */
const SIMD = new Set(["inflate", "zstd", "sha256x4"]);

/**
 * No runtime, no allocation, no data segments: code on a memory that the host gives.
 * @param debug with assertions and bounds that the release leaves out
 */
export function kernelFlags(name, { debug = false } = {}) {
  return [
    "--runtime",
    "stub",
    "--importMemory",
    "--noExportMemory",
    "--initialMemory",
    "1",
    // On any memory, also one that threads share: `loadKernel` has the rest.
    "--enable",
    "threads",
    "--sharedMemory",
    "--maximumMemory",
    "65536",
    "--use",
    "abort=",
    "--noColors",
    ...(SIMD.has(name) ? ["--enable", "simd"] : []),
    ...(debug ? ["--debug"] : ["--optimizeLevel", "3", "--shrinkLevel", "0", "--converge", "--noAssert"]),
  ];
}

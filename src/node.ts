/**
 * layerproof with what Deno and Node add: files, standard input, the platform's hashes, and threads.
 *
 * @module
 */
export * from "./mod.ts";
export { nativeHashes } from "./digest/native.ts";
export { chooseHashes, type ChosenHashes, type HashMode } from "./digest/choose.ts";
export { workerPool, type WorkerPoolOptions } from "./workers/node.ts";
export {
  compareDirectory,
  type CompareOptions,
  type Comparison,
  type Difference,
} from "./extract/compare.ts";
export {
  type Extraction,
  type ExtractionReport,
  extractLayer,
  type ExtractOptions,
} from "./extract/extract.ts";
export { recompress, type Recompressed, type RecompressOptions } from "./export/recompress.ts";
export { directoryFiles } from "./export/directory.ts";
export { openFile, stdinSource } from "./source/file.ts";
export { type NetworkOptions, openImage, registryImages } from "./registry/images.ts";
export { type Credential, parseAuthHelperInput } from "./registry/auth-file.ts";

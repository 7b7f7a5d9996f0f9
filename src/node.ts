/**
 * layerproof with what Deno and Node add: files, standard input, and the platform's hashes.
 *
 * @module
 */
export * from "./mod.ts";
export { nativeHashes } from "./digest/native.ts";
export { openFile, stdinSource } from "./source/file.ts";

/**
 * layerproof with what Deno and Node add: files, standard input, the platform's hashes, and threads.
 *
 * @module
 */
export * from "./mod.ts";
export { nativeHashes } from "./digest/native.ts";
export { chooseHashes, type ChosenHashes, type HashMode } from "./digest/choose.ts";
export { workerPool, type WorkerPoolOptions } from "./workers/node.ts";
export { directoryFiles } from "./export/directory.ts";
export { openFile, stdinSource } from "./source/file.ts";

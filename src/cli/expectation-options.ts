/**
 * The options that say what is expected of one layer, the same for all commands that read one.
 *
 * @module
 */
import type { Command } from "commander";

/** Their flags, by the names under which commander hands them over. */
export const EXPECTATION_FLAGS = {
  digest: "--digest",
  size: "--size",
  diffId: "--diff-id",
  uncompressedSize: "--uncompressed-size",
  tocDigest: "--toc-digest",
  descriptor: "--descriptor",
  config: "--config",
} as const;

/** Adds them as a group of their own in the help. */
export function addExpectations(command: Command, heading: string): Command {
  return command.optionsGroup(heading)
    .option("--digest <digest>", "digest of the blob: layers[].digest in the manifest")
    .option("--size <bytes>", "size of the blob: layers[].size in the manifest")
    .option("--diff-id <digest>", "digest of the tar stream: rootfs.diff_ids[] in the config")
    .option("--uncompressed-size <bytes>", "size of the tar stream")
    .option("--toc-digest <digest>", "digest of the TOC, over the bytes that the layer's dialect hashes")
    .option("--descriptor <file>", "OCI descriptor in JSON: digest, size, mediaType and annotations at once")
    .option("--config <file>", "image config in JSON, for the diffID")
    .option("--layer-index <n>", "which layer of --config, from 0 (needless if it has one)");
}

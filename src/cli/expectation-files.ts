/**
 * `--descriptor FILE`, `--config FILE` and `--toc FILE`. Whatever is wrong with them is wrong usage: the layer was not read.
 *
 * @module
 */
import { LayerproofError, UsageError } from "../errors.ts";
import { DOCUMENT_LIMIT } from "../oci/blobs.ts";
import { parseConfig, parseLooseDescriptor } from "../oci/manifest.ts";
import { readSmallFile } from "../source/file.ts";
import type { Descriptor, Expected } from "../verify/options.ts";

/** @throws {UsageError} `option-file` */
export async function readDescriptor(path: string): Promise<Expected<Descriptor>> {
  const option = `--descriptor ${path}`;
  return await asUsage(option, async () => {
    const bytes = await readSmallFile(path, DOCUMENT_LIMIT);
    return { value: parseLooseDescriptor(bytes, path), from: [option] };
  });
}

/**
 * The diffID of one layer in an image config.
 * @param index from 0; null is enough for a config of one layer
 * @throws {UsageError} `option-file`, `layer-index-missing`, `layer-index-too-high`
 */
export async function readDiffID(path: string, index: number | null): Promise<Expected<string>> {
  const option = `--config ${path}`;
  const { diffIDs } = await asUsage(
    option,
    async () => parseConfig(await readSmallFile(path, DOCUMENT_LIMIT), path),
  );
  if (index === null && diffIDs.length > 1) {
    throw new UsageError(
      "layer-index-missing",
      `${option} has ${diffIDs.length} layers: which one is this?`,
      {
        advice: `Add --layer-index N, from 0 to ${
          diffIDs.length - 1
        }, as in the layers array of the manifest.`,
      },
    );
  }
  const value = diffIDs[index ?? 0];
  if (value === undefined) {
    throw new UsageError(
      "layer-index-too-high",
      `--layer-index ${index ?? 0}: ${option} has ${diffIDs.length} layers, counted from 0`,
    );
  }
  return { value, from: [option] };
}

/** The external TOC, as it is. @throws {UsageError} `option-file` */
export async function readToc(path: string, limit: number): Promise<Uint8Array> {
  return await asUsage(`--toc ${path}`, () => readSmallFile(path, limit));
}

async function asUsage<T>(option: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    if (!(cause instanceof LayerproofError)) throw cause;
    const { advice } = cause.details;
    throw new UsageError("option-file", `Cannot use ${option}: ${cause.message}`, {
      cause,
      ...(advice === undefined ? {} : { advice }),
    });
  }
}

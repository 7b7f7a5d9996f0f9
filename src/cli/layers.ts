/**
 * What `<layer...>` stands for: files, standard input, images in OCI layouts, archives and registries.
 *
 * @module
 */
import { LayerproofError, UsageError } from "../errors.ts";
import { imageKind } from "../oci/argument.ts";
import { type ClosableSource, openFile, stdinSource } from "../source/file.ts";
import type { Expectations } from "../verify/options.ts";
import type { CliIo } from "./io.ts";

/** One layer that is to be verified. `open` may throw a `LayerproofError`, which is then this layer's report. */
export interface LayerTask {
  readonly name: string;
  readonly expect: Expectations;
  open(): Promise<ClosableSource>;
}

/**
 * The tasks behind the arguments, in order. Only the documents of images are read.
 * @param expect for the one layer that is not in an image; `checkApplicable` refuses it for images
 * @param platform `--platform`
 * @param io environment and Ctrl-C, for images of registries
 * @throws {UsageError} unknown image or platform
 */
export async function layerTasks(
  layers: readonly string[],
  expect: Expectations,
  platform: string | undefined,
  io: CliIo,
): Promise<readonly LayerTask[]> {
  const tasks: LayerTask[] = [];
  for (const layer of layers) {
    if (layer === "-") tasks.push({ name: layer, expect, open: () => Promise.resolve(stdinSource()) });
    else if (imageKind(layer)) tasks.push(...await imageTasks(layer, platform, io));
    else tasks.push({ name: layer, expect, open: () => openFile(layer) });
  }
  return tasks;
}

/** Their reader is loaded only for them. */
async function imageTasks(
  argument: string,
  platformText: string | undefined,
  { env, signal }: CliIo,
): Promise<readonly LayerTask[]> {
  const [{ openImages }, { parsePlatform }] = await Promise.all([
    import("../oci/open-images.ts"),
    import("../oci/platform.ts"),
  ]);
  const platform = platformText === undefined ? null : parsePlatform(platformText);
  try {
    const images = await openImages(argument, platform, { env, signal });
    return images.flatMap((image): readonly LayerTask[] =>
      "error" in image ? [failing(image.name, image.error)] : image.layers
    );
  } catch (error) {
    if (!(error instanceof LayerproofError) || error instanceof UsageError) throw error;
    return [failing(argument, error)];
  }
}

function failing(name: string, error: LayerproofError): LayerTask {
  return { name, expect: {}, open: () => Promise.reject(error) };
}

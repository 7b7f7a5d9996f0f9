/**
 * What `<layer...>` stands for: files, standard input, images in OCI layouts.
 *
 * @module
 */
import { LayerproofError, UsageError } from "../errors.ts";
import { type ClosableSource, openFile, requireRegularFile, stdinSource } from "../source/file.ts";
import type { Expectations } from "../verify/options.ts";

/** One layer that is to be verified. `open` may throw a `LayerproofError`, which is then this layer's report. */
export interface LayerTask {
  readonly name: string;
  readonly expect: Expectations;
  open(): Promise<ClosableSource>;
}

/**
 * The tasks behind the arguments, in order. Only the documents of OCI layouts are read.
 * @param expect for the one layer that is not in a layout
 * @param platform `--platform`
 * @throws {UsageError} unknown tag or platform
 */
export async function layerTasks(
  layers: readonly string[],
  expect: Expectations,
  platform: string | undefined,
): Promise<readonly LayerTask[]> {
  const tasks: LayerTask[] = [];
  for (const layer of layers) {
    if (layer === "-") tasks.push({ name: layer, expect, open: () => Promise.resolve(stdinSource()) });
    else if (layer.startsWith("oci:")) tasks.push(...await ociTasks(layer, platform));
    else tasks.push({ name: layer, expect, open: () => openFile(layer) });
  }
  return tasks;
}

async function ociTasks(argument: string, platformText: string | undefined): Promise<LayerTask[]> {
  const [{ layersOfLayout }, { splitReference }, { parsePlatform }] = await Promise.all([
    import("../oci/layout.ts"),
    import("../oci/reference.ts"),
    import("../oci/platform.ts"),
  ]);
  const text = argument.slice("oci:".length);
  if (text === "") {
    throw new UsageError("oci-no-directory", "oci: needs a directory", {
      advice: "Write oci:DIR or oci:DIR:TAG.",
    });
  }
  const platform = platformText === undefined ? null : parsePlatform(platformText);
  try {
    const found = await layersOfLayout(await splitReference(text), platform);
    return found.map((layer) =>
      "error" in layer
        ? failing(layer.name, layer.error)
        : { name: layer.name, expect: layer.expect, open: () => openBlob(layer.path, layer.name) }
    );
  } catch (error) {
    if (!(error instanceof LayerproofError) || error instanceof UsageError) throw error;
    return [failing(argument, error)];
  }
}

/** A blob of a layout, whose maker is not trusted to put a file there. */
async function openBlob(path: string, name: string): Promise<ClosableSource> {
  await requireRegularFile(path, name);
  return await openFile(path, name);
}

function failing(name: string, error: LayerproofError): LayerTask {
  return { name, expect: {}, open: () => Promise.reject(error) };
}

/**
 * `layerproof store create`.
 *
 * @module
 */
import { resolve } from "node:path";
import { UsageError } from "../errors.ts";
import { imageKind } from "../oci/argument.ts";
import { formatPlatform } from "../oci/platform.ts";
import { openFile, stdinSource } from "../source/file.ts";
import type { CreatedImage, IncomingImage } from "../store/create.ts";
import type { StoreLayout } from "../store/paths.ts";
import type { IncomingLayer, TakenIn } from "../store/take-in.ts";
import { DEFAULT_LIMITS } from "../verify/options.ts";
import type { CommandContext } from "./context.ts";
import type { Engine } from "./engine.ts";
import { EXIT, exitStatus } from "./exit-status.ts";
import { humanReport } from "./human-report.ts";
import type { CliIo } from "./io.ts";
import { notSetText } from "./not-set.ts";
import { printable } from "./printable.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { PLAIN } from "./style.ts";
import { counted, shortBytes } from "./units.ts";
import { checkApplicable, gatherGiven, parseJobs, type RawExpectations } from "./verify-options.ts";

/** As commander hands them over. */
export interface RawCreateOptions extends RawExpectations {
  readonly reference?: readonly string[];
  readonly layout?: readonly StoreLayout[];
  readonly platform?: string;
  readonly copy?: boolean;
  readonly json?: boolean;
  readonly progress: boolean;
  readonly jobs?: string;
}

/** An image, and what the source itself calls it. */
interface NamedImage extends IncomingImage {
  readonly name: string;
  readonly references: readonly string[];
}

/** @returns the exit status */
export async function storeCreate(
  argument: string,
  directory: string,
  raw: RawCreateOptions,
  context: CommandContext,
): Promise<number> {
  const { io } = context;
  checkApplicable([argument], raw);
  const jobs = parseJobs(raw.jobs);
  const images = await incomingImages(argument, raw, io);
  const given = await normalised(raw.reference ?? []);
  if (given.length > 0) refuseSeveral(images, argument);
  const [{ Pool }, { checkPlaceable, createImage }] = await Promise.all([
    import("../store/pool.ts"),
    import("../store/create.ts"),
  ]);
  const plans = await Promise.all(
    images.map(async (image) => ({ image, ...await planFor(image, given, raw) })),
  );
  for (const { image, ...where } of plans) checkPlaceable(image, where);
  const pool = await Pool.create(directory);
  const engine = await context.deps.engine({ jobs, hash: "auto" });
  let status: number = EXIT.ok;
  try {
    for (const { image, references, layouts } of plans) {
      const work = new Creation(io, engine, raw);
      const options = { ...work.options, references, layouts, copy: raw.copy ?? false, signal: io.signal };
      const created = await work.run(createImage(pool, image, options));
      status = Math.max(status, ...created.refused.map((report) => exitStatus(report, null)));
      await tell(image, created, references, directory, raw, io);
    }
  } finally {
    await engine.close();
  }
  return status;
}

/** One reference cannot name two images of one platform. @throws {UsageError} `store-several-images` */
function refuseSeveral(images: readonly NamedImage[], argument: string): void {
  const platforms = images.map(({ platform }) => platform && formatPlatform(platform));
  if (new Set(platforms).size === images.length) return;
  throw new UsageError(
    "store-several-images",
    `${argument} holds ${images.length} images, --reference is for one`,
    {
      advice: "Choose one by its tag or --platform.",
    },
  );
}

/** Where an image goes. @throws {UsageError} `store-no-reference` */
async function planFor(
  { name, references: own, config }: NamedImage,
  given: readonly string[],
  { layout }: RawCreateOptions,
): Promise<{ references: readonly string[]; layouts: readonly StoreLayout[] }> {
  const references = given.length > 0 ? given : await normalised(own);
  if (references.length > 0) return { references, layouts: layout ?? ["reference"] };
  if (layout !== undefined && layout.every((each) => each === "digest")) {
    return { references, layouts: layout };
  }
  if (layout === undefined && config === null) return { references, layouts: ["digest"] };
  throw new UsageError("store-no-reference", `${name} does not say by which reference clients ask for it`, {
    source: name,
    advice:
      'Give --reference, as in "podman pull", or --layout digest for a store that is listed without ":ref".',
  });
}

async function normalised(references: readonly string[]): Promise<readonly string[]> {
  if (references.length === 0) return [];
  const { parseDockerReference } = await import("../oci/docker-reference.ts");
  return [...new Set(references.map((reference) => parseDockerReference(reference).normalised))];
}

async function incomingImages(
  argument: string,
  raw: RawCreateOptions,
  { env, signal }: CliIo,
): Promise<readonly NamedImage[]> {
  if (!imageKind(argument)) return [await singleLayer(argument, raw)];
  const [{ openImages }, { parsePlatform }] = await Promise.all([
    import("../oci/open-images.ts"),
    import("../oci/platform.ts"),
  ]);
  const platform = raw.platform === undefined ? null : parsePlatform(raw.platform);
  const found = await openImages(argument, platform, { env, signal });
  const images: NamedImage[] = [];
  for (const image of found) {
    // Half a multi-platform image is none.
    if ("error" in image) throw image.error;
    images.push({
      ...image,
      references: image.references.filter((reference) => isWhole(reference, argument)),
    });
  }
  return images;
}

/** A layout's names may be mere tags, of which no reference can be made. */
function isWhole(reference: string, argument: string): boolean {
  return argument.startsWith("docker-archive:") || reference.includes("/");
}

async function singleLayer(path: string, raw: RawCreateOptions): Promise<NamedImage> {
  const { expect } = await gatherGiven(raw, DEFAULT_LIMITS.toc);
  const layer: IncomingLayer = {
    name: path,
    expect,
    path: path === "-" ? null : path,
    open: () => path === "-" ? Promise.resolve(stdinSource()) : openFile(path),
  };
  return { name: path, references: [], manifest: null, config: null, platform: null, layers: [layer] };
}

/** What is shown while an image is put in. */
class Creation {
  readonly #io: CliIo;
  readonly #engine: Engine;
  readonly #raw: RawCreateOptions;
  #bar = NO_PROGRESS;

  constructor(io: CliIo, engine: Engine, raw: RawCreateOptions) {
    this.#io = io;
    this.#engine = engine;
    this.#raw = raw;
  }

  get options() {
    return {
      verify: (...[source, options]: Parameters<Engine["verifyLayer"]>) => {
        this.#bar = this.#raw.progress && this.#io.stderr.isTerminal ? progressBar() : NO_PROGRESS;
        return this.#engine.verifyLayer(source, { ...options, onProgress: this.#bar.update });
      },
      onLayer: (layer: IncomingLayer, taken: TakenIn) => this.#tell(layer, taken),
    };
  }

  async run(work: Promise<CreatedImage>): Promise<CreatedImage> {
    try {
      return await work;
    } finally {
      this.#bar.stop();
    }
  }

  async #tell({ name }: IncomingLayer, { outcome, record, report }: TakenIn): Promise<void> {
    this.#bar.stop();
    const { stdout, stderr } = this.#io;
    if (this.#raw.json) {
      await stdout.write(`${JSON.stringify({ layer: name, outcome, record, report })}\n`);
      return;
    }
    if (outcome === "refused") {
      await stderr.write(humanReport(report, PLAIN));
      await stderr.write(`layerproof: ${printable(name)} is refused: it was not put into the store\n`);
      return;
    }
    const { digest, format, size, uncompressedSize, diffID, tocDigests, notSet } = record;
    const what = `${format}, ${shortBytes(size)}, uncompressed ${uncompressedSize} bytes`;
    const lines = [
      `${printable(name)}: ${
        outcome === "present" ? "in the store already" : "verified and extracted"
      }, ${what}`,
      `  blob    ${digest}`,
      ...tocDigests.map((toc) => `  TOC     ${toc}`),
      `  diffID  ${diffID}`,
      ...notSet.map((each) => `  not set: ${notSetText(each)}`),
      ...(report?.result === "mismatch"
        ? ["  the descriptor names a TOC that the blob does not have: served by its blob digest alone"]
        : []),
    ];
    await stdout.write(`${lines.join("\n")}\n`);
  }
}

async function tell(
  { name, layers }: NamedImage,
  { places, refused }: CreatedImage,
  references: readonly string[],
  directory: string,
  { json }: RawCreateOptions,
  { stdout, stderr }: CliIo,
): Promise<void> {
  if (json) {
    const paths = places.map(({ path, layout, digest }) => ({ path, layout, digest }));
    await stdout.write(
      `${
        JSON.stringify({ image: name, references, refused: refused.length, store: directory, places: paths })
      }\n`,
    );
    return;
  }
  if (refused.length > 0) {
    await stderr.write(
      `layerproof: ${counted(refused.length, "layer")} of ${layers.length} refused: clients find nothing of ${
        printable(name)
      }\n`,
    );
    return;
  }
  const as = references.length > 0 ? references.join(", ") : "its digests";
  await stdout.write(
    `${counted(layers.length, "layer")} in ${directory}, to be asked for by ${printable(as)}\n`,
  );
  const lines = new Set(places.map(({ layout }) => layout));
  const path = resolve(directory);
  if (lines.has("reference")) await stdout.write(`storage.conf: additionallayerstores = ["${path}:ref"]\n`);
  if (lines.has("digest")) await stdout.write(`storage.conf: additionallayerstores = ["${path}"]\n`);
}

/**
 * From the options of `layerproof verify` to what the engine is told. Everything here happens before a layer is read.
 *
 * @module
 */
import type { HashMode } from "../digest/choose.ts";
import { parseDigest } from "../digest/digest.ts";
import { LayerproofError, UsageError } from "../errors.ts";
import { imageKind } from "../oci/argument.ts";
import type { Expectations, Expected, Limits } from "../verify/options.ts";
import type { Severity } from "../verify/report.ts";
import { EXPECTATION_FLAGS } from "./expectation-options.ts";
import { parseBytes, parseCount } from "./units.ts";

/** What is expected of one layer, as commander hands it over. */
export interface RawExpectations {
  readonly digest?: string;
  readonly size?: string;
  readonly diffId?: string;
  readonly uncompressedSize?: string;
  readonly tocDigest?: string;
  readonly descriptor?: string;
  readonly config?: string;
  readonly layerIndex?: string;
  readonly toc?: string;
}

/** As commander hands them over. */
export interface RawVerifyOptions extends RawExpectations {
  readonly platform?: string;
  readonly metadataOnly?: boolean;
  readonly json?: boolean;
  readonly failOn?: Severity;
  readonly progress: boolean;
  readonly color: "auto" | "always" | "never";
  readonly jobs?: string;
  readonly hash: HashMode;
  readonly limitToc?: string;
  readonly limitPax?: string;
  readonly limitWindow?: string;
  readonly limitEntries?: string;
  readonly limitPath?: string;
  readonly limitRatio?: string;
  readonly limitTotal?: string;
}

/** What is expected of the one layer, and the external TOC. */
export interface Given {
  readonly expect: Expectations;
  readonly toc: Uint8Array | null;
}

/** Options that speak about one layer. */
const ONE_LAYER = { ...EXPECTATION_FLAGS, toc: "--toc" } as const satisfies Partial<
  Record<keyof RawVerifyOptions, string>
>;

/** @throws {UsageError} for options that do not fit these layers */
export function checkApplicable(
  layers: readonly string[],
  raw: RawExpectations & Partial<Pick<RawVerifyOptions, "platform" | "metadataOnly">>,
): void {
  const given = (Object.keys(ONE_LAYER) as (keyof typeof ONE_LAYER)[]).filter((key) =>
    raw[key] !== undefined
  );
  const first = given[0] && ONE_LAYER[given[0]];
  if (first && layers.length > 1) {
    throw new UsageError(
      "option-for-one-layer",
      `${first} speaks about one layer, ${layers.length} were given`,
      { advice: "Verify them one by one, or all layers of an image at once as oci:DIR:TAG." },
    );
  }
  if (first && imageKind(layers[0]!)) {
    throw new UsageError(
      "option-with-image",
      `${first} cannot be used with an image, whose documents say what is expected of its layers`,
      { advice: "For one of its layers, give the layer's file itself." },
    );
  }
  checkLayerIndex(raw);
  const ofContents = raw.metadataOnly &&
    (["digest", "diffId"] as const).find((key) => raw[key] !== undefined);
  if (ofContents) {
    throw new UsageError(
      "option-with-metadata-only",
      `${ONE_LAYER[ofContents]} needs the whole layer, of which --metadata-only reads only TOC and tar-split`,
      { advice: "Give --toc-digest or --descriptor, or leave --metadata-only out." },
    );
  }
  if (raw.metadataOnly && layers.includes("-")) {
    throw new UsageError("metadata-needs-ranges", "--metadata-only cannot be used with standard input", {
      advice: "A pipe can only be read as a whole: give a file.",
    });
  }
  if (raw.platform !== undefined && !layers.some((layer) => imageKind(layer))) {
    throw new UsageError(
      "option-needs-image",
      "--platform chooses among the images of oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME] or " +
        "docker://REFERENCE",
    );
  }
  if (layers.filter((layer) => layer === "-").length > 1) {
    throw new UsageError("stdin-twice", "Standard input (-) can be read only once");
  }
}

/** @throws {UsageError} `option-needs-config` */
export function checkLayerIndex(raw: RawExpectations): void {
  if (raw.layerIndex !== undefined && raw.config === undefined) {
    throw new UsageError("option-needs-config", "--layer-index needs --config FILE");
  }
}

/** More threads than any machine that this was tried on has cores. */
const MAX_JOBS = 256;

/** The number of threads that was given, or null. @throws {UsageError} for what is none */
export function parseJobs(text: string | undefined): number | null {
  if (text === undefined) return null;
  const jobs = parseCount(text, "--jobs");
  if (jobs >= 1 && jobs <= MAX_JOBS) return jobs;
  throw new UsageError("option-out-of-range", `--jobs: received ${jobs}, expected 1 to ${MAX_JOBS}`);
}

/** The limits that were given. @throws {UsageError} for what is not a number */
export function parseLimits(raw: RawVerifyOptions): Partial<Limits> {
  const bytes = (text: string | undefined, option: string) =>
    text === undefined ? undefined : parseBytes(text, option);
  const limits = {
    toc: bytes(raw.limitToc, "--limit-toc"),
    pax: bytes(raw.limitPax, "--limit-pax"),
    zstdWindow: bytes(raw.limitWindow, "--limit-window"),
    entries: raw.limitEntries === undefined ? undefined : parseCount(raw.limitEntries, "--limit-entries"),
    path: bytes(raw.limitPath, "--limit-path"),
    ratio: raw.limitRatio === undefined ? undefined : parseRatio(raw.limitRatio),
    total: bytes(raw.limitTotal, "--limit-total"),
  };
  return Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));
}

function parseRatio(text: string): number {
  const ratio = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (Number.isFinite(ratio) && ratio >= 1) return ratio;
  throw new UsageError(
    "option-not-a-number",
    `--limit-ratio: received ${JSON.stringify(text)}, expected a number of 1 or more`,
  );
}

/**
 * What the options say about the layer, contradictions found.
 * @param tocLimit bytes of `--toc FILE`
 * @throws {UsageError | UnsupportedError} before anything of the layer is read
 */
export async function gatherGiven(raw: RawExpectations, tocLimit: number): Promise<Given> {
  const own = ownExpectations(raw);
  if (raw.descriptor === undefined && raw.config === undefined && raw.toc === undefined) {
    return { expect: own, toc: null };
  }
  const files = await import("./expectation-files.ts");
  const descriptor = raw.descriptor === undefined ? undefined : await files.readDescriptor(raw.descriptor);
  const configured = raw.config === undefined ? undefined : await files.readDiffID(
    raw.config,
    raw.layerIndex === undefined ? null : parseCount(raw.layerIndex, "--layer-index"),
  );
  if (configured && own.diffID) agree("diffID", own.diffID, configured);
  const diffID = own.diffID ?? configured;
  const expect: Expectations = {
    ...own,
    ...(descriptor ? { descriptor } : {}),
    ...(diffID ? { diffID } : {}),
  };
  // The engine asks the same; here it comes before the layer is opened.
  const { gatherExpectations } = await import("../verify/expect.ts");
  try {
    gatherExpectations(expect);
  } catch (error) {
    // What is merely wrong with the descriptor is for the report.
    if (!(error instanceof LayerproofError) || error instanceof UsageError) throw error;
  }
  return { expect, toc: raw.toc === undefined ? null : await files.readToc(raw.toc, tocLimit) };
}

function ownExpectations(raw: RawExpectations): Expectations {
  const digest = (text: string | undefined, option: string): Expected<string> | undefined =>
    text === undefined ? undefined : { value: parseDigest(text, option), from: [option] };
  const bytes = (text: string | undefined, option: string): Expected<number> | undefined =>
    text === undefined ? undefined : { value: parseBytes(text, option), from: [option] };
  const all = {
    digest: digest(raw.digest, "--digest"),
    size: bytes(raw.size, "--size"),
    diffID: digest(raw.diffId, "--diff-id"),
    uncompressedSize: bytes(raw.uncompressedSize, "--uncompressed-size"),
    tocDigest: digest(raw.tocDigest, "--toc-digest"),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function agree(what: string, a: Expected<string>, b: Expected<string>): void {
  if (a.value === b.value) return;
  throw new UsageError(
    "expectations-contradict",
    `Two values are given for the ${what}: ${a.value} (${a.from.join(" > ")}) and ${b.value} (${
      b.from.join(" > ")
    })`,
  );
}

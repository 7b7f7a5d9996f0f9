/**
 * Whether a store still holds what was put into it: each blob, each extracted tree, each `info`.
 *
 * @module
 */
import { LayerproofError } from "../errors.ts";
import { compareDirectory, type Difference } from "../extract/compare.ts";
import { tarStream } from "../export/tar-stream.ts";
import { type ClosableSource, openFile, requireRegularFile } from "../source/file.ts";
import type { Progress } from "../verify/options.ts";
import type { LayerPlace } from "./paths.ts";
import { layerPath } from "./paths.ts";
import { allPlaces } from "./places.ts";
import { examinePlace } from "./look-up.ts";
import { BLOB, DIFF, type Pool } from "./pool.ts";
import { checkTarSplit, rebuiltTar } from "./rebuild.ts";
import type { LayerRecord } from "./record.ts";
import type { Verify } from "./take-in.ts";

export interface CheckOptions {
  readonly verify: Verify;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** What is wrong with one layer or place. */
export interface Problem {
  /** Stable code, kebab-case. */
  readonly code: string;
  readonly message: string;
}

/** Of one layer of the pool, or of one place that clients ask for. */
export interface Checked {
  /** Blob digest, or the path of a place relative to the store. */
  readonly what: string;
  readonly kind: "layer" | "place";
  readonly record: LayerRecord | null;
  readonly problems: readonly Problem[];
  /** What could not be looked at, e.g. xattrs that only root can read. */
  readonly notChecked: readonly string[];
}

/**
 * Checks a layer against what was computed when it was taken in: the blob and its TOC by their digests, the extracted
 * files by rebuilding the tar from them, and their attributes against its headers.
 * @throws what is no `LayerproofError`, and the signal's reason
 */
export async function checkLayer(pool: Pool, digest: string, options: CheckOptions): Promise<Checked> {
  const problems: Problem[] = [];
  const notChecked: string[] = [];
  let record: LayerRecord | null = null;
  const step = async (work: () => Promise<void>): Promise<boolean> => {
    options.signal?.throwIfAborted();
    try {
      await work();
      return true;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!(error instanceof LayerproofError)) throw error;
      problems.push(problemOf(error));
      return false;
    }
  };
  await step(async () => {
    record = await pool.layer(digest);
    if (!record) problems.push({ code: "store-no-record", message: "it has no record (layer.json)" });
    else if (record.digest !== digest) {
      problems.push({ code: "store-record", message: `its record is that of ${record.digest}` });
      record = null;
    }
  });
  const known = record as LayerRecord | null;
  if (!known) return { what: digest, kind: "layer", record, problems, notChecked };
  const before = problems.length;
  await step(() => checkBlob(pool, known, options, problems));
  const blobIsGood = problems.length === before;
  await step(() => checkTarSplit(pool, known));
  await checkFiles(pool, known, blobIsGood, step, problems, notChecked);
  return { what: digest, kind: "layer", record, problems, notChecked };
}

async function checkBlob(
  pool: Pool,
  record: LayerRecord,
  { verify, signal, onProgress }: CheckOptions,
  problems: Problem[],
): Promise<void> {
  const source = await openBlob(pool, record);
  const from = ["layer.json"];
  try {
    const report = await verify(source, {
      expect: {
        digest: { value: record.digest, from },
        size: { value: record.size, from },
        diffID: { value: record.diffID, from },
        uncompressedSize: { value: record.uncompressedSize, from },
      },
      ...signal && { signal },
      ...onProgress && { onProgress },
    });
    if (report.error) problems.push({ code: report.error.code, message: `blob: ${report.error.message}` });
    for (const { claim, status, expected, actual, where } of report.claims) {
      if (status !== "mismatch") continue;
      const message = `blob: ${claim} is ${actual ?? "not there"}, expected ${expected ?? "none"}${
        where === null ? "" : ` (${where})`
      }`;
      problems.push({ code: `${claim}-mismatch`, message });
    }
    if (report.tocDigest !== null && !report.error && record.tocDigests.length > 0) {
      if (record.tocDigests.includes(report.tocDigest)) return;
      problems.push({ code: "tocDigest-mismatch", message: `blob: its TOC digest is ${report.tocDigest}` });
    }
  } finally {
    await source.close();
  }
}

/** A file that this process may not read, or Deno cannot open, was not changed by that. */
const UNREADABLE: ReadonlySet<string> = new Set(["tarsplit-file-failed", "raw-name", "store-no-tar-split"]);

/** Contents and attributes of the extracted tree. */
async function checkFiles(
  pool: Pool,
  record: LayerRecord,
  blobIsGood: boolean,
  step: (work: () => Promise<void>) => Promise<boolean>,
  problems: Problem[],
  notChecked: string[],
): Promise<void> {
  const diff = `${pool.path(layerPath(record.digest))}/${DIFF}`;
  const compare = async (tar: AsyncIterable<Uint8Array>): Promise<void> => {
    const { differences, total, leftOut } = await compareDirectory(diff, tar);
    for (const difference of differences) {
      if (wasNotSet(difference, record)) {
        notChecked.push(
          `diff: ${difference.entry}: ${difference.field} could not be set when it was extracted`,
        );
      } else problems.push(problemOfDifference(difference));
    }
    if (total > differences.length) {
      problems.push({
        code: "store-diff-changed",
        message: `diff: ${total - differences.length} more differences`,
      });
    }
    notChecked.push(...leftOut.map((what) => `diff: ${what}`));
  };
  const unreadable = (error: unknown): void => {
    if (!blobIsGood || !(error instanceof LayerproofError) || !UNREADABLE.has(error.code)) throw error;
    notChecked.push(`tar-split: ${error.message}`);
  };
  let compared = false;
  const rebuilt = async (): Promise<void> => {
    await compare(rebuiltTar(pool, record));
    compared = true;
  };
  await step(() => rebuilt().catch(unreadable));
  if (compared || !blobIsGood) return;
  // The file that made the rebuilding fail is named already; the blob tells of all others.
  await step(async () => {
    const source = await openBlob(pool, record);
    try {
      await compare(tarPieces(source));
    } finally {
      await source.close();
    }
  });
}

/** An attribute that the file system refused, which was told then. */
function wasNotSet({ field, actual }: Difference, { notSet }: LayerRecord): boolean {
  if (actual !== null || !field.startsWith("xattr ")) return false;
  const name = field.slice("xattr ".length);
  return notSet.some(({ what, detail }) => what === "xattr" && detail !== null && detail.includes(name));
}

async function* tarPieces(source: ClosableSource): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of tarStream(source)) yield piece;
}

async function openBlob(pool: Pool, { digest }: LayerRecord): Promise<ClosableSource> {
  const path = `${pool.path(layerPath(digest))}/${BLOB}`;
  await requireRegularFile(path);
  return await openFile(path);
}

function problemOf({ code, message, details: { expected, actual } }: LayerproofError): Problem {
  const values = expected !== undefined && actual !== undefined
    ? ` (expected ${expected}, found ${actual})`
    : "";
  return { code, message: message + values };
}

function problemOfDifference({ entry, field, expected, actual }: Difference): Problem {
  return {
    code: "store-diff-changed",
    message: `diff: ${entry}: ${field} is ${actual ?? "not there"}, expected ${expected ?? "none"}`,
  };
}

/** Checks every place of the store: that it leads to a layer of the pool, and that its `info` says what is true. */
export async function* checkPlaces(
  pool: Pool,
): AsyncGenerator<Checked & { readonly place: LayerPlace }, void, void> {
  for await (const place of allPlaces(pool)) {
    const { record, problems } = await examinePlace(pool, place);
    yield {
      what: place.path,
      kind: "place",
      place,
      record,
      problems: problems.map((message) => ({ code: "store-place", message })),
      notChecked: [],
    };
  }
}

/**
 * The tar of a layer out of its extracted files and its tar-split.
 *
 * @module
 */
import { nativeHashes } from "../digest/native.ts";
import { DigestMismatch, SourceError } from "../errors.ts";
import { directoryFiles } from "../export/directory.ts";
import { tarSplitRecords } from "../export/tar-split-file.ts";
import { openFile } from "../source/file.ts";
import { piecesOf } from "../source/streams.ts";
import { assembleTar } from "../tarsplit/assemble.ts";
import { DIFF, type Pool, TAR_SPLIT } from "./pool.ts";
import { layerPath } from "./paths.ts";
import type { LayerRecord } from "./record.ts";

/**
 * The exact tar. It ends with an error where a file is not what it was, or the whole does not have the diffID.
 * @throws {SourceError} `store-no-tar-split`, and as `assembleTar`
 * @throws {DigestMismatch} as `assembleTar`
 */
export async function* rebuiltTar(pool: Pool, record: LayerRecord): AsyncGenerator<Uint8Array, void, void> {
  const directory = pool.path(layerPath(record.digest));
  if (record.tarSplit === null) {
    throw new SourceError("store-no-tar-split", `The layer ${record.digest} has no tar-split`, {
      source: directory,
      advice: "Its tar can only be had from its blob.",
    });
  }
  const source = await openFile(`${directory}/${TAR_SPLIT}`);
  try {
    yield* piecesOf(assembleTar(tarSplitRecords(source), directoryFiles(`${directory}/${DIFF}`), {
      hash: await nativeHashes.sha256(),
      diffID: record.diffID,
    }));
  } finally {
    source.close().catch(() => {});
  }
}

/**
 * Whether the tar-split is the one that was made of the layer.
 * @throws {DigestMismatch} `store-tar-split-changed`
 * @throws {SourceError}
 */
export async function checkTarSplit(pool: Pool, record: LayerRecord): Promise<void> {
  if (record.tarSplit === null) return;
  const path = `${pool.path(layerPath(record.digest))}/${TAR_SPLIT}`;
  const actual = await sha256OfFile(path);
  if (actual === record.tarSplit) return;
  throw new DigestMismatch("store-tar-split-changed", `The tar-split ${path} was changed`, {
    source: path,
    expected: record.tarSplit,
    actual,
    advice: "Create the layer again.",
  });
}

/** `sha256:…` of a file. @throws {SourceError} */
export async function sha256OfFile(path: string): Promise<string> {
  const file = await openFile(path);
  try {
    const hasher = await nativeHashes.sha256();
    for await (const piece of file.stream()) hasher.update(piece);
    return `sha256:${hasher.finish()}`;
  } finally {
    await file.close();
  }
}

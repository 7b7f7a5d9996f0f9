/**
 * An image out of a store, as an OCI image layout (image-spec, image-layout.md).
 *
 * @module
 */
import { chmod, lstat, mkdir, mkdtemp, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { nativeHashes } from "../digest/native.ts";
import { DigestMismatch, FormatError, LayerproofError, OutputError, SourceError } from "../errors.ts";
import { type Compression, recompress, type Recompressed, verifyRecompressed } from "../export/recompress.ts";
import { tarStream } from "../export/tar-stream.ts";
import { blobPath, DOCUMENT_LIMIT } from "../oci/blobs.ts";
import { type BlobDescriptor, parseConfig, parseManifest } from "../oci/manifest.ts";
import { parsePlatform } from "../oci/platform.ts";
import { AtomicFile, writing } from "../output/file.ts";
import { type ClosableSource, openFile, requireRegularFile } from "../source/file.ts";
import { piecesOf } from "../source/streams.ts";
import type { Progress } from "../verify/options.ts";
import { FileSink } from "./file-sink.ts";
import { documentPath, layerPath } from "./paths.ts";
import { BLOB, flush, type Pool, readStoreFile, removeTree } from "./pool.ts";
import { rebuiltTar } from "./rebuild.ts";
import { COMPRESSION, type DocumentRecord, type ImageRecord, type LayerRecord } from "./record.ts";
import type { Verify } from "./take-in.ts";

export interface ExportImageOptions {
  readonly verify: Verify;
  /** Writes every layer anew in this compression; by default only those whose blob is lost or damaged, as it was. */
  readonly compression?: Compression;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Told of each layer when it is written. */
  readonly onLayer?: (layer: ExportedLayer) => void | Promise<void>;
}

export interface ExportedLayer {
  readonly diffID: string;
  /** Of the blob in the store. */
  readonly original: string;
  /** Of the blob that was written; the same if the bytes are. */
  readonly digest: string;
  readonly size: number;
  /** Why the blob is another one; null where it is not. */
  readonly because: string | null;
}

const MEDIA_TYPES: Readonly<Record<Compression, string>> = {
  none: "application/vnd.oci.image.layer.v1.tar",
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
};
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const REF_NAME = "org.opencontainers.image.ref.name";

/** What an index says of a document. */
interface IndexEntry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly os: string; readonly architecture: string; readonly variant?: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

/**
 * Writes the images of a reference as a layout. Every layer is verified while it is copied, and read back where it was
 * written anew; config and diffIDs are always the original's.
 * @param output a directory that is not there yet, or is empty; it appears whole
 * @returns the digest of what `index.json` names
 * @throws {SourceError} `store-no-image`, and as `rebuiltTar`
 * @throws {OutputError} `output-exists` and others
 * @throws {DigestMismatch}
 */
export async function exportImage(
  pool: Pool,
  reference: string,
  output: string,
  options: ExportImageOptions,
): Promise<string> {
  const images = await pool.images(reference);
  if (images.length === 0) throw noImage(pool, reference);
  await refuseExisting(output);
  const work = await writing(
    output,
    () => mkdtemp(join(dirname(output), `.${basename(output)}.layerproof-`)),
  );
  try {
    await writing(work, async () => {
      await chmod(work, 0o755);
      await mkdir(`${work}/blobs/sha256`, { recursive: true });
    });
    const entries: IndexEntry[] = [];
    for (const image of images) entries.push(await new ImageExport(pool, work, options).run(image));
    const named = entries.length === 1 ? entries[0]! : await writeIndex(work, entries);
    const index = {
      schemaVersion: 2,
      mediaType: INDEX_TYPE,
      manifests: [{ ...named, annotations: { [REF_NAME]: reference } }],
    };
    await writeFile(`${work}/index.json`, json(index));
    await writeFile(`${work}/oci-layout`, json({ imageLayoutVersion: "1.0.0" }));
    await flush(work);
    await writing(output, () => rename(work, output));
    return named.digest;
  } finally {
    await removeTree(work);
  }
}

function noImage(pool: Pool, reference: string): SourceError {
  return new SourceError("store-no-image", `${pool.directory} has no image ${reference}`, {
    source: pool.directory,
    advice: "layerproof store ls names its images; layers that were put in alone belong to none.",
  });
}

async function refuseExisting(output: string): Promise<void> {
  const place = await lstat(output).catch(() => null);
  // The directory in which one is, a mount point and a link cannot be renamed over.
  const here = [".", "..", ""].includes(basename(output));
  const found = here
    ? [output]
    : await readdir(output).catch((error) => error.code === "ENOTDIR" ? ["file"] : []);
  if (found.length === 0 && !place?.isSymbolicLink()) return;
  throw new OutputError("output-exists", `${output} is there already`, {
    source: output,
    advice: "Give a directory that is not there yet.",
  });
}

/** Several platforms: an index of their manifests, as a blob of its own. */
async function writeIndex(work: string, manifests: readonly IndexEntry[]): Promise<IndexEntry> {
  const bytes = json({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
  return { mediaType: INDEX_TYPE, ...await writeBlob(work, bytes) };
}

/** One image on its way. */
class ImageExport {
  readonly #pool: Pool;
  readonly #work: string;
  readonly #options: ExportImageOptions;

  constructor(pool: Pool, work: string, options: ExportImageOptions) {
    this.#pool = pool;
    this.#work = work;
    this.#options = options;
  }

  async run(image: ImageRecord): Promise<IndexEntry> {
    const config = await this.#document(image.config);
    await writeBlob(this.#work, config);
    const manifest = image.manifest && await this.#document(image.manifest);
    const old = manifest && parseManifest(manifest, `manifest ${image.manifest!.digest}`);
    await this.#checkDiffIDs(image, config);
    if (old && old.config.digest !== image.config.digest) throw notTogether(image, "manifest and config");
    const layers: IndexEntry[] = [];
    let asItWas = manifest !== null;
    for (const [i, digest] of image.layers.entries()) {
      this.#options.signal?.throwIfAborted();
      const was = old?.layers[i];
      const written = await this.#layer(digest);
      await this.#options.onLayer?.(written);
      if (written.because === null && was?.digest === digest) layers.push(descriptorOf(was));
      else {
        asItWas = false;
        layers.push({
          mediaType: await this.#mediaType(written),
          digest: written.digest,
          size: written.size,
        });
      }
    }
    const platform = image.platform === null ? {} : { platform: platformOf(image.platform) };
    if (asItWas && image.manifest) {
      return { mediaType: image.manifest.mediaType, ...await writeBlob(this.#work, manifest!), ...platform };
    }
    const bytes = json({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: CONFIG_TYPE, digest: image.config.digest, size: config.length },
      layers,
    });
    return { mediaType: MANIFEST_TYPE, ...await writeBlob(this.#work, bytes), ...platform };
  }

  /** The store's record is not proof: another image's config would make another image of these layers. */
  async #checkDiffIDs(image: ImageRecord, config: Uint8Array): Promise<void> {
    const { diffIDs } = parseConfig(config, `config ${image.config.digest}`);
    const records = await Promise.all(image.layers.map((digest) => this.#record(digest)));
    const same = records.length === diffIDs.length &&
      records.every(({ diffID }, i) => diffID === diffIDs[i]);
    if (!same) throw notTogether(image, "layers and config");
  }

  async #document({ digest }: DocumentRecord): Promise<Uint8Array> {
    const path = this.#pool.path(documentPath(digest));
    const bytes = await readStoreFile(path, DOCUMENT_LIMIT);
    const actual = await sha256Of(bytes);
    if (actual === digest) return bytes;
    throw new DigestMismatch("store-document-changed", `The document ${path} was changed`, {
      source: path,
      expected: digest,
      actual,
      advice: "Create the image again.",
    });
  }

  readonly #compressions = new Map<string, Compression>();

  async #mediaType({ digest, original }: ExportedLayer): Promise<string> {
    const written = this.#compressions.get(digest);
    return written ? MEDIA_TYPES[written] : (await this.#record(original)).mediaType;
  }

  async #record(digest: string): Promise<LayerRecord> {
    const record = await this.#pool.layer(digest);
    if (record) return record;
    throw new SourceError("store-no-layer", `${this.#pool.directory} has no layer ${digest}`, {
      source: this.#pool.directory,
      advice: "Create the image again.",
    });
  }

  /** The layer as it was, or else anew. */
  async #layer(digest: string): Promise<ExportedLayer> {
    const record = await this.#record(digest);
    const { compression } = this.#options;
    const because = compression === undefined ? await this.#copy(record) : `written anew as ${compression}`;
    const { diffID } = record;
    if (because === null) return { diffID, original: digest, digest, size: record.size, because };
    const written = await this.#writeAnew(record, compression ?? compressionOf(record));
    return { diffID, original: digest, ...written, because };
  }

  /** Out of the files, or out of the blob where the layer has no tar-split. What is read back is verified either way. */
  async *#tarOf(record: LayerRecord): AsyncGenerator<Uint8Array, void, void> {
    if (record.tarSplit !== null) return yield* rebuiltTar(this.#pool, record);
    const source = await this.#openBlob(record);
    try {
      yield* piecesOf(tarStream(source));
    } finally {
      await source.close();
    }
  }

  async #openBlob({ digest }: LayerRecord): Promise<ClosableSource> {
    const path = `${this.#pool.path(layerPath(digest))}/${BLOB}`;
    await requireRegularFile(path);
    return await openFile(path);
  }

  /** @returns null if the blob is in the layout now, else why it is not */
  async #copy(record: LayerRecord): Promise<string | null> {
    const place = blobPath(this.#work, record.digest);
    let source: ClosableSource;
    try {
      source = await this.#openBlob(record);
    } catch (error) {
      if (!(error instanceof LayerproofError)) throw error;
      return error.message;
    }
    const sink = await FileSink.create(place, null);
    try {
      const { verify, signal, onProgress } = this.#options;
      const from = ["the store"];
      const report = await verify(source, {
        expect: { digest: { value: record.digest, from }, diffID: { value: record.diffID, from } },
        blob: sink,
        ...signal && { signal },
        ...onProgress && { onProgress },
      });
      if (report.result === "verified") {
        await sink.commit();
        return null;
      }
      return report.error?.message ?? `its blob was changed: it has the digest ${report.digest}`;
    } finally {
      await source.close();
      await sink.abort();
    }
  }

  async #writeAnew(
    record: LayerRecord,
    compression: Compression,
  ): Promise<{ digest: string; size: number }> {
    const { verify, signal, onProgress } = this.#options;
    const temporary = `${this.#work}/blobs/new`;
    const file = await AtomicFile.create(temporary, 0o644);
    let written: Recompressed;
    try {
      const tar = this.#tarOf(record);
      written = await recompress(tar, compression, (bytes) => file.write(bytes), { ...signal && { signal } });
    } catch (error) {
      await file.abort();
      throw error;
    }
    await file.commit();
    if (written.diffID !== record.diffID) {
      throw new DigestMismatch("store-blob-changed", `The layer ${record.digest} was changed`, {
        source: record.digest,
        expected: record.diffID,
        actual: written.diffID,
        advice: "Run layerproof store create again.",
      });
    }
    // What is on disk is what counts, not what went there.
    const source = await openFile(temporary);
    try {
      await verifyRecompressed(source, written, {
        verify,
        ...signal && { signal },
        ...onProgress && { onProgress },
      });
    } finally {
      await source.close();
    }
    const place = blobPath(this.#work, written.digest);
    await writing(place, () => rename(temporary, place));
    this.#compressions.set(written.digest, compression);
    return { digest: written.digest, size: written.size };
  }
}

function notTogether({ config }: ImageRecord, what: string): FormatError {
  return new FormatError(
    "store-image-changed",
    `The ${what} of the image ${config.digest} do not belong together`,
    {
      source: config.digest,
      advice: "The store was changed: run layerproof store create again.",
    },
  );
}

function compressionOf({ compression }: LayerRecord): Compression {
  if (compression === COMPRESSION.none) return "none";
  return compression === COMPRESSION.zstd ? "zstd" : "gzip";
}

function descriptorOf({ mediaType, digest, size, annotations }: BlobDescriptor): IndexEntry {
  return { mediaType, digest, size, ...Object.keys(annotations).length > 0 && { annotations } };
}

function platformOf(text: string): NonNullable<IndexEntry["platform"]> {
  const { os, architecture, variant } = parsePlatform(text);
  return { os, architecture, ...variant !== null && { variant } };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

async function writeBlob(work: string, bytes: Uint8Array): Promise<{ digest: string; size: number }> {
  const digest = await sha256Of(bytes);
  await writeFile(blobPath(work, digest), bytes);
  return { digest, size: bytes.length };
}

async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  const file = await AtomicFile.create(path, 0o644);
  try {
    await file.write(bytes);
  } catch (error) {
    await file.abort();
    throw error;
  }
  await file.commit();
}

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const hasher = await nativeHashes.sha256();
  hasher.update(bytes);
  return `sha256:${hasher.finish()}`;
}

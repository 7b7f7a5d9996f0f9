/**
 * An image, wherever it lies: its documents, and its layers with what the documents say about them.
 *
 * @module
 */
import type { LayerproofError } from "../errors.ts";
import type { ClosableSource } from "../source/file.ts";
import type { Expectations } from "../verify/options.ts";
import type { Platform } from "./platform.ts";

/** A manifest or a config, byte for byte. */
export interface ImageDocument {
  readonly bytes: Uint8Array;
  /** SHA-256 of the bytes. Where something names the document by a digest, it was compared. */
  readonly digest: string;
  readonly mediaType: string;
}

/** An image whose documents were read; of its layers nothing was. */
export interface Image {
  /** For reports, e.g. `oci:DIR:TAG linux/amd64`. */
  readonly name: string;
  /** Names that the source itself gives the image, as they stand: `ref.name` annotations, `RepoTags`. */
  readonly references: readonly string[];
  readonly platform: Platform | null;
  /** Null where the source has none (docker-archive). */
  readonly manifest: ImageDocument | null;
  readonly config: ImageDocument;
  /** From the lowest to the topmost. */
  readonly layers: readonly ImageLayer[];
}

/** A layer, not yet opened. */
export interface ImageLayer {
  /** For reports, e.g. `oci:DIR:TAG linux/amd64 layer 2 of 3`. */
  readonly name: string;
  readonly expect: Expectations;
  /** The blob as a file of its own on disk, as in a layout directory; null inside an archive. */
  readonly path: string | null;
  /**
   * The layer's bytes, seekable. May be called more than once.
   * @throws {SourceError | FormatError | UnsupportedError} when the bytes cannot be had
   */
  open(): Promise<ClosableSource>;
}

/** An image that cannot be read. */
export interface ImageFailure {
  readonly name: string;
  readonly error: LayerproofError;
}

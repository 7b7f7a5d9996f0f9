/**
 * The files that images are made of: in a directory, or members of an archive.
 *
 * @module
 */
import { type ClosableSource, openFile, readSmallFile, requireRegularFile } from "../source/file.ts";

/** Bytes of one document (index, manifest, config); registries have the same bound. */
export const DOCUMENT_LIMIT = 4 * 2 ** 20;

/** Files by their path inside the directory or archive, e.g. `blobs/sha256/…`. */
export interface ImageFiles {
  /** What to call a file in messages. */
  shown(file: string): string;
  /**
   * A document in whole.
   * @throws {SourceError} `source-not-found`, `source-too-large` (over `DOCUMENT_LIMIT`), as `openFile`
   */
  read(file: string): Promise<Uint8Array>;
  /** A file of any size, seekable. @throws {SourceError} `source-not-found`, as `openFile` */
  open(file: string, name: string): Promise<ClosableSource>;
  /** Where the file lies on disk as a file of its own, or null. */
  diskPath(file: string): string | null;
}

/** The files of a directory, whose maker is not trusted to put files into it. */
export function directoryOfFiles(directory: string): ImageFiles {
  const pathOf = (file: string): string => `${directory}/${file}`;
  return {
    shown: pathOf,
    async read(file) {
      await requireRegularFile(pathOf(file));
      return await readSmallFile(pathOf(file), DOCUMENT_LIMIT);
    },
    async open(file, name) {
      await requireRegularFile(pathOf(file), name);
      return await openFile(pathOf(file), name);
    },
    diskPath: pathOf,
  };
}

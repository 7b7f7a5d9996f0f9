/**
 * `PATH[:NAME]`: how an image in a layout or an archive is named. Both halves may contain colons.
 *
 * @module
 */
import { stat } from "node:fs/promises";

/** A layout directory or an archive, and what is wanted of it; null stands for all images. */
export interface ImagePath {
  readonly path: string;
  readonly wanted: string | null;
}

/**
 * Splits `text` at the first colon behind a directory that is a layout; where there is none, behind any file or
 * directory; else at the first colon.
 */
export async function splitImagePath(text: string): Promise<ImagePath> {
  const colons = [...text.matchAll(/:/g)].map(({ index }) => index).filter((index) => index > 0);
  const candidates: ImagePath[] = [
    ...colons.map((at) => ({ path: text.slice(0, at), wanted: text.slice(at + 1) })),
    { path: text, wanted: null },
  ];
  if (candidates.length > 1) {
    for (const file of ["/oci-layout", ""]) {
      for (const candidate of candidates) {
        if (await exists(candidate.path + file)) return candidate;
      }
    }
  }
  return candidates[0]!;
}

/** Whatever keeps a path from being looked at, a later attempt to read it reports it better. */
async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * `DIR[:TAG]`: how an image in a layout is named. Both halves may contain colons.
 *
 * @module
 */
import { stat } from "node:fs/promises";

/** A layout directory and a tag in it; null stands for all images. */
export interface OciReference {
  readonly directory: string;
  readonly tag: string | null;
}

/**
 * Splits `text` (without `oci:`) at the first colon behind a directory that is a layout; where there is none, behind
 * any directory; else at the first colon.
 */
export async function splitReference(text: string): Promise<OciReference> {
  const colons = [...text.matchAll(/:/g)].map(({ index }) => index).filter((index) => index > 0);
  const candidates: OciReference[] = [
    ...colons.map((at) => ({ directory: text.slice(0, at), tag: text.slice(at + 1) })),
    { directory: text, tag: null },
  ];
  if (candidates.length > 1) {
    for (const file of ["/oci-layout", ""]) {
      for (const candidate of candidates) {
        if (await exists(candidate.directory + file)) return candidate;
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

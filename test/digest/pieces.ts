import type { Random } from "../support/random.ts";

/** `data` in pieces of 0 to `most` bytes, as views. */
export function* randomPieces(data: Uint8Array, most: number, source: Random): Generator<Uint8Array> {
  for (let at = 0; at < data.length;) {
    const size = source.below(most + 1);
    yield data.subarray(at, at + size);
    at += size;
  }
}

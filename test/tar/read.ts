/** Runs the tar reader over some bytes, in pieces of any size, and keeps what it tells. */
import { LayerproofError } from "../../src/errors.ts";
import type { TarEntry } from "../../src/tar/entry.ts";
import type { TarLimits } from "../../src/tar/entry-headers.ts";
import { type TarEnd, TarReader } from "../../src/tar/reader.ts";
import { concat } from "../support/mod.ts";

export interface Read {
  readonly entries: readonly { readonly entry: TarEntry; readonly payload: Uint8Array }[];
  readonly end: TarEnd;
}

export const LIMITS: TarLimits = { pax: 1 << 20, path: 1 << 16, entries: 1000 };

/** @param cuts piece sizes, used again and again; 0 gives an empty piece */
export function read(bytes: Uint8Array, cuts: number | readonly number[] = 65536, limits = LIMITS): Read {
  const entries: { entry: TarEntry; payload: Uint8Array }[] = [];
  let pieces: Uint8Array[] = [];
  const reader = new TarReader({
    entry(entry) {
      pieces = [];
      entries.push({ entry, payload: new Uint8Array(0) });
    },
    payload: (piece) => void pieces.push(piece.slice()),
    entryEnd: () => void (entries.at(-1)!.payload = concat(...pieces)),
  }, limits);
  const sizes = typeof cuts === "number" ? [cuts] : cuts;
  for (let at = 0, index = 0; at < bytes.length; index++) {
    const size = sizes[index % sizes.length]!;
    // A piece is the caller's again after the call: a copy that is wiped shows who kept a view.
    const piece = bytes.slice(at, at + size);
    reader.push(piece);
    piece.fill(0xa5);
    at += size;
  }
  return { entries, end: reader.end() };
}

/** The only entry of an archive. */
export function readOne(bytes: Uint8Array, cuts?: number | readonly number[]): TarEntry {
  const { entries } = read(bytes, cuts);
  if (entries.length !== 1) throw new Error(`Expected one entry, read ${entries.length}`);
  return entries[0]!.entry;
}

/** The code of the typed error that `body` throws; any other outcome fails the test. */
export function codeOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof LayerproofError) return error.code;
    throw error;
  }
  throw new Error("Expected a LayerproofError, nothing was thrown");
}

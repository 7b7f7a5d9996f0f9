/**
 * Copying of literals and matches (RFC 8878, 3.1.1.4).
 *
 * @module
 */

import type { History } from "./history.ts";
import type { Literals } from "./literals.ts";
import type { Sequences } from "./sequences.ts";

/**
 * Above this many bytes one call of `set` or `copyWithin` replaces the loop. On V8, anything from 24 to 128 gave the
 * same speed on shared libraries at levels 3 and 12; 256 was slower.
 */
const LONG_COPY = 64;

/**
 * Writes what the block regenerates at `history.position`, where `outputSize + PADDING` bytes are reserved.
 *
 * No bounds are tested here; they are the ones that `Sequences` promises. Short copies go in steps of four bytes and
 * may overshoot by three: what they write too much is overwritten by the next copy or lies behind the end of the
 * output, and what they read too much lies in the padding of literals or history.
 */
export function executeSequences(sequences: Sequences, literals: Literals, history: History): void {
  const { literalLengths, matchLengths, offsets, count } = sequences;
  const out = history.bytes;
  const view = history.view;
  const source = literals.bytes;
  const sourceView = literals.view;
  const blockEnd = history.position + sequences.outputSize;
  let from = literals.start;
  let at = history.position;
  for (let i = 0; i < count; i++) {
    const literalLength = literalLengths[i]!;
    if (literalLength <= LONG_COPY) {
      for (let n = 0; n < literalLength; n += 4) {
        view.setInt32(at + n, sourceView.getInt32(from + n, true), true);
      }
    } else {
      out.set(source.subarray(from, from + literalLength), at);
    }
    from += literalLength;
    at += literalLength;

    const matchLength = matchLengths[i]!;
    const offset = offsets[i]!;
    if (offset >= 4 && matchLength <= LONG_COPY) {
      const match = at - offset;
      for (let n = 0; n < matchLength; n += 4) view.setInt32(at + n, view.getInt32(match + n, true), true);
    } else {
      copyMatch(out, at, offset, matchLength);
    }
    at += matchLength;
  }
  if (at < blockEnd) out.set(source.subarray(from, from + (blockEnd - at)), at);
}

/** A match that is long or overlaps closely: the last `offset` bytes repeat for `length` bytes. */
function copyMatch(out: Uint8Array, at: number, offset: number, length: number): void {
  const end = at + length;
  const match = at - offset;
  if (offset === 1) {
    out.fill(out[match]!, at, end);
  } else if (length <= LONG_COPY) {
    for (let from = match; at < end; at++, from++) out[at] = out[from]!;
  } else {
    // Each copy doubles the run that is there; none overlaps what it reads.
    for (let run = offset; at < end; run *= 2) {
      const stop = Math.min(at + run, end);
      out.copyWithin(at, match, match + (stop - at));
      at = stop;
    }
  }
}

/**
 * Huffman-coded literals in one or four bit streams (RFC 8878, 3.1.1.3.1.6 and 4.2.2).
 *
 * Both decoders work in two stages. The fast loop runs a number of rounds that is computed beforehand from the bits
 * and the room that are left, so that no round can pass either; a round takes two codes, at most 22 bits, out of the
 * 25 that one load gives. The careful loop then takes single codes and looks at the bits after each.
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";
import { lastBit } from "./bits.ts";
import type { HuffmanTable } from "./huffman_table.ts";

const ROUND_BITS = 22;
const INDEX_SHIFT = 21;

/**
 * Decodes one stream, `input.bytes[start, end)`, into `out[at, to)`.
 *
 * @throws FormatError unless exactly these literals use up exactly the stream
 */
export function decodeStream(
  input: BlockInput,
  start: number,
  end: number,
  table: HuffmanTable,
  out: Uint8Array,
  at: number,
  to: number,
): void {
  const position = lastBit(input, start, end, "literals");
  finishStream(input, start, position, table, out, at, to);
}

/** Decodes the rest of a stream from the bit `position` on: fast rounds as far as possible, then single codes. */
function finishStream(
  input: BlockInput,
  start: number,
  position: number,
  table: HuffmanTable,
  out: Uint8Array,
  at: number,
  to: number,
): void {
  const view = input.view;
  const entries = table.entries;
  const low = start * 8;
  let bit = position;
  for (;;) {
    let rounds = Math.min(((bit - low) / ROUND_BITS) | 0, (to - at) >> 1);
    if (rounds <= 0) break;
    do {
      let word = view.getInt32((bit - 25) >> 3, true) << (-bit & 7);
      const a = entries[word >>> INDEX_SHIFT]!;
      word <<= a >>> 8;
      const b = entries[word >>> INDEX_SHIFT]!;
      bit -= (a >>> 8) + (b >>> 8);
      out[at] = a;
      out[at + 1] = b;
      at += 2;
    } while (--rounds > 0);
  }
  while (at < to) {
    const entry = entries[(view.getInt32((bit - 25) >> 3, true) << (-bit & 7)) >>> INDEX_SHIFT]!;
    bit -= entry >>> 8;
    if (bit < low) throw input.corrupt("a bit stream of the literals is too short");
    out[at++] = entry;
  }
  if (bit !== low) throw input.corrupt("a bit stream of the literals has bits left over");
}

/**
 * Decodes four streams behind a jump table at `start` (RFC 8878, 4.2.2) into `out[0, size)`.
 *
 * @throws FormatError unless the jump table fits and each stream is used up exactly by its part of the literals
 */
export function decodeFourStreams(
  input: BlockInput,
  start: number,
  end: number,
  table: HuffmanTable,
  out: Uint8Array,
  size: number,
): void {
  // Fewer literals cannot be split: three parts of ceil(size / 4) would leave a negative fourth.
  if (size < 6) throw input.corrupt(`${size} literals are in four bit streams, at least 6 are needed`);
  if (end - start < 6) throw input.corrupt("the jump table of the literals is cut off");
  const view = input.view;
  const start1 = start + 6;
  const start2 = start1 + view.getUint16(start, true);
  const start3 = start2 + view.getUint16(start + 2, true);
  const start4 = start3 + view.getUint16(start + 4, true);
  if (start4 >= end) throw input.corrupt("the jump table of the literals points behind their end");
  const segment = (size + 3) >>> 2;
  let bit1 = lastBit(input, start1, start2, "literals");
  let bit2 = lastBit(input, start2, start3, "literals");
  let bit3 = lastBit(input, start3, start4, "literals");
  let bit4 = lastBit(input, start4, end, "literals");
  const entries = table.entries;
  const at2 = segment;
  const at3 = at2 + segment;
  const at4 = at3 + segment;
  const fourth = size - at4;
  let at = 0;
  for (;;) {
    const bits = Math.min(bit1 - start1 * 8, bit2 - start2 * 8, bit3 - start3 * 8, bit4 - start4 * 8);
    let rounds = Math.min((bits / ROUND_BITS) | 0, (fourth - at) >> 1);
    if (rounds <= 0) break;
    do {
      let word1 = view.getInt32((bit1 - 25) >> 3, true) << (-bit1 & 7);
      let word2 = view.getInt32((bit2 - 25) >> 3, true) << (-bit2 & 7);
      let word3 = view.getInt32((bit3 - 25) >> 3, true) << (-bit3 & 7);
      let word4 = view.getInt32((bit4 - 25) >> 3, true) << (-bit4 & 7);
      const a1 = entries[word1 >>> INDEX_SHIFT]!;
      const a2 = entries[word2 >>> INDEX_SHIFT]!;
      const a3 = entries[word3 >>> INDEX_SHIFT]!;
      const a4 = entries[word4 >>> INDEX_SHIFT]!;
      word1 <<= a1 >>> 8;
      word2 <<= a2 >>> 8;
      word3 <<= a3 >>> 8;
      word4 <<= a4 >>> 8;
      const b1 = entries[word1 >>> INDEX_SHIFT]!;
      const b2 = entries[word2 >>> INDEX_SHIFT]!;
      const b3 = entries[word3 >>> INDEX_SHIFT]!;
      const b4 = entries[word4 >>> INDEX_SHIFT]!;
      out[at] = a1;
      out[at + 1] = b1;
      out[at2 + at] = a2;
      out[at2 + at + 1] = b2;
      out[at3 + at] = a3;
      out[at3 + at + 1] = b3;
      out[at4 + at] = a4;
      out[at4 + at + 1] = b4;
      bit1 -= (a1 >>> 8) + (b1 >>> 8);
      bit2 -= (a2 >>> 8) + (b2 >>> 8);
      bit3 -= (a3 >>> 8) + (b3 >>> 8);
      bit4 -= (a4 >>> 8) + (b4 >>> 8);
      at += 2;
    } while (--rounds > 0);
  }
  finishStream(input, start1, bit1, table, out, at, at2);
  finishStream(input, start2, bit2, table, out, at2 + at, at3);
  finishStream(input, start3, bit3, table, out, at3 + at, at4);
  finishStream(input, start4, bit4, table, out, at4 + at, size);
}

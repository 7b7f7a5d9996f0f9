/**
 * Decoding of sequences from their bit stream (RFC 8878, 3.1.1.3.2 and 3.1.1.5).
 *
 * Everything that can be wrong with a sequence is found here, before a byte is copied: `executeSequences` then needs
 * no checks. What is stored satisfies
 *
 * - the literal lengths add up to at most the literals of the block,
 * - all lengths and the literals left over add up to at most the block maximum,
 * - each offset is at least 1 and reaches to no byte before the frame or the window.
 *
 * @module
 */

import { lastBit } from "./bits.ts";
import type { BlockInput } from "./block_input.ts";
import { MAX_BLOCK_SIZE, MAX_WINDOW_LIMIT } from "./limits.ts";
import { LITERAL_LENGTH_BASE, MATCH_LENGTH_BASE } from "./sequence_codes.ts";
import type { SequenceTables } from "./sequence_tables.ts";

/** A match is at least 3 bytes long, so that more sequences than this regenerate too much. */
const MAX_SEQUENCES = Math.ceil(MAX_BLOCK_SIZE / 3);

/** One 32-bit load gives this many bits at any position. */
const LOAD_BITS = 25;

/** The sequences of one block, as three columns; and the repeat offsets, which live as long as a frame. */
export class Sequences {
  readonly literalLengths: Int32Array = new Int32Array(MAX_SEQUENCES);
  readonly matchLengths: Int32Array = new Int32Array(MAX_SEQUENCES);
  readonly offsets: Int32Array = new Int32Array(MAX_SEQUENCES);
  count = 0;
  /** Bytes that the block regenerates, with the literals behind the last sequence. */
  outputSize = 0;

  readonly #repeat = Int32Array.of(1, 4, 8);

  /** Sets the repeat offsets to their start values (RFC 8878, 3.1.1.5). */
  resetFrame(): void {
    this.#repeat.set([1, 4, 8]);
  }

  /** Takes the sequences of a block that has none: it is its literals. */
  none(literalCount: number): void {
    this.count = 0;
    this.outputSize = literalCount;
  }

  /**
   * Decodes `tables.count` sequences from the bit stream `input.bytes[start, input.end)`.
   *
   * @param literalCount literals of the block, at most `blockMax`
   * @param reach how far a match at the start of the block may reach back
   * @param window how far any match may reach back
   * @throws FormatError when a sequence breaks a rule above or the bit stream is not used up exactly
   */
  decode(
    input: BlockInput,
    start: number,
    tables: SequenceTables,
    literalCount: number,
    blockMax: number,
    reach: number,
    window: number,
  ): void {
    const view = input.view;
    const { literalLengths, matchLengths, offsets } = this;
    const llTable = tables.literalLengths.entries;
    const ofTable = tables.offsets.entries;
    const mlTable = tables.matchLengths.entries;
    const low = start * 8;
    let bit = lastBit(input, start, input.end, "sequences");

    // The initial states: at most 26 bits, in this order.
    let log = tables.literalLengths.accuracyLog;
    bit -= log;
    let llState = (view.getInt32(bit >>> 3, true) >>> (bit & 7)) & ((1 << log) - 1);
    log = tables.offsets.accuracyLog;
    bit -= log;
    let ofState = (view.getInt32(bit >>> 3, true) >>> (bit & 7)) & ((1 << log) - 1);
    log = tables.matchLengths.accuracyLog;
    bit -= log;
    let mlState = (view.getInt32(bit >>> 3, true) >>> (bit & 7)) & ((1 << log) - 1);
    if (bit < low) throw overrun(input);

    let repeat0 = this.#repeat[0]!;
    let repeat1 = this.#repeat[1]!;
    let repeat2 = this.#repeat[2]!;
    let literalsLeft = literalCount;
    /** Bytes regenerated so far. */
    let made = 0;
    const count = tables.count;
    const last = count - 1;

    for (let i = 0; i < count; i++) {
      const llEntry = llTable[llState]!;
      const ofEntry = ofTable[ofState]!;
      const mlEntry = mlTable[mlState]!;

      // Extra bits in the order offset, match length, literal length.
      const ofBits = ofEntry >>> 21;
      let offset: number;
      bit -= ofBits;
      if (ofBits <= LOAD_BITS) {
        offset = (1 << ofBits) + ((view.getInt32(bit >>> 3, true) >>> (bit & 7)) & ((1 << ofBits) - 1));
      } else {
        if (bit < low) throw overrun(input);
        offset = readLongOffset(input, bit, ofBits);
      }
      const mlBits = mlEntry >>> 21;
      const llBits = llEntry >>> 21;
      let matchLength = MATCH_LENGTH_BASE[(mlEntry >>> 13) & 255]!;
      let literalLength = LITERAL_LENGTH_BASE[(llEntry >>> 13) & 255]!;
      bit -= mlBits + llBits;
      if (mlBits + llBits <= LOAD_BITS) {
        const extra = view.getInt32(bit >>> 3, true) >>> (bit & 7);
        literalLength += extra & ((1 << llBits) - 1);
        matchLength += (extra >>> llBits) & ((1 << mlBits) - 1);
      } else {
        literalLength += (view.getInt32(bit >>> 3, true) >>> (bit & 7)) & ((1 << llBits) - 1);
        const above = bit + llBits;
        matchLength += (view.getInt32(above >>> 3, true) >>> (above & 7)) & ((1 << mlBits) - 1);
      }

      // Values 1 to 3 stand for recent offsets, one further when there are no literals (RFC 8878, 3.1.1.5).
      if (offset > 3) {
        offset -= 3;
        repeat2 = repeat1;
        repeat1 = repeat0;
        repeat0 = offset;
      } else {
        const which = literalLength === 0 ? offset : offset - 1;
        if (which === 0) {
          offset = repeat0;
        } else {
          offset = which === 1 ? repeat1 : which === 2 ? repeat2 : repeat0 - 1;
          if (which !== 1) repeat2 = repeat1;
          repeat1 = repeat0;
          repeat0 = offset;
        }
      }

      literalsLeft -= literalLength;
      made += literalLength;
      if (offset > reach + made || offset > window || offset === 0) {
        if (bit < low) throw overrun(input);
        throw badOffset(input, offset, reach + made, window);
      }
      made += matchLength;
      if ((literalsLeft < 0 || made > blockMax) && bit < low) throw overrun(input);
      if (literalsLeft < 0) {
        throw input.corrupt(`sequences take more than the ${literalCount} literals of the block`);
      }
      if (made > blockMax) {
        throw input.corrupt(`it regenerates more than the block maximum of ${blockMax} bytes`);
      }
      literalLengths[i] = literalLength;
      matchLengths[i] = matchLength;
      offsets[i] = offset;

      if (i !== last) {
        // State updates in the order literal length, match length, offset: 18 + 8 bits at most.
        const llStep = (llEntry >>> 9) & 15;
        const mlStep = (mlEntry >>> 9) & 15;
        bit -= llStep + mlStep;
        const steps = view.getInt32(bit >>> 3, true) >>> (bit & 7);
        mlState = (mlEntry & 511) + (steps & ((1 << mlStep) - 1));
        llState = (llEntry & 511) + ((steps >>> mlStep) & ((1 << llStep) - 1));
        const ofStep = (ofEntry >>> 9) & 15;
        bit -= ofStep;
        ofState = (ofEntry & 511) + ((view.getInt32(bit >>> 3, true) >>> (bit & 7)) & ((1 << ofStep) - 1));
      }
      // One sequence cannot read past the padding in front of the block, so that one check for all its reads is enough.
      if (bit < low) throw overrun(input);
    }
    if (bit !== low) throw input.corrupt(`${bit - low} bits are left over behind the last sequence`);
    if (made + literalsLeft > blockMax) {
      throw input.corrupt(`it regenerates more than the block maximum of ${blockMax} bytes`);
    }
    this.#repeat[0] = repeat0;
    this.#repeat[1] = repeat1;
    this.#repeat[2] = repeat2;
    this.count = count;
    this.outputSize = made + literalsLeft;
  }
}

/**
 * The value of an offset code of 26 to 31 extra bits, in two loads and without 32-bit arithmetic. What is over the
 * largest possible window is refused here, so that offsets stay machine integers in the loop.
 */
function readLongOffset(input: BlockInput, bit: number, bits: number): number {
  const lowPart = (input.view.getInt32(bit >>> 3, true) >>> (bit & 7)) & 0xffff;
  const above = bit + 16;
  const highPart = (input.view.getInt32(above >>> 3, true) >>> (above & 7)) & ((1 << (bits - 16)) - 1);
  const value = 2 ** bits + highPart * 65536 + lowPart;
  if (value > MAX_WINDOW_LIMIT + 3) throw input.corrupt(`offset ${value - 3} reaches beyond any window`);
  return value;
}

function overrun(input: BlockInput): Error {
  return input.corrupt("the bit stream of the sequences is too short");
}

function badOffset(input: BlockInput, offset: number, produced: number, window: number): Error {
  if (offset === 0) return input.corrupt("a match has offset 0");
  return input.corrupt(
    offset > window
      ? `offset ${offset} reaches beyond the window of ${window} bytes`
      : `offset ${offset} reaches before the first byte of the frame, ${produced} bytes back`,
  );
}

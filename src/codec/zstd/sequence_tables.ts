/**
 * The head of the sequences section: the number of sequences and the three FSE tables (RFC 8878, 3.1.1.3.2.1).
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";
import { buildFseTable, buildRleTable, FseDistribution, FseTable, readDistribution } from "./fse.ts";
import { type CodeKind, LITERAL_LENGTHS, MATCH_LENGTHS, OFFSETS } from "./sequence_codes.ts";

/** Compression modes of a table. */
const PREDEFINED = 0;
const RLE = 1;
const FSE_COMPRESSED = 2;

/** Added to the 16-bit form of the number of sequences. */
const LONG_COUNT = 0x7f00;

const distribution = new FseDistribution();

/** The tables in force, which the next block may repeat. */
export class SequenceTables {
  literalLengths: FseTable = LITERAL_LENGTHS.predefined;
  offsets: FseTable = OFFSETS.predefined;
  matchLengths: FseTable = MATCH_LENGTHS.predefined;
  /** Number of sequences in the current block. */
  count = 0;

  readonly #ownLiteralLengths = new FseTable();
  readonly #ownOffsets = new FseTable();
  readonly #ownMatchLengths = new FseTable();
  #canRepeat = false;
  /** Where the next table description starts. */
  #at = 0;

  /** Forgets the tables: frames are independent. */
  resetFrame(): void {
    this.#canRepeat = false;
  }

  /**
   * Reads the section head at `at`.
   *
   * @returns index of the bit stream, which is the end of the block where there are no sequences
   */
  read(input: BlockInput, at: number): number {
    const { bytes, end } = input;
    const first = at < end ? bytes[at]! : 0;
    const headerSize = first < 128 ? 1 : first < 255 ? 2 : 3;
    if (at + headerSize > end) throw input.corrupt("the sequences section header is cut off");
    if (first < 128) {
      this.count = first;
    } else if (first < 255) {
      this.count = ((first - 128) << 8) + bytes[at + 1]!;
    } else {
      this.count = bytes[at + 1]! + (bytes[at + 2]! << 8) + LONG_COUNT;
    }
    this.#at = at + headerSize;
    if (this.count === 0) {
      if (this.#at !== end) {
        throw input.corrupt(`${end - this.#at} bytes are left over behind a block without sequences`);
      }
      return end;
    }
    if (this.#at >= end) throw input.corrupt("the sequences section header is cut off");
    const modes = bytes[this.#at++]!;
    if ((modes & 3) !== 0) {
      throw input.corrupt("reserved bits of the symbol compression modes are set");
    }
    this.literalLengths = this.#table(
      input,
      modes >>> 6,
      LITERAL_LENGTHS,
      this.#ownLiteralLengths,
      this.literalLengths,
    );
    this.offsets = this.#table(input, (modes >>> 4) & 3, OFFSETS, this.#ownOffsets, this.offsets);
    this.matchLengths = this.#table(
      input,
      (modes >>> 2) & 3,
      MATCH_LENGTHS,
      this.#ownMatchLengths,
      this.matchLengths,
    );
    this.#canRepeat = true;
    return this.#at;
  }

  #table(input: BlockInput, mode: number, kind: CodeKind, own: FseTable, previous: FseTable): FseTable {
    if (mode === PREDEFINED) return kind.predefined;
    if (mode === RLE) {
      if (this.#at >= input.end) throw input.corrupt(`the ${kind.name} table is cut off`);
      const symbol = input.bytes[this.#at++]!;
      if (symbol > kind.maxSymbol) {
        throw input.corrupt(`the ${kind.name} code is ${symbol}, at most ${kind.maxSymbol} is allowed`);
      }
      buildRleTable(symbol, kind.extraBits, own);
      return own;
    }
    if (mode === FSE_COMPRESSED) {
      readDistribution(input, this.#at, input.end, kind.maxAccuracyLog, kind.maxSymbol, distribution);
      this.#at = distribution.end;
      buildFseTable(distribution, kind.extraBits, own);
      return own;
    }
    if (!this.#canRepeat) {
      throw input.corrupt(`the ${kind.name} table repeats one that the frame does not have`);
    }
    return previous;
  }
}

/**
 * Compressed blocks (RFC 8878, 3.1.1.3) and what they hand on to the next block of the frame.
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";
import { executeSequences } from "./execute.ts";
import type { History } from "./history.ts";
import { Literals } from "./literals.ts";
import { SequenceTables } from "./sequence_tables.ts";
import { Sequences } from "./sequences.ts";

/** Decodes compressed blocks; one object for the whole stream, so that its tables are allocated once. */
export class BlockDecoder {
  readonly #literals = new Literals();
  readonly #tables = new SequenceTables();
  readonly #sequences = new Sequences();

  /** Forgets what earlier blocks left behind: each frame starts anew. */
  resetFrame(): void {
    this.#literals.resetFrame();
    this.#tables.resetFrame();
    this.#sequences.resetFrame();
  }

  /**
   * Decodes the block in `input` to `history.position`, without moving that position.
   *
   * @param blockMax most bytes that the block may regenerate
   * @param windowSize how far a match may reach back
   * @returns number of bytes regenerated
   * @throws FormatError when the block is not what RFC 8878 allows; nothing of it counts then
   */
  decode(input: BlockInput, history: History, blockMax: number, windowSize: number): number {
    const literals = this.#literals;
    const sequences = this.#sequences;
    const headAt = literals.decode(input, blockMax);
    const streamAt = this.#tables.read(input, headAt);
    if (this.#tables.count === 0) {
      sequences.none(literals.size);
    } else {
      sequences.decode(input, streamAt, this.#tables, literals.size, blockMax, history.reach, windowSize);
    }
    history.reserve(sequences.outputSize, input.blobOffset);
    executeSequences(sequences, literals, history);
    return sequences.outputSize;
  }
}

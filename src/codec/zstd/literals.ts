/**
 * The literals section of a compressed block (RFC 8878, 3.1.1.3.1).
 *
 * @module
 */

import type { BlockInput } from "./block_input.ts";
import { decodeFourStreams, decodeStream } from "./huffman_streams.ts";
import { HuffmanTable, readHuffmanTable } from "./huffman_table.ts";
import { MAX_BLOCK_SIZE, PADDING } from "./limits.ts";

/** Literals_Block_Type values. */
const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;

/** The literals of the current block, and the Huffman table that a later block of the frame may use again. */
export class Literals {
  /** Where the literals are: the input itself for raw literals, otherwise a buffer of this object. */
  bytes: Uint8Array;
  view: DataView;
  /** Index of the first literal in `bytes`. */
  start = 0;
  /** Number of literals. */
  size = 0;

  readonly #buffer = new Uint8Array(MAX_BLOCK_SIZE + PADDING);
  readonly #bufferView = new DataView(this.#buffer.buffer);
  readonly #table = new HuffmanTable();
  #hasTable = false;

  constructor() {
    this.bytes = this.#buffer;
    this.view = this.#bufferView;
  }

  /** Forgets the Huffman table: frames are independent (RFC 8878, 3.1.1). */
  resetFrame(): void {
    this.#hasTable = false;
  }

  /**
   * Decodes the section at the start of the block.
   *
   * @param blockMax most bytes that the block may regenerate
   * @returns index of the first byte behind the section
   */
  decode(input: BlockInput, blockMax: number): number {
    const { bytes, view, start, end } = input;
    if (end === start) throw input.corrupt("it is empty, without literals and sequences sections");
    const type = bytes[start]! & 3;
    const format = (bytes[start]! >>> 2) & 3;
    if (type === RAW || type === RLE) {
      // One, two or three bytes with 5, 12 or 20 bits of Regenerated_Size; the padding behind the block may be read.
      const headerSize = (format & 1) === 0 ? 1 : format === 1 ? 2 : 3;
      const header = view.getUint32(start, true);
      const at = start + headerSize;
      if (at > end) throw input.corrupt("the literals section header is cut off");
      const size = headerSize === 1
        ? bytes[start]! >>> 3
        : headerSize === 2
        ? (header >>> 4) & 0xfff
        : (header >>> 4) & 0xfffff;
      this.#checkSize(input, size, blockMax);
      return type === RAW ? this.#raw(input, at, size) : this.#rle(input, at, size);
    }
    // Three, four or five bytes with twice 10, 10, 14 or 18 bits: Regenerated_Size and Compressed_Size.
    const headerSize = format < 2 ? 3 : format + 2;
    const at = start + headerSize;
    if (at > end) throw input.corrupt("the literals section header is cut off");
    const header = view.getUint32(start, true);
    const width = format < 2 ? 10 : format === 2 ? 14 : 18;
    const mask = (1 << width) - 1;
    const size = (header >>> 4) & mask;
    const compressedSize = format === 3
      ? (header >>> 22) | (bytes[start + 4]! << 10)
      : (header >>> (4 + width)) & mask;
    this.#checkSize(input, size, blockMax);
    const sectionEnd = at + compressedSize;
    if (sectionEnd > end) throw input.corrupt("the literals section reaches behind the end of the block");
    this.#huffman(input, at, sectionEnd, size, type === COMPRESSED, format !== 0);
    return sectionEnd;
  }

  #checkSize(input: BlockInput, size: number, blockMax: number): void {
    if (size > blockMax) {
      throw input.corrupt(`it declares ${size} literals, more than the block maximum of ${blockMax}`);
    }
  }

  #raw(input: BlockInput, at: number, size: number): number {
    if (at + size > input.end) throw input.corrupt("the raw literals reach behind the end of the block");
    this.bytes = input.bytes;
    this.view = input.view;
    this.start = at;
    this.size = size;
    return at + size;
  }

  #rle(input: BlockInput, at: number, size: number): number {
    if (at >= input.end) throw input.corrupt("the literals section is cut off");
    this.#useBuffer(size);
    this.#buffer.fill(input.bytes[at]!, 0, size);
    return at + 1;
  }

  #huffman(
    input: BlockInput,
    at: number,
    end: number,
    size: number,
    withTable: boolean,
    fourStreams: boolean,
  ): void {
    let streams = at;
    if (withTable) {
      this.#hasTable = true;
      streams = readHuffmanTable(input, at, end, this.#table);
    } else if (!this.#hasTable) {
      throw input.corrupt("treeless literals without an earlier Huffman table in the frame");
    }
    this.#useBuffer(size);
    if (fourStreams) {
      decodeFourStreams(input, streams, end, this.#table, this.#buffer, size);
    } else {
      decodeStream(input, streams, end, this.#table, this.#buffer, 0, size);
    }
  }

  #useBuffer(size: number): void {
    this.bytes = this.#buffer;
    this.view = this.#bufferView;
    this.start = 0;
    this.size = size;
  }
}

/** Writes DEFLATE streams (RFC 1951) by hand, so that tests can break rules that encoders keep. */

/** Bits packed as RFC 1951 section 3.1.1 says: from the lowest bit of each byte on. */
export class BitWriter {
  readonly #bytes: number[] = [];
  #free = 0;

  /** `count` bits of a number, lowest first. */
  bits(value: number, count: number): this {
    for (let i = 0; i < count; i++) this.#bit(Math.floor(value / 2 ** i) % 2);
    return this;
  }

  /** A Huffman code: highest bit first. */
  code({ code, length }: Code): this {
    for (let i = length - 1; i >= 0; i--) this.#bit((code >> i) & 1);
    return this;
  }

  /** Zeros up to the next byte. */
  align(): this {
    this.#free = 0;
    return this;
  }

  bytes(bytes: Iterable<number>): this {
    for (const byte of bytes) this.bits(byte, 8);
    return this;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }

  #bit(bit: number): void {
    if (this.#free === 0) {
      this.#bytes.push(0);
      this.#free = 8;
    }
    this.#bytes[this.#bytes.length - 1]! |= bit << (8 - this.#free);
    this.#free--;
  }
}

export interface Code {
  readonly code: number;
  readonly length: number;
}

/** The codes for these lengths, RFC 1951 section 3.2.2; those of an over-subscribed set are cut to their length. */
export function codesOf(lengths: readonly number[]): Code[] {
  const codes = lengths.map((length) => ({ code: 0, length }));
  let next = 0;
  for (let length = 1; length <= 15; length++) {
    next *= 2;
    for (const code of codes) {
      if (code.length === length) code.code = next++ % 2 ** length;
    }
  }
  return codes;
}

/** `size` lengths, all 0 but for those given. */
export function lengthsOf(size: number, given: Readonly<Record<number, number | undefined>>): number[] {
  return Array.from({ length: size }, (_, symbol) => given[symbol] ?? 0);
}

export const FIXED_LITLEN: readonly Code[] = codesOf(
  Array.from({ length: 288 }, (_, symbol) => symbol < 144 ? 8 : symbol < 256 ? 9 : symbol < 280 ? 7 : 8),
);
export const FIXED_DISTANCE: readonly Code[] = codesOf(new Array(32).fill(5));

/** A code length code with every symbol. */
export const FULL_PRECODE: readonly number[] = lengthsOf(
  19,
  Object.fromEntries(Array.from({ length: 19 }, (_, symbol) => [symbol, symbol < 13 ? 4 : 5])),
);

export const PRECODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] as const;

export interface DynamicHeader {
  readonly litlen: readonly number[];
  readonly distance: readonly number[];
  readonly precode?: readonly number[];
  /** Symbols of the code length code to write, each with the value of its extra bits, instead of the lengths. */
  readonly symbols?: readonly (readonly [symbol: number, extra: number])[];
}

/** The header of a dynamic block, RFC 1951 section 3.2.7, every length written out unless `symbols` are given. */
export function dynamicHeader(writer: BitWriter, header: DynamicHeader, final = true): void {
  const precode = header.precode ?? FULL_PRECODE;
  writer.bits(final ? 1 : 0, 1).bits(2, 2);
  writer.bits(header.litlen.length - 257, 5).bits(header.distance.length - 1, 5).bits(15, 4);
  for (const symbol of PRECODE_ORDER) writer.bits(precode[symbol]!, 3);
  const codes = codesOf(precode);
  const lengths = [...header.litlen, ...header.distance].map((length) => [length, 0] as const);
  for (const [symbol, extra] of header.symbols ?? lengths) {
    writer.code(codes[symbol]!);
    if (symbol >= 16) writer.bits(extra, [2, 3, 7][symbol - 16]!);
  }
}

/** First length and extra bits of the symbols from 257 on, RFC 1951 section 3.2.5. */
export const LENGTH_BASES: readonly (readonly [base: number, extra: number])[] = bases(
  3,
  [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5],
).concat([[258, 0]]);

export const DISTANCE_BASES: readonly (readonly [base: number, extra: number])[] = bases(
  1,
  [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13],
);

function bases(first: number, extras: readonly number[]): (readonly [number, number])[] {
  let base = first;
  return extras.map((extra) => {
    const from = base;
    base += 2 ** extra;
    return [from, extra] as const;
  });
}

/** Writes symbols with a pair of codes. */
export class SymbolWriter {
  readonly writer: BitWriter;
  readonly litlen: readonly Code[];
  readonly distance: readonly Code[];

  constructor(writer: BitWriter, litlen: readonly Code[], distance: readonly Code[]) {
    this.writer = writer;
    this.litlen = litlen;
    this.distance = distance;
  }

  literals(bytes: Iterable<number>): this {
    for (const byte of bytes) this.writer.code(this.litlen[byte]!);
    return this;
  }

  /** @param alternative writes length 258 as 227 + 31 */
  match(length: number, distance: number, alternative = false): this {
    const last = alternative ? 27 : 28;
    let symbol = 0;
    while (symbol < last && LENGTH_BASES[symbol + 1]![0] <= length) symbol++;
    const [base, extra] = LENGTH_BASES[symbol]!;
    this.writer.code(this.litlen[257 + symbol]!).bits(length - base, extra);
    return this.distanceOf(distance);
  }

  distanceOf(distance: number): this {
    let symbol = 0;
    while (symbol < 29 && DISTANCE_BASES[symbol + 1]![0] <= distance) symbol++;
    const [base, extra] = DISTANCE_BASES[symbol]!;
    this.writer.code(this.distance[symbol]!).bits(distance - base, extra);
    return this;
  }

  end(): this {
    this.writer.code(this.litlen[256]!);
    return this;
  }
}

/** A stream of one fixed block, with its end unless `write` leaves nothing to be ended. */
export function fixedBlock(write: (symbols: SymbolWriter) => void, end = true): Uint8Array<ArrayBuffer> {
  const writer = new BitWriter().bits(1, 1).bits(1, 2);
  const symbols = new SymbolWriter(writer, FIXED_LITLEN, FIXED_DISTANCE);
  write(symbols);
  if (end) symbols.end();
  return writer.finish();
}

/** A stream of one dynamic block. */
export function dynamicBlock(
  header: DynamicHeader,
  write: (symbols: SymbolWriter) => void = () => {},
): Uint8Array<ArrayBuffer> {
  const writer = new BitWriter();
  dynamicHeader(writer, header);
  write(new SymbolWriter(writer, codesOf(header.litlen), codesOf(header.distance)));
  return writer.finish();
}

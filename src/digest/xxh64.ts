/**
 * XXH64 with 32-bit integer arithmetic, for the content checksums of Zstandard frames.
 *
 * Follows the xxHash fast digest algorithm specification (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md),
 * with seed 0 and of the digest only what Zstandard stores (RFC 8878, 3.1.1).
 *
 * A 64-bit number is a pair of 32-bit halves. BigInt would be shorter, but allocates for each operation.
 *
 * @module
 */

/** A hash of one content at a time; `init` starts the next one. */
export interface Xxh64 {
  init(): void;
  update(bytes: Uint8Array): void;
  /** Low 32 bits of the digest of what was updated since `init`, 0 to 2^32 - 1. */
  digestLow32(): number;
}

/** The portable implementation. */
export function createXxh64(): Xxh64 {
  return new PortableXxh64();
}

// The primes of the specification, as halves.
const P1H = 0x9e3779b1 | 0, P1L = 0x85ebca87 | 0;
const P2H = 0xc2b2ae3d | 0, P2L = 0x27d4eb4f | 0;
const P3H = 0x165667b1 | 0, P3L = 0x9e3779f9 | 0;
const P4H = 0x85ebca77 | 0, P4L = 0xc2b2ae63 | 0;
const P5H = 0x27d4eb2f | 0, P5L = 0x165667c5 | 0;

const STRIPE = 32;

/** High half of the 64-bit product of two unsigned 32-bit numbers. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff, ah = a >>> 16, bl = b & 0xffff, bh = b >>> 16;
  const low = Math.imul(al, bl), mid1 = Math.imul(ah, bl), mid2 = Math.imul(al, bh);
  const carry = (low >>> 16) + (mid1 & 0xffff) + (mid2 & 0xffff);
  return (Math.imul(ah, bh) + (mid1 >>> 16) + (mid2 >>> 16) + (carry >>> 16)) | 0;
}

/** High half of `(h, l) * (bh, bl)` modulo 2^64; the low half is `Math.imul(l, bl)`. */
function mul64High(h: number, l: number, bh: number, bl: number): number {
  return (mulHigh(l, bl) + Math.imul(h, bl) + Math.imul(l, bh)) | 0;
}

/** Whether the sum `low` of two 32-bit numbers, one of which is `addend`, has wrapped. */
function carryOf(low: number, addend: number): number {
  return (low >>> 0) < (addend >>> 0) ? 1 : 0;
}

class PortableXxh64 implements Xxh64 {
  /** The four accumulators, low half first. */
  readonly #lanes = new Int32Array(8);
  readonly #rest = new Uint8Array(STRIPE);
  readonly #restView = new DataView(this.#rest.buffer);
  #restSize = 0;
  #total = 0;
  // State of the digest while it is folded together.
  #high = 0;
  #low = 0;

  constructor() {
    this.init();
  }

  init(): void {
    // P1 + P2, P2, 0 and -P1.
    const low = (P1L + P2L) | 0;
    this.#lanes.set([low, (P1H + P2H + carryOf(low, P1L)) | 0, P2L, P2H, 0, 0, -P1L | 0, ~P1H]);
    this.#restSize = 0;
    this.#total = 0;
  }

  update(bytes: Uint8Array): void {
    let at = 0;
    this.#total += bytes.length;
    if (this.#restSize > 0) {
      at = Math.min(STRIPE - this.#restSize, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restSize);
      this.#restSize += at;
      if (this.#restSize < STRIPE) return;
      this.#stripes(this.#restView, 0, STRIPE);
      this.#restSize = 0;
    }
    const end = bytes.length - ((bytes.length - at) % STRIPE);
    if (end > at) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      this.#stripes(view, at, end);
    }
    this.#rest.set(bytes.subarray(end));
    this.#restSize = bytes.length - end;
  }

  #stripes(view: DataView, at: number, end: number): void {
    for (let lane = 0; lane < 4; lane++) this.#lane(view, at + 8 * lane, end, 2 * lane);
  }

  /** Runs one accumulator over all stripes; one at a time keeps its halves in registers. */
  #lane(view: DataView, at: number, end: number, lane: number): void {
    let low = this.#lanes[lane]!;
    let high = this.#lanes[lane + 1]!;
    for (; at < end; at += STRIPE) {
      // accumulator += input * P2
      const inLow = view.getInt32(at, true);
      const inHigh = view.getInt32(at + 4, true);
      const addLow = Math.imul(inLow, P2L);
      const sumLow = (low + addLow) | 0;
      const sumHigh = (high + mul64High(inHigh, inLow, P2H, P2L) + carryOf(sumLow, addLow)) | 0;
      // rotate left by 31, then times P1
      const rotLow = (sumLow << 31) | (sumHigh >>> 1);
      const rotHigh = (sumHigh << 31) | (sumLow >>> 1);
      low = Math.imul(rotLow, P1L);
      high = mul64High(rotHigh, rotLow, P1H, P1L);
    }
    this.#lanes[lane] = low;
    this.#lanes[lane + 1] = high;
  }

  digestLow32(): number {
    if (this.#total >= STRIPE) {
      this.#converge();
    } else {
      this.#high = P5H;
      this.#low = P5L;
    }
    this.#add(Math.floor(this.#total / 2 ** 32) | 0, this.#total | 0);
    this.#consumeRest();
    // Avalanche: the final mix.
    this.#xorShiftRight(33);
    this.#multiply(P2H, P2L);
    this.#xorShiftRight(29);
    this.#multiply(P3H, P3L);
    return (this.#low ^ this.#high) >>> 0;
  }

  /** Joins the accumulators: their rotations by 1, 7, 12 and 18 added up, then each mixed in. */
  #converge(): void {
    this.#high = 0;
    this.#low = 0;
    const rotations = [1, 7, 12, 18];
    for (let lane = 0; lane < 4; lane++) {
      const low = this.#lanes[2 * lane]!, high = this.#lanes[2 * lane + 1]!, by = rotations[lane]!;
      this.#add((high << by) | (low >>> (32 - by)), (low << by) | (high >>> (32 - by)));
    }
    for (let lane = 0; lane < 4; lane++) {
      this.#xorRound(this.#lanes[2 * lane + 1]!, this.#lanes[2 * lane]!);
      this.#multiply(P1H, P1L);
      this.#add(P4H, P4L);
    }
  }

  #consumeRest(): void {
    let at = 0;
    for (; at + 8 <= this.#restSize; at += 8) {
      this.#xorRound(this.#restView.getInt32(at + 4, true), this.#restView.getInt32(at, true));
      this.#rotateLeft(27);
      this.#multiply(P1H, P1L);
      this.#add(P4H, P4L);
    }
    if (at + 4 <= this.#restSize) {
      const word = this.#restView.getInt32(at, true);
      this.#high ^= mul64High(0, word, P1H, P1L);
      this.#low ^= Math.imul(word, P1L);
      this.#rotateLeft(23);
      this.#multiply(P2H, P2L);
      this.#add(P3H, P3L);
      at += 4;
    }
    for (; at < this.#restSize; at++) {
      const byte = this.#rest[at]!;
      this.#high ^= mul64High(0, byte, P5H, P5L);
      this.#low ^= Math.imul(byte, P5L);
      this.#rotateLeft(11);
      this.#multiply(P1H, P1L);
    }
  }

  /** Xors in the round of an empty accumulator: rotate left(input * P2, 31) * P1. */
  #xorRound(high: number, low: number): void {
    const mixLow = Math.imul(low, P2L);
    const mixHigh = mul64High(high, low, P2H, P2L);
    const rotLow = (mixLow << 31) | (mixHigh >>> 1);
    const rotHigh = (mixHigh << 31) | (mixLow >>> 1);
    this.#low ^= Math.imul(rotLow, P1L);
    this.#high ^= mul64High(rotHigh, rotLow, P1H, P1L);
  }

  #add(high: number, low: number): void {
    this.#low = (this.#low + low) | 0;
    this.#high = (this.#high + high + carryOf(this.#low, low)) | 0;
  }

  #multiply(high: number, low: number): void {
    this.#high = mul64High(this.#high, this.#low, high, low);
    this.#low = Math.imul(this.#low, low);
  }

  /** By 1 to 31 bits. */
  #rotateLeft(by: number): void {
    const high = (this.#high << by) | (this.#low >>> (32 - by));
    this.#low = (this.#low << by) | (this.#high >>> (32 - by));
    this.#high = high;
  }

  /** x ^= x >>> by, for 1 to 63 bits. */
  #xorShiftRight(by: number): void {
    if (by < 32) {
      this.#low ^= (this.#low >>> by) | (this.#high << (32 - by));
      this.#high ^= this.#high >>> by;
    } else {
      this.#low ^= this.#high >>> (by - 32);
    }
  }
}

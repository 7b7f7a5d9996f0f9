/**
 * CRC-64 with the polynomial of ISO 3309, x^64 + x^4 + x^3 + x + 1, in the form of Go's `hash/crc64` (`crc64.ISO`) that
 * tar-split writes: bits reflected, register and result inverted.
 *
 * No tables: with so few terms arithmetic is faster. Modulo the polynomial P, x^64 = x^4 + x^3 + x + 1, and in GF(2)
 * squaring such a sum squares its terms, so that after six squarings
 *
 *     x^(64 * 64) = x^(64 * 4) + x^(64 * 3) + x^(64 * 1) + 1
 *
 * which moves whole words: a word counts as much as its copies 60, 61, 63 and 64 words later. Pushing each word of the
 * message on in this way leaves 64 words with the same remainder, at two loads, a store and four XORs for 8 bytes:
 * 12 GB/s in Node 24 and 9 in Deno 2.9 for 64 KiB. Word by word `timesWord` reaches 2.6 GB/s.
 */
import { CRC64_BASE } from "./layout";

/** In bytes, as all that follow. */
const WORD: usize = 8;
/** How far a word is pushed on: the 64 words that are left. */
const REACH: usize = 64 * WORD;
/** The `REACH` before the words that are worked on, then these. */
const PUSHED: usize = CRC64_BASE;
const PUSHED_SIZE: usize = 8192;
/** Bytes in one turn of the loop; at most 60 words, so that no turn needs what it writes itself. */
const TURN: usize = 8 * WORD;
/** Shorter messages gain nothing. */
const LONG: usize = 4 * REACH;

/** There are no tables. */
export function init(): void {}

/** A register times x^64. Bit 63 is the coefficient of x^0: times x is a shift to the right. */
@inline
function timesWord(c: u64): u64 {
  // What is shifted out has degree 64 to 67, and is reduced in the same way.
  const out: u64 = (c << 63) ^ (c << 61) ^ (c << 60);
  const sum: u64 = c ^ out;
  return sum ^ (sum >> 1) ^ (sum >> 3) ^ (sum >> 4);
}

/** Takes `length` bytes at `data` into the register at `state`, which starts as all ones and ends inverted. */
export function update(state: usize, data: usize, length: usize): void {
  let crc: u64 = load<u64>(state);
  if (length >= LONG) {
    const pushed = push(crc, data, length);
    crc = 0;
    data += pushed;
    length -= pushed;
    // The last words get what was pushed on to them, from the end of PUSHED.
    for (let at: usize = 0; at < REACH; at += WORD) crc = timesWord(crc ^ load<u64>(data + at) ^ pushedTo(PUSHED + at));
    data += REACH;
    length -= REACH;
  }
  const end = data + length;
  // Invariant: 8 bytes are left.
  for (; data + WORD <= end; data += WORD) crc = timesWord(crc ^ load<u64>(data));
  for (; data < end; data++) {
    // The 8 new bits are the highest terms: shifted by 56 they are a word of which only they are reduced.
    crc = (crc >> 8) ^ timesWord((crc ^ load<u8>(data)) << 56);
  }
  store<u64>(state, crc);
}

/** The words that are pushed on to the one whose own place is `REACH` after `at`. */
@inline
function pushedTo(at: usize): u64 {
  return load<u64>(at) ^ load<u64>(at, 1 * WORD) ^ load<u64>(at, 3 * WORD) ^ load<u64>(at, 4 * WORD);
}

/**
 * Pushes words on, whole turns but not the last 64 words, and returns how many bytes that were. Leaves the last 64 of
 * them at `PUSHED`, followed by as many zeros.
 */
function push(crc: u64, data: usize, length: usize): usize {
  const all: usize = (length - REACH) / TURN * TURN;
  memory.fill(PUSHED, 0, REACH);
  // Counts for the first word only, like a word 64 words before it.
  store<u64>(PUSHED, crc);
  let left = all;
  while (left > 0) {
    const size = min(left, PUSHED_SIZE);
    const end = PUSHED + size;
    let a: u64 = load<u64>(PUSHED);
    let b: u64 = load<u64>(PUSHED, 1 * WORD);
    let c: u64 = load<u64>(PUSHED, 2 * WORD);
    let d: u64 = load<u64>(PUSHED, 3 * WORD);
    // Invariant: at + TURN <= end, and REACH + PUSHED_SIZE bytes follow PUSHED; a to d are the words at `at`.
    for (let at: usize = PUSHED; at < end; at += TURN) {
      const e = load<u64>(at, 4 * WORD);
      const f = load<u64>(at, 5 * WORD);
      const g = load<u64>(at, 6 * WORD);
      const h = load<u64>(at, 7 * WORD);
      store<u64>(at, load<u64>(data) ^ a ^ b ^ d ^ e, REACH);
      store<u64>(at, load<u64>(data, 1 * WORD) ^ b ^ c ^ e ^ f, REACH + 1 * WORD);
      store<u64>(at, load<u64>(data, 2 * WORD) ^ c ^ d ^ f ^ g, REACH + 2 * WORD);
      store<u64>(at, load<u64>(data, 3 * WORD) ^ d ^ e ^ g ^ h, REACH + 3 * WORD);
      a = load<u64>(at, 8 * WORD);
      b = load<u64>(at, 9 * WORD);
      c = load<u64>(at, 10 * WORD);
      d = load<u64>(at, 11 * WORD);
      store<u64>(at, load<u64>(data, 4 * WORD) ^ e ^ f ^ h ^ a, REACH + 4 * WORD);
      store<u64>(at, load<u64>(data, 5 * WORD) ^ f ^ g ^ a ^ b, REACH + 5 * WORD);
      store<u64>(at, load<u64>(data, 6 * WORD) ^ g ^ h ^ b ^ c, REACH + 6 * WORD);
      store<u64>(at, load<u64>(data, 7 * WORD) ^ h ^ a ^ c ^ d, REACH + 7 * WORD);
      data += TURN;
    }
    memory.copy(PUSHED, end, REACH);
    left -= size;
  }
  memory.fill(PUSHED + REACH, 0, REACH);
  return all;
}

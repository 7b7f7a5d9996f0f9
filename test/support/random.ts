/**
 * Repeatable random data: the same seed gives the same bytes on every machine and runtime.
 *
 * The generator is xorshift32 (Marsaglia, "Xorshift RNGs", 2003). It is for test data, not for secrets.
 */

/** A stream of random numbers. */
export interface Random {
  /** The next unsigned 32-bit number. */
  next(): number;
  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number;
  /** One element of a list. */
  pick<T>(list: readonly T[]): T;
}

/** A generator started by `seed`, any whole number. */
export function random(seed = 1): Random {
  // Spread close seeds apart (the finalizer of MurmurHash3); state 0 would stay 0 for ever.
  let state = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35) ^ 0x9e3779b9;
  if (state === 0) state = 1;
  const next = (): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  const below = (limit: number): number => Math.floor(next() / 2 ** 32 * limit);
  return { next, below, pick: (list) => list[below(list.length)]! };
}

/** `length` incompressible bytes. */
export function randomBytes(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(length / 4));
  const { next } = random(seed);
  for (let at = 0; at < words.length; at++) words[at] = next();
  return new Uint8Array(words.buffer, 0, length);
}

const WORDS = (
  "layer blob chunk digest header member frame footer manifest config index tar range verify cache " +
  "mount store image registry entry whiteout opaque a the of to and is in for with"
).split(" ");

/** `length` bytes of words and line ends, which compress about as well as source code does. */
export function randomText(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const { below, pick } = random(seed);
  const words: string[] = [];
  for (let size = 0; size < length;) {
    const word = pick(WORDS) + (below(9) === 0 ? "\n" : " ");
    words.push(word);
    size += word.length;
  }
  return new TextEncoder().encode(words.join("").slice(0, length)) as Uint8Array<ArrayBuffer>;
}

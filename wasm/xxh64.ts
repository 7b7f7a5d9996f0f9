/**
 * XXH64 (xxHash fast digest algorithm, https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md) with seed 0.
 *
 * The four accumulators are the state, which the host sets up (step 1); what does not fill a stripe of 32 bytes is the
 * host's to keep.
 */
const P1: u64 = 0x9e3779b185ebca87;
const P2: u64 = 0xc2b2ae3d27d4eb4f;
const P3: u64 = 0x165667b19e3779f9;
const P4: u64 = 0x85ebca77c2b2ae63;
const P5: u64 = 0x27d4eb2f165667c5;

/** There are no tables. */
export function init(): void {}

@inline
function round(accumulator: u64, input: u64): u64 {
  return rotl<u64>(accumulator + input * P2, 31) * P1;
}

/**
 * Step 2: takes `stripes` stripes of 32 bytes at `data` into the accumulators at `state`.
 *
 * Invariant of the loop: data < end, and end - data is a multiple of 32, so that all 32 bytes belong to the message.
 */
export function compress(state: usize, data: usize, stripes: u32): void {
  let a: u64 = load<u64>(state);
  let b: u64 = load<u64>(state, 8);
  let c: u64 = load<u64>(state, 16);
  let d: u64 = load<u64>(state, 24);
  const end: usize = data + (<usize>stripes << 5);
  while (data < end) {
    a = round(a, load<u64>(data));
    b = round(b, load<u64>(data, 8));
    c = round(c, load<u64>(data, 16));
    d = round(d, load<u64>(data, 24));
    data += 32;
  }
  store<u64>(state, a);
  store<u64>(state, b, 8);
  store<u64>(state, c, 16);
  store<u64>(state, d, 24);
}

@inline
function merge(hash: u64, accumulator: u64): u64 {
  return (hash ^ round(0, accumulator)) * P1 + P4;
}

/**
 * Steps 3 to 6: the hash of a message, written over the state as a little-endian number.
 * @param length how many bytes at `data` end the message, less than 32
 * @param total the length of the whole message in bytes
 */
export function finish(state: usize, data: usize, length: u32, total: u64): void {
  let hash: u64 = P5;
  if (total >= 32) {
    const a: u64 = load<u64>(state), b: u64 = load<u64>(state, 8);
    const c: u64 = load<u64>(state, 16), d: u64 = load<u64>(state, 24);
    hash = rotl<u64>(a, 1) + rotl<u64>(b, 7) + rotl<u64>(c, 12) + rotl<u64>(d, 18);
    hash = merge(merge(merge(merge(hash, a), b), c), d);
  }
  hash += total;
  const end: usize = data + length;
  for (; data + 8 <= end; data += 8) hash = rotl<u64>(hash ^ round(0, load<u64>(data)), 27) * P1 + P4;
  if (data + 4 <= end) {
    hash = rotl<u64>(hash ^ (<u64>load<u32>(data) * P1), 23) * P2 + P3;
    data += 4;
  }
  for (; data < end; data++) hash = rotl<u64>(hash ^ (<u64>load<u8>(data) * P5), 11) * P1;
  hash = (hash ^ (hash >> 33)) * P2;
  hash = (hash ^ (hash >> 29)) * P3;
  store<u64>(state, hash ^ (hash >> 32));
}

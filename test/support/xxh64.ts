/**
 * XXH64, the content checksum of zstd frames (its low 32 bits), after the specification in the xxHash repository,
 * `doc/xxhash_spec.md`. Plain and slow: it is for frames made by hand.
 */

const P1 = 0x9e3779b185ebca87n;
const P2 = 0xc2b2ae3d27d4eb4fn;
const P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n;
const P5 = 0x27d4eb2f165667c5n;

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate = (value: bigint, by: bigint): bigint => u64(value << by | value >> 64n - by);
const round = (acc: bigint, lane: bigint): bigint => u64(rotate(u64(acc + lane * P2), 31n) * P1);
const merge = (acc: bigint, lane: bigint): bigint => u64((acc ^ round(0n, lane)) * P1 + P4);

/** The hash of `data` with seed 0. */
export function xxh64(data: Uint8Array): bigint {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  let acc = P5;
  if (data.length >= 32) {
    let [a, b, c, d] = [u64(P1 + P2), P2, 0n, u64(-P1)];
    for (; at + 32 <= data.length; at += 32) {
      a = round(a, view.getBigUint64(at, true));
      b = round(b, view.getBigUint64(at + 8, true));
      c = round(c, view.getBigUint64(at + 16, true));
      d = round(d, view.getBigUint64(at + 24, true));
    }
    acc = u64(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n));
    for (const lane of [a, b, c, d]) acc = merge(acc, lane);
  }
  acc = u64(acc + BigInt(data.length));
  for (; at + 8 <= data.length; at += 8) {
    acc = u64(rotate(acc ^ round(0n, view.getBigUint64(at, true)), 27n) * P1 + P4);
  }
  if (at + 4 <= data.length) {
    acc = u64(rotate(acc ^ u64(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < data.length; at++) acc = u64(rotate(acc ^ u64(BigInt(data[at]!) * P5), 11n) * P1);
  acc = u64((acc ^ acc >> 33n) * P2);
  acc = u64((acc ^ acc >> 29n) * P3);
  return acc ^ acc >> 32n;
}

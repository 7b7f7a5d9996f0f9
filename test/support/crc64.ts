/**
 * The CRC-64 of tar-split: polynomial of ISO 3309 in the reflected form of Go's `hash/crc64` (`crc64.ISO`).
 */

// 64 bits as two halves of 32: table and state alike.
const HIGH = new Uint32Array(256);
const LOW = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let high = 0;
  let low = byte;
  for (let bit = 0; bit < 8; bit++) {
    const carry = low & 1;
    low = (low >>> 1 | high << 31) >>> 0;
    high = (high >>> 1 ^ (carry ? 0xd8000000 : 0)) >>> 0;
  }
  HIGH[byte] = high;
  LOW[byte] = low;
}

/** The checksum of `data` as the eight big-endian bytes that tar-split writes. */
export function crc64(data: Uint8Array): Uint8Array<ArrayBuffer> {
  let high = 0xffffffff;
  let low = 0xffffffff;
  for (const byte of data) {
    const index = (low ^ byte) & 0xff;
    low = (low >>> 8 | high << 24) ^ LOW[index]!;
    high = high >>> 8 ^ HIGH[index]!;
  }
  const out = new Uint8Array(8);
  const view = new DataView(out.buffer);
  view.setUint32(0, ~high);
  view.setUint32(4, ~low);
  return out;
}

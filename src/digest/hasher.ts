/**
 * The seam for hash functions: the core asks a backend, so that the platform's hash can be put in where there is one.
 *
 * @module
 */
import { createCRC32, createSHA256 } from "hash-wasm";

/** A streaming hash that is used for one message after the other. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  /** The hash of what came since the last call, as lower-case hex; then starts anew. */
  finish(): string;
}

/** A streaming CRC-32 (RFC 1952 section 8). */
export interface Crc32 {
  update(bytes: Uint8Array): void;
  /** The CRC of what came since the last call, 0 to 2^32 - 1; then starts anew. */
  finish(): number;
}

/** Makes hashers. Making one may be asynchronous (WebAssembly is compiled); using it never is. */
export interface HashBackend {
  readonly name: string;
  sha256(): Promise<Hasher>;
  crc32(): Promise<Crc32>;
}

/** Runs wherever WebAssembly does. */
export const portableHashes: HashBackend = {
  name: "hash-wasm",
  async sha256() {
    const hash = await createSHA256();
    hash.init();
    return {
      update: (bytes) => void hash.update(bytes),
      finish() {
        const hex = hash.digest("hex");
        hash.init();
        return hex;
      },
    };
  },
  async crc32() {
    const hash = await createCRC32();
    hash.init();
    return {
      update: (bytes) => void hash.update(bytes),
      finish() {
        const hex = hash.digest("hex");
        hash.init();
        return Number.parseInt(hex, 16);
      },
    };
  },
};

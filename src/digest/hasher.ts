/**
 * The seam for hash functions: the core asks a backend, so that the platform's hash can be put in where there is one.
 *
 * @module
 */
import type { HashPlace } from "../kernel/staging.ts";
import type { Xxh64 } from "./xxh64.ts";

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

/** Hashes many messages that are there at once. */
export interface BatchHasher {
  readonly name: string;
  /** SHA-256 of each message, as lower-case hex. */
  digestAll(messages: readonly Uint8Array[]): string[];
}

/** Makes hashers. Making one may be asynchronous (WebAssembly is compiled); using it never is. */
export interface HashBackend {
  readonly name: string;
  sha256(): Promise<Hasher>;
  /** @param place a memory where the data often is: a kernel then finds it there */
  crc32(place?: HashPlace): Promise<Crc32>;
  /** For zstd's content checksums. @param place as that of `crc32` */
  xxh64(place?: HashPlace): Promise<Xxh64>;
  batch(): Promise<BatchHasher>;
}

/** A batch hasher that takes one message after the other. */
export function oneByOne(name: string, hasher: Hasher): BatchHasher {
  return {
    name,
    digestAll: (messages) =>
      messages.map((message) => {
        hasher.update(message);
        return hasher.finish();
      }),
  };
}

/**
 * The hash-wasm package: it needs WebAssembly but no vectors. The package is loaded by the first hasher: with another
 * backend it never is.
 */
export const portableHashes: HashBackend = {
  name: "hash-wasm",
  sha256,
  async crc32() {
    const { createCRC32 } = await import("hash-wasm");
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
  async xxh64() {
    const { createXXHash64 } = await import("hash-wasm");
    const hash = await createXXHash64();
    return {
      init: () => void hash.init(),
      update: (bytes) => void hash.update(bytes),
      digestLow32: () => Number.parseInt(hash.digest("hex").slice(8), 16),
    };
  },
  async batch() {
    return oneByOne("hash-wasm", await sha256());
  },
};

async function sha256(): Promise<Hasher> {
  const { createSHA256 } = await import("hash-wasm");
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
}

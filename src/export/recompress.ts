/**
 * A tar compressed anew, by the platform's zlib, for Deno and Node.
 *
 * @module
 */
import type { Transform } from "node:stream";
import { constants, createGzip, createZstdCompress } from "node:zlib";
import { nativeHashes } from "../digest/native.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { DigestMismatch } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { piecesOf } from "../source/streams.ts";
import { verifyLayer } from "../verify/verify.ts";
import type { LayerReport } from "../verify/report.ts";
import type { VerifyOptions } from "../verify/options.ts";

export type Compression = "gzip" | "zstd" | "none";

export interface RecompressOptions {
  /** 1 to 9 for gzip, 6 by default; 1 to 22 for zstd, 3 by default. */
  readonly level?: number;
  /** SHA-256; the platform's by default. */
  readonly hashes?: Pick<HashBackend, "sha256">;
  /** Looked at before each piece is taken and written. */
  readonly signal?: AbortSignal;
}

/** What went through. Sizes in bytes, digests as `sha256:…`. */
export interface Recompressed {
  /** Of what was written. */
  readonly digest: string;
  readonly size: number;
  /** Of the tar. */
  readonly diffID: string;
  readonly uncompressedSize: number;
}

/** Bytes that a compressor gives at once. */
const PIECE = 1 << 17;
/** Bytes that wait for a compressor, after which the tar is not read on. */
const WAITING = 1 << 20;

/**
 * Compresses a tar while it flows, in one pass. The same tar gives the same bytes, on the same version of the same
 * runtime: Deno and Node have different compressors. gzip is one member without time, name and operating system
 * (RFC 1952 section 2.3.1), zstd one frame with a checksum; the compressor is a thread of the platform's where that has
 * one.
 * @param tar in pieces, which are hashed and copied before the next one is asked for; it is cancelled when anything fails
 * @param write gets what comes of it, in order; no more is compressed than is taken. A piece is the receiver's to keep.
 * @throws what `tar` and `write` throw, and the reason of `signal`
 */
export async function recompress(
  tar: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>,
  to: Compression,
  write: (bytes: Uint8Array) => Promise<void>,
  options: RecompressOptions = {},
): Promise<Recompressed> {
  const { signal, hashes = nativeHashes } = options;
  const [before, after] = [await hashes.sha256(), await hashes.sha256()];
  let uncompressedSize = 0;
  let size = 0;
  const taken = async (bytes: Uint8Array): Promise<void> => {
    signal?.throwIfAborted();
    if (to === "gzip") fixHeader(bytes, size);
    size += bytes.length;
    after.update(bytes);
    await write(bytes);
  };
  const compressor = to === "none" ? null : new Compressor(compress(to, options.level), taken);
  try {
    for await (const piece of "getReader" in tar ? piecesOf(tar) : tar) {
      signal?.throwIfAborted();
      if (piece.length === 0) continue;
      before.update(piece);
      uncompressedSize += piece.length;
      await (compressor ? compressor.push(piece) : taken(piece.slice()));
    }
    await compressor?.end();
  } catch (error) {
    await compressor?.abort();
    throw error;
  }
  return {
    digest: `sha256:${after.finish()}`,
    size,
    diffID: `sha256:${before.finish()}`,
    uncompressedSize,
  };
}

function compress(to: "gzip" | "zstd", level: number | undefined): Transform {
  const sizes = { chunkSize: PIECE, highWaterMark: WAITING };
  if (to === "gzip") return createGzip({ ...sizes, level: level ?? 6 });
  const { ZSTD_c_compressionLevel, ZSTD_c_checksumFlag } = constants;
  return createZstdCompress({
    ...sizes,
    params: { [ZSTD_c_compressionLevel]: level ?? 3, [ZSTD_c_checksumFlag]: 1 },
  });
}

/** What a gzip header says of the maker: nothing. Time 0 (bytes 4 to 7), no flags (8), operating system unknown (9). */
const MAKER = [0, 0, 0, 0, 0, 255];

/** @param at offset of the bytes in the stream */
function fixHeader(bytes: Uint8Array, at: number): void {
  MAKER.forEach((value, index) => {
    const place = 4 + index - at;
    if (place >= 0 && place < bytes.length) bytes[place] = value;
  });
}

/**
 * A stream of the platform's, pushed from one side and pumped on the other.
 *
 * zstd's blocks depend on how its input is cut, and on whether the end is known when the last piece comes. So pieces are
 * of one size, each is taken before the next one is given, and the end comes alone.
 */
class Compressor {
  readonly #stream: Transform;
  readonly #pump: Promise<void>;
  #piece = new Uint8Array(PIECE);
  #length = 0;
  /** The piece before, on its way. */
  #taken: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;

  constructor(stream: Transform, taken: (bytes: Uint8Array) => Promise<void>) {
    this.#stream = stream;
    // Told by the pump and by the callbacks of writes.
    stream.on("error", () => {});
    this.#pump = this.#handOn(taken);
    // Met by the next call.
    this.#pump.catch((error) => {
      this.#failure ??= { error };
      stream.destroy();
    });
  }

  /** Resolves when more may come; `bytes` are copied. @throws what `taken` throws */
  async push(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + PIECE - this.#length);
      this.#piece.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
      if (this.#length === PIECE) await this.#give();
    }
  }

  async #give(): Promise<void> {
    await this.#taken;
    this.#check();
    // The stream keeps the piece until it gets to it.
    const piece = this.#piece.subarray(0, this.#length);
    this.#piece = new Uint8Array(PIECE);
    this.#length = 0;
    this.#taken = new Promise((resolve) => this.#stream.write(piece, () => resolve()));
  }

  /** Resolves when all was taken. @throws what `taken` throws */
  async end(): Promise<void> {
    if (this.#length > 0) await this.#give();
    await this.#taken;
    this.#check();
    this.#stream.end();
    await this.#pump;
  }

  /** Nothing is handed on any more. Never throws. */
  async abort(): Promise<void> {
    this.#stream.destroy();
    await this.#pump.catch(() => {});
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }

  async #handOn(taken: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    for await (const piece of this.#stream) await taken(new Uint8Array(piece as Uint8Array));
  }
}

/** How what was written is read. */
export interface ReadBackOptions extends Omit<VerifyOptions, "expect"> {
  /** `verifyLayer` by default, or with threads. */
  readonly verify?: (source: LayerSource, options: VerifyOptions) => Promise<LayerReport>;
}

/**
 * Reads back what was written, all of it, and compares: with the digest of what `recompress` handed on, and the tar's.
 * @param source of what was written
 * @returns the report, whose result is `verified`
 * @throws {DigestMismatch} `output-changed`
 */
export async function verifyRecompressed(
  source: LayerSource,
  { digest, size, diffID, uncompressedSize }: Recompressed,
  { verify = verifyLayer, ...options }: ReadBackOptions = {},
): Promise<LayerReport> {
  const from = ["what was written"];
  const report = await verify(source, {
    hashes: nativeHashes,
    ...options,
    expect: {
      digest: { value: digest, from },
      size: { value: size, from },
      diffID: { value: diffID, from },
      uncompressedSize: { value: uncompressedSize, from },
    },
  });
  if (report.result === "verified") return report;
  throw new DigestMismatch("output-changed", `What was written to ${source.name} is not what is read back`, {
    source: source.name,
    expected: digest,
    actual: report.digest ?? report.error?.message ?? "another layer",
    advice: "The disk is failing, or something else writes to the file.",
  });
}

/**
 * Compression of what a command writes, by the platform's zlib.
 *
 * @module
 */
import { once } from "node:events";
import type { Transform } from "node:stream";
import type { ByteOutput } from "./file.ts";

/** How a file is compressed, by its ending. */
export type OutputCompression = "gzip" | "zstd" | null;

export function compressionByName(path: string | undefined): OutputCompression {
  if (path?.endsWith(".gz")) return "gzip";
  if (path?.endsWith(".zst") || path?.endsWith(".zstd")) return "zstd";
  return null;
}

/** An output that compresses what it is given; with null, the output itself. */
export async function compressed(output: ByteOutput, by: OutputCompression): Promise<ByteOutput> {
  if (by === null) return output;
  const { createGzip, createZstdCompress } = await import("node:zlib");
  return new Compressor(output, by === "gzip" ? createGzip() : createZstdCompress());
}

class Compressor implements ByteOutput {
  readonly #output: ByteOutput;
  readonly #stream: Transform;
  /** Hands on what comes out, until the end. */
  readonly #pump: Promise<void>;
  #failure: unknown = null;

  constructor(output: ByteOutput, stream: Transform) {
    this.#output = output;
    this.#stream = stream;
    this.#pump = this.#handOn();
    // Met by the next call.
    this.#pump.catch((error) => {
      this.#failure = error;
      stream.destroy();
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    // The compressor keeps what it was given until it gets to it.
    if (this.#stream.write(bytes.slice())) return;
    await Promise.race([once(this.#stream, "drain"), this.#pump]);
    if (this.#failure) throw this.#failure;
  }

  async commit(): Promise<void> {
    this.#stream.end();
    await this.#pump;
    await this.#output.commit();
  }

  async abort(): Promise<void> {
    this.#stream.destroy();
    await this.#output.abort();
  }

  async #handOn(): Promise<void> {
    for await (const piece of this.#stream) await this.#output.write(piece as Uint8Array);
  }
}

/**
 * Where a layer's bytes come from: the seam between the core and files, memory, streams and (later) registries.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { piecesOf } from "./streams.ts";

/** A layer's compressed bytes. `stream` may be called once. */
export interface LayerSource {
  /** What to call it in reports and errors. */
  readonly name: string;
  /** Length in bytes, or null for a pipe. */
  readonly size: number | null;
  /**
   * Random access, absent for a pipe: exactly `length` bytes from `offset`.
   * @throws {SourceError} when they cannot be had
   */
  readonly read?: (offset: number, length: number) => Promise<Uint8Array>;
  /**
   * All bytes in order, in pieces of any size. A piece may be overwritten once the next one is asked for.
   * Ending the iteration early releases what is held.
   */
  stream(): AsyncIterable<Uint8Array>;
}

/** A layer that is already in memory. */
export function memorySource(bytes: Uint8Array, name = "memory"): LayerSource {
  return {
    name,
    size: bytes.length,
    read: (offset, length) => Promise.resolve(slice(bytes, offset, length, name)),
    async *stream() {
      const piece = 1 << 20;
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
    },
  };
}

/** A layer held by a `Blob` or `File` (browser uploads): seekable. */
export function blobSource(blob: Blob, name = "blob"): LayerSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      if (offset + length > blob.size) throw shortRead(name, offset, length, blob.size);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
    stream: () => chunksOf(blob.stream(), name),
  };
}

/** A layer that can only be read once, from start to end, such as standard input or a fetch body. */
export function streamSource(stream: ReadableStream<Uint8Array>, name = "stream"): LayerSource {
  return { name, size: null, stream: () => chunksOf(stream, name) };
}

async function* chunksOf(stream: ReadableStream<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  try {
    yield* piecesOf(stream);
  } catch (cause) {
    throw new SourceError("source-read-failed", `Cannot read ${name}: ${messageOf(cause)}`, {
      source: name,
      cause,
    });
  }
}

function slice(bytes: Uint8Array, offset: number, length: number, name: string): Uint8Array {
  if (offset + length > bytes.length) throw shortRead(name, offset, length, bytes.length);
  return bytes.subarray(offset, offset + length);
}

function shortRead(name: string, offset: number, length: number, size: number): SourceError {
  return new SourceError(
    "source-short-read",
    `Cannot read ${length} bytes at offset ${offset} of ${name}: it has ${size} bytes`,
    { source: name, blobOffset: offset },
  );
}

/** The text of anything that was thrown. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

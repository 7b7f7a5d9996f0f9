/**
 * The decoder for a blob, by what its first bytes are.
 *
 * @module
 */
import type { Crc32 } from "../digest/hasher.ts";
import type { Xxh64 } from "../digest/xxh64.ts";
import { FormatError, UnsupportedError } from "../errors.ts";
import type { Container } from "./detect.ts";
import type { CodecEvents, StreamDecoder } from "./events.ts";
import { GzipDecoder } from "./gzip.ts";
import { NoneDecoder } from "./none.ts";
import { zstdStream } from "./zstd-stream.ts";

export interface DecoderOptions {
  /** For content and for headers of gzip members. */
  readonly crcs: readonly [Crc32, Crc32];
  /** Largest zstd window in bytes. */
  readonly zstdWindow: number;
  /** For zstd checksums; null for the portable one, which is slower, but there at once. */
  readonly xxh64: Xxh64 | null;
}

/**
 * A decoder for the container that `detectContainer` told.
 * @throws {UnsupportedError} `compression-not-supported`
 * @throws {FormatError} `not-a-layer`
 */
export function decoderFor(
  container: Container,
  events: CodecEvents,
  { crcs, zstdWindow, xxh64 }: DecoderOptions,
): StreamDecoder {
  switch (container) {
    case "gzip":
      return new GzipDecoder(events, ...crcs);
    case "zstd":
      return zstdStream(events, zstdWindow, xxh64);
    case "tar":
    case "empty":
      return new NoneDecoder(events);
    case "bzip2":
    case "xz":
      throw new UnsupportedError(
        "compression-not-supported",
        `The layer is compressed with ${container}, which is not supported`,
        {
          advice: "Registries and podman's export refuse it too: recompress the layer with gzip or zstd.",
        },
      );
    case "unknown":
      throw new FormatError("not-a-layer", "The bytes are no tar, gzip or zstd stream", {
        blobOffset: 0,
        advice: "Give a layer blob, an OCI layout as oci:DIR, or - for standard input.",
      });
  }
}

/**
 * The decoder for a blob, by what its first bytes are, and what decoders work with.
 *
 * @module
 */
import type { HashBackend } from "../digest/hasher.ts";
import type { Xxh64 } from "../digest/xxh64.ts";
import { FormatError, UnsupportedError } from "../errors.ts";
import { kernelsRun } from "../kernel/load.ts";
import type { Container } from "./detect.ts";
import type { CodecEvents, StreamDecoder } from "./events.ts";
import { GzipDecoder } from "./gzip.ts";
import { checksumPlace, type CodecPlace, type GzipTools, loadGzip } from "./gzip-tools.ts";
import { NoneDecoder } from "./none.ts";
import { zstdStream } from "./zstd-stream.ts";
import type { BlockEngine } from "./zstd/engine.ts";

/** What the decoders of one container use, for one blob after the other: loading it is asynchronous, using it is not. */
export type CodecTools =
  | ({ readonly kind: "gzip" } & GzipTools)
  | { readonly kind: "zstd"; readonly engine: BlockEngine; readonly xxh64: Xxh64 }
  | { readonly kind: "none" };

export interface DecoderOptions {
  /** Largest zstd window in bytes. */
  readonly zstdWindow: number;
  /** Offset in the blob of the first byte that is pushed, where a unit begins; 0 by default. */
  readonly blobOffset?: number;
}

/**
 * @param hashes for the checksums of members and frames
 * @param kernels whether to decode with the WebAssembly kernels; wherever they run, by default
 * @param place where the kernels are to work; each in a memory of its own by default
 */
export async function loadTools(
  container: Container,
  hashes: Pick<HashBackend, "crc32" | "xxh64">,
  { kernels = kernelsRun, place = null }: {
    readonly kernels?: boolean;
    readonly place?: CodecPlace | null;
  } = {},
): Promise<CodecTools> {
  switch (container) {
    case "gzip":
      return { kind: "gzip", ...await loadGzip(hashes, kernels, place) };
    case "zstd":
      return { kind: "zstd", ...await loadZstd(hashes, kernels, place) };
    default:
      return { kind: "none" };
  }
}

async function loadZstd(
  hashes: Pick<HashBackend, "xxh64">,
  kernel: boolean,
  place: CodecPlace | null,
): Promise<{ engine: BlockEngine; xxh64: Xxh64 }> {
  if (!kernel) {
    const { PortableEngine } = await import("./zstd/portable.ts");
    return { engine: new PortableEngine(), xxh64: await hashes.xxh64() };
  }
  const { KernelZstdEngine } = await import("../kernel/zstd.ts");
  const engine = await KernelZstdEngine.create(place?.memory, place?.history);
  return { engine, xxh64: await hashes.xxh64(place ? checksumPlace(place.memory) : undefined) };
}

/**
 * A decoder for the container that `detectContainer` told. One at a time may use the same tools.
 * @param tools of that container
 * @throws {UnsupportedError} `compression-not-supported`
 * @throws {FormatError} `not-a-layer`
 */
export function decoderFor(
  container: Container,
  events: CodecEvents,
  tools: CodecTools,
  { zstdWindow, blobOffset = 0 }: DecoderOptions,
): StreamDecoder {
  if (tools.kind === "gzip") return new GzipDecoder(events, tools.inflater, tools.crcs, blobOffset);
  if (tools.kind === "zstd") {
    const { engine, xxh64 } = tools;
    return zstdStream(events, { windowLimit: zstdWindow, blobOffset, engine, xxh64 });
  }
  switch (container) {
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
    default:
      throw new FormatError("not-a-layer", "The bytes are no tar, gzip or zstd stream", {
        blobOffset: 0,
        advice: "Give a layer blob, an OCI layout as oci:DIR, or - for standard input.",
      });
  }
}

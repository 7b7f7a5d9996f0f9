/**
 * The tar of a layer as a Web stream, for any tar reader.
 *
 * @module
 */
import { DETECT_BYTES, detectContainer } from "../codec/detect.ts";
import type { CodecEvents, StreamDecoder, UnitEnd } from "../codec/events.ts";
import { decoderFor, loadTools } from "../codec/open.ts";
import type { HashBackend } from "../digest/hasher.ts";
import { defaultHashes } from "../digest/default.ts";
import { FormatError, LimitExceeded } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { streamOf } from "../source/streams.ts";
import { type Limits, limitsWith } from "../verify/options.ts";

export interface TarStreamOptions {
  /** `zstdWindow` and `total` count here. */
  readonly limits?: Partial<Pick<Limits, "zstdWindow" | "total">>;
  /** For the checksums of members and frames; the kernels by default. */
  readonly hashes?: Pick<HashBackend, "crc32" | "xxh64">;
}

/** Compressed bytes that are decoded at once: 1 KiB of zstd RLE blocks is 32 MiB, of gzip 1 MiB. */
const STEP = 1024;

/**
 * The uncompressed bytes of a layer: gzip of any number of members, zstd of any number of frames, or plain tar, told by
 * content. They come as they are asked for, in pieces that are the reader's to keep.
 *
 * Checksums of members and frames are checked; digests are not: what must be what a digest says goes through
 * `verifyLayer` first. Cancelling the stream releases the source.
 *
 * @example
 * ```ts
 * import { UntarStream } from "jsr:@std/tar@^0.1/untar-stream";
 * for await (const entry of tarStream(source).pipeThrough(new UntarStream())) {
 *   console.log(entry.path);
 *   await entry.readable?.cancel();
 * }
 * ```
 * The stream fails with a `FormatError`, `LimitExceeded`, `UnsupportedError` or `SourceError`.
 */
export function tarStream(source: LayerSource, options: TarStreamOptions = {}): ReadableStream<Uint8Array> {
  return streamOf(decompress(source, options));
}

async function* decompress(
  source: LayerSource,
  options: TarStreamOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const output = new Output(limitsWith(options.limits));
  const hashes = options.hashes ?? defaultHashes();
  let head: Uint8Array | null = new Uint8Array(0);
  for await (const piece of source.stream()) {
    let bytes = piece;
    if (head) {
      bytes = joined(head, piece);
      head = bytes;
      if (head.length < DETECT_BYTES) continue;
      head = null;
      await output.start(bytes, hashes);
    }
    for (let at = 0; at < bytes.length; at += STEP) {
      output.push(bytes.subarray(at, at + STEP));
      yield* output.take();
    }
  }
  if (head) {
    await output.start(head, hashes);
    output.push(head);
  }
  output.end();
  yield* output.take();
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

/** Keeps what the decoder of one blob gives until it is taken. */
class Output implements CodecEvents {
  readonly #limits: Pick<Limits, "zstdWindow" | "total">;
  #decoder: StreamDecoder | null = null;
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(limits: Pick<Limits, "zstdWindow" | "total">) {
    this.#limits = limits;
  }

  /** @param head the first bytes of the blob; they are not pushed */
  async start(head: Uint8Array, hashes: Pick<HashBackend, "crc32" | "xxh64">): Promise<void> {
    const container = detectContainer(head);
    const { zstdWindow } = this.#limits;
    this.#decoder = decoderFor(container, this, await loadTools(container, hashes), { zstdWindow });
  }

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#decoder!.push(bytes);
  }

  end(): void {
    this.#decoder!.end();
  }

  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  data(bytes: Uint8Array): void {
    this.#size += bytes.length;
    const { total } = this.#limits;
    if (total !== null && this.#size > total) {
      throw new LimitExceeded("total-limit", `The layer has more than ${total} bytes uncompressed`, {
        advice: "Raise the limit if you trust the layer.",
      });
    }
    if (bytes.length > 0) this.#pieces.push(bytes.slice());
  }

  unitEnd({ checksum, blobOffset }: UnitEnd): void {
    if (checksum === "ok" || checksum === "absent") return;
    throw new FormatError(
      "checksum-mismatch",
      `The member or frame at offset ${blobOffset} has a wrong checksum`,
      {
        blobOffset,
        expected: `${checksum.expected}`,
        actual: `${checksum.actual}`,
        advice: "The blob is damaged: fetch it again.",
      },
    );
  }

  unitStart(): void {}
  skippableStart(): void {}
  skippableData(): void {}
  skippableEnd(): void {}
  zeroPadding(): void {}
}

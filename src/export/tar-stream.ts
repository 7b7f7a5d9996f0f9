/**
 * The tar of a layer as a Web stream, for any tar reader.
 *
 * @module
 */
import { DETECT_BYTES, detectContainer } from "../codec/detect.ts";
import type { CodecEvents, StreamDecoder, UnitEnd } from "../codec/events.ts";
import { decoderFor } from "../codec/open.ts";
import { type Crc32, type HashBackend, portableHashes } from "../digest/hasher.ts";
import { FormatError, LimitExceeded } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import { type Limits, limitsWith } from "../verify/options.ts";

export interface TarStreamOptions {
  /** `zstdWindow` and `total` count here. */
  readonly limits?: Partial<Pick<Limits, "zstdWindow" | "total">>;
  /** For the CRC-32 of gzip members; the portable one by default. */
  readonly hashes?: Pick<HashBackend, "crc32">;
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
  const pieces = decompress(source, options);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await pieces.return();
    },
  }, { highWaterMark: 0 });
}

async function* decompress(
  source: LayerSource,
  options: TarStreamOptions,
): AsyncGenerator<Uint8Array, void, void> {
  const hashes = options.hashes ?? portableHashes;
  const output = new Output(
    [await hashes.crc32(), await hashes.crc32()],
    limitsWith(options.limits),
  );
  for await (const piece of source.stream()) {
    for (let at = 0; at < piece.length; at += STEP) {
      output.push(piece.subarray(at, at + STEP));
      yield* output.take();
    }
  }
  output.end();
  yield* output.take();
}

/** Keeps what the decoder of one blob gives until it is taken. */
class Output implements CodecEvents {
  readonly #crcs: readonly [Crc32, Crc32];
  readonly #limits: Pick<Limits, "zstdWindow" | "total">;
  #head: Uint8Array | null = new Uint8Array(0);
  #decoder: StreamDecoder | null = null;
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(crcs: readonly [Crc32, Crc32], limits: Pick<Limits, "zstdWindow" | "total">) {
    this.#crcs = crcs;
    this.#limits = limits;
  }

  push(bytes: Uint8Array): void {
    if (this.#decoder) return this.#decoder.push(bytes);
    const head = new Uint8Array(this.#head!.length + bytes.length);
    head.set(this.#head!);
    head.set(bytes, this.#head!.length);
    this.#head = head;
    if (head.length >= DETECT_BYTES) this.#start();
  }

  end(): void {
    if (!this.#decoder) this.#start();
    this.#decoder!.end();
  }

  take(): Uint8Array[] {
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  #start(): void {
    const head = this.#head!;
    this.#head = null;
    const { zstdWindow } = this.#limits;
    this.#decoder = decoderFor(detectContainer(head), this, { crcs: this.#crcs, zstdWindow, xxh64: null });
    if (head.length > 0) this.#decoder.push(head);
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

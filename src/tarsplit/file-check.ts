/**
 * Whether a file is the one that was taken out of the archive.
 *
 * @module
 */
import { DigestMismatch, SourceError } from "../errors.ts";
import type { Crc64 } from "../kernel/crc64.ts";
import { escapeName } from "../tar/names.ts";
import type { TarSplitFile } from "./record.ts";

const CHANGED = "The file is not that of which the tar-split was made: take both from one layer.";

/** Checks one file's length and CRC-64 as its bytes go by. */
export class FileCheck {
  readonly #record: TarSplitFile;
  readonly #crc64: Crc64;
  #length = 0;
  #hashing = true;

  constructor(record: TarSplitFile, crc64: Crc64) {
    this.#record = record;
    this.#crc64 = crc64;
  }

  /**
   * Takes the next bytes; they may be handed on if it returns.
   * @throws {SourceError} `tarsplit-file-long`
   * @throws {DigestMismatch} `tarsplit-file-changed` with the last ones
   */
  piece(bytes: Uint8Array): void {
    const { size } = this.#record;
    this.#length += bytes.length;
    if (this.#length > size) throw this.#wrongLength("long", `more than ${size}`);
    this.#crc64.update(bytes);
    if (this.#length === size) this.#compare();
  }

  /** The file has no more bytes. @throws {SourceError} `tarsplit-file-short` */
  end(): void {
    if (this.#length < this.#record.size) throw this.#wrongLength("short", `${this.#length}`);
  }

  /** Leaves the checksum ready for another file, however this one ended. */
  close(): void {
    if (this.#hashing) this.#crc64.finish();
    this.#hashing = false;
  }

  #compare(): void {
    this.#hashing = false;
    const crc64 = this.#crc64.finish();
    if (crc64 === this.#record.crc64) return;
    const entry = escapeName(this.#record.name);
    throw new DigestMismatch(
      "tarsplit-file-changed",
      `The file ${entry} has another CRC-64 than the tar-split says`,
      {
        entry,
        expected: hex(this.#record.crc64!),
        actual: hex(crc64),
        advice: CHANGED,
      },
    );
  }

  #wrongLength(how: "long" | "short", actual: string): SourceError {
    const entry = escapeName(this.#record.name);
    const { size } = this.#record;
    return new SourceError(
      `tarsplit-file-${how}`,
      `The file ${entry} is too ${how}: it has ${actual} bytes, the tar-split says ${size}`,
      { entry, expected: `${size}`, actual, advice: CHANGED },
    );
  }
}

/** There is no file. */
export function missing({ name, size, crc64 }: TarSplitFile): SourceError {
  const entry = escapeName(name);
  return new SourceError("tarsplit-file-missing", `The file ${entry} is missing`, {
    entry,
    expected: `${size} bytes with the CRC-64 ${hex(crc64!)}`,
    actual: "no file",
    advice: "The file was deleted since the layer was extracted: extract the layer again.",
  });
}

function hex(crc64: bigint): string {
  return `0x${crc64.toString(16).padStart(16, "0")}`;
}

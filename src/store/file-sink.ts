/**
 * A file as a sink of a verification.
 *
 * @module
 */
import { compressed, type OutputCompression } from "../output/compressed.ts";
import { AtomicFile, type ByteOutput } from "../output/file.ts";
import type { ByteSink } from "../verify/options.ts";

/** Keeps what it is given until the verification waits for it. */
export class FileSink implements ByteSink {
  readonly #output: ByteOutput;
  #pieces: Uint8Array[] = [];

  private constructor(output: ByteOutput) {
    this.#output = output;
  }

  /** @throws {OutputError} */
  static async create(path: string, compression: OutputCompression): Promise<FileSink> {
    return new FileSink(await compressed(await AtomicFile.create(path, 0o644), compression));
  }

  write(bytes: Uint8Array): void {
    this.#pieces.push(bytes.slice());
  }

  async ready(): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    for (const piece of pieces) await this.#output.write(piece);
  }

  /** The file gets its name. @throws {OutputError} */
  async commit(): Promise<void> {
    await this.ready();
    await this.#output.commit();
  }

  async abort(): Promise<void> {
    await this.#output.abort();
  }
}

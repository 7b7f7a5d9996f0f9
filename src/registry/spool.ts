/**
 * A blob that was fetched whole, in a file without a name: for servers that give no ranges of it.
 *
 * @module
 */
import { type FileHandle, open, unlink } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OutputError, SourceError } from "../errors.ts";
import { messageOf } from "../source/source.ts";

const PIECE = 1 << 20;

export class Spool {
  readonly #file: FileHandle;
  readonly #name: string;
  readonly #size: number;

  private constructor(file: FileHandle, name: string, size: number) {
    this.#file = file;
    this.#name = name;
    this.#size = size;
  }

  /**
   * Keeps all of `pieces`.
   * @param size what they have together; the caller has checked it
   * @throws {OutputError} `spool-failed`, and what `pieces` throws
   */
  static async fill(pieces: AsyncIterable<Uint8Array>, name: string, size: number): Promise<Spool> {
    const path = join(tmpdir(), `layerproof-${randomUUID()}`);
    const file = await keeping(async () => {
      const opened = await open(path, "wx+", 0o600);
      // Without a name it is gone with the process, whatever ends it.
      await unlink(path);
      return opened;
    });
    try {
      let at = 0;
      for await (const piece of pieces) {
        for (let done = 0; done < piece.length;) {
          const { bytesWritten } = await keeping(() => file.write(piece, done, piece.length - done, at));
          done += bytesWritten;
          at += bytesWritten;
        }
      }
      return new Spool(file, name, size);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length;) {
      const { bytesRead } = await this.#file.read(bytes, filled, length - filled, offset + filled);
      if (bytesRead === 0) {
        throw new SourceError(
          "source-short-read",
          `Cannot read at offset ${offset + filled} of ${this.#name}`,
        );
      }
      filled += bytesRead;
    }
    return bytes;
  }

  async *stream(): AsyncGenerator<Uint8Array, void, void> {
    for (let at = 0; at < this.#size; at += PIECE) {
      yield await this.read(at, Math.min(PIECE, this.#size - at));
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function keeping<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new OutputError("spool-failed", `Cannot keep the blob in ${tmpdir()}: ${messageOf(cause)}`, {
      cause,
      advice:
        "The registry gives no ranges, so the blob is kept while it is read: set TMPDIR to a larger place.",
    });
  }
}

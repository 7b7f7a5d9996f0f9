/**
 * Files that are written: they appear whole or not at all, and what goes wrong is an `OutputError`.
 *
 * @module
 */
import { type FileHandle, open, rename, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { OutputError } from "../errors.ts";
import { messageOf } from "../source/source.ts";

/** Takes bytes in order. After `commit` or `abort` it must not be used. */
export interface ByteOutput {
  /** Resolves when the bytes are handed on. @throws {OutputError}, and what the output's maker says */
  write(bytes: Uint8Array): Promise<void>;
  /** All is well: the file gets its name. @throws {OutputError} */
  commit(): Promise<void>;
  /** Something is wrong: no file is left. What went to standard output cannot be taken back. Never throws. */
  abort(): Promise<void>;
}

let number = 0;

/** A file under a temporary name beside its own, until it is committed. */
export class AtomicFile implements ByteOutput {
  readonly #path: string;
  readonly #file: FileHandle;
  /** The name until all is well; null where there is no other. */
  readonly #temporary: string | null;

  private constructor(path: string, file: FileHandle, temporary: string | null) {
    this.#path = path;
    this.#file = file;
    this.#temporary = temporary;
  }

  /**
   * @param mode of the file; null for what the umask gives
   * @throws {OutputError} `output-failed`, `output-no-permission`, `output-no-space`, `output-no-directory`
   */
  static async create(path: string, mode: number | null): Promise<AtomicFile> {
    const temporary = join(dirname(path), `.layerproof-${process.pid}-${number++}.tmp`);
    return await writing(
      path,
      async () => new AtomicFile(path, await open(temporary, "wx", mode ?? 0o666), temporary),
    );
  }

  /** Writes to the path itself: what is no regular file cannot be renamed over. @throws as `create` */
  static async direct(path: string): Promise<AtomicFile> {
    return await writing(path, async () => new AtomicFile(path, await open(path, "w"), null));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await writing(this.#path, async () => {
      for (let at = 0; at < bytes.length;) {
        at += (await this.#file.write(bytes, at, bytes.length - at)).bytesWritten;
      }
    });
  }

  async commit(): Promise<void> {
    const temporary = this.#temporary;
    try {
      await writing(this.#path, async () => {
        // A name that survives a power cut must not be that of an empty file.
        if (temporary !== null) await this.#file.sync();
        await this.#file.close();
        if (temporary !== null) await rename(temporary, this.#path);
      });
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  async abort(): Promise<void> {
    // Not awaited: a FIFO that nobody reads holds a write up, and with it the closing.
    this.#file.close().catch(() => {});
    if (this.#temporary !== null) await unlink(this.#temporary).catch(() => {});
  }
}

/** Gives what `work` gives. @throws {OutputError} in place of the system's errors */
export async function writing<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw outputError(path, cause);
  }
}

const KNOWN: Readonly<Record<string, readonly [code: string, what: string, advice: string]>> = {
  ENOSPC: ["output-no-space", "the disk is full", "Make room, or write somewhere else."],
  EDQUOT: ["output-no-space", "the disk quota is used up", "Make room, or write somewhere else."],
  EACCES: ["output-no-permission", "no permission", "Check owner and mode of the directory."],
  EPERM: ["output-no-permission", "no permission", "Check owner and mode of the directory."],
  EROFS: ["output-no-permission", "the file system is read-only", "Write somewhere else."],
  ENOENT: ["output-no-directory", "its directory does not exist", "Make the directory first."],
  ENOTDIR: ["output-no-directory", "its directory does not exist", "Make the directory first."],
};

/** What the system said when `path` was written, as this package says it. */
export function outputError(path: string, cause: unknown): OutputError {
  if (cause instanceof OutputError) return cause;
  const found = cause as { readonly code?: unknown; readonly name?: unknown };
  if (found?.name === "NotCapable") {
    return new OutputError("output-no-permission", `Cannot write ${path}: Deno was not allowed to`, {
      source: path,
      cause,
      advice: `Add --allow-write=${dirname(path)} and --allow-read=${dirname(path)} behind "deno run".`,
    });
  }
  const known = typeof found?.code === "string" ? KNOWN[found.code] : undefined;
  const [code, what, advice] = known ?? ["output-failed", messageOf(cause), "Look at the disk."];
  return new OutputError(code, `Cannot write ${path}: ${what}`, { source: path, cause, advice });
}

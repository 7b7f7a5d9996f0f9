/**
 * The files of an extracted layer, by the names that its archive has for them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { constants } from "node:fs";
import { type FileHandle, lstat, open } from "node:fs/promises";
import { UnsupportedError } from "../errors.ts";
import { canonicalPath } from "../tar/paths.ts";
import { encodeName, escapeName, isUtf8Name } from "../tar/names.ts";
import type { GetFile } from "../tarsplit/assemble.ts";

/** Bytes that are read at once. */
const PIECE = 1 << 18;

/**
 * Finds files below a directory. Never leaves it: no component of a name may be a symbolic link, and `..` stays inside, as
 * when the layer was extracted. What is no regular file is not there.
 * @param directory of the extracted layer
 */
export function directoryFiles(directory: string): GetFile {
  return async (name) => {
    const { path, escapes } = canonicalPath(name);
    if (escapes || path === "") return null;
    if (!isUtf8Name(path) && "Deno" in globalThis) throw denoNames(name);
    const before = await way(directory, path);
    if (!before) return null;
    const file = await open(bytePath(directory, path), FLAGS);
    try {
      // Somebody may have put a link in its place meanwhile: what was opened must be what lies there, all along the way.
      const { dev, ino } = await file.stat({ bigint: true });
      const after = await way(directory, path);
      const same = after?.join() === before.join() && before.at(-1) === `${dev}:${ino}`;
      if (!same) throw new Error("the directory changes while it is read");
    } catch (error) {
      await file.close();
      throw error;
    }
    return pieces(file);
  };
}

/** A FIFO that has taken a file's place must not be waited for. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Device and number of all that a path leads through; null unless these are directories, and a regular file. */
async function way(directory: string, path: string): Promise<string[] | null> {
  const parts = path.split("/");
  const found: string[] = [];
  for (let i = 1; i <= parts.length; i++) {
    const stat = await lstat(bytePath(directory, parts.slice(0, i).join("/")), { bigint: true }).catch(
      absent,
    );
    if (!stat) return null;
    if (i < parts.length ? !stat.isDirectory() : !stat.isFile()) return null;
    found.push(`${stat.dev}:${stat.ino}`);
  }
  return found;
}

/** A path of bytes where the name is not UTF-8: as a string it would be another file's. */
function bytePath(directory: string, path: string): string | Buffer {
  if (isUtf8Name(path)) return `${directory}/${path}`;
  return Buffer.concat([Buffer.from(`${directory}/`), encodeName(path)]);
}

/** Deno 2.9 turns every path into a string, in which such a name would be another one. */
function denoNames(name: string): UnsupportedError {
  const entry = escapeName(name);
  return new UnsupportedError("raw-name", `Deno cannot open the file ${entry}: its name is not UTF-8`, {
    entry,
    advice: "Run it under Node.",
  });
}

function absent(error: Error & { code?: unknown }): null {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
  throw error;
}

async function* pieces(file: FileHandle): AsyncGenerator<Uint8Array> {
  try {
    const buffers = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
    for (let turn = 0;; turn ^= 1) {
      // The piece before may still be on its way to where it is written.
      const { bytesRead } = await file.read(buffers[turn]!, 0, PIECE, null);
      if (bytesRead === 0) return;
      yield buffers[turn]!.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

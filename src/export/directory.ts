/**
 * The files of an extracted layer, by the names that its archive has for them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  read as readWithCallback,
  readSync,
} from "node:fs";
import { promisify } from "node:util";
import { UnsupportedError } from "../errors.ts";
import { canonicalPath, parentPath } from "../tar/paths.ts";
import { encodeName, escapeName, isUtf8Name } from "../tar/names.ts";
import type { GetFile } from "../tarsplit/assemble.ts";

const read = promisify(readWithCallback);

/** Bytes that are read at once. A shorter file is read by calls that wait: going through other threads costs 20 times that. */
const PIECE = 1 << 18;

/**
 * Finds files below a directory. Never leaves it: no component of a name may be a symbolic link, and `..` stays inside, as
 * when the layer was extracted. What is no regular file is not there.
 * @param directory of the extracted layer
 */
export function directoryFiles(directory: string): GetFile {
  /** Buffers of files that were read; the one that was used last comes last. */
  const idle: Uint8Array[] = [];
  let beside: { path: string; way: string[] | null } = { path: "", way: [] };
  return (name, { size }) => {
    const { path, escapes } = canonicalPath(name);
    if (escapes || path === "") return null;
    if (!isUtf8Name(path) && "Deno" in globalThis) throw denoNames(name);
    const parent = parentPath(path);
    // Most files lie beside the one before. That nothing has changed since is seen when the file has been opened.
    if (parent !== beside.path) beside = { path: parent, way: way(directory, parent, "isDirectory") };
    const stat = beside.way && statOf(bytePath(directory, path));
    if (!beside.way || !stat?.isFile()) return null;
    const before = [...beside.way, identity(stat)];
    // Opened when it is read: what nobody reads need not be closed.
    const opened = () => openSame(directory, path, before);
    return size < PIECE ? whole(opened, size, idle) : pieces(opened, idle);
  };
}

/** A FIFO that has taken a file's place must not be waited for. */
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens what a path led to.
 * @throws where it leads to something else now
 */
function openSame(directory: string, path: string, before: readonly string[]): number {
  const file = openSync(bytePath(directory, path), FLAGS);
  try {
    // Somebody may have put a link in its place meanwhile: what was opened must be what lies there, all along the way.
    const opened = identity(fstatSync(file, { bigint: true }));
    const after = way(directory, path, "isFile");
    const same = after?.join() === before.join() && before.at(-1) === opened;
    if (!same) throw new Error("the directory changes while it is read");
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** Device and number of all that a path leads through; null unless these are directories, and the last as it should be. */
function way(directory: string, path: string, last: "isFile" | "isDirectory"): string[] | null {
  const found: string[] = [];
  for (let end = 0; end < path.length;) {
    end = path.indexOf("/", end + 1);
    const kind = end < 0 ? last : "isDirectory";
    if (end < 0) end = path.length;
    const stat = statOf(bytePath(directory, path.slice(0, end)));
    if (!stat?.[kind]()) return null;
    found.push(identity(stat));
  }
  return found;
}

function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

function statOf(path: string | Buffer): BigIntStats | null {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
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

/** A file that fits into a buffer; of a longer one, a byte more than there should be. */
function* whole(
  open: () => number,
  size: number,
  idle: Uint8Array[],
): Generator<Uint8Array, void, void> {
  const file = open();
  const buffer = takeBuffer(idle);
  try {
    let filled = 0;
    while (filled <= size) {
      const bytesRead = readSync(file, buffer, filled, size + 1 - filled, null);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    yield buffer.subarray(0, filled);
  } finally {
    closeSync(file);
    idle.push(buffer);
  }
}

/** A file of any length. While the reader works on one piece, the next one is being read. */
async function* pieces(open: () => number, idle: Uint8Array[]): AsyncGenerator<Uint8Array, void, void> {
  const file = open();
  const buffers = [takeBuffer(idle), takeBuffer(idle)] as const;
  const readAhead = (turn: number): Promise<{ readonly bytesRead: number }> => {
    const reading = read(file, buffers[turn]!, 0, PIECE, null);
    // The failure is met when the piece is awaited; until then it is not an unhandled rejection.
    reading.catch(() => {});
    return reading;
  };
  let pending = readAhead(0);
  try {
    for (let turn = 0;; turn ^= 1) {
      const { bytesRead } = await pending;
      if (bytesRead === 0) return;
      pending = readAhead(turn ^ 1);
      yield buffers[turn]!.subarray(0, bytesRead);
    }
  } finally {
    // A read under way must not meet another file's descriptor, or another file's bytes.
    await pending.catch(() => {});
    closeSync(file);
    idle.push(...buffers);
  }
}

/** The one that was used the longest ago: what was handed on last may still be on its way to where it is written. */
function takeBuffer(idle: Uint8Array[]): Uint8Array {
  return idle.length > 1 ? idle.shift()! : new Uint8Array(PIECE);
}

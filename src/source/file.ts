/**
 * Layers on disk and on standard input, for Deno and Node.
 *
 * Under Deno, `openFile(path)` needs `--allow-read=path` and nothing else: everything after the one `open` goes through
 * the descriptor (a `stat` of the path or a look at its folder would ask for more).
 *
 * @module
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { SourceError } from "../errors.ts";
import { type LayerSource, messageOf } from "./source.ts";

/** A source that holds a file descriptor until it is closed. */
export interface ClosableSource extends LayerSource {
  /** Gives the descriptor back. May be called more than once. */
  close(): Promise<void>;
}

const PIECE = 1 << 20;

/**
 * A layer in a file. Regular files are seekable; FIFOs and character devices are read as pipes, with size null.
 * @param name what to call it in reports and errors; the path by default
 * @throws {SourceError} `source-not-found`, `source-no-permission`, `source-is-directory`, `source-read-failed`
 */
export async function openFile(path: string, name = path): Promise<ClosableSource> {
  const file = await openForReading(path, name);
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) throw isDirectory(name);
    if (stat.isFile()) return regularFile(file, name, stat.size);
    return { name, size: null, stream: () => pieces(file, name, null), close: () => file.close() };
  } catch (cause) {
    await file.close();
    throw cause instanceof SourceError ? cause : sourceError(cause, name);
  }
}

/** Standard input, as a pipe: it can be read once. */
export function stdinSource(name = "-"): ClosableSource {
  let stdin: NodeJS.ReadStream | undefined;
  return {
    name,
    size: null,
    async *stream() {
      const { default: process } = await import("node:process");
      stdin = process.stdin;
      try {
        for await (const piece of stdin) yield piece as Uint8Array;
      } catch (cause) {
        throw sourceError(cause, name);
      }
    },
    close() {
      stdin?.destroy();
      return Promise.resolve();
    },
  };
}

/**
 * All of a small file, such as a manifest. Its size is bounded before anything is allocated.
 * @param limit bytes
 * @throws {SourceError} as `openFile`, and `source-too-large`
 */
export async function readSmallFile(path: string, limit: number, name = path): Promise<Uint8Array> {
  const file = await openForReading(path, name);
  try {
    const stat = await file.stat();
    if (stat.isDirectory()) throw isDirectory(name);
    const parts: Uint8Array[] = [];
    let size = 0;
    // Not by the size that stat gave: FIFOs (`<(jq …)`) have none.
    while (size <= limit) {
      const buffer = new Uint8Array(Math.min(limit + 1 - size, 1 << 16));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) break;
      parts.push(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
    if (size > limit) {
      throw new SourceError("source-too-large", `${name} is larger than ${limit} bytes`, {
        source: name,
        advice: "Documents of this kind are small: see whether this is the right file.",
      });
    }
    const whole = new Uint8Array(size);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  } catch (cause) {
    throw cause instanceof SourceError ? cause : sourceError(cause, name);
  } finally {
    await file.close();
  }
}

function regularFile(file: FileHandle, name: string, size: number): ClosableSource {
  return {
    name,
    size,
    async read(offset, length) {
      if (offset + length > size) {
        throw new SourceError(
          "source-short-read",
          `Cannot read ${length} bytes at offset ${offset} of ${name}: it has ${size} bytes`,
          { source: name, blobOffset: offset },
        );
      }
      const bytes = new Uint8Array(length);
      if (await fill(file, name, bytes, offset) < length) throw changed(name, size);
      return bytes;
    },
    stream: () => pieces(file, name, size),
    close: () => file.close(),
  };
}

/**
 * The file in order. While the reader works on one buffer the next one is being filled.
 * @param size null for what cannot be positioned
 */
async function* pieces(file: FileHandle, name: string, size: number | null): AsyncGenerator<Uint8Array> {
  let offset = 0;
  const readAhead = (buffer: Uint8Array): Promise<number> => {
    const read = size === null ? readSome(file, name, buffer, null) : fill(file, name, buffer, offset);
    // The failure is met when the piece is awaited; until then it is not an unhandled rejection.
    read.catch(() => {});
    return read;
  };
  let current = new Uint8Array(size === null ? PIECE : Math.min(PIECE, size + 1));
  let next = new Uint8Array(current.length);
  let pending = readAhead(current);
  try {
    while (true) {
      const bytesRead = await pending;
      offset += bytesRead;
      if (size !== null && offset > size) throw changed(name, size);
      if (bytesRead === 0) break;
      [current, next] = [next, current];
      pending = readAhead(current);
      yield next.subarray(0, bytesRead);
    }
  } finally {
    // A pipe may never deliver what was asked ahead.
    if (size !== null) await pending.catch(() => {});
  }
  if (size !== null && offset < size) throw changed(name, size);
}

/** Fills `buffer` from `offset` as far as the file goes; the number of bytes. */
async function fill(file: FileHandle, name: string, buffer: Uint8Array, offset: number): Promise<number> {
  let filled = 0;
  while (filled < buffer.length) {
    const bytesRead = await readSome(file, name, buffer.subarray(filled), offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

async function readSome(
  file: FileHandle,
  name: string,
  buffer: Uint8Array,
  offset: number | null,
): Promise<number> {
  try {
    return (await file.read(buffer, 0, buffer.length, offset)).bytesRead;
  } catch (cause) {
    throw sourceError(cause, name);
  }
}

async function openForReading(path: string, name: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (cause) {
    throw sourceError(cause, name);
  }
}

/**
 * Refuses what is no regular file, before it is opened: opening a FIFO waits for a writer, for ever.
 * @throws {SourceError} `source-not-a-file`, and as `openFile`
 */
export async function requireRegularFile(path: string, name = path): Promise<void> {
  let found;
  try {
    found = await stat(path);
  } catch (cause) {
    throw sourceError(cause, name);
  }
  if (found.isDirectory()) throw isDirectory(name);
  if (found.isFile()) return;
  throw new SourceError("source-not-a-file", `${name} is neither a file nor a link to one`, {
    source: name,
    advice: "A FIFO or device has no place in an image: do not use it.",
  });
}

function isDirectory(name: string): SourceError {
  return new SourceError("source-is-directory", `${name} is a directory`, {
    source: name,
    advice: `Give a file; a directory that is an OCI image layout is given as oci:${name}`,
  });
}

function changed(name: string, size: number): SourceError {
  return new SourceError(
    "source-changed",
    `${name} had ${size} bytes when it was opened, and changed since`,
    {
      source: name,
      advice: "Something writes to it: try again when it is complete.",
    },
  );
}

function sourceError(cause: unknown, name: string): SourceError {
  const details = { source: name, cause };
  switch (codeOf(cause)) {
    case "ENOENT":
    case "ENOTDIR":
      return new SourceError("source-not-found", `${name} does not exist`, {
        ...details,
        advice: "Check the path.",
      });
    case "EACCES":
    case "EPERM":
      return new SourceError("source-no-permission", `No permission to read ${name}`, {
        ...details,
        advice: "Check the owner and mode of the file and of the directories above it.",
      });
    case "NotCapable":
      return new SourceError("source-no-permission", `Deno was not allowed to read ${name}`, {
        ...details,
        advice: `Add --allow-read=${name} behind "deno run".`,
      });
    default:
      return new SourceError("source-read-failed", `Cannot read ${name}: ${messageOf(cause)}`, {
        ...details,
        advice: "Try again; if it stays, look at the disk or the program that writes the pipe.",
      });
  }
}

/** `code` of a Node error, or the class of a Deno permission error (which has no code). */
function codeOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  if (cause.name === "NotCapable") return cause.name;
  const { code } = cause as Error & { code?: unknown };
  return typeof code === "string" ? code : undefined;
}

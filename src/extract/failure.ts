/**
 * What GNU tar and the file system say, as typed errors.
 *
 * @module
 */
import { OutputError } from "../errors.ts";
import { messageOf } from "../source/source.ts";
import { escapeName } from "../tar/names.ts";
import type { TarExit } from "./gnu-tar.ts";

/**
 * Texts of the C library at the end of a line of GNU tar, codes of the system at the start of a message of the runtime, and
 * the codes of errors that they stand for. A name in the middle says nothing.
 */
const KNOWN: readonly (readonly [text: RegExp, code: string, advice: string])[] = [
  // GNU tar does not say why a write was short; for a file there is one reason.
  [
    /: No space left on device$|: Wrote only \d+ of \d+ bytes$|^ENOSPC/,
    "output-no-space",
    "Make room, or extract somewhere else.",
  ],
  [/: Disk quota exceeded$|^EDQUOT/, "output-no-space", "Make room, or extract somewhere else."],
  [
    /: Permission denied$|: Operation not permitted$|^EACCES|^EPERM/,
    "output-no-permission",
    "Check owner and mode of the directory.",
  ],
  [/: Read-only file system$|^EROFS/, "output-no-permission", "Extract somewhere else."],
  [/^ENOENT|^ENOTDIR/, "output-no-directory", "Make the directory first."],
  [/: File name too long$/, "output-failed", "This file system cannot hold the layer's names."],
];

const MAX_TEXT = 500;

/** An error of extraction whose reason is a text. */
export function outputError(directory: string, text: string, cause?: unknown): OutputError {
  const [, code, advice] = KNOWN.find(([pattern]) => pattern.test(text)) ??
    [null, "output-failed", "Look at the disk."];
  const shown = escapeName(text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text);
  return new OutputError(code, `Cannot extract into ${directory}: ${shown}`, {
    source: directory,
    advice,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** An error of a call to the file system. */
export function fileSystemError(directory: string, cause: unknown): OutputError {
  if (cause instanceof Error && cause.name === "NotCapable") {
    return new OutputError(
      "output-no-permission",
      `Cannot extract into ${directory}: Deno was not allowed to`,
      {
        source: directory,
        cause,
        advice: `Add --allow-write=${directory} and --allow-read=${directory} behind "deno run".`,
      },
    );
  }
  return outputError(directory, messageOf(cause), cause);
}

/** What the end of GNU tar means: null if all is well. `message` is the first line that tells of a failure. */
export function exitError(
  directory: string,
  { code, signal }: TarExit,
  message: string | null,
): OutputError | null {
  if (signal !== null) {
    return new OutputError("output-failed", `Cannot extract into ${directory}: ${signal} ended GNU tar`, {
      source: directory,
      actual: signal,
      advice: "Somebody or the kernel (out of memory) has killed it: try again.",
    });
  }
  if (message !== null) return outputError(directory, message);
  return code === 0 ? null : outputError(directory, `GNU tar ended with status ${code}`);
}

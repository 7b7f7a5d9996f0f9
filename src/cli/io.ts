/**
 * What a command sees of the outside: two outputs, whether they are terminals, the environment. Tests put in their own.
 *
 * @module
 */
import process from "node:process";
import { OutputError } from "../errors.ts";

/** One output stream. */
export interface Output {
  readonly isTerminal: boolean;
  /** Resolves when the data is handed on; so output that is not read slows the program instead of filling memory. */
  write(data: string | Uint8Array): Promise<void>;
}

/** The outside of a command. */
export interface CliIo {
  readonly stdout: Output;
  readonly stderr: Output;
  /** An environment variable, or undefined where it is not set or may not be read. */
  env(name: string): string | undefined;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The reader of standard output went away (`| head`). */
export class BrokenPipe extends Error {
  override readonly name = "BrokenPipe";
}

/** The outside of this process. */
export function processIo(signal: AbortSignal): CliIo {
  return { stdout: output(process.stdout), stderr: output(process.stderr), env, signal };
}

function output(stream: NodeJS.WriteStream): Output {
  // Without a listener a broken pipe ends the process with a stack trace, before the callback below is asked.
  stream.on("error", () => {});
  return {
    isTerminal: stream.isTTY === true,
    async write(data) {
      try {
        await new Promise<void>((resolve, reject) => {
          stream.write(data, (error) => error ? reject(error) : resolve());
        });
      } catch (cause) {
        // Deno throws where Node calls back.
        throw writeError(cause as Error);
      }
    },
  };
}

function writeError(cause: Error): Error {
  if (isBrokenPipe(cause)) return new BrokenPipe(cause.message);
  return new OutputError("output-failed", `Cannot write to the output: ${cause.message}`, {
    cause,
    advice: "Look at where it goes.",
  });
}

function isBrokenPipe(error: Error): boolean {
  const { code } = error as Error & { code?: unknown };
  return code === "EPIPE" || code === "ERR_STREAM_DESTROYED" || error.name === "BrokenPipe";
}

/** The part of Deno that tells whether a variable may be read: asking for it could prompt. */
interface DenoLike {
  readonly permissions: { querySync(what: { name: "env"; variable: string }): { readonly state: string } };
}

function env(name: string): string | undefined {
  try {
    const { Deno } = globalThis as { Deno?: DenoLike };
    if (Deno && Deno.permissions.querySync({ name: "env", variable: name }).state !== "granted") {
      return undefined;
    }
    return process.env[name];
  } catch {
    return undefined;
  }
}

/**
 * A tar that is put together from its parts, as the output of a command.
 *
 * @module
 */
import { nativeHashes } from "../digest/native.ts";
import { UsageError } from "../errors.ts";
import { type AssembledTar, assembleTar, type GetFile } from "../tarsplit/assemble.ts";
import type { TarSplitRecord } from "../tarsplit/record.ts";
import type { CliIo } from "./io.ts";
import { type ByteOutput, openOutput } from "./output-file.ts";
import { NO_PROGRESS, progressBar } from "./progress.ts";
import { untilAborted } from "./until-aborted.ts";

export interface AssembledOutput {
  readonly records: AsyncIterable<TarSplitRecord>;
  readonly getFile: GetFile;
  /** What the tar must be. */
  readonly diffID: string | undefined;
  /** A file; standard output if undefined or `-`. */
  readonly output: string | undefined;
  /** Whether to show a progress bar, on a terminal. */
  readonly progress: boolean;
  /** Bytes of the tar, where they are known before. */
  readonly total: number | null;
  /** Why the tar can be trusted that was written; null where nothing vouches for it. */
  readonly proof: string | null;
}

/** Bytes that are written at once. */
const WRITTEN = 1 << 19;

/** @throws {UsageError} `output-is-terminal` */
export function refuseTerminal(what: string, output: string | undefined, io: CliIo): void {
  if (!isStandardOutput(output) || !io.stdout.isTerminal) return;
  throw new UsageError("output-is-terminal", `A ${what} is not for a terminal`, {
    advice: "Give -o FILE, or write to a pipe.",
  });
}

function isStandardOutput(output: string | undefined): boolean {
  return output === undefined || output === "-";
}

/**
 * Writes the tar. A file appears only when all is as it should be; what goes through a pipe, only the status tells of.
 * @returns the exit status
 * @throws what `assembleTar`'s stream fails with, and {OutputError}
 */
export async function writeAssembled(work: AssembledOutput, io: CliIo): Promise<number> {
  const { records, getFile, diffID, output, proof } = work;
  let made: AssembledTar | null = null;
  const tar = assembleTar(records, getFile, {
    hash: await nativeHashes.sha256(),
    ...diffID !== undefined && { diffID },
    onEnd: (result) => made = result,
  });
  await writeStream(tar, await openOutput(output, io), work, io);
  const { size, digest } = made!;
  const why = diffID !== undefined ? "as expected" : proof ?? "compared with no digest";
  if (!isStandardOutput(output)) await io.stderr.write(`${output}: ${size} bytes, ${digest}, ${why}\n`);
  return 0;
}

async function writeStream(
  tar: ReadableStream<Uint8Array>,
  output: ByteOutput,
  { progress, total }: AssembledOutput,
  { signal, stderr }: CliIo,
): Promise<void> {
  const bar = progress && stderr.isTerminal ? progressBar() : NO_PROGRESS;
  let bytes = 0;
  const update = (length: number): void => bar.update({ bytes: bytes += length, total });
  try {
    await untilAborted(copy(tar, output, signal, update), signal);
    await output.commit();
  } catch (error) {
    await output.abort();
    throw error;
  } finally {
    bar.stop();
  }
}

/** All of a stream to an output, no faster than that takes it: headers are small, and writing each by itself is slow. */
async function copy(
  tar: ReadableStream<Uint8Array>,
  output: ByteOutput,
  signal: AbortSignal,
  written: (length: number) => void,
): Promise<void> {
  const reader = tar.getReader();
  const gathered = new Gathered(output);
  try {
    while (true) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      if (done) return await gathered.end();
      for (let at = 0; at < value.length;) {
        at += gathered.add(value.subarray(at));
        if (gathered.isFull) await gathered.flush();
      }
      written(value.length);
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Gathers bytes, and fills one buffer while another is being written. */
class Gathered {
  readonly #output: ByteOutput;
  #buffer = new Uint8Array(WRITTEN);
  #other = new Uint8Array(WRITTEN);
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(output: ByteOutput) {
    this.#output = output;
  }

  get isFull(): boolean {
    return this.#filled === WRITTEN;
  }

  /** Takes what there is room for. @returns the number of bytes */
  add(bytes: Uint8Array): number {
    const take = Math.min(bytes.length, WRITTEN - this.#filled);
    this.#buffer.set(take === bytes.length ? bytes : bytes.subarray(0, take), this.#filled);
    this.#filled += take;
    return take;
  }

  /** Has what was gathered written, when the bytes before are. @throws what writing those threw */
  async flush(): Promise<void> {
    await this.#writing;
    const full = this.#buffer.subarray(0, this.#filled);
    [this.#buffer, this.#other] = [this.#other, this.#buffer];
    this.#filled = 0;
    this.#writing = this.#output.write(full);
    // Met by the next call.
    this.#writing.catch(() => {});
  }

  /** Resolves when all is written. @throws what writing threw */
  async end(): Promise<void> {
    await this.flush();
    await this.#writing;
  }
}

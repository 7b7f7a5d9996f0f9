/**
 * The seam for raw DEFLATE (RFC 1951): the WebAssembly kernel, or pako where that cannot run.
 *
 * @module
 */
import type { OutputArea } from "../kernel/inflate.ts";
import { IO_BASE, kernelsRun } from "../kernel/load.ts";

/** Decodes one deflate stream after the other. */
export interface Inflater {
  /** Starts a new stream, whatever became of the one before. */
  reset(): void;
  /**
   * Inflates from `bytes[at]` on, to the end of the piece or of the stream, and hands the output out in views that are
   * valid only during the call.
   * @returns how many bytes were used
   * @throws an Error whose name is "InflateError" where the stream breaks a rule; what came before has been handed out
   */
  inflate(bytes: Uint8Array, at: number, emit: (bytes: Uint8Array) => void): number;
  /** Whether the end of the stream was met. */
  readonly done: boolean;
}

/** A memory that the kernel is to work in, and where its output is to lie there. */
export interface InflatePlace {
  readonly memory: WebAssembly.Memory;
  readonly area: OutputArea;
}

/** The kernel (about 520 MB/s), or pako (110 to 140 MB/s). */
export async function loadInflater(
  kernel = kernelsRun,
  place: InflatePlace | null = null,
): Promise<Inflater> {
  if (!kernel) return new (await import("./inflate-pako.ts")).PakoInflater();
  const { InflateKernel } = await import("../kernel/inflate.ts");
  return place ? await InflateKernel.create(place.memory, IO_BASE, place.area) : await InflateKernel.create();
}

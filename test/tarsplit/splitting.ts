/** Runs the disassembler, the reader and the assembler over bytes in memory. */
import { LayerproofError } from "../../src/errors.ts";
import { TarReader } from "../../src/tar/reader.ts";
import { type AssembleOptions, assembleTar, type GetFile } from "../../src/tarsplit/assemble.ts";
import { type DisassembleOptions, Disassembler } from "../../src/tarsplit/disassemble.ts";
import { readTarSplit, type TarSplitReadOptions, type TarSplitRecord } from "../../src/tarsplit/read.ts";
import { join, slices, tar, type TarItem, type TarOptions } from "../support/mod.ts";
import { fixture, text, unzstd } from "../support/fixtures.ts";
import { LIMITS } from "../tar/read.ts";

/** A source of the fixtures. */
export interface Source {
  readonly name: string;
  readonly diffID: string;
  readonly size: number;
  readonly tar: string;
  readonly tarSplit?: string;
  readonly tarSplitSHA256?: string;
  readonly tarSplitSize?: number;
  readonly tarSplitRoundTrip?: boolean;
}

export const { sources } = JSON.parse(text(fixture("index.json"))) as { sources: readonly Source[] };

/** The tar of a source; that of a large one lies in a compressed layer. */
export function tarOf({ tar }: Source): Uint8Array {
  const [path, compressed] = tar.split(" ");
  return compressed ? unzstd(fixture(path!)) : fixture(path!);
}

/**
 * The tar-split of an archive.
 * @param cuts piece sizes, used again and again
 */
export async function disassemble(
  archive: Uint8Array,
  options: DisassembleOptions = {},
  cuts: number | readonly number[] = 65_536,
): Promise<Uint8Array> {
  const out: Uint8Array[] = [];
  const split = await Disassembler.create((bytes) => out.push(bytes.slice()), options);
  const reader = new TarReader(split, { ...LIMITS, entries: 1_000_000 });
  const sizes = typeof cuts === "number" ? [cuts] : cuts;
  for (let at = 0, index = 0; at < archive.length; index++) {
    // A piece is the caller's again after the call: a copy that is wiped shows who kept a view.
    const piece = archive.slice(at, at + sizes[index % sizes.length]!);
    at += piece.length;
    split.piece(piece);
    reader.push(piece);
    split.pieceEnd();
    piece.fill(0xa5);
  }
  reader.end();
  split.end();
  return join(out);
}

/** The lines of a tar-split as JSON.parse gives them. */
export async function disassembledLines(
  archive: Uint8Array,
  options: DisassembleOptions = {},
  cuts?: number | readonly number[],
): Promise<Record<string, unknown>[]> {
  const lines = text(await disassemble(archive, options, cuts)).split("\n");
  if (lines.pop() !== "") throw new Error("The last line has no newline");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The records of a tar-split; `size` cuts it into pieces that are wiped after use. */
export async function recordsOf(
  split: Uint8Array,
  size = 65_536,
  options: TarSplitReadOptions = {},
): Promise<TarSplitRecord[]> {
  const records: TarSplitRecord[] = [];
  for await (const record of readTarSplit(wiped(split, size), options)) records.push(record);
  return records;
}

function* wiped(data: Uint8Array, size: number): Generator<Uint8Array> {
  for (const piece of slices(data, size)) {
    const copy = piece.slice();
    yield copy;
    copy.fill(0xa5);
  }
}

/** A getter that knows the payloads in an archive: those of one name in the order in which they lie there. */
export function filesOf(archive: Uint8Array): GetFile {
  const files = new Map<string, Uint8Array[]>();
  let name = "";
  let pieces: Uint8Array[] = [];
  const reader = new TarReader({
    entry: (entry) => {
      name = entry.name;
      pieces = [];
    },
    payload: (bytes) => void pieces.push(bytes.slice()),
    entryEnd: () => {
      const payload = join(pieces);
      if (payload.length > 0) files.set(name, [...files.get(name) ?? [], payload]);
    },
  }, { ...LIMITS, entries: 1_000_000 });
  reader.push(archive);
  reader.end();
  return (wanted) => {
    const payload = files.get(wanted)?.shift();
    return payload ? slices(payload, 1000) : null;
  };
}

/** Everything that the assembled stream gives. */
export async function assemble(
  records: AsyncIterable<TarSplitRecord> | Iterable<TarSplitRecord>,
  getFile: GetFile,
  options: AssembleOptions = {},
): Promise<Uint8Array> {
  return await drain(assembleTar(records, getFile, options));
}

/** All bytes of a stream. */
export async function drain(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  while (true) {
    const { done, value } = await reader.read();
    if (done) return join(pieces);
    pieces.push(value);
  }
}

/** The typed error with which `work` fails; any other outcome fails the test. */
export async function errorOf(work: () => Promise<unknown>): Promise<LayerproofError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof LayerproofError) return error;
    throw error;
  }
  throw new Error("Expected a LayerproofError, nothing was thrown");
}

/** The platform's base64. */
export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** Lines as where they cut: a segment's length, or a file's name. */
export function lengths(lines: readonly Record<string, unknown>[]): unknown[] {
  return lines.map((line) =>
    line["type"] === 2 ? Buffer.from(String(line["payload"]), "base64").length : line["name"]
  );
}

/** Where the archive of these items is cut. */
export async function cutsOf(items: Iterable<TarItem>, options: TarOptions = {}): Promise<unknown[]> {
  return lengths(await disassembledLines(tar(items, options)));
}

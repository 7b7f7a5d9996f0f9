/**
 * Entries of a stream, set aside until its TOC has come.
 *
 * Kept as text in blocks outside of the JavaScript heap. A pipe of 200,000 entries peaks at 215 MB so (Deno), at 290 MB
 * when the text names its fields; 108 MB from a file, where nothing is set aside.
 *
 * @module
 */
import type { EntryKind, TarEntry, Timestamp } from "../tar/entry.ts";
import type { HashedPayload } from "./payload.ts";

/** What comparisons with a TOC look at. */
export type ComparedEntry = Omit<TarEntry, "typeflag" | "format" | "pax" | "sparse">;

/** One entry of the stream with what its content hashed to. */
export interface EntryRecord {
  readonly entry: ComparedEntry;
  readonly hashed: HashedPayload;
  readonly sparse: boolean;
  /** Offset in the blob of the member or frame that the entry's headers begin; null if they lie further inside. */
  readonly unitStart: number | null;
}

const BLOCK_RECORDS = 256;

export class EntryLog {
  readonly #blocks: Uint8Array[] = [];
  #lines: string[] = [];

  append(record: EntryRecord): void {
    // JSON.stringify escapes lone surrogates, so that names which are not UTF-8 survive the encoder.
    this.#lines.push(JSON.stringify(pack(record)));
    if (this.#lines.length === BLOCK_RECORDS) this.#seal();
  }

  /** All records in order; empties the log as it goes. */
  *drain(): Generator<EntryRecord> {
    this.#seal();
    const decoder = new TextDecoder();
    for (let block = this.#blocks.shift(); block; block = this.#blocks.shift()) {
      for (const line of decoder.decode(block).split("\n")) yield unpack(JSON.parse(line));
    }
  }

  #seal(): void {
    if (this.#lines.length > 0) this.#blocks.push(new TextEncoder().encode(this.#lines.join("\n")));
    this.#lines = [];
  }
}

/** Positional, without the names of fields: they would be two thirds of the text. */
type Packed = readonly [
  name: string,
  kind: EntryKind,
  numbers: readonly number[],
  text: readonly [linkName: string, userName: string, groupName: string] | 0,
  xattrs: readonly (readonly [string, readonly number[]])[] | 0,
  times: readonly [atime: Timestamp | null, ctime: Timestamp | null] | 0,
  segments: readonly (readonly [
    offset: number,
    length: number,
    digest: string,
    unitOffset: number,
    innerOffset: number,
  ])[],
  /** 0 where it is that of the only segment. */
  digest: string | null | 0,
];

function pack({ entry, hashed, sparse, unitStart }: EntryRecord): Packed {
  const { size, storedSize, mode, uid, gid, mtime, devMajor, devMinor, headerOffset, payloadOffset } = entry;
  const { linkName, userName, groupName } = entry;
  const [first] = hashed.segments;
  return [
    entry.name,
    entry.kind,
    [
      size,
      storedSize,
      mode,
      uid,
      gid,
      mtime.seconds,
      mtime.nanoseconds,
      devMajor,
      devMinor,
      headerOffset,
      payloadOffset,
      unitStart ?? -1,
      sparse ? 1 : 0,
    ],
    linkName === "" && userName === "" && groupName === "" ? 0 : [linkName, userName, groupName],
    entry.xattrs ? [...entry.xattrs].map(([name, value]) => [name, [...value]] as const) : 0,
    entry.atime || entry.ctime ? [entry.atime, entry.ctime] : 0,
    hashed.segments.map((one) => [one.offset, one.length, one.digest, one.unitOffset, one.innerOffset]),
    hashed.segments.length === 1 && hashed.digest === first!.digest ? 0 : hashed.digest,
  ];
}

function unpack([name, kind, numbers, text, xattrs, times, segments, digest]: Packed): EntryRecord {
  const [
    size,
    storedSize,
    mode,
    uid,
    gid,
    seconds,
    nanoseconds,
    devMajor,
    devMinor,
    headerOffset,
    payloadOffset,
    unitStart,
    sparse,
  ] = numbers as unknown as FixedNumbers;
  const [linkName, userName, groupName] = text === 0 ? ["", "", ""] : text;
  return {
    entry: {
      name,
      kind,
      size,
      storedSize,
      mode,
      uid,
      gid,
      mtime: { seconds, nanoseconds },
      atime: times === 0 ? null : times[0],
      ctime: times === 0 ? null : times[1],
      devMajor,
      devMinor,
      headerOffset,
      payloadOffset,
      linkName,
      userName,
      groupName,
      xattrs: xattrs === 0 ? null : new Map(xattrs.map(([key, value]) => [key, Uint8Array.from(value)])),
    },
    hashed: {
      segments: segments.map(([offset, length, digest, unitOffset, innerOffset]) => ({
        offset,
        length,
        digest,
        unitOffset,
        innerOffset,
      })),
      digest: digest === 0 ? segments[0]![2] : digest,
    },
    sparse: sparse === 1,
    unitStart: unitStart < 0 ? null : unitStart,
  };
}

type FixedNumbers = [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

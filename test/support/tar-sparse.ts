/**
 * Sparse members in the four encodings of GNU tar (its manual, "Storing Sparse Files"): the old GNU header with its
 * extension blocks, and PAX 0.0, 0.1 and 1.0.
 */
import { bytes, type BytesLike, concat } from "./bytes.ts";
import { BLOCK, type HeaderFields, octal, padded, padding, tarHeader, TYPE } from "./tar-header.ts";
import { entry, type PaxRecords } from "./tar.ts";

export type SparseFormat = "gnu" | "pax-0.0" | "pax-0.1" | "pax-1.0";

/** A run of data in a sparse file: where it starts, and its length. */
export type SparseRun = readonly [offset: number, length: number];

/** A sparse file: the data it has, and faults. */
export interface SparseFile extends Omit<HeaderFields, "size"> {
  readonly name: string;
  /** Length of the expanded file. */
  readonly realSize: number;
  /** The data, in order; everything between is a hole. */
  readonly regions: readonly { readonly offset: number; readonly data: BytesLike }[];
  /** The map to write, right or wrong. Default: that of `regions`, closed by an empty run behind a hole at the end. */
  readonly map?: readonly SparseRun[];
  /** PAX 1.0 only: the text of the map in front of the data, in place of the right one. */
  readonly mapText?: BytesLike;
}

/** One sparse member: header, extension headers or PAX records, and its data. */
export function sparse(file: SparseFile, format: SparseFormat = "gnu"): Uint8Array<ArrayBuffer> {
  const { realSize, regions, map = mapOf(file), mapText, ...fields } = file;
  const data = concat(...regions.map((region) => bytes(region.data)));
  if (format === "gnu") return gnuSparse(fields, map, realSize, data);
  const { name } = file;
  const base = name.slice(name.lastIndexOf("/") + 1);
  const hidden = `${name.slice(0, name.length - base.length)}GNUSparseFile.0/${base}`;
  if (format === "pax-0.0") {
    const runs = map.flatMap(([offset, length]) =>
      [
        ["GNU.sparse.offset", String(offset)],
        ["GNU.sparse.numbytes", String(length)],
      ] as const
    );
    const pax = [
      ["GNU.sparse.size", String(realSize)],
      ["GNU.sparse.numblocks", String(map.length)],
      ...runs,
    ] as const;
    return entry({ ...fields, data, pax });
  }
  if (format === "pax-0.1") {
    const pax: PaxRecords = {
      "GNU.sparse.size": String(realSize),
      "GNU.sparse.numblocks": String(map.length),
      "GNU.sparse.name": name,
      "GNU.sparse.map": map.flat().join(","),
    };
    return entry({ ...fields, name: hidden, data, pax });
  }
  const text = mapText ?? [map.length, ...map.flat(), ""].join("\n");
  const pax: PaxRecords = {
    "GNU.sparse.major": "1",
    "GNU.sparse.minor": "0",
    "GNU.sparse.name": name,
    "GNU.sparse.realsize": String(realSize),
  };
  return entry({ ...fields, name: hidden, data: concat(padded(bytes(text)), data), pax });
}

/** The expanded content of a sparse file. */
export function expanded(file: SparseFile): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(file.realSize);
  for (const { offset, data } of file.regions) out.set(bytes(data), offset);
  return out;
}

function mapOf(file: SparseFile): readonly SparseRun[] {
  const runs: SparseRun[] = file.regions.map(({ offset, data }) => [offset, bytes(data).length]);
  const last = runs.at(-1);
  const end = last === undefined ? 0 : last[0] + last[1];
  return end < file.realSize ? [...runs, [file.realSize, 0]] : runs;
}

/** Runs that fit in the header, and in each extension block. */
const IN_HEADER = 4;
const IN_BLOCK = 21;

function gnuSparse(fields: HeaderFields, map: readonly SparseRun[], realSize: number, data: Uint8Array) {
  const put = (block: Uint8Array, at: number, runs: readonly SparseRun[]): void => {
    runs.flat().forEach((value, index) => block.set(bytes(octal(value, 12) ?? ""), at + index * 12));
  };
  const header = tarHeader({
    typeflag: TYPE.gnuSparse,
    magic: "gnu",
    size: data.length,
    ...fields,
    raw: (block) => {
      put(block, 386, map.slice(0, IN_HEADER));
      block[482] = map.length > IN_HEADER ? 1 : 0;
      block.set(bytes(octal(realSize, 12) ?? ""), 483);
      fields.raw?.(block);
    },
  });
  const extensions: Uint8Array[] = [];
  for (let at = IN_HEADER; at < map.length; at += IN_BLOCK) {
    const block = new Uint8Array(BLOCK);
    put(block, 0, map.slice(at, at + IN_BLOCK));
    block[504] = at + IN_BLOCK < map.length ? 1 : 0;
    extensions.push(block);
  }
  return concat(header, ...extensions, data, padding(data.length));
}

/** Where zstd:chunked footers and annotations say that things are, in each of the layouts that are in the wild. */
import { bytes, concat, littleEndian } from "./bytes.ts";

/**
 * Layouts, named by the first containers/storage that wrote them. 1.55 differs from 1.54 only in leaving out times
 * that were not set. `stargz` is stargz-snapshotter's.
 */
export type Dialect = "cs-1.43" | "cs-1.44" | "cs-1.47" | "cs-1.50" | "cs-1.54" | "cs-1.55" | "stargz";

/** What tells a layout from the others. */
export interface Layout {
  /** Prefix of the annotations. */
  readonly prefix: string;
  readonly footerLength: 40 | 56 | 64;
  /** Where the tar-split's digest is; null if there is no tar-split. */
  readonly tarSplitDigest: "annotation" | "toc" | null;
  /** Access and change time are written as year 1 if they are not set. */
  readonly zeroTimes: boolean;
}

const OLD = "io.containers.zstd-chunked.";
const NEW = "io.github.containers.zstd-chunked.";

export const LAYOUTS: Readonly<Record<Dialect, Layout>> = {
  "cs-1.43": { prefix: OLD, footerLength: 40, tarSplitDigest: null, zeroTimes: true },
  "cs-1.44": { prefix: NEW, footerLength: 40, tarSplitDigest: null, zeroTimes: true },
  "cs-1.47": { prefix: NEW, footerLength: 56, tarSplitDigest: "annotation", zeroTimes: true },
  "cs-1.50": { prefix: NEW, footerLength: 64, tarSplitDigest: "annotation", zeroTimes: true },
  "cs-1.54": { prefix: NEW, footerLength: 64, tarSplitDigest: "toc", zeroTimes: true },
  "cs-1.55": { prefix: NEW, footerLength: 64, tarSplitDigest: "toc", zeroTimes: false },
  stargz: { prefix: OLD, footerLength: 40, tarSplitDigest: null, zeroTimes: false },
};

/** A frame's place; offsets point behind the 8 bytes of the skippable frame's header. */
export interface Position {
  offset: number;
  length: number;
  uncompressed: number;
}

/** What footer and annotations point at. */
export interface Positions {
  toc: Position;
  /** Manifest type; 1 is the only one. */
  type: number;
  tarSplit: Position | null;
}

/** The payload of the last skippable frame. */
export function zstdChunkedFooter(footerLength: 40 | 56 | 64, positions: Positions): Uint8Array<ArrayBuffer> {
  const { toc, type, tarSplit } = positions;
  const numbers = (...values: number[]) => concat(...values.map((value) => littleEndian(value, 8)));
  const start = numbers(toc.offset, toc.length, toc.uncompressed, type);
  if (footerLength === 64) {
    const { offset, length, uncompressed } = tarSplit ?? { offset: 0, length: 0, uncompressed: 0 };
    return concat(start, numbers(offset, length, uncompressed), bytes("GNUlInUx"));
  }
  // The broken one of 1.47 to 1.49: the magic overwrote the tar-split's offset, and 16 zero bytes follow.
  return concat(start, bytes("GnUlInUx"), new Uint8Array(footerLength - 40));
}

/** The annotations that go with these positions. */
export function zstdChunkedAnnotations(
  layout: Layout,
  positions: Positions,
  manifestChecksum: string,
  tarSplitChecksum: string | null,
): Record<string, string> {
  const { toc, type, tarSplit } = positions;
  const { prefix } = layout;
  const out: Record<string, string> = {
    [`${prefix}manifest-checksum`]: manifestChecksum,
    [`${prefix}manifest-position`]: `${toc.offset}:${toc.length}:${toc.uncompressed}:${type}`,
  };
  if (tarSplit !== null) {
    if (layout.tarSplitDigest === "annotation") out[`${prefix}tarsplit-checksum`] = tarSplitChecksum ?? "";
    out[`${prefix}tarsplit-position`] = `${tarSplit.offset}:${tarSplit.length}:${tarSplit.uncompressed}`;
  }
  return out;
}

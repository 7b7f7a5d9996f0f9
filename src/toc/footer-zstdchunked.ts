/**
 * Footers of zstd:chunked blobs: a skippable frame at the very end that says where the TOC (and the tar-split) is.
 *
 * Three lengths are in the wild. The 56-byte one of containers/storage 1.47 to 1.49 is broken: its magic lies where
 * the tar-split's offset should be, and the tar-split is told by the annotations only.
 *
 * @module
 */

/** Where compressed bytes lie in the blob (behind their 8-byte skippable frame header), and how long they are. */
export interface BlobRange {
  readonly offset: number;
  readonly length: number;
  readonly uncompressedLength: number;
}

export interface ZstdChunkedFooter {
  readonly kind: "40-byte" | "56-byte" | "64-byte";
  readonly toc: BlobRange;
  readonly tarSplit: BlobRange | null;
}

/** The longest footer with its frame header. */
export const ZSTD_FOOTER_MAX = 8 + 64;

/** The only TOC type that is defined. */
export const TOC_TYPE_CRFS = 1;

const LENGTHS = [64, 56, 40] as const;
const OLD_MAGIC = "GnUlInUx";
const MAGIC = "GNUlInUx";

/**
 * Looks at the last bytes of a blob.
 * @returns null for everything that is no footer; never throws
 */
export function findZstdChunkedFooter(tail: Uint8Array): ZstdChunkedFooter | null {
  for (const length of LENGTHS) {
    const at = tail.length - length - 8;
    if (at < 0) continue;
    const view = new DataView(tail.buffer, tail.byteOffset + at, 8);
    const magic = view.getUint32(0, true);
    if (magic < 0x184d2a50 || magic > 0x184d2a5f || view.getUint32(4, true) !== length) continue;
    const footer = parseZstdChunkedFooter(tail.subarray(at + 8));
    if (footer) return footer;
  }
  return null;
}

/** Reads the payload of a skippable frame as a footer's, or null. */
export function parseZstdChunkedFooter(payload: Uint8Array): ZstdChunkedFooter | null {
  const magicAt = (offset: number) => String.fromCharCode(...payload.subarray(offset, offset + 8));
  if (payload.length === 64 && magicAt(56) === MAGIC) return footer("64-byte", payload, true);
  if (payload.length === 56 && magicAt(32) === OLD_MAGIC) return footer("56-byte", payload, false);
  if (payload.length === 40 && magicAt(32) === OLD_MAGIC) return footer("40-byte", payload, false);
  return null;
}

function footer(
  kind: ZstdChunkedFooter["kind"],
  payload: Uint8Array,
  withTarSplit: boolean,
): ZstdChunkedFooter | null {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const number = (index: number) => Number(view.getBigUint64(8 * index, true));
  const range = (index: number): BlobRange | null => {
    const [offset, length, uncompressedLength] = [number(index), number(index + 1), number(index + 2)];
    const safe = [offset, length, uncompressedLength, offset + length].every(Number.isSafeInteger);
    return safe ? { offset, length, uncompressedLength } : null;
  };
  const toc = range(0);
  if (!toc || number(3) !== TOC_TYPE_CRFS) return null;
  const tarSplit = withTarSplit ? range(4) : null;
  return { kind, toc, tarSplit: tarSplit && tarSplit.length > 0 ? tarSplit : null };
}

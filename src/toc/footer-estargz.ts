/**
 * Footers of eStargz blobs: an empty gzip member at the very end whose extra field says where the TOC is.
 *
 * eStargz specification, "Footer" (51 bytes), the footer of the first stargz (47 bytes), and the external TOC's
 * (46 bytes).
 *
 * @module
 */

export type EstargzFooter =
  | { readonly kind: "estargz" | "legacy"; readonly length: number; readonly tocOffset: number }
  | { readonly kind: "external"; readonly length: number };

/** The longest footer. */
export const ESTARGZ_FOOTER_MAX = 51;

const EXTERNAL = "STARGZEXTERNALTOC";
/** Fixed header and XLEN before the extra field, one empty stored block, CRC-32 and ISIZE behind it. */
const OVERHEAD = 10 + 2 + 5 + 8;

/**
 * Looks at the last bytes of a blob.
 * @param tail the end of the blob, at least `ESTARGZ_FOOTER_MAX` bytes where it has so many
 * @returns null for everything that is no footer; never throws
 */
export function findEstargzFooter(tail: Uint8Array): EstargzFooter | null {
  for (const extraLength of [26, 22, 21]) {
    const at = tail.length - OVERHEAD - extraLength;
    if (at < 0) continue;
    const header = tail.subarray(at, at + 12);
    const gzip = header[0] === 0x1f && header[1] === 0x8b && header[2] === 8 && header[3] === 4;
    if (!gzip || (header[10]! | (header[11]! << 8)) !== extraLength) continue;
    const footer = parseEstargzExtra(tail.subarray(at + 12, at + 12 + extraLength));
    if (footer) return footer;
  }
  return null;
}

/** Reads the extra field of a gzip member (RFC 1952 section 2.3.1.1) as a footer's, or null. */
export function parseEstargzExtra(extra: Uint8Array): EstargzFooter | null {
  const text = String.fromCharCode(...extra);
  const length = OVERHEAD + extra.length;
  if (extra.length === 21 && text === `SG\x11\x00${EXTERNAL}`) return { kind: "external", length };
  if (extra.length === 26 && text.startsWith("SG\x16\x00")) {
    return withOffset("estargz", text.slice(4), length);
  }
  if (extra.length === 22) return withOffset("legacy", text, length);
  return null;
}

function withOffset(kind: "estargz" | "legacy", text: string, length: number): EstargzFooter | null {
  const match = /^([0-9a-fA-F]{16})STARGZ$/.exec(text);
  if (!match) return null;
  const tocOffset = Number.parseInt(match[1]!, 16);
  return Number.isSafeInteger(tocOffset) ? { kind, length, tocOffset } : null;
}

/**
 * `Content-Range` (RFC 9110, 14.4) and `multipart/byteranges` (14.6).
 *
 * @module
 */

/** Both ends inclusive; `size` null for `*`. */
export interface ContentRange {
  readonly first: number;
  readonly last: number;
  readonly size: number | null;
}

/** null for what is no satisfied range. */
export function parseContentRange(value: string | null): ContentRange | null {
  const match = /^\s*bytes\s+(\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)\s*$/i.exec(value ?? "");
  if (!match) return null;
  const first = Number(match[1]), last = Number(match[2]);
  const size = match[3] === "*" ? null : Number(match[3]);
  return last < first || (size !== null && last >= size) ? null : { first, last, size };
}

/** The boundary of a `multipart/byteranges` body; null for every other media type. */
export function multipartBoundary(contentType: string | null): string | null {
  const match = /^\s*multipart\/byteranges\s*;.*?\bboundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(
    contentType ?? "",
  );
  return match?.[1] ?? match?.[2] ?? null;
}

/** Bytes around the content of a body with one part. */
export const MULTIPART_OVERHEAD = 4096;

/** The first part of a multipart body, or null if it cannot be found. A server may answer one range in this form. */
export function firstPart(
  body: Uint8Array,
  boundary: string,
): { readonly range: ContentRange | null; readonly bytes: Uint8Array } | null {
  const decoder = new TextDecoder("latin1");
  const head = decoder.decode(body.subarray(0, MULTIPART_OVERHEAD));
  const start = head.indexOf(`--${boundary}\r\n`);
  if (start < 0) return null;
  const end = head.indexOf("\r\n\r\n", start);
  if (end < 0) return null;
  const header = /^content-range:(.*)$/im.exec(head.slice(start, end));
  const range = parseContentRange(header?.[1]?.trim() ?? null);
  if (!range) return { range, bytes: new Uint8Array(0) };
  const from = end + 4, to = from + (range.last - range.first + 1);
  const closing = `\r\n--${boundary}`;
  const after = decoder.decode(body.subarray(to, to + closing.length));
  return after === closing ? { range, bytes: body.subarray(from, to) } : null;
}

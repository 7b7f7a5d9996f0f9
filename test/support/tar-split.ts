/**
 * A tar-split (vbatts/tar-split, `tar/storage`): what has to be kept of a tar archive, apart from the payloads, to make
 * the same bytes again. Written as the real disassembler does, field for field.
 */
import { attributes, base64 } from "./attributes.ts";
import { bytes, concat, slices } from "./bytes.ts";
import { crc64 } from "./crc64.ts";
import { goJson } from "./go-json.ts";
import type { EntryParts } from "./tar.ts";
import { BLOCK, TYPE, typeflagOf } from "./tar-header.ts";

/** One line: type 2 is a segment of raw bytes, type 1 a file whose payload was taken out. */
export interface TarSplitLine {
  type: 1 | 2;
  name?: string;
  name_raw?: string;
  size?: number;
  payload: string | null;
  position: number;
}

/** Longest segment behind the end of the archive. */
const TAIL_PIECE = 2 ** 20;

/** The lines for an archive, given in pieces as `tarParts` makes them. */
export function tarSplitLines(parts: readonly EntryParts[], tail: Uint8Array): TarSplitLine[] {
  const lines: TarSplitLine[] = [];
  let pending: Uint8Array[] = [];
  const segment = (): void => {
    const payload = concat(...pending);
    pending = [];
    if (payload.length > 0) lines.push({ type: 2, payload: base64(payload), position: lines.length });
  };
  for (const { entry, header, data, padding } of parts) {
    pending.push(header);
    if (entry === undefined) {
      pending.push(data, padding);
      continue;
    }
    // The records of a global header stay in the segment; the reference still cuts a line for it.
    const isGlobal = typeflagOf(entry) === TYPE.paxGlobal;
    if (isGlobal) pending.push(data);
    segment();
    const size = isGlobal ? 0 : data.length;
    lines.push({
      type: 1,
      ...nameFields(attributes(entry).name),
      ...(size > 0 ? { size } : {}),
      payload: size > 0 ? base64(crc64(data)) : null,
      position: lines.length,
    });
    pending.push(padding);
  }
  // The reader stops after two zero blocks; what follows is copied in pieces.
  const end = tail.subarray(0, 2 * BLOCK);
  pending.push(end);
  segment();
  for (const piece of slices(tail.subarray(end.length), TAIL_PIECE)) {
    lines.push({ type: 2, payload: base64(piece), position: lines.length });
  }
  return lines;
}

/** Lines as text, each with its newline. */
export function tarSplitText(lines: readonly TarSplitLine[]): string {
  return lines.map((line) => goJson(line) + "\n").join("");
}

/** The tar-split of an archive as JSON lines. */
export function tarSplit(parts: readonly EntryParts[], tail: Uint8Array): Uint8Array {
  return bytes(tarSplitText(tarSplitLines(parts, tail)));
}

function nameFields(name: Uint8Array): { name?: string; name_raw?: string } {
  try {
    return { name: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(name) };
  } catch {
    return { name_raw: base64(name) };
  }
}

/**
 * One line of a tar-split: what Go's `storage.Entry` has in JSON, and nothing that could be understood in two ways.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import { foldedKeys, lookAlike, parseStrictJson } from "../json/strict.ts";
import { decodeName } from "../tar/names.ts";
import { decodeBase64, decodeBase64Chars } from "./base64.ts";
import type { TarSplitFile, TarSplitRecord, TarSplitSegment } from "./record.ts";

const KEYS = foldedKeys(["type", "name", "name_raw", "size", "payload", "position"]);
/** Values of `type`. */
const FILE = 1, SEGMENT = 2;
/** Objects and arrays in a line: unknown keys are skipped, as Go does, and may hold some. */
const MAX_NODES = 100;
const SEGMENT_START = '{"type":2,"payload":"';
/** Name, size, checksum and position; no escapes. Go leaves out what is empty or 0, but for the position. */
const FILE_AS_WRITTEN =
  // deno-lint-ignore no-control-regex -- JSON has none in strings
  /^\{"type":1,"name":"([^"\\\x00-\x1f]+)"(?:,"size":([1-9][0-9]{0,15}))?,"payload":(null|"[A-Za-z0-9+/=]{12}"),"position":(0|[1-9][0-9]{0,15})\}$/;
/** Base64 of eight bytes. */
const CHECKSUM_CHARS = 12;
const NOTHING = new Uint8Array(0);
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ADVICE = "The tar-split is damaged: fetch or make it again.";

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads one line.
 * @param line UTF-8, without the newline
 * @param position number of the line from 0; the one in it must be the same
 * @throws {FormatError} `tarsplit-malformed`
 */
export function parseLine(line: Uint8Array, position: number): TarSplitRecord {
  const written = segmentAsWritten(line, position) ?? fileAsWritten(line, position);
  if (written) return written;
  const fields = objectOf(line, position);
  for (const key of Object.keys(fields)) {
    const meant = lookAlike(key, KEYS);
    if (meant !== undefined) {
      throw malformed(position, `it has the key ${shown(key)}, which Go takes for ${meant}`);
    }
  }
  if (fields["position"] !== position) {
    throw malformed(position, `its position is ${shown(fields["position"])}`, {
      expected: `${position}`,
      actual: shown(fields["position"]),
    });
  }
  if (fields["type"] === FILE) {
    const { size = 0 } = fields;
    return fileOf(nameOf(fields, position), size, payloadOf(fields, position), position);
  }
  if (fields["type"] === SEGMENT) return segmentOf(fields, position);
  throw malformed(position, `its type is ${shown(fields["type"])}`, {
    expected: "1 or 2",
    actual: shown(fields["type"]),
  });
}

/**
 * A segment in the form in which every known writer has it, or null: most of a tar-split is that, and needs no JSON.
 * Base64 holds nothing that could end a string or be an escape.
 */
function segmentAsWritten(line: Uint8Array, position: number): TarSplitSegment | null {
  const rest = `","position":${position}}`;
  const end = line.length - rest.length;
  if (end < SEGMENT_START.length || !isAt(line, 0, SEGMENT_START)) return null;
  if (!isAt(line, end, rest)) return null;
  const bytes = decodeBase64Chars(line.subarray(SEGMENT_START.length, end), segmentRoom);
  return bytes && { kind: "segment", bytes, position };
}

/** A buffer of its own for each of the many short segments would lie outside of the heap. */
const POOL = 65_536;
let pool = new Uint8Array(0);
let pooled = 0;

/** Zeros that nobody has had before. */
function segmentRoom(length: number): Uint8Array {
  if (length > POOL / 8) return new Uint8Array(length);
  if (pooled + length > pool.length) [pool, pooled] = [new Uint8Array(POOL), 0];
  return pool.subarray(pooled, pooled += length);
}

/**
 * A file in the form in which every known writer has it, or null. Nothing else could be in such a line: 2.3 microseconds,
 * and 6.8 when it is read as any JSON (Node 24; Deno 2.9: 2.8 and 4.8).
 */
function fileAsWritten(line: Uint8Array, position: number): TarSplitFile | null {
  let match: RegExpExecArray | null;
  try {
    match = FILE_AS_WRITTEN.exec(utf8.decode(line));
  } catch {
    return null;
  }
  if (!match || Number(match[4]) !== position) return null;
  const [, name, size = "0", payload] = match;
  const end = line.length - `","position":${position}}`.length;
  const checksum = payload === "null" ? NOTHING : decodeBase64Chars(line.subarray(end - CHECKSUM_CHARS, end));
  return checksum && fileOf(name!, Number(size), checksum, position);
}

function isAt(line: Uint8Array, at: number, ascii: string): boolean {
  for (let i = 0; i < ascii.length; i++) if (line[at + i] !== ascii.charCodeAt(i)) return false;
  return true;
}

function objectOf(line: Uint8Array, position: number): Fields {
  const options = { what: whatOf(position), code: "tarsplit-malformed", maxNodes: MAX_NODES };
  let value: unknown;
  try {
    value = parseStrictJson(line, options);
  } catch (error) {
    if (error instanceof LimitExceeded) {
      throw malformed(position, `it holds more than ${MAX_NODES} objects and arrays`);
    }
    if (!(error instanceof FormatError)) throw error;
    // What is wrong may be quoted in it, as it stands in the line.
    throw new FormatError(error.code, printable(error.message), { advice: ADVICE, cause: error });
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw malformed(position, "it is not an object");
}

function segmentOf(fields: Fields, position: number): TarSplitSegment {
  for (const key of ["name", "name_raw", "size"]) {
    if (fields[key] !== undefined) throw malformed(position, `it is a segment, and has a ${key}`);
  }
  return { kind: "segment", bytes: payloadOf(fields, position), position };
}

function fileOf(name: string, size: unknown, payload: Uint8Array, position: number): TarSplitFile {
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw malformed(position, `its size is ${shown(size)}`, {
      expected: `0 to ${Number.MAX_SAFE_INTEGER}`,
      actual: shown(size),
    });
  }
  if (payload.length !== 8 && (size > 0 || payload.length > 0)) {
    throw malformed(position, `its checksum has ${payload.length} bytes`, {
      expected: "8",
      actual: `${payload.length}`,
    });
  }
  const crc64 = payload.length === 8 ? new DataView(payload.buffer, payload.byteOffset).getBigUint64(0) : 0n;
  if (size > 0) return { kind: "file", name, size, crc64, position };
  if (crc64 !== 0n) throw malformed(position, "it has no size, and the checksum of something");
  return { kind: "file", name, size, crc64: null, position };
}

/** The lossless form; a name is left out where it is empty. */
function nameOf(fields: Fields, position: number): string {
  const { name, name_raw: raw } = fields;
  if (name !== undefined && (typeof name !== "string" || !name.isWellFormed())) {
    throw malformed(position, `its name is ${shown(name)}`);
  }
  if (raw === undefined) return name ?? "";
  const bytes = typeof raw === "string" ? decodeBase64(raw) : null;
  if (!bytes) throw malformed(position, "its name_raw is not base64");
  const decoded = decodeName(bytes);
  if (name !== undefined && name !== decoded) throw malformed(position, "its name and name_raw differ");
  return decoded;
}

/** The bytes of `payload`; none where it is null or left out. */
function payloadOf(fields: Fields, position: number): Uint8Array {
  const payload = fields["payload"] ?? "";
  const bytes = typeof payload === "string" ? decodeBase64(payload) : null;
  if (!bytes) throw malformed(position, "its payload is not base64");
  return bytes;
}

function whatOf(position: number): string {
  return `line ${position + 1} of the tar-split`;
}

/** A value of the line in a message: printable, and short. */
function shown(value: unknown): string {
  return printable((JSON.stringify(value) ?? "missing").slice(0, 60));
}

function printable(text: string): string {
  return text.replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function malformed(
  position: number,
  problem: string,
  details: { expected?: string; actual?: string } = {},
): FormatError {
  return new FormatError("tarsplit-malformed", `Cannot read ${whatOf(position)}: ${problem}`, {
    ...details,
    advice: ADVICE,
  });
}

/**
 * Typed access to the fields of a TOC entry, with errors that name entry and field.
 *
 * @module
 */
import { isDigest } from "../digest/digest.ts";
import { FormatError } from "../errors.ts";
import { escapeName } from "../tar/names.ts";
import type { Timestamp } from "../tar/entry.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A refusal of one entry of the TOC. */
export function badEntry(code: string, name: string, what: string): FormatError {
  const entry = escapeName(name.slice(0, 1000));
  return new FormatError(code, `Cannot read the TOC entry ${entry}: ${what}`, {
    entry,
    advice: "The TOC is damaged or was made to mislead: do not pull this layer lazily.",
  });
}

/** Reads fields of one entry; absent (or null) ones are the zero value. */
export class Fields {
  readonly #object: JsonObject;
  readonly name: string;

  constructor(object: JsonObject, name: string) {
    this.#object = object;
    this.name = name;
  }

  text(key: string): string {
    const value = this.#object[key] ?? "";
    if (typeof value !== "string") throw this.#bad(key, "is not a string");
    if (value.length > MAX_TEXT) throw this.#bad(key, `is longer than ${MAX_TEXT}`);
    if (!value.isWellFormed()) throw this.#bad(key, "holds half of a surrogate pair");
    return value;
  }

  /** An integer of at most 2^53 - 1. */
  integer(key: string): number {
    const value = this.#object[key] ?? 0;
    if (!Number.isSafeInteger(value)) throw this.#bad(key, "is not an integer below 2^53");
    return value as number;
  }

  /** A size or offset. */
  natural(key: string): number {
    const value = this.integer(key);
    if (value < 0) throw this.#bad(key, `is negative (${value})`);
    return value;
  }

  digest(key: string): string | null {
    const value = this.#object[key] ?? "";
    if (value === "") return null;
    if (!isDigest(value)) throw this.#bad(key, "is no sha256 digest");
    return value;
  }

  time(key: string): Timestamp | null {
    const value = this.text(key);
    if (value === "") return null;
    const time = timeOf(value);
    if (!time) throw this.#bad(key, `is no RFC 3339 time (${escapeName(value.slice(0, 60))})`);
    const none = (time.seconds === 0 || time.seconds === YEAR_1) && time.nanoseconds === 0;
    return none ? null : time;
  }

  /** Base64 values (RFC 4648 section 4, with padding) as raw bytes; null where there are none. */
  xattrs(key: string): Map<string, Uint8Array> | null {
    const value = this.#object[key];
    if (value === undefined || value === null) return null;
    if (!isObject(value)) throw this.#bad(key, "is not an object");
    const out = new Map<string, Uint8Array>();
    for (const [name, base64] of Object.entries(value)) {
      if (!name.isWellFormed() || name.length > MAX_TEXT) {
        throw this.#bad(key, "has a name that is no UTF-8 or too long");
      }
      const bytes = typeof base64 === "string" ? decodeBase64(base64) : null;
      if (!bytes) throw this.#bad(`${key}.${escapeName(name)}`, "is not base64");
      out.set(name, bytes);
    }
    return out.size > 0 ? out : null;
  }

  #bad(key: string, what: string): FormatError {
    return badEntry("toc-bad-field", this.name, `${key} ${what}`);
  }
}

/** No path, link or owner name in use is longer: Linux takes paths of 4 KiB. */
const MAX_TEXT = 64 * 1024;
/** Base64 of 1 MiB; Linux takes attributes of 64 KiB. */
const MAX_BASE64 = 1_400_000;

const YEAR_1 = -62135596800;
const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,30}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** Times come again and again: files that were installed together. */
const times = new Map<string, Timestamp | null>();
const MAX_TIMES = 1000;

/** As `parseRfc3339`, from memory where it can. */
function timeOf(text: string): Timestamp | null {
  let time = times.get(text);
  if (time === undefined) {
    if (times.size === MAX_TIMES) times.clear();
    times.set(text, time = parseRfc3339(text));
  }
  return time;
}

/** RFC 3339 section 5.6, years 0 to 9999, fractions cut to nanoseconds; null if it is not a time. */
export function parseRfc3339(text: string): Timestamp | null {
  const match = RFC3339.exec(text);
  if (!match) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const date = new Date(0);
  // Date.UTC takes the years 0 to 99 for 1900 to 1999.
  date.setUTCFullYear(year, month - 1, day);
  const real = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  const [zoneHour, zoneMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  if (!real || hour > 23 || minute > 59 || second > 59 || zoneHour > 23 || zoneMinute > 59) return null;
  const zone = (match[8] === "-" ? -60 : 60) * (60 * zoneHour + zoneMinute);
  return {
    seconds: date.getTime() / 1000 + 3600 * hour + 60 * minute + second - zone,
    nanoseconds: Number((match[7] ?? "").slice(0, 9).padEnd(9, "0")),
  };
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

function decodeBase64(text: string): Uint8Array | null {
  if (text.length > MAX_BASE64 || text.length % 4 !== 0 || !BASE64.test(text)) return null;
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

/**
 * JSON read strictly: what two parsers could understand in two ways is refused.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import { messageOf } from "../source/source.ts";

/** Deeper than any TOC (4) or image config, far less than what costs memory. */
const MAX_DEPTH = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is read, for bounds and messages. */
export interface StrictJsonOptions {
  /** Names the document in messages, e.g. `the TOC`. */
  readonly what: string;
  /** Code of the errors. */
  readonly code: string;
  /** Most objects and arrays, bounded before any is built. */
  readonly maxNodes: number;
}

/**
 * Parses UTF-8 JSON text (RFC 8259) with these refusals on top of `JSON.parse`: invalid UTF-8, a byte-order mark,
 * an object that has a key twice, too many or too deep objects and arrays.
 * @throws {FormatError} with `options.code`
 * @throws {LimitExceeded} `entries-limit`
 */
export function parseStrictJson(bytes: Uint8Array, options: StrictJsonOptions): unknown {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed("it is not UTF-8", options);
  }
  const members = scan(text, options);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(`it is not JSON (${messageOf(cause)})`, options);
  }
  // JSON.parse lets the last of two equal keys win. It then gives fewer keys than the text has members.
  if (countKeys(value) !== members) throw malformed("an object has the same key twice", options);
  return value;
}

/**
 * What Go's encoding/json compares keys by: it takes `Name` for `name`. Its folding also takes U+017F for s (and
 * U+212A for k, as lower-casing does).
 */
function foldKey(key: string): string {
  return key.toLowerCase().replaceAll("\u017f", "s");
}

/** The known key that a Go program would take `key` for although it is another one, or undefined. */
export function lookAlike(key: string, known: ReadonlyMap<string, string>): string | undefined {
  const meant = known.get(foldKey(key));
  return meant === key ? undefined : meant;
}

/** Known keys by what they fold to, for `lookAlike`. */
export function foldedKeys(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(keys.map((key) => [foldKey(key), key]));
}

/** Counts the members (colons outside of strings) and bounds nodes and depth, without building anything. */
function scan(text: string, options: StrictJsonOptions): number {
  let members = 0;
  let nodes = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at, options);
        break;
      case 0x3a: // :
        members++;
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        if (++nodes > options.maxNodes) {
          throw new LimitExceeded(
            "entries-limit",
            `Cannot read ${options.what}: more than ${options.maxNodes} objects and arrays`,
            {
              advice: "Raise --limit-entries if you trust the layer.",
            },
          );
        }
        if (depth > MAX_DEPTH) throw malformed(`it is nested deeper than ${MAX_DEPTH}`, options);
        break;
      case 0x7d: // }
      case 0x5d: // ]
        depth--;
        break;
    }
  }
  return members;
}

/** Index of the quote that ends the string which begins at `at`. */
function stringEnd(text: string, at: number, options: StrictJsonOptions): number {
  let end = at;
  while (true) {
    end = text.indexOf('"', end + 1);
    if (end < 0) throw malformed("a string has no end", options);
    let slash = end;
    while (text.charCodeAt(slash - 1) === BACKSLASH) slash--;
    if ((end - slash) % 2 === 0) return end;
  }
}

function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object") count += countKeys(item);
    return count;
  }
  // What JSON.parse made has no keys but its own.
  for (const key in value) {
    count++;
    const item = (value as Record<string, unknown>)[key];
    if (typeof item === "object") count += countKeys(item);
  }
  return count;
}

function malformed(problem: string, { what, code }: StrictJsonOptions): FormatError {
  return new FormatError(code, `Cannot read ${what}: ${problem}`);
}

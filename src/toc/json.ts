/**
 * JSON of a TOC, read strictly: what two parsers could understand in two ways is refused.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import { messageOf } from "../source/source.ts";

/** Deeper than any TOC (4), far less than what costs memory. */
const MAX_DEPTH = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses UTF-8 JSON text (RFC 8259) with these refusals on top of `JSON.parse`: invalid UTF-8, a byte-order mark,
 * an object that has a key twice, more than `maxNodes` objects and arrays (bounded before any is built).
 * @throws {FormatError} `toc-json`
 * @throws {LimitExceeded} `entries-limit`
 */
export function parseStrictJson(bytes: Uint8Array, maxNodes: number): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw malformed("it is not UTF-8");
  }
  const members = scan(text, maxNodes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw malformed(messageOf(cause));
  }
  // JSON.parse lets the last of two equal keys win. It then gives fewer keys than the text has members.
  if (countKeys(value) !== members) throw malformed("an object has the same key twice");
  return value;
}

/** Counts the members (colons outside of strings) and bounds nodes and depth, without building anything. */
function scan(text: string, maxNodes: number): number {
  let members = 0;
  let nodes = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = stringEnd(text, at);
        break;
      case 0x3a: // :
        members++;
        break;
      case 0x7b: // {
      case 0x5b: // [
        depth++;
        if (++nodes > maxNodes) {
          throw new LimitExceeded("entries-limit", `The TOC has more than ${maxNodes} objects and arrays`, {
            advice: "Raise --limit-entries if you trust the layer.",
          });
        }
        if (depth > MAX_DEPTH) throw malformed(`it is nested deeper than ${MAX_DEPTH}`);
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
function stringEnd(text: string, at: number): number {
  let end = at;
  while (true) {
    end = text.indexOf('"', end + 1);
    if (end < 0) throw malformed("a string has no end");
    let slash = end;
    while (text.charCodeAt(slash - 1) === BACKSLASH) slash--;
    if ((end - slash) % 2 === 0) return end;
  }
}

function countKeys(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countKeys(item), 0);
  const values = Object.values(value);
  return values.reduce<number>((sum, item) => sum + countKeys(item), values.length);
}

function malformed(what: string): FormatError {
  return new FormatError("toc-json", `Cannot read the TOC as JSON: ${what}`, {
    advice: "Lazy pulling of this layer is not safe; its blob digest and diffID can still be checked.",
  });
}

/**
 * Terminal injection: file names, tags and error texts of others may hold escape sequences.
 *
 * @module
 */

const CONTROLS =
  // deno-lint-ignore no-control-regex -- control characters are exactly what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * `text` with control characters, line separators and bidirectional controls as `\u{…}`, and lone surrogates as U+FFFD.
 * Backslashes stay: names that come from a layer are escaped already (`escapeName`), and must not be escaped twice.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(CONTROLS, (char) => `\\u{${char.charCodeAt(0).toString(16)}}`);
}

/** JSON as Go's `encoding/json` writes it: `<`, `>`, `&`, U+2028 and U+2029 are escaped, also in text. */

/** `value` as JSON; keys in the order of the object, those that are undefined left out. */
export function goJson(value: unknown, indent = ""): string {
  return JSON.stringify(value, null, indent).replace(
    /[<>&\u2028\u2029]/g,
    (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"),
  );
}

/**
 * Paths as Go's `path.Clean` gives them. tar-split tells by it which names are the same; unlike `canonicalPath`, which is
 * about trees, it keeps a leading slash and a leading `..` apart from their absence.
 *
 * @module
 */

/** The shortest name with the same meaning, by lexical rules; `.` for the empty one. */
export function cleanPath(name: string): string {
  if (isClean(name)) return name;
  const rooted = name.startsWith("/");
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!rooted) parts.push(part);
  }
  const path = parts.join("/");
  return rooted ? `/${path}` : path || ".";
}

/** Most names need no work: no component is empty, `.` or `..`. */
function isClean(name: string): boolean {
  return name !== "" && !/(^|\/)\.{0,2}(\/|$)/.test(name);
}

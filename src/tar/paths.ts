/**
 * Paths of entries in one canonical form, shared by every check that compares names.
 *
 * @module
 */

/** A name reduced to its components. */
export interface CanonicalPath {
  /** Components joined by `/`, without `.`, empty ones and resolved `..`; the root is `""`. */
  readonly path: string;
  /** A `..` would have left the root (it is dropped, as Go's `path.Clean("/" + name)` does). */
  readonly escapes: boolean;
  readonly absolute: boolean;
}

/** Cleans a name the way readers of TOCs and layers do: lexically, rooted at the layer. */
export function canonicalPath(name: string): CanonicalPath {
  if (isCanonical(name)) return { path: name, escapes: false, absolute: false };
  // Directories: nothing else is odd about most of them.
  const path = name.endsWith("/") ? name.slice(0, -1) : "";
  if (isCanonical(path)) return { path, escapes: false, absolute: false };
  const parts: string[] = [];
  let escapes = false;
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) escapes = true;
  }
  return { path: parts.join("/"), escapes, absolute: name.startsWith("/") };
}

/** Most names need no work: no component is empty, `.` or `..` (one trailing slash is what directories have). */
function isCanonical(name: string): boolean {
  return name !== "" && !/(^|\/)(\.{0,2})(\/|$)/.test(name);
}

/** The path that holds `path`; the root holds itself. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last component. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/**
 * What each entry of a layer's tar becomes in a directory, or why it becomes nothing. Pure: it touches no disk.
 *
 * Every path that it gives is clean, lies in a directory that it gave before, and leads through directories alone: so
 * whoever makes the members in order never leaves the directory that they are made in.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import { escapeName } from "../tar/names.ts";
import { canonicalPath, parentPath } from "../tar/paths.ts";
import { impliedDirectory, type Member, openDirectory, whiteoutNode } from "./member.ts";
import type { Tally } from "./tally.ts";
import { settableXattrs } from "./xattrs.ts";

/** What an entry asks for, in this order: directories that are missing, then the member, whose payload follows. */
export interface Planned {
  readonly directories: readonly Member[];
  readonly member: Member | null;
  /** Something else stood at the member's path, and must go. */
  readonly replaces: boolean;
}

const NOTHING: Planned = { directories: [], member: null, replaces: false };

/** A directory of the layer. What is no directory is `null` among the children: nothing more needs to be known of it. */
interface Directory {
  /** Its own attributes, null while it is only implied. */
  own: Member | null;
  opaque: boolean;
  children: Map<string, Directory | null> | null;
  /** Names that are deleted from lower layers. */
  whiteouts: Set<string> | null;
}

const WHITEOUT = ".wh.";
/** Whatever else begins so is aufs's own bookkeeping. */
const AUFS = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";

/** Bytes of names in the tree: names alone must not fill the memory. */
const MAX_NAMES = 512 * 2 ** 20;

export class ExtractionPlan {
  readonly #root: Directory = newDirectory();
  readonly #tally: Tally;
  readonly #maxNodes: number;
  #nodes = 0;
  #names = 0;

  /**
   * @param maxNodes most paths, implied directories included
   * @param tally told what is left out by rule
   */
  constructor(maxNodes: number, tally: Tally) {
    this.#maxNodes = maxNodes;
    this.#tally = tally;
  }

  /**
   * @throws {FormatError} `extract-escapes`, `extract-not-a-directory`, `extract-type-change`, `extract-link-target`,
   *   `extract-whiteout-name`, `extract-unknown-type`, `extract-number`
   * @throws {LimitExceeded} `entries-limit`, `names-limit`
   */
  entry(entry: TarEntry): Planned {
    if (entry.kind === "pax-global") return NOTHING;
    const { path, escapes } = canonicalPath(entry.name);
    if (escapes) throw refusal("extract-escapes", entry, "its name leaves the root of the layer");
    const parts = path.split("/");
    if (parts.some((part) => part.startsWith(AUFS) && part !== OPAQUE)) {
      this.#tally.add("aufs", entry.name);
      return NOTHING;
    }
    if (parts.slice(0, -1).some((part) => part.startsWith(WHITEOUT))) {
      throw refusal("extract-whiteout-name", entry, "its path leads through a whiteout");
    }
    const base = parts.at(-1)!;
    if (base.startsWith(WHITEOUT)) return this.#whiteout(entry, path, base);
    if (entry.kind === "unknown") {
      throw refusal("extract-unknown-type", entry, `its type flag ${quoted(entry.typeflag)} is unknown`);
    }
    return entry.kind === "dir" ? this.#directory(entry, path) : this.#leaf(entry, path, base);
  }

  /**
   * What comes when all entries are there: first the whiteouts, then every directory with its own attributes, each before
   * those in it.
   */
  *end(): Generator<Member> {
    for (const { directory, path } of this.#walk()) {
      for (const name of directory.whiteouts ?? []) {
        const found = directory.children?.get(name);
        // What the layer puts there hides what was below; a directory hides it only if it is opaque.
        if (found) found.opaque = true;
        else if (found === undefined) yield whiteoutNode(join(path, name));
      }
    }
    for (const { directory, path } of this.#walk()) {
      yield { ...(directory.own ?? impliedDirectory(path)), opaque: directory.opaque };
    }
  }

  /** Directories, each before those in it. No recursion: a layer's depth is not bounded by the stack. */
  *#walk(): Generator<{ directory: Directory; path: string }> {
    const waiting = [{ directory: this.#root, path: "" }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      yield next;
      for (const [name, child] of next.directory.children ?? []) {
        if (child) waiting.push({ directory: child, path: join(next.path, name) });
      }
    }
  }

  #directory(entry: TarEntry, path: string): Planned {
    const directories: Member[] = [];
    const directory = this.#reach(entry, path, directories);
    directory.own = this.#member(entry, path, "");
    return { directories, member: null, replaces: false };
  }

  #leaf(entry: TarEntry, path: string, base: string): Planned {
    if (path === "") throw refusal("extract-type-change", entry, "the root of a layer is a directory");
    const link = entry.kind === "hardlink" ? this.#target(entry, path) : entry.linkName;
    if (entry.kind === "symlink" && link === "") {
      throw refusal("extract-link-target", entry, "a symbolic link to nothing");
    }
    const member = this.#member(entry, path, link);
    const directories: Member[] = [];
    const parent = this.#reach(entry, parentPath(path), directories);
    const before = parent.children?.get(base);
    if (before) throw refusal("extract-type-change", entry, "earlier entries have a directory at its path");
    if (before === undefined) {
      this.#count(entry, base);
      (parent.children ??= new Map()).set(base, null);
    }
    return { directories, member, replaces: before === null };
  }

  #whiteout(entry: TarEntry, path: string, base: string): Planned {
    const directories: Member[] = [];
    const hidden = base.slice(WHITEOUT.length);
    if (base !== OPAQUE && (hidden === "" || hidden === "." || hidden === "..")) {
      throw refusal("extract-whiteout-name", entry, "a whiteout that names nothing that could be deleted");
    }
    const parent = this.#reach(entry, parentPath(path), directories);
    if (base === OPAQUE) parent.opaque = true;
    else if (!parent.whiteouts?.has(hidden)) {
      this.#count(entry, hidden);
      (parent.whiteouts ??= new Set()).add(hidden);
    }
    return { directories, member: null, replaces: false };
  }

  /** The directory at a path; those that are missing are made and put into `made`. */
  #reach(entry: TarEntry, path: string, made: Member[]): Directory {
    let directory = this.#root;
    if (path === "") return directory;
    let length = -1;
    for (const part of path.split("/")) {
      length += part.length + 1;
      let child = directory.children?.get(part);
      if (child === null) {
        const [code, what] = length === path.length && entry.kind === "dir"
          ? ["extract-type-change", "an earlier entry at its path is no directory"]
          : [
            "extract-not-a-directory",
            `its path leads through ${quoted(path.slice(0, length))}, which is no directory`,
          ];
        throw refusal(code, entry, what);
      }
      if (child === undefined) {
        this.#count(entry, part);
        child = newDirectory();
        (directory.children ??= new Map()).set(part, child);
        made.push(openDirectory(path.slice(0, length)));
      }
      directory = child;
    }
    return directory;
  }

  /** The path that a hard link shares its file with. */
  #target(entry: TarEntry, path: string): string {
    const target = canonicalPath(entry.linkName);
    const refuse = (what: string) => refusal("extract-link-target", entry, what, entry.linkName);
    if (target.escapes) throw refuse("a hard link out of the layer");
    if (target.path === path) throw refuse("a hard link to itself");
    const parts = target.path.split("/");
    let found: Directory | null | undefined = this.#root;
    if (target.path !== "") { for (const part of parts) found = found?.children?.get(part); }
    if (found === undefined) throw refuse("a hard link to nothing that comes before it in this layer");
    if (found !== null) throw refuse("a hard link to a directory");
    return target.path;
  }

  #member(entry: TarEntry, path: string, link: string): Member {
    const kind = entry.kind as Member["kind"];
    const device = kind === "char" || kind === "block";
    // chown takes the highest number for "as it is".
    const owner = (what: string, id: number) => bounded(entry, what, id, 2 ** 32 - 2);
    if (entry.pax?.has("SCHILY.acl.access") || entry.pax?.has("SCHILY.acl.default")) {
      this.#tally.add("acl", entry.name);
    }
    return {
      path,
      kind,
      size: kind === "file" ? entry.size : 0,
      mode: ((entry.mode % 0o10000) + 0o10000) % 0o10000,
      uid: owner("uid", entry.uid),
      gid: owner("gid", entry.gid),
      mtime: entry.mtime,
      link: kind === "symlink" || kind === "hardlink" ? link : "",
      devMajor: device ? bounded(entry, "major device number", entry.devMajor, 2 ** 12 - 1) : 0,
      devMinor: device ? bounded(entry, "minor device number", entry.devMinor, 2 ** 20 - 1) : 0,
      xattrs: kind === "hardlink" ? null : settableXattrs(entry, this.#tally),
      opaque: false,
      sparse: kind === "file" ? entry.sparse : null,
    };
  }

  #count(entry: TarEntry, name: string): void {
    this.#names += name.length;
    if (++this.#nodes > this.#maxNodes) {
      throw new LimitExceeded(
        "entries-limit",
        `The layer has more than ${this.#maxNodes} files and directories`,
        {
          tarOffset: entry.headerOffset,
          advice: "Raise --limit-entries if you trust the layer.",
        },
      );
    }
    if (this.#names > MAX_NAMES) {
      throw new LimitExceeded("names-limit", `The names in the layer are longer than ${MAX_NAMES} together`, {
        tarOffset: entry.headerOffset,
        advice: "No layer in use comes near this: do not trust it.",
      });
    }
  }
}

function newDirectory(): Directory {
  return { own: null, opaque: false, children: null, whiteouts: null };
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** A name in a message: printable, and not without end. */
function quoted(name: string): string {
  return escapeName(name.length > 200 ? `${name.slice(0, 200)}...` : name);
}

/** Checks a number that the kernel would cut. */
function bounded(entry: TarEntry, what: string, value: number, most: number): number {
  if (value >= 0 && value <= most) return value;
  throw new FormatError("extract-number", `Cannot extract ${quoted(entry.name)}: its ${what} is ${value}`, {
    entry: escapeName(entry.name),
    tarOffset: entry.headerOffset,
    expected: `0 to ${most}`,
    actual: `${value}`,
    advice: "Linux has no such number: build the layer again.",
  });
}

function refusal(code: string, entry: TarEntry, what: string, actual?: string): FormatError {
  return new FormatError(code, `Cannot extract ${quoted(entry.name)}: ${what}`, {
    entry: escapeName(entry.name),
    tarOffset: entry.headerOffset,
    ...(actual === undefined ? {} : { actual: escapeName(actual) }),
    advice: "Readers disagree about such layers, or they are attacks: do not use it.",
  });
}

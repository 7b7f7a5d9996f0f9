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
import { encodeName, escapeName } from "../tar/names.ts";
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

/** A directory of the layer. */
interface Directory {
  /** Its own attributes, null while it is only implied. */
  own: Member | null;
  opaque: boolean;
  children: Map<string, Directory | Leaf> | null;
  /** Names that are deleted from lower layers. */
  whiteouts: Set<string> | null;
}

/** What is no directory: what a hard link to it must agree with. */
class Leaf {
  readonly kind: Member["kind"];
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Member["mtime"];
  readonly xattrs: Member["xattrs"];

  constructor({ kind, mode, uid, gid, mtime, xattrs }: Member) {
    this.kind = kind;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.mtime = mtime;
    this.xattrs = xattrs;
  }
}

const WHITEOUT = ".wh.";
/** Whatever else begins so is aufs's own bookkeeping. */
const AUFS = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";

/** Bytes of names in the tree: names alone must not fill the memory. */
const MAX_NAMES = 512 * 2 ** 20;
/** Linux (`PATH_MAX` with its NUL, `NAME_MAX`): longer ones cannot be made, and a few would imply a million directories. */
const MAX_PATH = 4095, MAX_NAME = 255;
/** GNU tar 1.34 looks through all of them for each: 40,000 take 16 s, four times as many would take minutes. */
const MAX_DIRECTORIES = 100_000;

export class ExtractionPlan {
  readonly #root: Directory = newDirectory();
  readonly #tally: Tally;
  readonly #maxNodes: number;
  #nodes = 0;
  #directories = 0;
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
   *   `extract-link-attributes`, `extract-whiteout-name`, `extract-unknown-type`, `extract-number`,
   *   `extract-name-too-long`
   * @throws {LimitExceeded} `entries-limit`, `names-limit`, `directories-limit`
   */
  entry(entry: TarEntry): Planned {
    if (entry.kind === "pax-global") return NOTHING;
    const { path, escapes } = canonicalPath(entry.name);
    if (escapes) throw refusal("extract-escapes", entry, "its name leaves the root of the layer");
    const parts = path.split("/");
    checkLength(entry, path, parts);
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
        if (found === undefined) yield whiteoutNode(join(path, name));
        else if (!(found instanceof Leaf)) found.opaque = true;
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
        if (!(child instanceof Leaf)) waiting.push({ directory: child, path: join(next.path, name) });
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
    const target = entry.kind === "hardlink" ? this.#target(entry, path) : null;
    const link = target?.path ?? entry.linkName;
    if (entry.kind === "symlink" && link === "") {
      throw refusal("extract-link-target", entry, "a symbolic link to nothing");
    }
    const member = this.#member(entry, path, link);
    if (target) checkLink(entry, member, target.leaf);
    const directories: Member[] = [];
    const parent = this.#reach(entry, parentPath(path), directories);
    const before = parent.children?.get(base);
    if (before && !(before instanceof Leaf)) {
      throw refusal("extract-type-change", entry, "earlier entries have a directory at its path");
    }
    if (before === undefined) this.#count(entry, base);
    (parent.children ??= new Map()).set(base, target?.leaf ?? new Leaf(member));
    // A link's attributes are its file's.
    return {
      directories,
      member: target ? { ...member, xattrs: null } : member,
      replaces: before !== undefined,
    };
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
      if (child instanceof Leaf) {
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
        this.#countDirectory(entry);
        child = newDirectory();
        (directory.children ??= new Map()).set(part, child);
        made.push(openDirectory(path.slice(0, length)));
      }
      directory = child;
    }
    return directory;
  }

  /** The path that a hard link shares its file with, and what lies there. */
  #target(entry: TarEntry, path: string): { readonly path: string; readonly leaf: Leaf } {
    const target = canonicalPath(entry.linkName);
    const refuse = (what: string) => refusal("extract-link-target", entry, what, entry.linkName);
    if (target.escapes) throw refuse("a hard link out of the layer");
    if (target.path === path) throw refuse("a hard link to itself");
    const parts = target.path.split("/");
    let found: Directory | Leaf | undefined = this.#root;
    if (target.path !== "") {
      for (const part of parts) found = found instanceof Leaf ? undefined : found?.children?.get(part);
    }
    if (found === undefined) throw refuse("a hard link to nothing that comes before it in this layer");
    if (!(found instanceof Leaf)) throw refuse("a hard link to a directory");
    return { path: target.path, leaf: found };
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
      xattrs: settableXattrs(entry, this.#tally),
      opaque: false,
      sparse: kind === "file" ? entry.sparse : null,
    };
  }

  #countDirectory(entry: TarEntry): void {
    if (++this.#directories <= MAX_DIRECTORIES) return;
    throw new LimitExceeded("directories-limit", `The layer has more than ${MAX_DIRECTORIES} directories`, {
      tarOffset: entry.headerOffset,
      advice: "Such a layer cannot be extracted in reasonable time: let the clients pull it.",
    });
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

/** @throws {FormatError} `extract-name-too-long` */
function checkLength(entry: TarEntry, path: string, parts: readonly string[]): void {
  // A character of the string stands for three bytes at most.
  if (3 * path.length <= MAX_NAME) return;
  const tooLong = encodeName(path).length > MAX_PATH ||
    parts.some((part) => 3 * part.length > MAX_NAME && encodeName(part).length > MAX_NAME);
  if (!tooLong) return;
  const what =
    `its path is longer than ${MAX_PATH} bytes, or a part of it than ${MAX_NAME}, which Linux cannot have`;
  throw refusal("extract-name-too-long", entry, what);
}

/**
 * A hard link has a header of its own, and one file cannot have two modes: containers/storage sets what the last header
 * says, others what the first does.
 * @throws {FormatError} `extract-link-attributes`
 */
function checkLink(entry: TarEntry, link: Member, { kind, mode, uid, gid, mtime, xattrs }: Leaf): void {
  const differing = [
    kind !== "symlink" && link.mode !== mode && "mode",
    link.uid !== uid && "uid",
    link.gid !== gid && "gid",
    (link.mtime.seconds !== mtime.seconds || link.mtime.nanoseconds !== mtime.nanoseconds) && "mtime",
    [...link.xattrs ?? []].some(([key, value]) => !sameBytes(value, xattrs?.get(key))) && "xattrs",
  ].filter((name) => name !== false);
  if (differing.length === 0) return;
  const what = `its header has another ${differing.join(", ")} than that of the file which it links to`;
  throw refusal("extract-link-attributes", entry, what, link.link);
}

function sameBytes(a: Uint8Array, b: Uint8Array | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at]);
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
    entry: quoted(entry.name),
    tarOffset: entry.headerOffset,
    ...(actual === undefined ? {} : { actual: quoted(actual) }),
    advice: "Readers disagree about such layers, or they are attacks: do not use it.",
  });
}

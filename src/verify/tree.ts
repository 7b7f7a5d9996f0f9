/**
 * Looks at the entries of a tar stream, one by one, as a tree: names that collide, leave the root, lead through links.
 *
 * @module
 */
import { LimitExceeded } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import { escapeName, isUtf8Name } from "../tar/names.ts";
import { baseName, canonicalPath, parentPath } from "../tar/paths.ts";
import type { Findings } from "./findings.ts";
import { type NodeKind, type PathNode, PathTree } from "./path-tree.ts";
import type { Severity } from "./report.ts";

const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";

/** Names and link targets of all entries together: names alone must not fill the memory. */
const MAX_NAMES = 512 * 2 ** 20;

export class TreeChecker {
  readonly #findings: Findings;
  readonly #tree: PathTree;
  #names = 0;
  /** Whiteouts by the path that they hide. */
  readonly #whiteouts = new Set<string>();
  /** Hard links whose target had not come yet, by target. */
  readonly #forward = new Map<string, { entry: string; offset: number }[]>();

  /** Entries with names that eStargz writers use; a second one of a name is a duplicate, so there are few. */
  readonly #reserved: TarEntry[] = [];

  /** @param maxPaths most paths, implied directories included */
  constructor(findings: Findings, maxPaths: number) {
    this.#findings = findings;
    this.#tree = new PathTree(maxPaths);
  }

  entry(entry: TarEntry): void {
    if (entry.kind === "pax-global") {
      this.#add(
        "pax-global-header",
        "warning",
        "a PAX global header: eStargz and zstd:chunked writers refuse the layer",
        entry,
      );
      return;
    }
    this.#charge(entry);
    const { path, escapes, absolute } = canonicalPath(entry.name);
    this.#name(entry, path, escapes, absolute);
    this.#attributes(entry);
    const node = this.#tree.reach(path, this.#parents(entry, path));
    const whiteout = baseName(path).startsWith(WHITEOUT);
    if (whiteout) this.#whiteout(entry, path);
    if (entry.kind === "hardlink") this.#hardlink(entry, path);
    this.#place(entry, path, node, whiteout);
  }

  /**
   * Tells what can only be known when all entries were seen.
   * @param layer whether the layer is an eStargz one, which has entries of its own
   */
  end(layer: { readonly estargz: boolean }): void {
    for (const entry of layer.estargz ? [] : this.#reserved) {
      const what = "the name is one that eStargz writers use for themselves, and drop";
      this.#add("reserved-name", "info", what, entry);
    }
    for (const [target, links] of this.#forward) {
      const later = this.#tree.find(target) !== undefined;
      for (const { entry, offset } of links) {
        const [code, what] = later
          ? ["hardlink-forward", "links to an entry that comes later in the archive"]
          : ["hardlink-missing", "links to nothing in this layer"];
        this.#findings.add(
          code,
          "error",
          `the hard link ${what} (${escapeName(target)}): podman refuses the layer`,
          entry,
          offset,
        );
      }
    }
    for (const path of this.#whiteouts) {
      const node = this.#tree.find(path);
      if (node && node.kind !== "implied") {
        this.#findings.add("whiteout-and-entry", "error", "the layer both adds and deletes this path", path);
      }
    }
  }

  #charge({ name, linkName, headerOffset }: TarEntry): void {
    this.#names += name.length + linkName.length;
    if (this.#names <= MAX_NAMES) return;
    throw new LimitExceeded("names-limit", `The names in the layer are longer than ${MAX_NAMES} together`, {
      tarOffset: headerOffset,
      advice: "No layer in use comes near this: do not trust it.",
    });
  }

  #add(code: string, severity: Severity, message: string, entry: TarEntry): void {
    this.#findings.add(code, severity, message, entry.name, entry.headerOffset);
  }

  #name(entry: TarEntry, path: string, escapes: boolean, absolute: boolean): void {
    if (!isUtf8Name(entry.name)) {
      this.#add(
        "name-not-utf8",
        "warning",
        "the name is not UTF-8: a TOC cannot hold it, and podman's partial pulls fail",
        entry,
      );
    }
    if (!isUtf8Name(entry.linkName)) {
      this.#add("link-not-utf8", "warning", "the link target is not UTF-8: a TOC cannot hold it", entry);
    }
    if (escapes) this.#add("path-escapes-root", "error", "the path leaves the root of the layer", entry);
    else if (absolute) {
      this.#add(
        "path-absolute",
        "warning",
        "the path is absolute; readers take it relative to the root",
        entry,
      );
    }
    if (path === "" && entry.kind !== "dir") {
      this.#add("root-not-directory", "error", `the root of the layer is a ${entry.kind}`, entry);
    }
  }

  #attributes(entry: TarEntry): void {
    if (entry.kind === "unknown") {
      const flag = escapeName(entry.typeflag);
      this.#add(
        "unknown-type",
        "error",
        `the type flag ${JSON.stringify(flag)} is unknown: podman refuses the layer`,
        entry,
      );
    }
    if (entry.sparse) {
      const old = entry.sparse.form === "gnu";
      const what = old
        ? "podman refuses the layer"
        : "podman cannot export the layer, and zstd:chunked writers corrupt it";
      this.#add(
        "sparse-member",
        old ? "error" : "warning",
        `a sparse member (${entry.sparse.form}): ${what}`,
        entry,
      );
    }
    if (entry.mode > 0o7777 || entry.mode < 0) {
      this.#add(
        "mode-extra-bits",
        "info",
        `the mode ${entry.mode.toString(8)} has more than permission bits`,
        entry,
      );
    }
    if (entry.kind === "file") this.#privileges(entry);
    if (entry.kind === "char" && entry.devMajor === 0 && entry.devMinor === 0) {
      this.#add(
        "overlay-whiteout",
        "warning",
        "a 0/0 character device: overlay file systems take it for a deletion",
        entry,
      );
    }
  }

  #privileges(entry: TarEntry): void {
    if (entry.mode & 0o4000) this.#add("setuid", "info", `runs as its owner (uid ${entry.uid})`, entry);
    if (entry.mode & 0o2000) this.#add("setgid", "info", `runs as its group (gid ${entry.gid})`, entry);
    if (entry.xattrs?.has("security.capability")) {
      this.#add("capability", "info", "has file capabilities", entry);
    }
  }

  /** Looks at the nodes above an entry, from the root down, and tells of the first that is no directory. */
  #parents(entry: TarEntry, path: string): (node: PathNode, length: number) => void {
    let told = false;
    return ({ kind, target }, length) => {
      if (told || kind === "dir" || kind === "implied") return;
      told = true;
      const parent = path.slice(0, length);
      if (kind !== "link") {
        this.#add("parent-not-directory", "error", `its parent ${escapeName(parent)} is no directory`, entry);
        return;
      }
      const leaves = target!.startsWith("/") ||
        canonicalPath(`${parentPath(parent)}/${target}`.replace(/^\//, "")).escapes;
      this.#add(
        "path-through-symlink",
        leaves ? "error" : "warning",
        `the path leads through the symbolic link ${escapeName(parent)} -> ${escapeName(target!)}`,
        entry,
      );
    };
  }

  #whiteout(entry: TarEntry, path: string): void {
    const base = baseName(path);
    const hidden = base.slice(WHITEOUT.length);
    if (base !== OPAQUE && (hidden === "" || hidden === "." || hidden === "..")) {
      this.#add("whiteout-bad-name", "error", "a whiteout that names nothing that could be deleted", entry);
    } else if (base !== OPAQUE && !hidden.startsWith(WHITEOUT)) {
      const parent = parentPath(path);
      this.#whiteouts.add(parent === "" ? hidden : `${parent}/${hidden}`);
    }
    if (entry.kind !== "file") {
      this.#add("whiteout-type", "warning", `a whiteout that is a ${entry.kind}, not a file`, entry);
    } else if (entry.size > 0) {
      this.#add(
        "whiteout-with-content",
        "error",
        `a whiteout with ${entry.size} bytes of content: podman cannot export the layer`,
        entry,
      );
    }
  }

  #hardlink(entry: TarEntry, path: string): void {
    const target = canonicalPath(entry.linkName);
    if (target.escapes) {
      this.#add(
        "hardlink-escapes-root",
        "error",
        `links out of the layer (${escapeName(entry.linkName)})`,
        entry,
      );
    } else if (target.path === path) this.#add("hardlink-self", "error", "links to itself", entry);
    else {
      const node = this.#tree.find(target.path);
      if (node === undefined) {
        const waiting = this.#forward.get(target.path) ?? [];
        waiting.push({ entry: entry.name, offset: entry.headerOffset });
        this.#forward.set(target.path, waiting);
      } else if (node.kind === "dir" || node.kind === "implied") {
        this.#add(
          "hardlink-directory",
          "error",
          `links to a directory (${escapeName(entry.linkName)})`,
          entry,
        );
      }
    }
  }

  #place(entry: TarEntry, path: string, node: PathNode, whiteout: boolean): void {
    const before = node.kind;
    const kind = nodeKind(entry);
    if (before !== "implied") {
      const what = before === "dir" && kind === "dir" ? "the directory" : "the path";
      const message =
        `${what} stands in the archive twice: podman and tar-split refuse the layer; the last one counts here`;
      this.#add("duplicate-path", "error", message, entry);
    } else if (node.children && kind !== "dir" && path !== "") {
      this.#add("parent-not-directory", "error", "earlier entries need a directory at this path", entry);
    }
    node.kind = kind;
    node.target = kind === "link" ? entry.linkName : null;
    if (!whiteout && before === "implied" && RESERVED.has(path)) this.#reserved.push(entry);
  }
}

function nodeKind({ kind }: TarEntry): NodeKind {
  return kind === "dir" || kind === "file" ? kind : kind === "symlink" ? "link" : "other";
}

const RESERVED = new Set(["stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark"]);

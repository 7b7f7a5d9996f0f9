/**
 * From the files of a TOC to a tree, by these rules:
 *
 * - Names are cleaned as readers of layers do it; one that leaves the root is refused.
 * - Directories that no entry tells of are made, with mode 0755, and owned by root.
 * - A path stands once in the TOC. Directories of one mode may come again (readers take that); the last one counts.
 * - What is no directory has nothing in it: a path through a file or a symbolic link is refused.
 * - A hard link is another name of the file that it links to, which may come before or after it in the TOC.
 * - `.wh.NAME` becomes a whiteout of NAME. What the layer itself has of that name wins: a file hides the lower ones anyway,
 *   and a directory becomes opaque. `.wh..wh..opq` makes its directory opaque. Other `.wh..wh.` names are aufs's own
 *   bookkeeping, and left out.
 * - In layers of stargz writers, landmarks and the TOC's own entry are left out.
 *
 * @module
 */
import { FormatError, LimitExceeded } from "../errors.ts";
import { escapeName } from "../tar/names.ts";
import { baseName, canonicalPath, parentPath } from "../tar/paths.ts";
import type { Toc, TocFile } from "../toc/model.ts";
import { TOC_NAME } from "../verify/capture.ts";
import { LayerTree, ROOT } from "./tree.ts";

const WHITEOUT = ".wh.";
const AUFS = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";
export const PREFETCH_LANDMARK = ".prefetch.landmark";
const NO_PREFETCH_LANDMARK = ".no.prefetch.landmark";
const HIDDEN: ReadonlySet<string> = new Set([TOC_NAME, PREFETCH_LANDMARK, NO_PREFETCH_LANDMARK]);

/** Names as they stand in the tar, for files of which the TOC could not hold them. */
export interface RepairedNames {
  readonly name: string;
  readonly linkName: string;
  readonly xattrs: ReadonlyMap<string, Uint8Array> | null;
}

export interface BuildOptions {
  /** Whether a stargz writer made it, which adds entries of its own. */
  readonly stargz: boolean;
  readonly repaired: ReadonlyMap<TocFile, RepairedNames>;
  /** Most nodes: one long path may tell of thousands of directories. */
  readonly maxNodes: number;
}

/**
 * @throws {FormatError} `toc-duplicate-entry`, `path-escapes-root`, `root-not-directory`, `parent-not-directory`,
 * `hardlink-target`, `whiteout-bad-name`, `symlink-empty`, `toc-number`: with the entry's name
 * @throws {LimitExceeded} `entries-limit`
 */
export function buildTree(
  { files, chunks }: Pick<Toc, "files" | "chunks">,
  options: BuildOptions,
): LayerTree {
  const builder = new Builder(new LayerTree(files.length, chunks), options);
  for (const file of files) {
    builder.add(file);
    if (builder.tree.length <= options.maxNodes) continue;
    throw new LimitExceeded(
      "entries-limit",
      `The layer has more than ${options.maxNodes} files and directories`,
      { advice: "Raise --limit-entries if you trust the layer." },
    );
  }
  builder.end();
  return builder.tree;
}

/** What is put in its place when all else is. */
interface Late {
  readonly file: TocFile;
  readonly directory: number;
  readonly name: string;
}

interface HardLink extends Late {
  readonly path: string;
  readonly target: string;
}

class Builder {
  readonly tree: LayerTree;
  readonly #options: BuildOptions;
  readonly #hardlinks: HardLink[] = [];
  readonly #whiteouts: Late[] = [];
  /** Directories that were reached, by path. */
  readonly #directories = new Map<string, number>([["", ROOT]]);

  constructor(tree: LayerTree, options: BuildOptions) {
    this.tree = tree;
    this.#options = options;
  }

  add(original: TocFile): void {
    const repaired = this.#options.repaired.get(original);
    const file = repaired ? { ...original, ...repaired } : original;
    const { path, escapes } = canonicalPath(file.name);
    if (escapes) throw refusal("path-escapes-root", file, "its path leaves the root of the layer");
    if (this.#options.stargz && HIDDEN.has(path)) return;
    if (path === "") return this.#root(file);
    if (path.includes(WHITEOUT) && this.#special(file, path)) return;
    const name = baseName(path);
    const directory = this.#reach(file, parentPath(path));
    if (file.kind === "hardlink") {
      const target = canonicalPath(file.linkName);
      if (target.escapes) throw refusal("hardlink-target", file, "a hard link out of the layer");
      this.#hardlinks.push({ file, directory, name, path, target: target.path });
      return;
    }
    if (file.kind === "symlink" && file.linkName === "") {
      throw refusal("symlink-empty", file, "a symbolic link to nothing");
    }
    this.#place(file, directory, name);
  }

  end(): void {
    this.#link();
    for (const { file, directory, name } of this.#whiteouts) {
      const found = this.tree.child(directory, name);
      if (found < 0) this.tree.add(directory, file, true);
      else if (this.tree.isDirectory(found)) this.tree.setOpaque(found);
    }
  }

  #root(file: TocFile): void {
    if (file.kind !== "dir") {
      throw refusal("root-not-directory", file, `the root of a layer is no ${file.kind}`);
    }
    this.#again(file, ROOT);
  }

  #place(file: TocFile, directory: number, name: string): void {
    const found = this.tree.child(directory, name);
    if (found < 0) this.tree.add(directory, file);
    else this.#again(file, found);
  }

  /** An entry for a node that is there already. */
  #again(file: TocFile, node: number): void {
    const both = file.kind === "dir" && this.tree.isDirectory(node);
    if (both && (this.tree.isImplied(node) || this.tree.stat(node).mode === (file.mode & 0o7777))) {
      this.tree.describe(node, file);
      return;
    }
    if (this.tree.isImplied(node)) {
      throw refusal("parent-not-directory", file, `other entries are in it, but it is a ${file.kind}`);
    }
    throw duplicate(file);
  }

  /** Whether the entry is no file, by its name. */
  #special(file: TocFile, path: string): boolean {
    const parts = path.split("/");
    if (parts.some((part) => part.startsWith(AUFS) && part !== OPAQUE)) return true;
    if (parts.slice(0, -1).some((part) => part.startsWith(WHITEOUT))) {
      throw refusal("whiteout-bad-name", file, "its path leads through a whiteout");
    }
    const name = parts.at(-1)!;
    if (!name.startsWith(WHITEOUT)) return false;
    const directory = this.#reach(file, parentPath(path));
    if (name === OPAQUE) {
      this.tree.setOpaque(directory);
      return true;
    }
    const hidden = name.slice(WHITEOUT.length);
    if (hidden === "" || hidden === "." || hidden === "..") {
      throw refusal("whiteout-bad-name", file, "a whiteout that names nothing that could be deleted");
    }
    this.#whiteouts.push({ file, directory, name: hidden });
    return true;
  }

  /** Gives hard links their node; one may lead to another. */
  #link(): void {
    const waiting = new Map<string, HardLink>();
    for (const link of this.#hardlinks) {
      if (waiting.has(link.path)) throw duplicate(link.file);
      waiting.set(link.path, link);
    }
    for (const start of this.#hardlinks) {
      const chain: HardLink[] = [];
      let node = -1;
      for (let link = waiting.get(start.path); link && node < 0; link = waiting.get(link.target)) {
        // Whoever comes here again is in a circle.
        waiting.delete(link.path);
        chain.push(link);
        node = this.#find(link.target);
      }
      for (const { file, directory, name } of chain) {
        if (node < 0) throw refusal("hardlink-target", file, "a hard link to nothing in this layer");
        if (this.tree.isDirectory(node)) throw refusal("hardlink-target", file, "a hard link to a directory");
        if (this.tree.child(directory, name) >= 0) throw duplicate(file);
        this.tree.link(directory, node);
      }
    }
  }

  #find(path: string): number {
    let node: number = ROOT;
    if (path === "") return node;
    for (const part of path.split("/")) {
      node = this.tree.child(node, part);
      if (node < 0) return node;
    }
    return node;
  }

  /** The directory at a path, made where it is missing. */
  #reach(file: TocFile, path: string): number {
    const known = this.#directories.get(path);
    if (known !== undefined) return known;
    let node: number = ROOT;
    for (const part of path.split("/")) {
      const next = this.tree.child(node, part);
      if (next < 0) node = this.tree.addImplied(node);
      else if (this.tree.isDirectory(next)) node = next;
      else {
        throw refusal(
          "parent-not-directory",
          file,
          `its path leads through ${escapeName(part)}, no directory`,
        );
      }
    }
    this.#directories.set(path, node);
    return node;
  }
}

function duplicate(file: TocFile): FormatError {
  return refusal("toc-duplicate-entry", file, "the TOC has more than one entry for its path");
}

function refusal(code: string, file: TocFile, what: string): FormatError {
  const entry = escapeName(file.name.slice(0, 1000));
  return new FormatError(code, `Cannot use the TOC entry ${entry}: ${what}`, {
    entry,
    advice: "Readers disagree about such layers, or they are attacks: do not use it.",
  });
}

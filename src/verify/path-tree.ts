/**
 * The paths of a layer as a tree of components: memory grows with what is new in a path, never with its depth squared.
 *
 * @module
 */
import { LimitExceeded } from "../errors.ts";

/** What stands at a path so far. "implied" has no entry of its own: a directory with entries in it, or a new node. */
export type NodeKind = "dir" | "file" | "link" | "other" | "implied";

export interface PathNode {
  kind: NodeKind;
  /** Target of a symbolic link. */
  target: string | null;
  /** Null until something is put into it: most nodes are files. */
  children: Map<string, PathNode> | null;
}

export class PathTree {
  readonly #root: PathNode = { kind: "implied", target: null, children: null };
  readonly #maxNodes: number;
  #nodes = 0;

  /** @param maxNodes most components, implied directories included */
  constructor(maxNodes: number) {
    this.#maxNodes = maxNodes;
  }

  /** The node at a canonical path, or undefined. */
  find(path: string): PathNode | undefined {
    let node: PathNode | undefined = this.#root;
    for (let at = 0; at < path.length && node;) {
      const end = componentEnd(path, at);
      node = node.children?.get(path.slice(at, end));
      at = end + 1;
    }
    return node;
  }

  /**
   * The node at a canonical path, made (with what leads there, as implied directories) where it is missing.
   * @param visit sees each node above it, from the root down, with the length of its path
   * @throws {LimitExceeded} `entries-limit`
   */
  reach(path: string, visit: (node: PathNode, length: number) => void): PathNode {
    let node = this.#root;
    for (let at = 0; at < path.length;) {
      const end = componentEnd(path, at);
      const part = path.slice(at, end);
      if (at > 0) visit(node, at - 1);
      node.children ??= new Map();
      let next = node.children.get(part);
      if (!next) node.children.set(part, next = this.#make());
      node = next;
      at = end + 1;
    }
    return node;
  }

  #make(): PathNode {
    if (++this.#nodes > this.#maxNodes) {
      throw new LimitExceeded(
        "entries-limit",
        `The layer has more than ${this.#maxNodes} files and directories`,
        {
          advice: "Raise --limit-entries if you trust the layer.",
        },
      );
    }
    return { kind: "implied", target: null, children: null };
  }
}

/** Index of the slash that ends the component at `at`, or the path's length. */
function componentEnd(path: string, at: number): number {
  const slash = path.indexOf("/", at);
  return slash < 0 ? path.length : slash;
}

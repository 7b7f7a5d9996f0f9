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
    for (const part of components(path)) {
      node = node?.children?.get(part);
      if (!node) return undefined;
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
    let length = 0;
    for (const part of components(path)) {
      if (length > 0) visit(node, length);
      node.children ??= new Map();
      let next = node.children.get(part);
      if (!next) node.children.set(part, next = this.#make());
      node = next;
      length += part.length + (length > 0 ? 1 : 0);
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

function* components(path: string): Generator<string> {
  for (let at = 0; at < path.length;) {
    const slash = path.indexOf("/", at);
    const end = slash < 0 ? path.length : slash;
    yield path.slice(at, end);
    at = end + 1;
  }
}

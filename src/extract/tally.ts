/**
 * What of a layer could not be put on the disk, counted by kind.
 *
 * @module
 */
import { escapeName } from "../tar/names.ts";

/** A kind of thing that is not set. */
export type NotSetWhat = "owner" | "device" | "whiteout" | "opaque" | "xattr" | "acl" | "mtime" | "aufs";

/** One kind of thing that was left out, with one of its places. */
export interface NotSet {
  readonly what: NotSetWhat;
  readonly count: number;
  /** The first entry that it happened to, escaped by `escapeName`. */
  readonly example: string;
  /** The attribute's name, and why, where it is not the same for all. */
  readonly detail?: string;
}

/** Attribute names come from the layer: more kinds than this are counted as one. */
const MAX_KINDS = 100;

export class Tally {
  readonly #kinds = new Map<string, { what: NotSetWhat; count: number; example: string; detail?: string }>();

  /** @param name of the entry, not yet escaped; `detail` neither */
  add(what: NotSetWhat, name: string, detail = ""): void {
    const full = this.#kinds.size >= MAX_KINDS && !this.#kinds.has(`${what} ${detail}`);
    const about = full ? "" : escapeName(detail.slice(0, MAX_DETAIL));
    const key = `${what} ${full ? "" : detail}`;
    const kind = this.#kinds.get(key);
    if (kind) kind.count++;
    else {
      const example = escapeName(name);
      this.#kinds.set(key, { what, count: 1, example, ...(about === "" ? {} : { detail: about }) });
    }
  }

  list(): readonly NotSet[] {
    return Array.from(this.#kinds.values(), (kind) => ({ ...kind }));
  }
}

const MAX_DETAIL = 300;

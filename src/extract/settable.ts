/**
 * What of a member this process can set, and what it leaves out and counts.
 *
 * @module
 */
import { UnsupportedError } from "../errors.ts";
import { escapeName } from "../tar/names.ts";
import type { Abilities } from "./abilities.ts";
import { isWhiteoutNode, type Member } from "./member.ts";
import type { Tally } from "./tally.ts";
import { OPAQUE_TRUSTED, OPAQUE_USER, OPAQUE_VALUE } from "./xattrs.ts";

export class Settable {
  readonly #abilities: Abilities;
  readonly #tally: Tally;
  /** Paths of members that were left out: hard links to them are, too. */
  readonly #missing = new Set<string>();

  constructor(abilities: Abilities, tally: Tally) {
    this.#abilities = abilities;
    this.#tally = tally;
  }

  /**
   * The member as it can be made, its opaque mark among its attributes; null if it cannot be made at all.
   * @param replaces whether something else stands at its path by now
   * @throws {UnsupportedError} `extract-cannot-replace` when what stands there could not be removed
   */
  member(member: Member, replaces = false): Member | null {
    const { path } = member;
    if (!this.#canMake(member)) {
      this.#tally.add(isWhiteoutNode(member) ? "whiteout" : "device", path);
      if (replaces && !this.#missing.has(path)) throw cannotReplace(path);
      this.#missing.add(path);
      return null;
    }
    this.#missing.delete(path);
    if (member.kind === "hardlink") return member;
    if (!this.#abilities.owner) this.#tally.add("owner", path);
    const { seconds } = member.mtime;
    if (seconds < this.#abilities.earliest || seconds > this.#abilities.latest) {
      this.#tally.add("mtime", path);
    }
    return { ...member, xattrs: this.#xattrs(member) };
  }

  #canMake(member: Member): boolean {
    if (member.kind === "hardlink") return !this.#missing.has(member.link);
    if (isWhiteoutNode(member)) return this.#abilities.whiteouts;
    return (member.kind !== "char" && member.kind !== "block") || this.#abilities.devices;
  }

  #xattrs({ path, xattrs, opaque }: Member): ReadonlyMap<string, Uint8Array> | null {
    const kept = new Map<string, Uint8Array>();
    for (const [key, value] of xattrs ?? []) {
      if (canSet(key, this.#abilities)) kept.set(key, value);
      else this.#tally.add("xattr", path, key);
    }
    if (opaque) {
      const mark = opaqueMark(this.#abilities);
      if (mark) kept.set(mark, OPAQUE_VALUE);
      else this.#tally.add("opaque", path);
    }
    return kept.size > 0 ? kept : null;
  }
}

/**
 * The attribute that marks an opaque directory. One of the two: root's mounts hide the trusted one only, so that
 * containers would see the other (podman 4.3.1 and 5.4.2 did).
 */
export function opaqueMark({ trusted, user }: Pick<Abilities, "trusted" | "user">): string | null {
  if (trusted) return OPAQUE_TRUSTED;
  return user ? OPAQUE_USER : null;
}

/** Whether attributes of that name can be set. */
export function canSet(
  key: string,
  { trusted, user, security }: Pick<Abilities, "trusted" | "user" | "security">,
): boolean {
  if (key.startsWith("trusted.")) return trusted;
  if (key.startsWith("user.")) return user;
  // What of `system.` can be set is known only when it is tried.
  return !key.startsWith("security.") || security;
}

function cannotReplace(path: string): UnsupportedError {
  const entry = escapeName(path);
  return new UnsupportedError(
    "extract-cannot-replace",
    `Cannot extract ${entry}: it stands twice in the layer, and the last one needs privileges`,
    { entry, advice: "Run it as root." },
  );
}

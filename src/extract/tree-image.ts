/**
 * What stands at every path of a tree: as a layer's plan would have it, and as a directory has it. Contents are hashed as
 * they flow by, so memory grows with the number of paths alone.
 *
 * @module
 */
import { nativeHashes } from "../digest/native.ts";
import type { Hasher } from "../digest/hasher.ts";
import { LimitExceeded } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import { canonicalPath } from "../tar/paths.ts";
import { TarReader } from "../tar/reader.ts";
import { SparseExpander } from "../tar/sparse.ts";
import type { Limits } from "../verify/options.ts";
import type { Member } from "./member.ts";
import { ExtractionPlan } from "./plan.ts";
import type { Tally } from "./tally.ts";
import { decodeKey } from "./xattrs.ts";

/** A file of any kind; paths that are hard links of one another share it. */
export interface Inode {
  readonly member: Omit<Member, "path" | "sparse">;
  /** Hex; null for what has no content. */
  sha256: string | null;
}

/** By clean path; the root is `""`. */
export type TreeImage = ReadonlyMap<string, Inode>;

/** Most bytes of a sparse file: to hash its holes takes time. */
const MAX_SPARSE = 64 * 2 ** 30;

type Pieces = AsyncIterable<Uint8Array>;

/**
 * The tree that a layer's tar describes, by the rules of `ExtractionPlan`, as if everything could be set.
 * @throws {FormatError | LimitExceeded} as the tar reader and the plan do
 */
export async function layerImage(tar: Pieces, limits: Limits, tally: Tally): Promise<TreeImage> {
  const image = new Map<string, Inode>();
  const plan = new ExtractionPlan(limits.entries, tally);
  const place = (member: Member): Inode => {
    const inode = member.kind === "hardlink" ? image.get(member.link)! : { member, sha256: null };
    image.set(member.path, inode);
    return inode;
  };
  await readTar(tar, limits, (entry) => {
    const { directories, member } = plan.entry(entry);
    directories.forEach(place);
    if (!member) return null;
    const inode = place(member);
    // A hard link has no content of its own.
    return member.kind === "hardlink" ? null : inode;
  });
  for (const member of plan.end()) place(member);
  return image;
}

/**
 * The tree that a tar of a directory shows, as GNU tar writes it.
 * @throws {FormatError | LimitExceeded} as the tar reader does
 */
export async function directoryImage(tar: Pieces, limits: Limits): Promise<TreeImage> {
  const image = new Map<string, Inode>();
  await readTar(tar, limits, (entry) => {
    const { path } = canonicalPath(entry.name);
    const linked = entry.kind === "hardlink" ? image.get(canonicalPath(entry.linkName).path) : undefined;
    const inode = linked ?? { member: memberOf(entry), sha256: null };
    image.set(path, inode);
    return linked ? null : inode;
  });
  return image;
}

function memberOf(entry: TarEntry): Inode["member"] {
  return {
    kind: entry.kind as Member["kind"],
    size: entry.size,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    mtime: entry.mtime,
    link: entry.linkName,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: xattrsOf(entry),
    opaque: false,
  };
}

const XATTR = "SCHILY.xattr.";

/** On a disk there are attributes without a value, which a layer cannot have. */
function xattrsOf({ pax }: TarEntry): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  for (const [key, value] of pax ?? []) {
    if (key.startsWith(XATTR)) found.set(decodeKey(key.slice(XATTR.length)), value);
  }
  return found;
}

/** Reads a tar; `entry` says whose content it is that follows. */
async function readTar(tar: Pieces, limits: Limits, place: (entry: TarEntry) => Inode | null): Promise<void> {
  const hash = await nativeHashes.sha256();
  let content: Content | null = null;
  const reader = new TarReader({
    entry(entry) {
      const inode = place(entry);
      content = inode?.member.kind === "file" ? new Content(entry, inode, hash, limits.pax) : null;
    },
    payload: (bytes) => content?.push(bytes),
    entryEnd() {
      content?.end();
      content = null;
    },
  }, limits);
  for await (const piece of tar) reader.push(piece);
  reader.end();
}

/** The content of one file, holes filled. */
class Content {
  readonly #inode: Inode;
  readonly #hash: Hasher;
  readonly #expander: SparseExpander | null;

  constructor(entry: TarEntry, inode: Inode, hash: Hasher, mapLimit: number) {
    this.#inode = inode;
    this.#hash = hash;
    const offset = entry.headerOffset;
    if (entry.sparse && entry.size > MAX_SPARSE) throw tooSparse(entry.size, offset);
    const sink = (bytes: Uint8Array) => hash.update(bytes);
    this.#expander = entry.sparse
      ? new SparseExpander(entry.sparse, entry.size, { sink, offset, mapLimit })
      : null;
  }

  push(bytes: Uint8Array): void {
    if (this.#expander) this.#expander.push(bytes);
    else this.#hash.update(bytes);
  }

  end(): void {
    this.#expander?.end();
    this.#inode.sha256 = this.#hash.finish();
  }
}

function tooSparse(size: number, offset: number): LimitExceeded {
  return new LimitExceeded(
    "sparse-size-limit",
    `The sparse file at offset ${offset} of the tar is ${size} bytes long, too many to compare`,
    { tarOffset: offset, expected: `<= ${MAX_SPARSE}`, actual: `${size}` },
  );
}

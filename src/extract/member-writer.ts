/**
 * Members as GNU tar is to read them.
 *
 * @module
 */
import type { SparseExtent } from "../tar/entry.ts";
import { tarHeaders } from "../tar/write.ts";
import type { Member, MemberKind } from "./member.ts";
import { encodeKey } from "./xattrs.ts";

const FLAGS: Readonly<Record<MemberKind, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  dir: "5",
  fifo: "6",
};

const encoder = new TextEncoder();

/**
 * The headers of a member; the payload of a file must follow.
 * @param sparse the map of a sparse file, as `sparsePrefix` made it, and the bytes of data behind it
 */
export function memberHeaders(
  member: Member,
  sparse: { readonly prefix: Uint8Array; readonly extents: readonly SparseExtent[] } | null = null,
): Uint8Array {
  const pax = new Map<string, Uint8Array>();
  for (const [key, value] of member.xattrs ?? []) pax.set(`SCHILY.xattr.${encodeKey(key)}`, value);
  let { size } = member;
  if (sparse) {
    for (const [key, value] of [["major", "1"], ["minor", "0"], ["realsize", String(size)]] as const) {
      pax.set(`GNU.sparse.${key}`, encoder.encode(value));
    }
    size = sparse.prefix.length + sparse.extents.reduce((total, { length }) => total + length, 0);
  }
  return tarHeaders({
    ...member,
    name: relativeName(member.path, member.kind),
    linkName: member.kind === "hardlink" ? relativeName(member.link, "file") : member.link,
    typeflag: FLAGS[member.kind],
    size,
    pax,
  });
}

/** The name as GNU tar gets it. This is the last guard: nothing but a clean path below the directory passes. */
function relativeName(path: string, kind: MemberKind): string {
  const clean = path === "" ? kind === "dir" : !/(^|\/)\.{0,2}(\/|$)|\0/.test(path);
  if (!clean) throw new Error("a path that is not clean was about to be extracted");
  return `./${path}${kind === "dir" && path !== "" ? "/" : ""}`;
}

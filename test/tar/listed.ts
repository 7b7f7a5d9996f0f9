/** Tar entries in the form of the fixtures' `*.list.json`. */
import { Buffer } from "node:buffer";
import type { ReportedEntry } from "../../src/mod.ts";
import { encodeName, replacedName } from "../../src/tar/names.ts";

const base64 = (data: Uint8Array) => Buffer.from(data).toString("base64");
const mapOf = (records: ReadonlyMap<string, Uint8Array> | null, keep = (_key: string) => true) => {
  const kept = [...records ?? []].filter(([key]) => keep(key));
  return kept.length > 0 ? Object.fromEntries(kept.map(([key, value]) => [key, base64(value)])) : undefined;
};

/** An entry in the form of the fixtures' lists, which Go's archive/tar made. */
export function listed(entry: ReportedEntry): Record<string, unknown> {
  const device = entry.kind === "char" || entry.kind === "block";
  const row: Record<string, unknown> = {
    name: replacedName(entry.name),
    nameB64: entry.name.isWellFormed() ? undefined : base64(encodeName(entry.name)),
    type: entry.typeflag,
    size: entry.size || undefined,
    mode: entry.mode.toString(8),
    uid: entry.uid || undefined,
    gid: entry.gid || undefined,
    uname: entry.userName || undefined,
    gname: entry.groupName || undefined,
    // Go gives a global header no time, and prints that as year 1.
    mtime: entry.kind === "pax-global" ? [-62135596800, 0] : [entry.mtime.seconds, entry.mtime.nanoseconds],
    linknameB64: entry.linkName.isWellFormed() ? undefined : base64(encodeName(entry.linkName)),
    linkname: replacedName(entry.linkName) || undefined,
    dev: device ? [entry.devMajor, entry.devMinor] : undefined,
    xattrsB64: mapOf(entry.xattrs),
    // The lists leave out the records that they give as xattrs.
    paxB64: mapOf(entry.pax, (key) => !key.startsWith("SCHILY.xattr.")),
    sha256: entry.sha256 ?? undefined,
  };
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined));
}

/**
 * PAX records laid over a header: which value counts.
 *
 * @module
 */
import type { SparseInfo, Timestamp } from "./entry.ts";
import type { RawHeader } from "./header.ts";
import { decodeName } from "./names.ts";
import { malformed, paxInteger, type PaxRecords, paxTime } from "./pax.ts";
import { paxSparse } from "./sparse.ts";

/** A header after its PAX records. */
export interface MergedHeader extends RawHeader {
  time: Timestamp;
  accessTime: Timestamp | null;
  changeTime: Timestamp | null;
  sparse: SparseInfo | null;
  /** Expanded size of a sparse member. */
  realSize: number | null;
}

/**
 * Records win over header fields, an empty record leaves the field (POSIX "pax Header Block": an empty value deletes).
 * @throws {FormatError} `pax-malformed` when a number or time cannot be read
 */
export function applyPax(header: RawHeader, pax: PaxRecords | null, offset: number): MergedHeader {
  const merged: MergedHeader = {
    ...header,
    time: { seconds: header.mtime, nanoseconds: 0 },
    accessTime: header.atime === null ? null : { seconds: header.atime, nanoseconds: 0 },
    changeTime: header.ctime === null ? null : { seconds: header.ctime, nanoseconds: 0 },
    sparse: null,
    realSize: null,
  };
  if (!pax) return merged;
  for (const [key, value] of pax) {
    if (value.length > 0) applyRecord(merged, key, value, offset);
  }
  const sparse = isRegular(merged.typeflag) ? paxSparse(pax, offset) : null;
  if (sparse) {
    merged.sparse = sparse.info;
    merged.realSize = sparse.size ?? merged.size;
    if (sparse.name?.length) merged.name = decodeName(sparse.name);
  }
  return merged;
}

function applyRecord(merged: MergedHeader, key: string, value: Uint8Array, offset: number): void {
  switch (key) {
    case "path":
      merged.name = decodeName(value);
      break;
    case "linkpath":
      merged.linkName = decodeName(value);
      break;
    case "uname":
      merged.userName = decodeName(value);
      break;
    case "gname":
      merged.groupName = decodeName(value);
      break;
    case "uid":
    case "gid":
    case "size": {
      const number = paxInteger(value);
      if (number === null) throw malformed(`the record ${key} is not a number`, offset);
      merged[key] = number;
      break;
    }
    case "mtime":
    case "atime":
    case "ctime": {
      const time = paxTime(value);
      if (time === null) throw malformed(`the record ${key} is not a time`, offset);
      if (key === "mtime") merged.time = time;
      else if (key === "atime") merged.accessTime = time;
      else merged.changeTime = time;
      break;
    }
  }
}

function isRegular(typeflag: string): boolean {
  return typeflag === "0" || typeflag === "\0" || typeflag === "7";
}

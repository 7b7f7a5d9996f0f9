/** The table of contents as the writers have it: a bag of fields in the order they are written, open to any lie. */
import { type Attributes, rfc3339 } from "./attributes.ts";

/** One entry. The named fields are those of the formats; a test may add others or change their types. */
export interface TocEntry {
  name?: string;
  type?: string;
  size?: number;
  modtime?: string;
  accesstime?: string;
  changetime?: string;
  linkName?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  userName?: string;
  groupName?: string;
  devMajor?: number;
  devMinor?: number;
  xattrs?: Record<string, string>;
  digest?: string;
  offset?: number;
  endOffset?: number;
  innerOffset?: number;
  chunkOffset?: number;
  chunkSize?: number;
  chunkDigest?: string;
  chunkType?: string;
  [other: string]: unknown;
}

/** A whole TOC. */
export interface Toc {
  version: number;
  entries: TocEntry[];
  tarSplitDigest?: string;
  [other: string]: unknown;
}

/** Hooks that make a TOC wrong. */
export interface TocHooks {
  /** Changes the TOC before it becomes JSON; a returned TOC replaces it. */
  readonly mutateToc?: (toc: Toc) => Toc | void;
  /** Changes the JSON before it is stored and hashed. */
  readonly mutateTocJson?: (json: string) => string | Uint8Array;
}

/** Year 1, which Go writes for a time that was never set. */
export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** A number or text, or undefined (so: left out) for what Go calls empty. */
export function omitEmpty<T extends number | string>(value: T): T | undefined {
  return value === 0 || value === "" ? undefined : value;
}

/** Extended attributes, or undefined where there are none. */
export function omitEmptyXattrs({ xattrs }: Attributes): Record<string, string> | undefined {
  return Object.keys(xattrs).length === 0 ? undefined : { ...xattrs };
}

/** A modification time rounded to whole seconds, as eStargz has it; left out at 1970-01-01. */
export function wholeModtime({ mtime }: Attributes): string | undefined {
  const seconds = mtime.seconds + Math.round(Number(mtime.fraction) / 1e9);
  return seconds === 0 ? undefined : rfc3339({ seconds });
}

/** `object` without the keys that are undefined. */
export function defined<T extends object>(object: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}

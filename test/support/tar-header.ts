/**
 * One tar header block, with access to every byte of it.
 *
 * The field table is that of POSIX.1-2017 pax, "ustar Interchange Format". What the format cannot say (a wrong
 * checksum, a number in base 256, a field without its NUL) is said with raw bytes or with the two hooks.
 */
import { bytes, type BytesLike, concat } from "./bytes.ts";

/** Bytes in a tar block. */
export const BLOCK = 512;

/** Type flags by name. */
export const TYPE = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  dir: "5",
  fifo: "6",
  contiguous: "7",
  pax: "x",
  paxGlobal: "g",
  gnuLongName: "L",
  gnuLongLink: "K",
  gnuSparse: "S",
} as const;

/** The mtime every entry gets unless it says otherwise: 2023-11-14T22:13:20Z, as in the fixtures. */
export const DEFAULT_MTIME = 1_700_000_000;

/** A numeric field: a number is written in octal, or in base 256 where octal does not fit; the rest is raw. */
export type NumberField = number | bigint | BytesLike;

/** How the checksum field is filled. */
export type Checksum =
  | "ok" // six digits, NUL, blank
  | "7digits" // seven digits, NUL
  | "blanks" // leading blanks in place of zeros
  | "signed" // the sum over signed bytes, as some old writers did
  | number // this sum, right or wrong
  | Uint8Array; // these eight bytes

/** What a header says. Text and bytes go into the field as they are, without a NUL, cut at the field's end. */
export interface HeaderFields {
  readonly name?: BytesLike;
  readonly mode?: NumberField;
  readonly uid?: NumberField;
  readonly gid?: NumberField;
  readonly size?: NumberField;
  readonly mtime?: NumberField;
  /** One character, a byte value, or raw. Default: by `name` ("/" at the end) and `linkname`. */
  readonly typeflag?: string | number | Uint8Array;
  readonly linkname?: BytesLike;
  /** `ustar` is POSIX, `gnu` is "ustar" and two blanks, `v7` and `none` leave the field empty; or eight raw bytes. */
  readonly magic?: "ustar" | "gnu" | "v7" | "none" | Uint8Array;
  readonly uname?: BytesLike;
  readonly gname?: BytesLike;
  readonly devmajor?: NumberField;
  readonly devminor?: NumberField;
  readonly prefix?: BytesLike;
  readonly checksum?: Checksum;
  /** May change the block before the checksum is computed. */
  readonly raw?: (header: Uint8Array) => void;
  /** May change the block after the checksum is in it. */
  readonly after?: (header: Uint8Array) => void;
}

/** A number in the binary form of GNU tar and star: the first bit set, then two's complement, big-endian. */
export function base256(value: number | bigint, width: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(width);
  let rest = BigInt.asUintN(width * 8, BigInt(value));
  for (let at = width - 1; at >= 0; at--) {
    out[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  out[0]! |= 0x80;
  return out;
}

/** A number in octal, with leading zeros and a NUL at the end; null where `width` bytes do not hold it. */
export function octal(value: number | bigint, width: number): string | null {
  const digits = value.toString(8);
  if (value < 0 || digits.includes(".") || digits.length > width - 1) return null;
  return digits.padStart(width - 1, "0") + "\0";
}

/** The type flag an entry has when it does not give one. */
export function defaultTypeflag(name: BytesLike, linkname: BytesLike): string {
  const nameBytes = bytes(name);
  if (nameBytes[nameBytes.length - 1] === 0x2f) return TYPE.dir;
  return linkname.length > 0 ? TYPE.symlink : TYPE.file;
}

/** The permission bits an entry has when it does not give them. */
export function defaultMode(typeflag: string): number {
  if (typeflag === TYPE.dir) return 0o755;
  return typeflag === TYPE.symlink ? 0o777 : 0o644;
}

/** The type flag of a header as one character, whichever way it was given. */
export function typeflagOf(fields: HeaderFields): string {
  const { typeflag } = fields;
  if (typeflag === undefined) return defaultTypeflag(fields.name ?? "", fields.linkname ?? "");
  if (typeof typeflag === "string") return typeflag;
  return String.fromCharCode(typeof typeflag === "number" ? typeflag : typeflag[0] ?? 0);
}

const MAGIC: Readonly<Record<string, string>> = { ustar: "ustar\x0000", gnu: "ustar  \0", v7: "", none: "" };

/** One header block of 512 bytes. Fields left out get the values an ordinary file (or directory, or link) has. */
export function tarHeader(fields: HeaderFields = {}): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(BLOCK);
  const put = (offset: number, width: number, value: NumberField): void => {
    let field: BytesLike;
    if (typeof value === "number" || typeof value === "bigint") {
      const whole = typeof value === "number" ? Math.floor(value) : value;
      field = octal(whole, width) ?? base256(whole, width);
    } else {
      field = value;
    }
    header.set(bytes(field).subarray(0, width), offset);
  };
  const typeflag = typeflagOf(fields);
  const magic = fields.magic ?? "ustar";
  put(0, 100, fields.name ?? "");
  put(100, 8, fields.mode ?? defaultMode(typeflag));
  put(108, 8, fields.uid ?? 0);
  put(116, 8, fields.gid ?? 0);
  put(124, 12, fields.size ?? 0);
  put(136, 12, fields.mtime ?? DEFAULT_MTIME);
  header[156] = typeflag.charCodeAt(0);
  put(157, 100, fields.linkname ?? "");
  put(257, 8, typeof magic === "string" ? MAGIC[magic]! : magic);
  put(265, 32, fields.uname ?? "");
  put(297, 32, fields.gname ?? "");
  const device = magic === "ustar" ? 0 : "";
  put(329, 8, fields.devmajor ?? device);
  put(337, 8, fields.devminor ?? device);
  put(345, 155, fields.prefix ?? "");
  fields.raw?.(header);
  header.set(checksumField(header, fields.checksum ?? "ok"), 148);
  fields.after?.(header);
  return header;
}

/** The sum of a header's bytes with the checksum field taken as blanks. */
export function headerSum(header: Uint8Array, signed = false): number {
  let sum = 0;
  header.forEach((byte, at) => {
    if (at >= 148 && at < 156) sum += 0x20;
    else sum += signed && byte > 127 ? byte - 256 : byte;
  });
  return sum;
}

function checksumField(header: Uint8Array, checksum: Checksum): Uint8Array {
  if (checksum instanceof Uint8Array) return checksum.subarray(0, 8);
  const sum = typeof checksum === "number" ? checksum : headerSum(header, checksum === "signed");
  const digits = sum.toString(8);
  if (checksum === "7digits") return bytes(digits.padStart(7, "0") + "\0");
  if (checksum === "blanks") return bytes(digits.padStart(6, " ") + "\0 ");
  return bytes(digits.padStart(6, "0") + "\0 ");
}

/** Zeros that fill `length` bytes up to the next block. */
export function padding(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array((BLOCK - length % BLOCK) % BLOCK);
}

/** `data` and the zeros that fill its last block. */
export function padded(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(data, padding(data.length));
}

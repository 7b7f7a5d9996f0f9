/**
 * Compares a directory with the layer that was extracted into it: everything that a container could see of it.
 *
 * @module
 */
import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { SourceError } from "../errors.ts";
import type { Timestamp } from "../tar/entry.ts";
import { escapeName } from "../tar/names.ts";
import { parentPath } from "../tar/paths.ts";
import { type Limits, limitsWith } from "../verify/options.ts";
import { type Abilities, listArgs } from "./abilities.ts";
import { requireGnuTar, TarChild } from "./gnu-tar.ts";
import { canSet, opaqueMark } from "./settable.ts";
import { Tally } from "./tally.ts";
import { directoryImage, type Inode, layerImage, type TreeImage } from "./tree-image.ts";
import { OPAQUE_VALUE } from "./xattrs.ts";

export interface CompareOptions {
  readonly limits?: Partial<Limits>;
  readonly signal?: AbortSignal;
  /** What could be set when the layer was extracted; by default what a process with this one's privileges can set. */
  readonly abilities?: Abilities;
  /** How many differences are listed; 100 by default. */
  readonly maxDifferences?: number;
}

/** One thing that is not as the layer has it. */
export interface Difference {
  /** Path in the layer, escaped by `escapeName`; `.` is the root. */
  readonly entry: string;
  /** `presence`, `type`, `mode`, `uid`, `gid`, `size`, `content`, `mtime`, `link target`, `device`, `hard link`, `opaque`, `xattr NAME`. */
  readonly field: string;
  /** null where there is none. */
  readonly expected: string | null;
  readonly actual: string | null;
}

export interface Comparison {
  /** The first ones. */
  readonly differences: readonly Difference[];
  /** Number of all. */
  readonly total: number;
  /** What this process cannot have set or cannot read, and was not compared: sentences. */
  readonly leftOut: readonly string[];
}

/**
 * Compares a directory with a layer's tar. What extraction leaves out by rule is not expected; the host's SELinux labels
 * are not looked at.
 * @param tar the layer's tar, uncompressed
 * @throws {FormatError | LimitExceeded} as `extractLayer`, and `sparse-size-limit`
 * @throws {SourceError} `source-read-failed` when the directory cannot be read
 * @throws {UnsupportedError} `gnu-tar-missing`, `gnu-tar-other`
 */
export async function compareDirectory(
  directory: string,
  tar: AsyncIterable<Uint8Array> | ReadableStream<Uint8Array>,
  options: CompareOptions = {},
): Promise<Comparison> {
  const { signal } = options;
  const limits = limitsWith(options.limits);
  signal?.throwIfAborted();
  await requireGnuTar();
  const pieces = interruptible(tar as AsyncIterable<Uint8Array>, signal);
  const expected = await layerImage(pieces, limits, new Tally());
  const found = new Differences(options.maxDifferences ?? 100);
  const rights = await rightsOfProcess();
  const actual = await readDirectory(directory, limits, { signal, found, mayBeDenied: !rights.readsAll });
  const comparer = new Comparer(expected, actual, {
    abilities: options.abilities ?? rights.abilities,
    readsAll: rights.readsAll,
    found,
  });
  comparer.run();
  return { differences: found.list, total: found.total, leftOut: comparer.leftOut() };
}

async function* interruptible(
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    yield piece;
  }
}

class Differences {
  readonly list: Difference[] = [];
  total = 0;
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  add(path: string, field: string, expected: string | null, actual: string | null): void {
    this.total++;
    if (this.list.length >= this.#most) return;
    this.list.push({ entry: path === "" ? "." : escapeName(path), field, expected, actual });
  }
}

async function readDirectory(
  directory: string,
  limits: Limits,
  { signal, found, mayBeDenied }: {
    signal: AbortSignal | undefined;
    found: Differences;
    mayBeDenied: boolean;
  },
): Promise<TreeImage> {
  let message: string | null = null;
  const child = TarChild.start(listArgs(directory), {
    output: true,
    onMessage(line) {
      const socket = /^[^:]*: \.\/(.*): socket ignored$/.exec(line);
      if (socket) found.add(socket[1]!, "presence", null, "socket");
      else if (mayBeDenied && DENIED.test(line)) return;
      else message ??= line;
    },
  });
  const stop = () => child.kill();
  signal?.addEventListener("abort", stop);
  try {
    child.end();
    const image = await directoryImage(child.output(), limits);
    const { code } = await child.exit;
    signal?.throwIfAborted();
    if (message !== null || (code !== 0 && !(mayBeDenied && code === 2))) {
      throw unreadable(directory, message ?? `GNU tar ended with status ${code}`);
    }
    return image;
  } catch (error) {
    child.kill();
    const exit = await child.exit;
    signal?.throwIfAborted();
    // A tar that is cut short because GNU tar failed: why it failed is the news.
    if (message !== null) throw unreadable(directory, message);
    if (exit.signal !== null && exit.signal !== "SIGKILL") throw unreadable(directory, exit.signal);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** What GNU tar says of files that this user may not read, and at its end. */
const DENIED = /: Permission denied$|: Exiting with failure status due to previous errors$/;

function unreadable(directory: string, text: string): SourceError {
  return new SourceError(
    "source-read-failed",
    `Cannot read ${directory}: ${escapeName(text.slice(0, 500))}`,
    {
      source: directory,
      advice: "Make sure that nobody changes it meanwhile, and that you may read it.",
    },
  );
}

/** As `Abilities`, the range of times not known. */
type KnownAbilities = Omit<Abilities, "earliest" | "latest"> & {
  readonly earliest: number | null;
  readonly latest: number | null;
};

/** What a process can do to files, of what an extraction asks for. */
interface Rights {
  readonly abilities: KnownAbilities;
  /** Reads files whatever their mode. */
  readonly readsAll: boolean;
}

/** Numbers of capabilities(7). */
const CHOWN = 0, DAC_OVERRIDE = 1, SYS_ADMIN = 21, MKNOD = 27, SETFCAP = 31;

/** By the capabilities of the process; where they are not to be known, by its user. */
async function rightsOfProcess(): Promise<Rights> {
  const read = (path: string) => readFile(path, "utf8").catch(() => null);
  const capabilities = /^CapEff:\s*([0-9a-f]{1,16})$/m.exec(await read("/proc/self/status") ?? "")?.[1];
  // In a user namespace of one's own, some capabilities reach no file system.
  const whole = /^\s*0\s+0\s+4294967295\s*$/.test(await read("/proc/self/uid_map") ?? "0 0 4294967295");
  const bits = capabilities === undefined ? (isRoot() ? ~0n : 0n) : BigInt(`0x${capabilities}`);
  const has = (capability: number) => (bits >> BigInt(capability) & 1n) === 1n;
  return {
    abilities: {
      owner: has(CHOWN),
      devices: whole && has(MKNOD),
      whiteouts: true,
      trusted: whole && has(SYS_ADMIN),
      user: true,
      security: has(SETFCAP),
      earliest: null,
      latest: null,
    },
    readsAll: has(DAC_OVERRIDE),
  };
}

function isRoot(): boolean {
  try {
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

/** What file systems of Linux make of times before and after their range: of 32 bits, ext4, XFS. */
const EARLIEST = [-(2 ** 31)];
const LATEST = [2 ** 31 - 1, 15_032_385_535, 16_299_260_424];

class Comparer {
  readonly #expected: TreeImage;
  readonly #actual: TreeImage;
  readonly #abilities: KnownAbilities;
  readonly #readsAll: boolean;
  readonly #found: Differences;
  #unreadable = 0;
  #times = 0;
  #devices = 0;

  constructor(
    expected: TreeImage,
    actual: TreeImage,
    options: { abilities: KnownAbilities; readsAll: boolean; found: Differences },
  ) {
    this.#expected = expected;
    this.#actual = actual;
    this.#abilities = options.abilities;
    this.#readsAll = options.readsAll;
    this.#found = options.found;
  }

  run(): void {
    const both = Array.from(this.#expected.keys()).filter((path) => this.#actual.has(path));
    const expectedLeaders = leaders(this.#expected, both);
    const actualLeaders = leaders(this.#actual, both);
    for (const [path, expected] of this.#expected) {
      if (this.#isLeftOut(expected)) {
        this.#devices++;
        continue;
      }
      const actual = this.#actual.get(path);
      if (!actual) this.#missing(path, expected);
      else {
        this.#inode(path, expected, actual);
        const want = expectedLeaders.get(expected)!;
        const have = actualLeaders.get(actual)!;
        if (want !== have) this.#differ(path, "hard link", escapeName(want), escapeName(have));
      }
    }
    for (const [path, { member }] of this.#actual) {
      if (!this.#expected.has(path)) this.#differ(path, "presence", null, member.kind);
    }
  }

  /** What was not compared. */
  leftOut(): readonly string[] {
    const out: string[] = [];
    const { owner, trusted, security, user } = this.#abilities;
    if (!owner) out.push("owners were not compared: this process cannot set them");
    if (this.#devices > 0) {
      out.push(`${this.#devices} devices were not compared: this process cannot make them`);
    }
    if (!trusted) out.push("trusted.* attributes were not compared: this process cannot read them");
    if (!security) out.push("security.* attributes were not compared: this process cannot set them");
    if (!user) out.push("user.* attributes were not compared: they cannot be set here");
    if (this.#times > 0) out.push(`${this.#times} times were not compared: the file system cannot hold them`);
    if (this.#unreadable > 0) {
      out.push(`${this.#unreadable} files were not compared: their modes do not let this process read them`);
    }
    return out;
  }

  #isLeftOut({ member: { kind, devMajor, devMinor } }: Inode): boolean {
    if (kind !== "char" && kind !== "block") return false;
    const whiteout = kind === "char" && devMajor === 0 && devMinor === 0;
    return whiteout ? !this.#abilities.whiteouts : !this.#abilities.devices;
  }

  #missing(path: string, { member }: Inode): void {
    if (!this.#readsAll && this.#mayBeUnreadable(path, member)) this.#unreadable++;
    else this.#differ(path, "presence", member.kind, null);
  }

  #mayBeUnreadable(path: string, { kind, mode }: Inode["member"]): boolean {
    if (kind === "file" && (mode & 0o400) === 0) return true;
    if (kind === "dir" && (mode & 0o500) !== 0o500) return true;
    for (let at = path; at !== "";) {
      at = parentPath(at);
      if ((this.#expected.get(at)!.member.mode & 0o500) !== 0o500) return true;
    }
    return false;
  }

  #inode(path: string, expected: Inode, actual: Inode): void {
    const a = expected.member;
    const b = actual.member;
    const field = (name: string, want: string, have: string) => {
      if (want !== have) this.#differ(path, name, want, have);
    };
    if (a.kind !== b.kind) return this.#differ(path, "type", a.kind, b.kind);
    if (a.kind !== "symlink") field("mode", octal(a.mode), octal(b.mode));
    if (this.#abilities.owner) {
      field("uid", `${a.uid}`, `${b.uid}`);
      field("gid", `${a.gid}`, `${b.gid}`);
    }
    if (this.#isCut(a.mtime, b.mtime)) this.#times++;
    else field("mtime", timeText(a.mtime), timeText(b.mtime));
    if (a.kind === "file") {
      field("size", `${a.size}`, `${b.size}`);
      if (a.size === b.size) field("content", `sha256:${expected.sha256}`, `sha256:${actual.sha256}`);
    }
    if (a.kind === "symlink") field("link target", escapeName(a.link), escapeName(b.link));
    if (a.kind === "char" || a.kind === "block") {
      field("device", `${a.devMajor}:${a.devMinor}`, `${b.devMajor}:${b.devMinor}`);
    }
    this.#xattrs(path, expected.member, actual.member);
  }

  /** Whether a time is out of the file system's range, and what it made of it stands there. */
  #isCut(expected: Timestamp, actual: Timestamp): boolean {
    const { seconds } = actual;
    const { earliest, latest } = this.#abilities;
    if (expected.seconds < seconds) {
      return earliest === null ? EARLIEST.includes(seconds) : seconds === earliest;
    }
    if (expected.seconds === seconds) return false;
    return latest === null ? LATEST.includes(seconds) : seconds === latest;
  }

  #xattrs(path: string, expected: Inode["member"], actual: Inode["member"]): void {
    const want = expected.xattrs ?? new Map<string, Uint8Array>();
    const have = new Map(actual.xattrs);
    have.delete("security.selinux");
    if (expected.opaque) this.#opaque(path, have);
    for (const key of new Set([...want.keys(), ...have.keys()])) {
      if (!canSet(key, this.#abilities)) continue;
      const [wanted, had] = [want.get(key), have.get(key)].map((value) => value ? valueText(value) : null);
      if (wanted !== had) this.#differ(path, `xattr ${escapeName(key)}`, wanted!, had!);
    }
  }

  /** Takes the mark out of what the directory has. */
  #opaque(path: string, have: Map<string, Uint8Array>): void {
    const mark = opaqueMark(this.#abilities);
    if (mark === null) return;
    const value = have.get(mark);
    if (value?.length === 1 && value[0] === OPAQUE_VALUE[0]) have.delete(mark);
    else this.#differ(path, "opaque", "y", null);
  }

  #differ(path: string, field: string, expected: string | null, actual: string | null): void {
    this.#found.add(path, field, expected, actual);
  }
}

/** The first of the paths that share an inode, for each. */
function leaders(image: TreeImage, paths: readonly string[]): Map<Inode, string> {
  const first = new Map<Inode, string>();
  for (const path of paths) {
    const inode = image.get(path)!;
    const before = first.get(inode);
    if (before === undefined || path < before) first.set(inode, path);
  }
  return first;
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0");
}

function timeText({ seconds, nanoseconds }: Timestamp): string {
  return `${seconds}${nanoseconds === 0 ? "" : ` s + ${nanoseconds} ns`}`;
}

/** Longer values are told by their digest. */
const MAX_VALUE = 64;

function valueText(value: Uint8Array): string {
  if (value.length > MAX_VALUE) return `${value.length} bytes, sha256:${hash("sha256", value)}`;
  return `0x${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

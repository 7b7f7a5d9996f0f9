/** File trees as other programs see them: what GNU tar extracts of an image's layers, and what is mounted. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { output, run } from "./run.ts";

/** Runs a program in the directory and gives its output, one character for each byte. */
export type Look = (program: string, args: readonly string[]) => Promise<string>;

/** Everything that a tree shows, by the path; the root has the path `.`. */
export type Listing = Readonly<Record<string, string>>;

const FIELDS = "%n\\0%f %u:%g dev %t,%T mtime %.9Y\\0%s\\0%i\\0";
/** Attributes that a mounted overlay does not show. */
const HIDDEN = /^trusted\.overlay\./;
const S_IFMT = 0o170000, S_IFDIR = 0o040000;

/** A listing, and the directories that no layer names: nothing says what their times are. */
export interface Reference {
  readonly listing: Listing;
  readonly unnamed: ReadonlySet<string>;
}

/** What must be the same: everything but the times of directories that no layer names. */
export function comparable(listing: Listing, { unnamed }: Reference): Listing {
  return Object.fromEntries(
    Object.entries(listing).map(([path, what]) =>
      unnamed.has(path) ? [path, what.replace(/ mtime \S+/, "")] : [path, what]
    ),
  );
}

/**
 * Lists a tree: type and mode, owner, device number, modification time in nanoseconds, size (not of directories),
 * content, link target, extended attributes, and which paths are one file.
 */
export async function list(look: Look): Promise<Listing> {
  const entries = new Map<string, string[]>();
  const inodes = new Map<string, string[]>();
  const stats = fields(await look("sh", ["-c", `find . -print0 | xargs -0 stat --printf='${FIELDS}'`]));
  for (let i = 0; i < stats.length; i += 4) {
    const [path, what, size, inode] = stats.slice(i, i + 4) as [string, string, string, string];
    const isDirectory = (parseInt(what, 16) & S_IFMT) === S_IFDIR;
    entries.set(path, [what, ...(isDirectory ? [] : [`size ${size}`])]);
    if (!isDirectory) inodes.set(inode, [...(inodes.get(inode) ?? []), path]);
  }
  for (const paths of inodes.values()) {
    const same = `one file: ${paths.toSorted().join(" ")}`;
    if (paths.length > 1) { for (const path of paths) entries.get(path)!.push(same); }
  }
  const links = fields(await look("find", [".", "-type", "l", "-printf", "%p\\0%l\\0"]));
  for (let i = 0; i < links.length; i += 2) entries.get(links[i]!)!.push(`-> ${links[i + 1]}`);
  const sums = await look("sh", ["-c", "find . -type f -print0 | xargs -0r sha256sum -z"]);
  for (const line of fields(sums)) entries.get(line.slice(66))!.push(line.slice(0, 64));
  const attributes = await look("getfattr", ["-hRPd", "-m", "-", "-e", "base64", "."]);
  for (const block of attributes.split("\n\n").filter((text) => text !== "")) {
    const [file, ...values] = block.split("\n");
    const path = file!.slice("# file: ".length).replace(
      /\\([0-7]{3})/g,
      (_, octal) => char(parseInt(octal, 8)),
    );
    entries.get(path === "." ? "." : `./${path}`)!.push(
      ...values.filter((value) => value !== "" && !HIDDEN.test(value)).sort(),
    );
  }
  return Object.fromEntries(
    [...entries].sort(([a], [b]) => a < b ? -1 : 1).map(([k, v]) => [k, v.join(" | ")]),
  );
}

function fields(text: string): string[] {
  return text.split("\0").slice(0, -1);
}

function char(code: number): string {
  return String.fromCharCode(code);
}

/**
 * Extracts layers one over the other with GNU tar, whiteouts carried out, and lists the result. Only for layers in
 * which no directory takes the place of another kind of entry, or the reverse.
 * @param blobs with their compression
 * @param parent a directory for what is extracted, which goes away
 */
export async function extractAndList(blobs: readonly Uint8Array[], parent: string): Promise<Reference> {
  const work = join(parent, "extracted");
  const root = join(work, "root");
  mkdirSync(root, { recursive: true });
  const named = new Set<string>();
  try {
    for (const [i, blob] of blobs.entries()) {
      const tar = join(work, `${i}.tar`);
      await output("sh", ["-c", `${decompressor(blob)} >"$1"`, "sh", tar], { input: blob });
      const names = (await output("tar", ["-tf", tar, "--quoting-style=literal"], { encoding: "latin1" }))
        .split("\n");
      await hide(root, names);
      for (const name of names) if (name.endsWith("/")) named.add(`./${name.slice(0, -1)}`);
      // Without the last one, a directory that the archive comes back to keeps the time of its last change.
      const flags = [
        "--numeric-owner",
        "--same-owner",
        "-p",
        "--xattrs",
        "--xattrs-include=*",
        "--delay-directory-restore",
      ];
      // It warns of times in the future or far in the past, and of PAX keys that it does not know.
      await output("tar", ["--warning=none", "-C", root, ...flags, "--exclude=.wh.*", "-xf", tar]);
    }
    const listing = await list((program, args) => output(program, args, { cwd: root, encoding: "latin1" }));
    const isUnnamed = (path: string) => listing[path]!.startsWith("4") && !named.has(path);
    return { listing, unnamed: new Set(Object.keys(listing).filter(isUnnamed)) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Carries out a layer's whiteouts on what the layers under it have made. */
async function hide(root: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const [, directory, hidden] = /^(.*?)([^/]*)$/s.exec(name)!;
    if (!hidden!.startsWith(".wh.")) continue;
    // The names are bytes: a shell passes them on as they are.
    const isOpaque = hidden === ".wh..wh..opq";
    const path = `${directory}${isOpaque ? "" : hidden!.slice(".wh.".length)}`;
    const octal = [...path].map((c) => `\\${c.charCodeAt(0).toString(8).padStart(3, "0")}`).join("");
    const script = isOpaque
      ? 'd=$(printf "$1."); [ ! -d "$d" ] || find "${d%?}" -mindepth 1 -maxdepth 1 -exec rm -rf {} +'
      : 'd=$(printf "$1."); rm -rf "./${d%?}"';
    const { status, stderr } = await run("sh", ["-c", script, "sh", octal], { cwd: root });
    if (status !== 0) throw new Error(`Cannot carry out the whiteout ${name}: ${stderr}`);
  }
}

/** The program that decompresses these bytes to standard output, by their magic. */
export function decompressor(blob: Uint8Array): string {
  if (blob[0] === 0x1f && blob[1] === 0x8b) return "gzip -dc";
  return blob[0] === 0x28 && blob[1] === 0xb5 ? "zstd -dcq --memory=256MB" : "cat";
}

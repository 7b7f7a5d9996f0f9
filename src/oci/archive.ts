/**
 * The members of a tar archive as files: links are followed inside of the archive and nowhere else.
 *
 * @module
 */
import { FormatError, SourceError, UnsupportedError } from "../errors.ts";
import { type ClosableSource, openFile, requireRegularFile } from "../source/file.ts";
import { rangeSource } from "../source/range.ts";
import { escapeName } from "../tar/names.ts";
import { canonicalPath, parentPath } from "../tar/paths.ts";
import { type ArchiveIndex, type ArchiveMember, indexArchive } from "./archive-index.ts";
import { DOCUMENT_LIMIT, type ImageFiles } from "./files.ts";

/** As Linux follows symlinks. */
const LINKS_LIMIT = 40;

/**
 * The files in an archive, which is indexed once; each `read` and `open` opens it again.
 * @param path a regular file: members are read where they lie
 * @throws {SourceError} `archive-not-seekable`, and as `openFile`
 * @throws {FormatError | UnsupportedError | LimitExceeded} as `indexArchive`
 */
export async function openArchive(path: string): Promise<ArchiveFiles> {
  const source = await openSeekable(path);
  try {
    return new ArchiveFiles(path, await indexArchive(source, source.size));
  } finally {
    await source.close();
  }
}

/**
 * Besides what `ImageFiles` says, `read` and `open` throw `archive-duplicate`, `archive-unsafe-name`,
 * `archive-link-outside`, `archive-link-loop` and `archive-not-a-file` (`FormatError`), `archive-sparse`
 * (`UnsupportedError`).
 */
export class ArchiveFiles implements ImageFiles {
  readonly #path: string;
  readonly #members: ArchiveIndex;

  constructor(path: string, members: ArchiveIndex) {
    this.#path = path;
    this.#members = members;
  }

  /** Whether there is a member of this name, of whatever kind. */
  has(file: string): boolean {
    return this.#members.has(canonicalPath(file).path);
  }

  shown(file: string): string {
    return `${short(file)} in ${this.#path}`;
  }

  diskPath(): null {
    return null;
  }

  async read(file: string): Promise<Uint8Array> {
    const name = this.shown(file);
    const { offset, size } = this.#resolve(file);
    if (size > DOCUMENT_LIMIT) {
      throw new SourceError("source-too-large", `${name} is larger than ${DOCUMENT_LIMIT} bytes`, {
        source: name,
        advice: "Documents of this kind are small: see whether this is the right file.",
      });
    }
    const source = await openSeekable(this.#path);
    try {
      return await rangeSource(source, offset, size, name).read!(0, size);
    } finally {
      await source.close();
    }
  }

  async open(file: string, name: string): Promise<ClosableSource> {
    const { offset, size } = this.#resolve(file);
    const source = await openSeekable(this.#path);
    try {
      return rangeSource(source, offset, size, name);
    } catch (error) {
      await source.close();
      throw error;
    }
  }

  /** The regular file that `file` is or leads to. */
  #resolve(file: string): ArchiveMember {
    let path = this.#inside(file, file);
    for (let links = 0; links <= LINKS_LIMIT; links++) {
      const member = this.#members.get(path);
      if (!member) throw this.#missing(file, path);
      this.#checkNames(member, path);
      if (member.kind === "file") {
        if (member.sparse) throw this.#sparse(path);
        return member;
      }
      if (member.kind === "other") {
        throw this.#refused("archive-not-a-file", `${short(path)} is no regular file`);
      }
      path = this.#target(member, path);
    }
    throw this.#refused("archive-link-loop", `${short(file)} leads through more than ${LINKS_LIMIT} links`);
  }

  #checkNames({ duplicate, unsafe }: ArchiveMember, path: string): void {
    if (duplicate) throw this.#refused("archive-duplicate", `There are several members ${short(path)}`);
    if (unsafe) {
      throw this.#refused(
        "archive-unsafe-name",
        `The member ${short(path)} has a name that is absolute or has a ".." in it`,
      );
    }
  }

  /** A symlink's target counts from where the link is, a hard link's from the root of the archive. */
  #target({ kind, linkName }: ArchiveMember, path: string): string {
    if (kind === "hardlink") return this.#inside(linkName, path);
    const folder = parentPath(path);
    return this.#inside(folder === "" || linkName.startsWith("/") ? linkName : `${folder}/${linkName}`, path);
  }

  #inside(name: string, from: string): string {
    const { path, escapes, absolute } = canonicalPath(name);
    if (!escapes && !absolute && path !== "") return path;
    throw this.#refused("archive-link-outside", `${short(from)} leads out of the archive`);
  }

  #missing(file: string, path: string): SourceError {
    const via = path === canonicalPath(file).path ? "" : `, to which ${short(file)} is a link`;
    return new SourceError("source-not-found", `${this.#path} has no member ${short(path)}${via}`, {
      source: this.#path,
      entry: escapeName(file),
      advice: "See whether the archive is complete: save the image again.",
    });
  }

  #sparse(path: string): UnsupportedError {
    return new UnsupportedError("archive-sparse", `The member ${short(path)} of ${this.#path} is sparse`, {
      source: this.#path,
      advice: "Make the archive without sparse members (GNU tar: without --sparse).",
    });
  }

  #refused(code: string, what: string): FormatError {
    return new FormatError(code, `Cannot use ${this.#path}: ${what}`, {
      source: this.#path,
      advice:
        "No tool writes such an archive of images, and programs could read it in different ways: do not use it.",
    });
  }
}

/** @throws {SourceError} `archive-not-seekable`, and as `openFile` */
async function openSeekable(path: string): Promise<ClosableSource & { size: number; read: ReadAt }> {
  if (path === "-") throw notSeekable(path);
  await requireRegularFile(path).catch((error) => {
    // Opening a FIFO would wait for a writer.
    throw error instanceof SourceError && error.code === "source-not-a-file" ? notSeekable(path) : error;
  });
  const source = await openFile(path);
  const { size, read } = source;
  if (size === null || !read) {
    await source.close();
    throw notSeekable(path);
  }
  return { ...source, size, read };
}

type ReadAt = (offset: number, length: number) => Promise<Uint8Array>;

function notSeekable(path: string): SourceError {
  return new SourceError(
    "archive-not-seekable",
    `${path} is a pipe: images in an archive are read from several places of it`,
    { source: path, advice: "Write the archive to a file first, e.g. podman save -o FILE IMAGE." },
  );
}

/** A name from the archive, printable and not too long. */
function short(name: string): string {
  return escapeName(name.length > 200 ? `${name.slice(0, 200)}...` : name);
}

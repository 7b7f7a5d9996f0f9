/**
 * What a tar archive holds and where, found by seeking from header to header: payloads are never read, so that an
 * archive of 10 GB with fifty members costs a hundred small reads.
 *
 * @module
 */
import { detectContainer } from "../codec/detect.ts";
import { FormatError, LimitExceeded, UnsupportedError } from "../errors.ts";
import type { LayerSource } from "../source/source.ts";
import type { TarEntry } from "../tar/entry.ts";
import { BLOCK_SIZE } from "../tar/header.ts";
import { escapeName } from "../tar/names.ts";
import { canonicalPath } from "../tar/paths.ts";
import { TarReader } from "../tar/reader.ts";

/** A member that may be asked for: everything but directories. */
export interface ArchiveMember {
  readonly kind: "file" | "symlink" | "hardlink" | "other";
  /** Place of the content in the archive, in bytes. */
  readonly offset: number;
  readonly size: number;
  /** Of links: where to, as it stands. */
  readonly linkName: string;
  readonly sparse: boolean;
  /** The name is absolute or has a `..`: programs differ in where they see such a member. */
  readonly unsafe: boolean;
  /** Another member has the same name: programs differ in which of them counts. */
  readonly duplicate: boolean;
}

/** Members by their canonical path. */
export type ArchiveIndex = ReadonlyMap<string, ArchiveMember>;

/** An archive of images has a few members for each layer. */
const LIMITS = { entries: 1_000_000, path: 4096, pax: 2 ** 20 };
/** Characters of all names together: bounds memory. */
const NAMES_LIMIT = 2 ** 27;
/** Read at once. Legacy archives have several small members in a row. */
const WINDOW = 16 * BLOCK_SIZE;

const ZEROS = new Uint8Array(BLOCK_SIZE);

/**
 * The members of an archive.
 * @throws {UnsupportedError} `archive-compressed`
 * @throws {FormatError} `archive-not-tar`, `archive-global-path`, and those of `TarReader`
 * @throws {LimitExceeded} more members, or longer names and headers, than any tool writes
 * @throws {SourceError} as the source
 */
export async function indexArchive(
  source: LayerSource & Required<Pick<LayerSource, "read">>,
  size: number,
): Promise<ArchiveIndex> {
  refuseOtherFormats(await source.read(0, Math.min(size, BLOCK_SIZE)), source.name);
  const members = new Members(source.name);
  const reader = new TarReader(members, LIMITS);
  try {
    await walk(reader, source, size);
    reader.end();
  } catch (error) {
    throw inArchive(error, source.name);
  }
  return members.found;
}

/** Gives the reader the headers alone. */
async function walk(
  reader: TarReader,
  source: LayerSource & Required<Pick<LayerSource, "read">>,
  size: number,
): Promise<void> {
  let window: Uint8Array = new Uint8Array(0);
  let windowAt = 0;
  // A multiple of the block size until the end of the file: each push is one block, and ends where a payload begins.
  let at = 0;
  while (at < size && !reader.ended) {
    if (at >= windowAt + window.length) {
      windowAt = at;
      window = await source.read(at, Math.min(WINDOW, size - at));
    }
    const block = window.subarray(at - windowAt, at - windowAt + BLOCK_SIZE);
    reader.push(block);
    at += block.length;
    const payload = reader.payloadLeft;
    if (payload === 0) continue;
    // Left to the reader, which says that the archive ends inside of a payload.
    if (payload > size - at) return;
    reader.skipPayload();
    const padding = (BLOCK_SIZE - payload % BLOCK_SIZE) % BLOCK_SIZE;
    reader.push(ZEROS.subarray(0, padding));
    at += payload + padding;
  }
}

/** Takes the reader's entries. */
class Members {
  readonly found = new Map<string, ArchiveMember>();
  readonly #archive: string;
  #names = 0;

  constructor(archive: string) {
    this.#archive = archive;
  }

  entry(entry: TarEntry): void {
    if (entry.kind === "pax-global") return refuseGlobal(entry, this.#archive);
    if (entry.kind === "dir") return;
    const { path, escapes, absolute } = canonicalPath(entry.name);
    this.#names += path.length + entry.linkName.length;
    if (this.#names > NAMES_LIMIT) {
      throw new LimitExceeded(
        "archive-names-limit",
        `Its names have more than ${NAMES_LIMIT} characters together`,
      );
    }
    this.found.set(path, {
      kind: kindOf(entry),
      offset: entry.payloadOffset,
      size: entry.storedSize,
      linkName: entry.linkName,
      sparse: entry.sparse !== null,
      unsafe: escapes || absolute || entry.name.split("/").includes(".."),
      duplicate: this.found.has(path),
    });
  }

  payload(): void {}
  entryEnd(): void {}
}

function kindOf({ kind }: TarEntry): ArchiveMember["kind"] {
  return kind === "file" || kind === "symlink" || kind === "hardlink" ? kind : "other";
}

/** GNU tar applies a global header to all members behind it, Go's reader passes over it. */
function refuseGlobal({ pax, headerOffset }: TarEntry, archive: string): void {
  for (const key of pax?.keys() ?? []) {
    if (key !== "path" && key !== "linkpath" && key !== "size" && !key.startsWith("GNU.sparse.")) continue;
    throw new FormatError(
      "archive-global-path",
      `A global header gives all members the same ${escapeName(key)}`,
      {
        source: archive,
        blobOffset: headerOffset,
        advice: "Programs read such an archive in different ways: do not use it.",
      },
    );
  }
}

const COMPRESSED: Readonly<Record<string, string>> = {
  gzip: "gunzip -c",
  zstd: "zstd -d -c",
  bzip2: "bunzip2 -c",
  xz: "xz -d -c",
};

function refuseOtherFormats(head: Uint8Array, archive: string): void {
  const container = detectContainer(head);
  const program = COMPRESSED[container];
  if (program !== undefined) {
    throw new UnsupportedError(
      "archive-compressed",
      `${archive} is compressed with ${container}: the images in it cannot be read at random`,
      { source: archive, advice: `Decompress it first: ${program} ${archive} > FILE.tar` },
    );
  }
  if (container === "tar") return;
  throw new FormatError(
    "archive-not-tar",
    `${archive} is ${container === "empty" ? "empty" : "no tar archive"}`,
    {
      source: archive,
      advice: "Expected what podman save, docker save or skopeo copy write.",
    },
  );
}

/** The reader speaks of a layer and its options; here it is the archive around the layers. */
function inArchive(error: unknown, archive: string): unknown {
  const isLimit = error instanceof LimitExceeded;
  if (!isLimit && !(error instanceof FormatError) || error.details.source === archive) return error;
  const message = `Cannot read ${archive} as an archive of images: ${error.message}`;
  const { tarOffset } = error.details;
  const details = {
    source: archive,
    cause: error,
    ...(tarOffset === undefined ? {} : { blobOffset: tarOffset }),
  };
  if (isLimit) {
    const advice = "No tool writes such an archive of images: do not use it.";
    return new LimitExceeded(error.code, message, { ...details, advice });
  }
  const advice = "The archive is damaged or cut short: save the image again.";
  return new FormatError(error.code, message, { ...details, advice });
}

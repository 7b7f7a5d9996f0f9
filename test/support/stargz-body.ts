/**
 * The body of a stargz layer and its TOC entries, as stargz-snapshotter's `estargz.Writer` makes them: every payload
 * begins a new member (gzip) or frame (zstd), and what follows it up to the next payload rides in the same one.
 */
import { type Attributes, attributes } from "./attributes.ts";
import { concat, sha256 } from "./bytes.ts";
import { fixedChunks } from "./chunks.ts";
import { type EntryParts, entryParts, type TarItem, type TarOptions, tarParts } from "./tar.ts";
import { defined, omitEmpty, omitEmptyXattrs, type TocEntry, wholeModtime } from "./toc.ts";

/** What shapes the body. */
export interface BodyOptions {
  /** How the source tar is written. */
  readonly tar?: TarOptions;
  /** Chunk size in bytes; default 4 MiB. */
  readonly chunkSize?: number;
  /** Payloads share a member until it holds this many bytes (uncompressed); then TOC entries have `innerOffset`. */
  readonly minChunkSize?: number;
  /** The landmark file to add: `prefetch` ends the prioritized range, `noprefetch` says there is none. */
  readonly landmark?: "prefetch" | "noprefetch";
  /** How many of the entries are prioritized; the prefetch landmark follows them. Default: none. */
  readonly prioritized?: number;
  /** Keeps the source tar to its last byte. Without it, everything behind the last member is dropped. */
  readonly lossless?: boolean;
  /** Which digests the TOC has: of chunks and files, of files only, or none. Default `all`. */
  readonly digests?: "all" | "file" | "none";
}

/** Members, what they hold, and the entries that point into them. */
export interface StargzBody {
  readonly members: readonly Uint8Array[];
  /** The uncompressed bytes of all members. */
  readonly tar: Uint8Array;
  readonly entries: TocEntry[];
}

/** Content of a landmark file. */
const LANDMARK = Uint8Array.of(0x0f);
const LANDMARK_NAMES = { prefetch: ".prefetch.landmark", noprefetch: ".no.prefetch.landmark" } as const;

/** Writes the members of a layer; `compress` makes one of some bytes. */
export function stargzBody(
  items: Iterable<TarItem>,
  compress: (data: Uint8Array) => Uint8Array,
  options: BodyOptions = {},
): StargzBody {
  const { parts, tail } = tarParts(items, options.tar);
  const { chunkSize = 4 * 2 ** 20, minChunkSize = 0, digests = "all" } = options;
  const members: Uint8Array[] = [];
  const tar: Uint8Array[] = [];
  const entries: TocEntry[] = [];
  const names = new Set<string>();
  let pending: Uint8Array[] = [];
  let inner = 0; // bytes in the open member
  let shared = false; // the open member began with a payload, so others may follow
  let offset = 0; // where the open member starts in the blob
  const put = (data: Uint8Array): void => {
    pending.push(data);
    inner += data.length;
  };
  const close = (): void => {
    if (inner === 0) return;
    const content = concat(...pending);
    const member = compress(content);
    tar.push(content);
    members.push(member);
    offset += member.length;
    pending = [];
    inner = 0;
  };

  for (const { entry, header, data, padding } of withLandmark(parts, options)) {
    put(header);
    const known = entry === undefined ? null : attributes(entry);
    if (known === null || known.type === null) {
      put(data);
    } else {
      const first = startEntry(known, data, names, digests);
      entries.push(first);
      for (const chunk of fixedChunks(data.length, chunkSize)) {
        if (!shared || inner >= minChunkSize || isLandmark(known)) close();
        shared = true;
        const piece = data.subarray(chunk.offset, chunk.offset + chunk.size);
        const own: TocEntry = chunk.offset === 0 ? first : { name: known.textName, type: "chunk" };
        if (own !== first) entries.push(own);
        Object.assign(
          own,
          defined<TocEntry>({
            offset: omitEmpty(offset),
            innerOffset: omitEmpty(inner),
            chunkOffset: omitEmpty(chunk.offset),
            // The last chunk says nothing when it is short: "the rest".
            chunkSize: chunk.size === chunkSize ? chunkSize : undefined,
            chunkDigest: digests === "all" ? sha256(piece) : undefined,
          }),
        );
        put(piece);
      }
    }
    put(padding);
  }
  if (options.lossless) put(tail);
  close();
  return { members, tar: concat(...tar), entries: entries.map(inOrder) };
}

function* withLandmark(parts: readonly EntryParts[], options: BodyOptions): Generator<EntryParts> {
  const { landmark, prioritized = 0 } = options;
  if (landmark === undefined) return yield* parts;
  const at = landmark === "prefetch" ? prioritized : 0;
  yield* parts.slice(0, at);
  yield entryParts({ name: LANDMARK_NAMES[landmark], typeflag: "0", mode: 0, mtime: 0, data: LANDMARK });
  yield* parts.slice(at);
}

function isLandmark({ textName }: Attributes): boolean {
  return textName === LANDMARK_NAMES.prefetch || textName === LANDMARK_NAMES.noprefetch;
}

/** The entry of a member without its chunk; a user's or group's name is given once for each id. */
function startEntry(
  known: Attributes,
  data: Uint8Array,
  names: Set<string>,
  digests: BodyOptions["digests"],
): TocEntry {
  const once = (key: string, name: string): string | undefined => {
    if (name === "" || names.has(key)) return undefined;
    names.add(key);
    return name;
  };
  const isFile = known.type === "reg";
  const isDevice = known.type === "char" || known.type === "block";
  return defined<TocEntry>({
    name: known.textName,
    type: known.type ?? undefined,
    size: isFile ? omitEmpty(data.length) : undefined,
    modtime: wholeModtime(known),
    linkName: omitEmpty(known.linkName),
    mode: omitEmpty(known.mode),
    uid: omitEmpty(known.uid),
    gid: omitEmpty(known.gid),
    userName: once(`u${known.uid}`, known.userName),
    groupName: once(`g${known.gid}`, known.groupName),
    devMajor: isDevice ? omitEmpty(known.devMajor) : undefined,
    devMinor: isDevice ? omitEmpty(known.devMinor) : undefined,
    xattrs: omitEmptyXattrs(known),
    digest: isFile && digests !== "none" ? sha256(data) : undefined,
  });
}

/** The order in which the real writer puts its fields. */
const ORDER = (
  "name type size modtime linkName mode uid gid userName groupName offset innerOffset devMajor devMinor xattrs digest " +
  "chunkOffset chunkSize chunkDigest"
).split(" ");

function inOrder(entry: TocEntry): TocEntry {
  return defined<TocEntry>(Object.fromEntries(ORDER.map((key) => [key, entry[key]])));
}

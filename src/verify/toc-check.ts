/**
 * The tar stream against the TOC: every entry in both directions, every chunk, every file.
 *
 * With the TOC known beforehand entries are compared as they come. For a pipe they are remembered (attributes and
 * digests, no content) and compared at the end.
 *
 * @module
 */
import type { Hasher } from "../digest/hasher.ts";
import type { TarEntry } from "../tar/entry.ts";
import { isUtf8Name, replacedName } from "../tar/names.ts";
import { canonicalPath } from "../tar/paths.ts";
import type { TocChunk, TocFile } from "../toc/model.ts";
import { TOC_NAME } from "./capture.ts";
import { compareAttributes } from "./compare.ts";
import { type ComparedEntry, EntryLog, type EntryRecord } from "./entry-log.ts";
import type { Findings } from "./findings.ts";
import { type Cuts, type HashedPayload, type Segment } from "./payload.ts";
import type { TocFacts } from "./toc-facts.ts";

/** How one kind of thing compared. */
export interface Tally {
  total: number;
  matched: number;
  mismatched: number;
  /** For the claim: the first contradiction. */
  first: { where: string; expected: string; actual: string } | null;
}

const newTally = (): Tally => ({ total: 0, matched: 0, mismatched: 0, first: null });

/** What a TOC is compared with, as findings call it. */
export interface OtherView {
  /** In codes, e.g. `toc-tar-mode`. */
  readonly code: "tar" | "tar-split";
  readonly name: string;
}

export const TAR_STREAM: OtherView = { code: "tar", name: "the tar stream" };
export const TAR_SPLIT: OtherView = { code: "tar-split", name: "the tar-split" };

const EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ZEROS = new Uint8Array(64 * 1024);

export class TocCheck {
  readonly chunks = newTally();
  readonly files = newTally();
  readonly positions = newTally();
  /** Entries and attributes; `mismatched` counts differences. */
  readonly entries = newTally();
  /** Paths for which the TOC has more than one entry; directories that are alike do not count. */
  duplicates = 0;
  /** What the other view has for files with names that a TOC cannot hold, as they are not UTF-8. */
  readonly unheld = new Map<TocFile, TarEntry>();

  readonly #findings: Findings;
  readonly #sha256: Hasher;
  readonly #other: OtherView;
  readonly #zeros = new Map<number, string>();
  #facts: TocFacts | null = null;
  #byPath = new Map<string, TocFile[]>();
  #expected = new Map<ComparedEntry, TocFile | null>();
  #remembered: EntryLog | null;

  /**
   * @param sha256 used between payloads only, to hash runs of zeros
   * @param remember whether a TOC may come behind the entries
   * @param other whose entries are added
   */
  constructor(findings: Findings, sha256: Hasher, remember: boolean, other: OtherView = TAR_STREAM) {
    this.#findings = findings;
    this.#other = other;
    this.#sha256 = sha256;
    this.#remembered = remember ? new EntryLog() : null;
  }

  /**
   * Sets the TOC, and compares what was remembered.
   * @param tellDuplicates whether to report what is wrong with the TOC alone
   */
  load(facts: TocFacts, tellDuplicates = true): void {
    this.#facts = facts;
    for (const file of facts.toc?.files ?? []) {
      const { path } = canonicalPath(file.name);
      const before = this.#byPath.get(path);
      if (!before) this.#byPath.set(path, [file]);
      else before.push(file);
    }
    if (tellDuplicates) this.#reportDuplicates();
    // Taken from the end, which is cheap whatever their number.
    for (const files of this.#byPath.values()) files.reverse();
    const remembered = facts.toc ? this.#remembered : null;
    this.#remembered = null;
    for (const record of remembered?.drain() ?? []) {
      if (record.entry.kind !== "pax-global") {
        this.#compare(record, this.#take(record.entry, record.unitStart));
      }
    }
  }

  /** Which pieces of an entry's content to hash, and whether the whole is needed. */
  plan(entry: TarEntry, unitStart: number | null): { cuts: Cuts; whole: boolean } {
    if (entry.kind === "pax-global") return { cuts: "none", whole: false };
    if (this.#remembered) return { cuts: "units", whole: entry.storedSize > 0 };
    if (!this.#facts?.toc) return { cuts: "none", whole: false };
    const file = this.#take(entry, unitStart);
    this.#expected.set(entry, file);
    if (file && !holdsNames(entry)) this.unheld.set(file, entry);
    if (!file || file.chunks.length === 0) {
      return { cuts: "none", whole: entry.storedSize > 0 && file?.digest != null };
    }
    return {
      cuts: { ends: file.chunks.map((chunk) => chunk.chunkOffset + chunk.length) },
      whole: file.digest !== null,
    };
  }

  /** Takes an entry whose content has gone by. */
  add(record: EntryRecord): void {
    // No TOC lists a global header, and whatever its name is, it stands for no file.
    if (record.entry.kind === "pax-global") return;
    if (this.#remembered) this.#remembered.append(record);
    else if (this.#facts?.toc) {
      const file = this.#expected.get(record.entry) ?? null;
      this.#expected.delete(record.entry);
      this.#compare(record, file);
    }
  }

  /** Reports files of the TOC that the stream does not have. */
  end(): void {
    this.#remembered = null;
    for (const [path, files] of this.#byPath) {
      for (const file of files) {
        if (path === "" && isPlainRoot(file)) continue;
        this.#differs(
          this.#other === TAR_STREAM ? "toc-extra-entry" : "toc-tar-split-extra-entry",
          file.name,
          null,
          `the TOC has an entry that ${this.#other.name} does not have`,
          "absent",
          file.kind,
        );
      }
    }
  }

  #reportDuplicates(): void {
    for (const files of this.#byPath.values()) {
      if (files.length < 2 || files.every((file) => file.kind === "dir" && file.mode === files[0]!.mode)) {
        continue;
      }
      this.duplicates++;
      this.#findings.add(
        "toc-duplicate-entry",
        "error",
        `the TOC has ${files.length} entries for this path: readers refuse it`,
        files[0]!.name,
      );
    }
  }

  /** The TOC's next file of that name; null if there is none. The TOC's own entry is not part of it. */
  #take(entry: ComparedEntry, unitStart: number | null): TocFile | null {
    const { path } = canonicalPath(replacedName(entry.name));
    const files = this.#byPath.get(path);
    const file = files?.pop() ?? null;
    if (files?.length === 0) this.#byPath.delete(path);
    if (!file && this.#isToc(entry, unitStart)) return OWN_ENTRY;
    return file;
  }

  /** Only the first entry of the member that the footer names is the TOC; whatever else is in there is compared. */
  #isToc(entry: ComparedEntry, unitStart: number | null): boolean {
    const { name, kind } = entry;
    return name === TOC_NAME && kind === "file" && this.#facts?.family === "estargz" && unitStart !== null &&
      this.#facts.offset === unitStart;
  }

  #compare({ entry, hashed, sparse }: EntryRecord, file: TocFile | null): void {
    if (file === OWN_ENTRY) return;
    this.entries.total++;
    if (!file) {
      const what = `${this.#other.name} has an entry that the TOC does not have`;
      const code = this.#other === TAR_STREAM ? "toc-missing-entry" : "toc-tar-split-missing-entry";
      this.#differs(code, entry.name, entry.headerOffset, what, entry.kind, "absent");
      return;
    }
    const differences = compareAttributes(file, entry, this.#facts!.traits);
    for (const { attribute, toc, tar } of differences) {
      const code = `toc-${this.#other.code}-${
        attribute.split(" ")[0]!.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      }`;
      this.#differs(
        code,
        entry.name,
        entry.headerOffset,
        `TOC and ${this.#other.code} disagree about the ${attribute}: TOC ${toc}, ${this.#other.code} ${tar}`,
        tar,
        toc,
      );
    }
    if (differences.length === 0) this.entries.matched++;
    if (sparse && file.chunks.length > 0) {
      // A TOC's chunks are pieces of the file as it is stored, and what is stored here is not the file.
      const what = "the tar has a sparse member, which a TOC cannot describe";
      this.#differs(
        `toc-${this.#other.code}-sparse`,
        entry.name,
        entry.headerOffset,
        what,
        "sparse",
        "plain",
      );
    }
    // A tar-split leaves contents out.
    if (file.kind === "file" && this.#other === TAR_STREAM) this.#compareContent(file, entry, hashed);
  }

  #compareContent(file: TocFile, entry: ComparedEntry, hashed: HashedPayload): void {
    if (file.digest !== null) {
      const actual = entry.storedSize === 0 ? EMPTY : hashed.digest;
      this.files.total++;
      if (actual !== null) {
        this.#tally(this.files, "file-digest-mismatch", entry, null, file.digest, actual);
      }
    }
    let next = 0;
    for (const chunk of file.chunks) {
      this.chunks.total++;
      // Both lists ascend, so one walk over each will do.
      while (next < hashed.segments.length && hashed.segments[next]!.offset < chunk.chunkOffset) next++;
      const candidate = hashed.segments[next];
      const same = candidate?.offset === chunk.chunkOffset && candidate.length === chunk.length;
      const segment = same ? candidate : undefined;
      const whole = chunk.chunkOffset === 0 && chunk.length === entry.storedSize ? hashed.digest : null;
      const actual = segment?.digest ?? whole;
      if (actual === null || actual === undefined) {
        if (entry.storedSize !== file.size) {
          this.#tally(
            this.chunks,
            "chunk-digest-mismatch",
            entry,
            chunk,
            chunk.digest ?? "present",
            "absent",
          );
        }
        continue;
      }
      if (segment && !chunk.zeros) this.#comparePosition(chunk, segment, entry);
      const expected = chunk.zeros ? this.#zerosDigest(chunk.length) : chunk.digest;
      if (expected === null) continue;
      const wrong = chunk.digest !== null && chunk.digest !== actual ? chunk.digest : expected;
      this.#tally(this.chunks, "chunk-digest-mismatch", entry, chunk, wrong, actual);
    }
  }

  /** A lazy reader fetches the chunk from the place that the TOC names: the stream must have it from there too. */
  #comparePosition(chunk: TocChunk, segment: Segment, entry: ComparedEntry): void {
    this.positions.total++;
    if (chunk.offset === segment.unitOffset && chunk.innerOffset === segment.innerOffset) {
      this.positions.matched++;
      return;
    }
    const expected = `offset ${chunk.offset}, inner offset ${chunk.innerOffset}`;
    const actual = `offset ${segment.unitOffset}, inner offset ${segment.innerOffset}`;
    this.#tally(this.positions, "chunk-position-mismatch", entry, chunk, expected, actual);
  }

  #tally(
    tally: Tally,
    code: string,
    entry: ComparedEntry,
    chunk: TocChunk | null,
    expected: string,
    actual: string,
  ): void {
    if (expected === actual) {
      tally.matched++;
      return;
    }
    const where = chunk ? placeOf(chunk) : "the file";
    tally.mismatched++;
    tally.first ??= { where: `${where} of ${entry.name}`, expected, actual };
    this.#findings.add(
      code,
      "error",
      `${where}: the TOC says ${expected}, the bytes give ${actual}`,
      entry.name,
      entry.payloadOffset,
    );
  }

  #differs(
    code: string,
    name: string,
    offset: number | null,
    message: string,
    tar: string,
    toc: string,
  ): void {
    this.entries.mismatched++;
    this.entries.first ??= { where: name, expected: `TOC: ${toc}`, actual: `${this.#other.code}: ${tar}` };
    this.#findings.add(code, "error", message, name, offset);
  }

  #zerosDigest(length: number): string {
    let digest = this.#zeros.get(length);
    if (digest === undefined) {
      for (let left = length; left > 0; left -= ZEROS.length) {
        this.#sha256.update(ZEROS.subarray(0, Math.min(left, ZEROS.length)));
      }
      digest = `sha256:${this.#sha256.finish()}`;
      this.#zeros.set(length, digest);
    }
    return digest;
  }
}

/** Whether all names in an entry are UTF-8. */
function holdsNames({ name, linkName, xattrs }: TarEntry): boolean {
  return isUtf8Name(name) && isUtf8Name(linkName) && (!xattrs || [...xattrs.keys()].every(isUtf8Name));
}

function placeOf({ chunkOffset, length }: TocChunk): string {
  return `the chunk at ${chunkOffset} (${length} bytes)`;
}

/** A TOC may describe the root although the archive does not, as long as it is what readers assume without it. */
function isPlainRoot({ kind, mode, uid, gid, xattrs }: TocFile): boolean {
  return kind === "dir" && (mode & 0o7777) === 0o755 && uid === 0 && gid === 0 && xattrs === null;
}

/** Stands for the TOC's own entry in an eStargz stream, which no TOC lists. */
const OWN_ENTRY: TocFile = {
  name: TOC_NAME,
  kind: "file",
  size: 0,
  mode: 0,
  uid: 0,
  gid: 0,
  userName: "",
  groupName: "",
  namesUser: false,
  namesGroup: false,
  mtime: null,
  atime: null,
  ctime: null,
  linkName: "",
  devMajor: 0,
  devMinor: 0,
  xattrs: null,
  digest: null,
  chunks: [],
  endOffset: null,
};

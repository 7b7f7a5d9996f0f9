/**
 * Extracts a layer into a directory that overlayfs can use as a lower one.
 *
 * GNU tar makes the files, but it never sees the layer: this reads the layer's tar, decides what is to be made, and
 * writes a new tar that holds just that. Memory grows with the number of paths, not with their content.
 *
 * @module
 */
import { readdir } from "node:fs/promises";
import { OutputError } from "../errors.ts";
import type { TarEntry } from "../tar/entry.ts";
import type { TarLimits } from "../tar/entry-headers.ts";
import { sparseMalformed } from "../tar/sparse.ts";
import { TarReader } from "../tar/reader.ts";
import { paddingOf, TAR_END } from "../tar/write.ts";
import { type ByteSink, type Limits, limitsWith } from "../verify/options.ts";
import { type Abilities, extractArgs, probeAbilities } from "./abilities.ts";
import { exitError, fileSystemError } from "./failure.ts";
import { TarChild } from "./gnu-tar.ts";
import type { Member } from "./member.ts";
import { memberHeaders } from "./member-writer.ts";
import { ExtractionPlan } from "./plan.ts";
import { Settable } from "./settable.ts";
import { SparseMap, sparsePrefix } from "./sparse-map.ts";
import { type NotSet, Tally } from "./tally.ts";

export type { NotSet } from "./tally.ts";
export type { Abilities } from "./abilities.ts";

export interface ExtractOptions {
  readonly limits?: Partial<Limits>;
  /** Kills GNU tar; what waits then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** What can be set in the directory; found out by `probeAbilities` if it is not given. */
  readonly abilities?: Abilities;
}

/** What was extracted. */
export interface ExtractionReport {
  /** Entries of the tar, those that became nothing included. */
  readonly entries: number;
  /** Regular files, and their content in bytes, holes included. */
  readonly files: number;
  readonly bytes: number;
  readonly whiteouts: number;
  /** Opaque directories. */
  readonly opaque: number;
  readonly notSet: readonly NotSet[];
}

/** Takes the layer's tar. `write` and `ready` throw what `finish` would. */
export interface Extraction extends ByteSink {
  readonly abilities: Abilities;
  ready(): Promise<void>;
  /**
   * The tar has ended: waits until all is on the disk.
   * @throws {FormatError} the tar's, and `extract-*` (see `ExtractionPlan`)
   * @throws {LimitExceeded} `entries-limit`, `path-limit`, `tar-header-limit`, `names-limit`, `sparse-map-limit`
   * @throws {OutputError} `output-no-space`, `output-no-permission`, `output-failed`
   */
  finish(): Promise<ExtractionReport>;
  /** Kills GNU tar and waits for its end. Never throws. What lies in the directory is the caller's to remove. */
  abort(): Promise<void>;
}

/**
 * Begins to extract a layer.
 * @param directory exists and is empty
 * @throws {UnsupportedError} `gnu-tar-missing`, `gnu-tar-other`
 * @throws {OutputError} `output-not-empty`, `output-no-directory`, `output-no-permission`, `output-failed`
 */
export async function extractLayer(directory: string, options: ExtractOptions = {}): Promise<Extraction> {
  options.signal?.throwIfAborted();
  const found = await readdir(directory).catch((cause) => {
    throw fileSystemError(directory, cause);
  });
  if (found.length > 0) {
    throw new OutputError("output-not-empty", `Cannot extract into ${directory}: it is not empty`, {
      source: directory,
      advice: "Give a new directory.",
    });
  }
  const abilities = options.abilities ?? await probeAbilities(directory);
  options.signal?.throwIfAborted();
  return new LayerExtraction(directory, abilities, limitsWith(options.limits), options.signal);
}

class LayerExtraction implements Extraction {
  readonly abilities: Abilities;
  readonly #directory: string;
  readonly #child: TarChild;
  readonly #tally = new Tally();
  readonly #plan: ExtractionPlan;
  readonly #settable: Settable;
  readonly #reader: TarReader;
  readonly #limits: TarLimits;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.#fail(this.#signal!.reason);
  /** What went wrong first; boxed, for a signal's reason may be undefined. */
  #failure: { readonly error: unknown } | null = null;
  /** The lines of a warning that is not whole. */
  #warning = "";
  /** GNU tar was told the end. */
  #ended = false;
  /** First line of GNU tar that tells of a failure. */
  #message: string | null = null;
  /** The file whose payload flows by. */
  #file: FileInFlow | null = null;
  readonly #counts = { files: 0, bytes: 0, whiteouts: 0, opaque: 0 };

  constructor(directory: string, abilities: Abilities, limits: TarLimits, signal: AbortSignal | undefined) {
    this.#directory = directory;
    this.abilities = abilities;
    this.#limits = limits;
    this.#signal = signal;
    this.#plan = new ExtractionPlan(limits.entries, this.#tally);
    this.#settable = new Settable(abilities, this.#tally);
    this.#reader = new TarReader({
      entry: (entry) => this.#entry(entry),
      payload: (bytes) => this.#file?.payload(bytes),
      entryEnd: () => this.#entryEnd(),
    }, limits);
    const { owner, trusted, user, security } = abilities;
    const xattrs = trusted || user || security;
    this.#child = TarChild.start(extractArgs(directory, { owner, xattrs }), {
      onMessage: (line) => this.#heard(line),
    });
    // An end before `finish` is a failure at once: nobody is to feed a process that is gone.
    this.#child.exit.then(
      (exit) => {
        if (this.#failure || this.#ended) return;
        this.#fail(exitError(directory, exit, this.#message ?? TOO_EARLY));
      },
      (error) => this.#fail(error),
    );
    signal?.addEventListener("abort", this.#onAbort);
  }

  write(bytes: Uint8Array): void {
    this.#check();
    try {
      this.#reader.push(bytes);
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async ready(): Promise<void> {
    this.#check();
    await this.#child.ready();
    this.#check();
  }

  async finish(): Promise<ExtractionReport> {
    try {
      this.#check();
      this.#reader.end();
      for (const member of this.#plan.end()) {
        const settable = this.#settable.member(member);
        if (settable) {
          this.#count(settable);
          this.#child.write(memberHeaders(settable));
        }
        const wait = this.#child.ready();
        if (wait) await wait;
        this.#check();
      }
      this.#ended = true;
      this.#child.write(TAR_END);
      this.#child.end();
      const exit = await this.#child.exit;
      this.#check();
      const message = this.#message ?? (this.#child.tookAll || exit.code !== 0 ? null : TOO_EARLY);
      const error = exitError(this.#directory, exit, message);
      if (error) throw error;
    } catch (error) {
      this.#fail(error);
      await this.#child.exit.catch(() => {});
      throw error;
    } finally {
      this.#signal?.removeEventListener("abort", this.#onAbort);
    }
    return { entries: this.#reader.entries, ...this.#counts, notSet: this.#tally.list() };
  }

  async abort(): Promise<void> {
    this.#fail(new OutputError("output-failed", `The extraction into ${this.#directory} was given up`));
    await this.#child.exit.catch(() => {});
  }

  #entry(entry: TarEntry): void {
    const { directories, member, replaces } = this.#plan.entry(entry);
    for (const directory of directories) this.#child.write(memberHeaders(directory));
    if (!member) return;
    const settable = this.#settable.member(member, replaces);
    if (!settable) return;
    if (settable.kind === "file") {
      this.#counts.files++;
      this.#counts.bytes += settable.size;
      this.#file = new FileInFlow(settable, entry, this.#limits.pax, (bytes) => this.#child.write(bytes));
    } else this.#child.write(memberHeaders(settable));
  }

  #entryEnd(): void {
    this.#file?.end();
    this.#file = null;
  }

  #count({ kind, opaque }: Member): void {
    if (kind === "char") this.#counts.whiteouts++;
    if (opaque) this.#counts.opaque++;
  }

  #heard(line: string): void {
    const text = this.#warning === "" ? line : `${this.#warning}\n${line}`;
    const xattr = XATTR_WARNING.exec(text);
    // GNU tar does not quote the name in it: one with newlines takes several lines.
    this.#warning = !xattr && XATTR_BEGIN.test(text) ? text.slice(0, MAX_WARNING) : "";
    if (xattr) this.#tally.add("xattr", xattr[2]!, `${xattr[1]}: ${xattr[3]}`);
    // GNU tar would go on with the next file; on a full disk with every one of them.
    else if (this.#warning === "" && this.#message === null) {
      this.#message = line;
      this.#fail(exitError(this.#directory, { code: 2, signal: null }, line));
    }
  }

  #fail(error: unknown): void {
    if (this.#failure) return;
    this.#failure = { error };
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#child.kill();
  }

  #check(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

const TOO_EARLY = "GNU tar has ended too early";

/**
 * A warning: all else of the file is set. Whatever a name in it may look like, a failure is told by GNU tar's status, too.
 */
const XATTR_WARNING =
  /^[^:]*: [a-z]+: Cannot set '(.*?)' extended attribute for file '\.\/(.*)': ([A-Z][ A-Za-z]*)$/s;
const XATTR_BEGIN = /^[^:]*: [a-z]+: Cannot set '/;
const MAX_WARNING = 1 << 16;

/** The payload of one file on its way from the layer to GNU tar. */
class FileInFlow {
  readonly #member: Member;
  readonly #entry: TarEntry;
  readonly #write: (bytes: Uint8Array) => void;
  /** Null when all that comes is data. */
  #map: SparseMap | null = null;
  #written = 0;

  /** @param limit most bytes of a sparse map */
  constructor(member: Member, entry: TarEntry, limit: number, write: (bytes: Uint8Array) => void) {
    this.#member = member;
    this.#entry = entry;
    this.#write = write;
    if (member.sparse) {
      this.#map = new SparseMap(member.sparse, entry.headerOffset, limit);
      this.#mapped();
    } else write(memberHeaders(member));
  }

  /** @param bytes valid only during the call */
  payload(bytes: Uint8Array): void {
    let data = bytes;
    if (this.#map) {
      data = bytes.subarray(this.#map.push(bytes));
      this.#mapped();
    }
    if (data.length === 0) return;
    this.#write(data);
    this.#written += data.length;
  }

  /** @throws {FormatError} `sparse-malformed` when the map is not whole */
  end(): void {
    if (this.#map) throw sparseMalformed("its map is not whole", this.#entry.headerOffset);
    this.#write(paddingOf(this.#written));
  }

  #mapped(): void {
    const map = this.#map!;
    const { extents, length } = map;
    if (!extents) return;
    this.#map = null;
    const stored = this.#entry.storedSize - length;
    const prefix = sparsePrefix(extents, this.#member.size, { stored, offset: this.#entry.headerOffset });
    this.#write(memberHeaders(this.#member, { prefix, extents }));
    this.#write(prefix);
  }
}

/**
 * Catches, while the blob streams by, what may turn out to be its TOC, tar-split and footer.
 *
 * From a pipe the TOC's bytes are kept (bounded); from a seekable source only their digest, which proves that the TOC
 * read beforehand is the one in the bytes that were hashed.
 *
 * @module
 */
import type { SkippableStart, UnitStart } from "../codec/events.ts";
import type { Hasher } from "../digest/hasher.ts";
import { LayerproofError } from "../errors.ts";
import type { TarLimits } from "../tar/entry-headers.ts";
import { TarReader } from "../tar/reader.ts";
import { type EstargzFooter, parseEstargzExtra } from "../toc/footer-estargz.ts";

/** The entry that holds an eStargz TOC. */
export const TOC_NAME = "stargz.index.json";

/** A skippable frame behind the last data frame. `offset` is of its payload in the blob. */
export interface CapturedFrame {
  readonly offset: number;
  readonly length: number;
  readonly digest: string;
  /** null if too long to keep, or not wanted */
  readonly bytes: Uint8Array | null;
}

/** TOC, tar-split, footer, and one that a later writer might add. */
const TRAILING_FRAMES = 4;
/** A footer is read from the frame itself, so it is always kept. */
const ALWAYS_KEPT = 64;

export class TrailingFrames {
  readonly #sha256: Hasher;
  readonly #keep: number;
  #frames: CapturedFrame[] = [];
  #current: { offset: number; length: number; kept: KeptBytes | null } | null = null;

  /** @param keep most bytes to keep of all frames together (0 to keep footers only) */
  constructor(sha256: Hasher, keep: number) {
    this.#sha256 = sha256;
    this.#keep = keep;
  }

  get frames(): readonly CapturedFrame[] {
    return this.#frames;
  }

  /** A data frame begins: what came before was no trailer. */
  unitStart(): void {
    if (this.#frames.length > 0) this.#frames = [];
  }

  skippableStart({ blobOffset, length }: SkippableStart): void {
    const held = this.#frames.reduce((sum, frame) => sum + (frame.bytes?.length ?? 0), 0);
    const keep = length <= ALWAYS_KEPT || held + length <= this.#keep;
    this.#current = { offset: blobOffset + 8, length, kept: keep ? new KeptBytes(length) : null };
  }

  skippableData(bytes: Uint8Array): void {
    this.#sha256.update(bytes);
    this.#current!.kept?.push(bytes);
  }

  skippableEnd(): void {
    const { offset, length, kept } = this.#current!;
    this.#current = null;
    this.#frames.push({
      offset,
      length,
      digest: `sha256:${this.#sha256.finish()}`,
      bytes: kept?.bytes ?? null,
    });
    if (this.#frames.length > TRAILING_FRAMES) this.#frames.shift();
  }
}

/**
 * The last entry called `stargz.index.json` that begins a member, and the footer in the last member.
 *
 * Lossless eStargz keeps the source archive whole, end marker included, and puts the TOC's entry behind it, where no tar
 * reader looks: members that begin there are read as little archives of their own.
 */
export class EstargzTail {
  readonly #sha256: Hasher;
  readonly #keep: number;
  readonly #limits: TarLimits;
  #behindEnd: TarReader | null = null;
  #entry: {
    unitOffset: number;
    outOffset: number;
    size: number;
    kept: KeptBytes | null;
    digest: string;
  } | null = null;
  #footer: EstargzFooter | null = null;
  #open = false;

  constructor(sha256: Hasher, keep: number, limits: TarLimits) {
    this.#sha256 = sha256;
    this.#keep = keep;
    this.#limits = limits;
  }

  /** The footer, if the last member has one. */
  get footer(): EstargzFooter | null {
    return this.#footer;
  }

  /** Whether the footer points at the entry, and the entry's member begins at this offset in the tar stream. */
  isTocAt(outOffset: number): boolean {
    const footer = this.footer;
    const pointed = footer !== null && footer.kind !== "external" &&
      footer.tocOffset === this.#entry?.unitOffset;
    return pointed && this.#entry!.outOffset === outOffset;
  }

  get entry(): {
    readonly unitOffset: number;
    readonly digest: string;
    readonly size: number;
    readonly bytes: Uint8Array | null;
  } | null {
    const entry = this.#entry;
    return entry && { ...entry, bytes: entry.kept?.bytes ?? null };
  }

  /** @param ended whether the archive's end marker has gone by */
  unitStart(unit: UnitStart, ended: boolean): void {
    this.#behindEnd = ended ? this.#reader(unit) : null;
    this.#footer = unit.extra ? parseEstargzExtra(unit.extra) : null;
  }

  /** Takes the output of members that begin behind the end marker. */
  data(bytes: Uint8Array): void {
    try {
      this.#behindEnd?.push(bytes);
    } catch (error) {
      if (!(error instanceof LayerproofError)) throw error;
      // Whatever it is, it is no TOC; that there are bytes behind the end is told elsewhere.
      this.#behindEnd = null;
      this.entryEnd();
    }
  }

  #reader(unit: UnitStart): TarReader {
    return new TarReader({
      entry: (entry) => {
        const first = entry.headerOffset === 0;
        if (first && entry.name === TOC_NAME && entry.kind === "file") {
          this.entryStart(unit, entry.storedSize);
        }
      },
      payload: (bytes) => this.payload(bytes),
      entryEnd: () => this.entryEnd(),
    }, this.#limits);
  }

  /** Takes the first entry of a member: that is where a footer points. */
  entryStart({ blobOffset, outOffset }: UnitStart, size: number): void {
    const keep = size <= this.#keep;
    this.#entry = {
      unitOffset: blobOffset,
      outOffset,
      size,
      kept: keep ? new KeptBytes(size) : null,
      digest: "",
    };
    this.#open = true;
  }

  payload(bytes: Uint8Array): void {
    if (!this.#open) return;
    this.#sha256.update(bytes);
    this.#entry!.kept?.push(bytes);
  }

  entryEnd(): void {
    if (!this.#open) return;
    this.#entry!.digest = `sha256:${this.#sha256.finish()}`;
    this.#open = false;
  }
}

/** Bytes that are kept, in a buffer that grows as they come: the length that was announced is the blob's word. */
class KeptBytes {
  #buffer: Uint8Array;
  #filled = 0;

  constructor(announced: number) {
    this.#buffer = new Uint8Array(Math.min(announced, 1 << 20));
  }

  push(bytes: Uint8Array): void {
    const end = this.#filled + bytes.length;
    if (end > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(2 * this.#buffer.length, end));
      larger.set(this.#buffer.subarray(0, this.#filled));
      this.#buffer = larger;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled = end;
  }

  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#filled);
  }
}

/**
 * Hashes the content of one file as it flows by: the whole, and the pieces that a TOC calls chunks.
 *
 * With the TOC at hand the pieces are its chunks. For a pipe the TOC comes last; then content is cut at every member or
 * frame, which is where writers begin a chunk (chunks that share an eStargz member with another are the exception, and
 * are told as not checked).
 *
 * @module
 */
import type { DigestLane, DigestQueue } from "../digest/queue.ts";

/** The member or frame that was being decoded. */
export interface Unit {
  readonly blobOffset: number;
  readonly outOffset: number;
}

/** A hashed piece of a payload, and where a lazy reader would find it. Offsets and lengths in bytes. */
export interface Segment {
  /** In the payload. */
  readonly offset: number;
  readonly length: number;
  readonly digest: string;
  /** Offset in the blob of the member or frame that holds the first byte, and of that byte in its output. */
  readonly unitOffset: number;
  readonly innerOffset: number;
}

/** What one payload hashed to. `digest` is null where it was not asked for. */
export interface HashedPayload {
  readonly segments: readonly Segment[];
  readonly digest: string | null;
}

/** Which pieces to hash: at the given ends (offsets in the payload, ascending), wherever a unit begins, or none. */
export type Cuts = { readonly ends: readonly number[] } | "units" | "none";

export class PayloadHasher {
  readonly #queue: DigestQueue;
  readonly #piece: DigestLane;
  readonly #whole: DigestLane;
  #cuts: Cuts = "none";
  #wantsWhole = false;
  #segments: Segment[] = [];
  #position = 0;
  #start = 0;
  /** Index into the ends. */
  #next = 0;
  #unitOffset = 0;
  #innerOffset = 0;

  constructor(queue: DigestQueue, piece: DigestLane, whole: DigestLane) {
    this.#queue = queue;
    this.#piece = piece;
    this.#whole = whole;
  }

  /** @param whole whether the digest of the whole content is wanted */
  begin(cuts: Cuts, whole: boolean): void {
    this.#cuts = cuts;
    // One piece that covers everything is the whole: no need to hash twice.
    this.#wantsWhole = whole && !(typeof cuts === "object" && cuts.ends.length === 1);
    this.#segments = [];
    this.#position = this.#start = this.#next = 0;
  }

  /** Tells that a member or frame begins before the next byte. */
  unitStart(): void {
    if (this.#cuts === "units") this.#cut();
  }

  /** @param tarOffset of the first byte in the tar stream */
  update(bytes: Uint8Array, unit: Unit, tarOffset: number): void {
    if (this.#wantsWhole) this.#whole.update(bytes);
    if (this.#cuts === "none") {
      this.#position += bytes.length;
      return;
    }
    for (let at = 0; at < bytes.length;) {
      if (this.#position === this.#start) {
        this.#unitOffset = unit.blobOffset;
        this.#innerOffset = tarOffset + at - unit.outOffset;
      }
      const take = Math.min(bytes.length - at, this.#nextCut() - this.#position);
      this.#piece.update(at === 0 && take === bytes.length ? bytes : bytes.subarray(at, at + take));
      at += take;
      this.#position += take;
      if (this.#position === this.#nextCut()) this.#cut();
    }
  }

  /** @param then called when all digests have come, in the order of payloads */
  end(then: (hashed: HashedPayload) => void): void {
    if (this.#cuts !== "none") this.#cut();
    const segments = this.#segments;
    let whole: string | null = null;
    if (this.#wantsWhole) this.#whole.finish((hex) => whole = `sha256:${hex}`);
    this.#queue.after(() => {
      const only = segments.length === 1 ? segments[0]!.digest : null;
      then({ segments, digest: whole ?? only });
    });
  }

  /** Where the current piece ends if not at a unit; behind the last end given, at the end of the payload. */
  #nextCut(): number {
    if (typeof this.#cuts === "string") return Number.POSITIVE_INFINITY;
    return this.#cuts.ends[this.#next] ?? Number.POSITIVE_INFINITY;
  }

  #cut(): void {
    if (typeof this.#cuts === "object" && this.#position === this.#nextCut()) this.#next++;
    if (this.#position === this.#start) return;
    const segment = {
      offset: this.#start,
      length: this.#position - this.#start,
      digest: "",
      unitOffset: this.#unitOffset,
      innerOffset: this.#innerOffset,
    };
    this.#piece.finish((hex) => segment.digest = `sha256:${hex}`);
    this.#segments.push(segment);
    this.#start = this.#position;
  }
}

/**
 * The lines of a tar-split as Go's encoding/json writes them, put together piece by piece: a segment may be longer than
 * what is worth keeping in memory.
 *
 * @module
 */
import { encodeName, isUtf8Name } from "../tar/names.ts";
import { Base64Encoder, encodeBase64 } from "./base64.ts";

/** Bytes that are gathered before they are handed on. */
const BATCH = 65_536;
/** Raw bytes that are encoded at once: their base64 fits in an empty batch. */
const STEP = BATCH / 4 * 3 - 3;

const encoder = new TextEncoder();

export class LineWriter {
  readonly #sink: (bytes: Uint8Array) => void;
  readonly #batch = new Uint8Array(BATCH);
  readonly #view = new DataView(this.#batch.buffer);
  readonly #base64 = new Base64Encoder();
  #length = 0;
  #position = 0;
  /** Raw bytes in the segment that is being written. */
  #segment = 0;

  /** @param sink gets the text in batches, cut anywhere; each is valid only during the call */
  constructor(sink: (bytes: Uint8Array) => void) {
    this.#sink = sink;
  }

  /** Raw bytes in the segment that has begun, 0 between segments. */
  get segmentLength(): number {
    return this.#segment;
  }

  /** Goes on with the segment, or begins one. */
  segment(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    if (this.#segment === 0) this.#text('{"type":2,"payload":"');
    this.#segment += bytes.length;
    for (let at = 0; at < bytes.length; at += STEP) {
      const piece = bytes.length <= STEP ? bytes : bytes.subarray(at, at + STEP);
      this.#reserve(4 * Math.ceil((piece.length + 2) / 3));
      this.#length = this.#base64.push(piece, this.#view, this.#length);
    }
  }

  /** Ends the segment, if one has begun: the format has no empty ones. */
  endSegment(): void {
    if (this.#segment === 0) return;
    this.#segment = 0;
    this.#reserve(4);
    this.#length = this.#base64.end(this.#view, this.#length);
    this.#text(`","position":${this.#position++}}\n`);
  }

  /** A file's line; only between segments. @param crc64 null where nothing was taken out */
  file(name: string, size: number, crc64: bigint | null): void {
    const payload = crc64 === null ? "null" : `"${encodeBase64(bigEndian(crc64))}"`;
    const sizeField = size > 0 ? `"size":${size},` : "";
    this.#text(
      `{"type":1,${nameField(name)}${sizeField}"payload":${payload},"position":${this.#position++}}\n`,
    );
  }

  /** Hands on what is left. */
  flush(): void {
    if (this.#length > 0) this.#sink(this.#batch.subarray(0, this.#length));
    this.#length = 0;
  }

  #text(text: string): void {
    if (3 * text.length > BATCH) {
      this.flush();
      this.#sink(encoder.encode(text));
      return;
    }
    this.#reserve(3 * text.length);
    this.#length += encoder.encodeInto(text, this.#batch.subarray(this.#length)).written;
  }

  #reserve(bytes: number): void {
    if (BATCH - this.#length < bytes) this.flush();
  }
}

function nameField(name: string): string {
  if (name === "") return "";
  if (!isUtf8Name(name)) return `"name_raw":"${encodeBase64(encodeName(name))}",`;
  return `"name":${goString(name)},`;
}

/** A JSON string as encoding/json writes it: safe inside of HTML, and of JavaScript before ES2019. */
function goString(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function bigEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

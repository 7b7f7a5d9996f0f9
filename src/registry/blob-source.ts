/**
 * A blob of a registry as a seekable source: ranges by `Range`, everything by one GET that goes on where it broke off.
 *
 * Nothing here is proved: whoever reads compares digests. What is checked is that the bytes are those that were asked
 * for. A server that cannot give ranges is asked for the whole blob once, which is then kept on disk.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { ClosableSource } from "../source/file.ts";
import { joined } from "./body.ts";
import { coalesced, type ReadRange } from "./coalesce.ts";
import { firstPart, MULTIPART_OVERHEAD, multipartBoundary, parseContentRange } from "./content-range.ts";
import type { Endpoint } from "./endpoint.ts";
import { RangesFail, Transient } from "./failure.ts";
import type { Answer } from "./redirects.ts";
import { Spool } from "./spool.ts";
import type { HttpResponse } from "./transport.ts";

const WHOLE: ReadonlySet<number> = new Set([200]);
/** To a range: as asked, ignored, or refused in one of the ways that are in the wild. */
const RANGED: ReadonlySet<number> = new Set([200, 206, 400, 405, 416, 501]);

/** Bytes after which a broken download counts as having come on. */
const PROGRESS = 2 ** 20;

export interface RegistryBlob {
  /** Validated: it becomes part of a URL. */
  readonly digest: string;
  /** Bytes, from the descriptor. */
  readonly size: number;
}

/** @param name what to call it in reports and errors */
export function registryBlob(endpoint: Endpoint, blob: RegistryBlob, name: string): ClosableSource {
  return new BlobSource(endpoint, blob, name);
}

class BlobSource implements ClosableSource {
  readonly name: string;
  readonly size: number;
  readonly #endpoint: Endpoint;
  readonly #path: string;
  /** Where the registry redirected to the last time: asked directly until it refuses. */
  #via: URL | null = null;
  #spool: Promise<Spool> | null = null;
  /** Neighbours that are asked for together are one request. */
  readonly #fetch: ReadRange = coalesced((offset, length) => this.#fetchRange(offset, length));

  constructor(endpoint: Endpoint, { digest, size }: RegistryBlob, name: string) {
    this.name = name;
    this.size = size;
    this.#endpoint = endpoint;
    this.#path = `blobs/${digest}`;
  }

  /**
   * @throws {SourceError} `source-short-read`, `registry-...`
   * @throws {OutputError} `spool-failed`
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new SourceError(
        "source-short-read",
        `Cannot read ${length} bytes at offset ${offset} of ${this.name}: it has ${this.size} bytes`,
        { source: this.name, blobOffset: offset },
      );
    }
    if (length === 0) return new Uint8Array(0);
    if (this.#spool) return await (await this.#spool).read(offset, length);
    return await this.#fetch(offset, length);
  }

  #fetchRange(offset: number, length: number): Promise<Uint8Array> {
    // Some servers answer 400 to a range that is the whole blob.
    if (length === this.size) return this.#all();
    const { network, host } = this.#endpoint;
    return network.afterFirstRange(host, () => this.#askRange(offset, length));
  }

  async #askRange(offset: number, length: number): Promise<Uint8Array> {
    const { network, host } = this.#endpoint;
    if (network.lacksRanges(host)) return await (await this.#whole(null)).read(offset, length);
    try {
      const found = await network.attempts().run(() =>
        network.gate(host).run(() => this.#range(offset, length))
      );
      if (found instanceof Uint8Array) return found;
      network.rememberNoRanges(host);
      return await (await this.#whole(found)).read(offset, length);
    } catch (error) {
      if (!(error instanceof RangesFail)) throw error;
      const spool = await this.#whole(null);
      // Only now: had the whole not come either, ranges were not what is wrong.
      network.rememberNoRanges(host);
      return await spool.read(offset, length);
    }
  }

  async *stream(): AsyncGenerator<Uint8Array, void, void> {
    if (this.#spool) yield* (await this.#spool).stream();
    else yield* this.#download(null);
  }

  async close(): Promise<void> {
    const spool = this.#spool;
    this.#spool = null;
    await (await spool?.catch(() => null))?.close();
  }

  /** A range, or the answer with the whole blob that came in its place. */
  async #range(offset: number, length: number): Promise<Uint8Array | HttpResponse> {
    const last = offset + length - 1;
    const { response } = await this.#get({ range: `bytes=${offset}-${last}` }, RANGED);
    const { status } = response;
    // Whoever takes it has asked for everything: to be read by one alone.
    if (status === 200) {
      if (!this.#spool) return response;
      response.discard();
      return await (await this.#spool).read(offset, length);
    }
    if (status !== 206) {
      response.discard();
      throw this.#rangesFail(`it answers ${status}`);
    }
    if (isEncoded(response)) {
      response.discard();
      throw this.#rangesFail("it encodes them");
    }
    const boundary = multipartBoundary(response.header("content-type"));
    if (boundary !== null) return await this.#part(response, boundary, offset, length);
    this.#checkRange(response.header("content-range"), offset, last, response);
    return await this.#exactly(response, length);
  }

  async #part(
    response: HttpResponse,
    boundary: string,
    offset: number,
    length: number,
  ): Promise<Uint8Array> {
    const body = await this.#atMost(response, length + 2 * MULTIPART_OVERHEAD);
    const part = body && firstPart(body, boundary);
    if (!part) throw this.#rangesFail("it answers with several parts that cannot be told apart");
    const { range, bytes } = part;
    const right = range?.first === offset && bytes.length === length && this.#isSize(range.size);
    if (!right) throw this.#rangesFail("it answers with another range");
    return bytes;
  }

  #checkRange(header: string | null, first: number, last: number, response: HttpResponse): void {
    const range = parseContentRange(header);
    if (range?.first === first && range.last === last && this.#isSize(range.size)) return;
    response.discard();
    throw this.#rangesFail(
      header === null
        ? "it does not say which range it sends"
        : `asked for bytes ${first}-${last}/${this.size}, it sends ${JSON.stringify(header.slice(0, 100))}`,
    );
  }

  #isSize(size: number | null): boolean {
    return size === null || size === this.size;
  }

  async #exactly(response: HttpResponse, length: number): Promise<Uint8Array> {
    const bytes = await this.#atMost(response, length);
    if (bytes === null) throw this.#rangesFail("it sends more than it was asked for");
    if (bytes.length === length) return bytes;
    throw this.#short(bytes.length, length);
  }

  /** The body, or null if it is longer. */
  async #atMost(response: HttpResponse, limit: number): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const piece of response.body) {
      size += piece.length;
      if (size > limit) return null;
      pieces.push(piece);
    }
    return joined(pieces, size);
  }

  async #all(): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.#download(null)) pieces.push(piece);
    return joined(pieces, this.size);
  }

  /** The blob on disk, fetched once whoever asks. @param first an answer that already holds it */
  #whole(first: HttpResponse | null): Promise<Spool> {
    if (this.#spool) first?.discard();
    return this.#spool ??= Spool.fill(this.#download(first), this.name, this.size).catch((error) => {
      this.#spool = null;
      throw error;
    });
  }

  /** All bytes in order, exactly `size` of them. A download that breaks off is taken up where it ended. */
  async *#download(first: HttpResponse | null): AsyncGenerator<Uint8Array, void, void> {
    const { network } = this.#endpoint;
    const attempts = network.attempts();
    let at = 0, counted = 0;
    let given = first;
    while (true) {
      try {
        const { response, skip } = given ? { response: given, skip: 0 } : await this.#from(at);
        given = null;
        this.#checkWhole(response, skip === at);
        let passed = 0;
        for await (const piece of response.body) {
          const fresh = piece.subarray(Math.min(piece.length, Math.max(0, skip - passed)));
          passed += piece.length;
          if (fresh.length === 0) continue;
          at += fresh.length;
          if (at > this.size) throw this.#long();
          if (at - counted >= PROGRESS) {
            counted = at;
            attempts.progress();
          }
          yield fresh;
        }
        if (at === this.size) return;
        throw this.#short(at, this.size);
      } catch (error) {
        given = null;
        this.#via = null;
        await attempts.after(error);
      }
    }
  }

  /** The blob from `at` on; `skip` bytes of the body were had before. */
  async #from(at: number): Promise<{ readonly response: HttpResponse; readonly skip: number }> {
    const { network, host } = this.#endpoint;
    if (at === 0 || network.lacksRanges(host)) {
      return { response: (await this.#get({}, WHOLE)).response, skip: at };
    }
    const last = this.size - 1;
    const { response } = await this.#get({ range: `bytes=${at}-${last}` }, RANGED);
    if (response.status === 200) return { response, skip: at };
    if (response.status === 206 && !isEncoded(response)) {
      const range = parseContentRange(response.header("content-range"));
      if (range?.first === at && range.last === last && this.#isSize(range.size)) {
        return { response, skip: 0 };
      }
    }
    response.discard();
    network.rememberNoRanges(host);
    return { response: (await this.#get({}, WHOLE)).response, skip: at };
  }

  /** @param whole whether the body should be the blob from its start */
  #checkWhole(response: HttpResponse, whole: boolean): void {
    if (!whole || response.status !== 200) return;
    const length = response.header("content-length");
    const fits = length === null ? null : Number(length) === this.size;
    // With the blob's own length, the encoding is a mere label: these are the blob's bytes.
    if (isEncoded(response) && fits !== true) {
      response.discard();
      throw new SourceError(
        "registry-content-encoding",
        `${this.name} comes with Content-Encoding ${
          response.header("content-encoding")
        }, against the request`,
        { source: this.name, advice: "The registry or a proxy before it changes blobs: turn that off." },
      );
    }
    if (fits !== false) return;
    response.discard();
    throw new SourceError("registry-blob-size", `${this.name} does not have the size in its descriptor`, {
      source: this.name,
      expected: String(this.size),
      actual: length!,
      advice: "The manifest is wrong about the blob, or the registry has lost a part of it.",
    });
  }

  async #get(headers: Readonly<Record<string, string>>, expected: ReadonlySet<number>): Promise<Answer> {
    try {
      const answer = await this.#endpoint.get(this.#path, headers, expected, this.#via);
      this.#via = answer.elsewhere ? answer.url : null;
      return answer;
    } catch (error) {
      this.#via = null;
      throw error;
    }
  }

  #rangesFail(why: string): RangesFail {
    return new RangesFail(
      "registry-range",
      `${this.#endpoint.host} gives no ranges of ${this.name}: ${why}`,
      {
        source: this.name,
        advice: "The blob is read as a whole.",
      },
    );
  }

  #short(actual: number, expected: number): Transient {
    return new Transient("registry-short-body", `${this.name} ended after ${actual} of ${expected} bytes`, {
      source: this.name,
      expected: String(expected),
      actual: String(actual),
      advice: "The connection was cut, or the registry has lost a part of the blob.",
    });
  }

  #long(): SourceError {
    return new SourceError("registry-long-body", `${this.name} has more bytes than its descriptor says`, {
      source: this.name,
      expected: String(this.size),
      advice: "The manifest is wrong about the blob, or the registry sends another one.",
    });
  }
}

function isEncoded(response: HttpResponse): boolean {
  const encoding = response.header("content-encoding");
  return encoding !== null && encoding !== "" && encoding.toLowerCase() !== "identity";
}

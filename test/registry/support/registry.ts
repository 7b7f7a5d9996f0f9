/**
 * A registry that behaves as the test says: it keeps what it was asked, and each fault of real registries is one
 * function in place of the right answer.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import {
  type Image,
  image,
  type LayerInput,
  type LayoutOptions,
  MEDIA_TYPE,
} from "../../support/descriptor.ts";
import { sha256 } from "../../support/bytes.ts";

/** One request as it arrived. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Answers a request, or gives false: then the registry answers as it should. */
export type Fault = (asked: Asked, response: ServerResponse, bytes: Uint8Array | null) => boolean | void;

export interface RegistryOptions {
  readonly tls?: { readonly key: string; readonly cert: string };
}

export class FakeRegistry {
  readonly log: Asked[] = [];
  /** Takes the place of the right answer. */
  fault: Fault = () => false;
  /** Bytes of bodies that were handed to sockets. */
  sent = 0;
  readonly scheme: "http" | "https";
  readonly #server: Server;
  readonly #content = new Map<string, { bytes: Uint8Array; type: string }>();

  private constructor(server: Server, scheme: "http" | "https") {
    this.#server = server;
    this.scheme = scheme;
  }

  static async start({ tls }: RegistryOptions = {}): Promise<FakeRegistry> {
    const answer = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
      let body = "";
      incoming.setEncoding("utf8").on("data", (text: string) => body += text);
      incoming.on("end", () => registry.#answer(incoming, outgoing, body));
    };
    const server = tls ? createTlsServer(tls, answer) : createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const registry = new FakeRegistry(server, tls ? "https" : "http");
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get origin(): string {
    return `${this.scheme}://${this.host}`;
  }

  put(path: string, bytes: Uint8Array, type = "application/octet-stream"): void {
    this.#content.set(path, { bytes, type });
  }

  /** Puts an image under a tag. */
  putImage(
    repository: string,
    tag: string,
    layers: readonly LayerInput[],
    options: LayoutOptions = {},
  ): Image {
    const made = image(layers, options);
    for (const bytes of [made.config, ...layers.map(({ blob }) => blob)]) {
      this.put(`/v2/${repository}/blobs/${sha256(bytes)}`, bytes);
    }
    for (const name of [tag, made.manifestDescriptor.digest]) {
      this.put(`/v2/${repository}/manifests/${name}`, made.manifest, MEDIA_TYPE.manifest);
    }
    return made;
  }

  /** The requests for blobs. */
  get blobs(): readonly Asked[] {
    return this.log.filter(({ path }) => path.includes("/blobs/"));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections?.();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(
    { method = "GET", url = "/", headers }: IncomingMessage,
    response: ServerResponse,
    body: string,
  ): void {
    const [path, query = ""] = url.split("?") as [string, string?];
    const asked = { method, path, query, headers, body };
    this.log.push(asked);
    const found = this.#content.get(path);
    if (this.fault(asked, response, found?.bytes ?? null)) return;
    if (path === "/v2/") return void send(response, 200, {}, "{}");
    if (!found) return void send(response, 404, {}, "{}");
    const type = { "content-type": found.type };
    const range = /^bytes=(\d+)-(\d+)$/.exec(String(headers.range ?? ""));
    if (!range) {
      this.sent += found.bytes.length;
      return void send(response, 200, type, found.bytes);
    }
    const first = Number(range[1]), last = Number(range[2]);
    this.sent += last + 1 - first;
    const contentRange = `bytes ${first}-${last}/${found.bytes.length}`;
    send(response, 206, { ...type, "content-range": contentRange }, found.bytes.subarray(first, last + 1));
  }
}

/** A whole answer, with its length unless the headers say something else of it. */
export function send(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | string = "",
): true {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  response.writeHead(status, { "content-length": String(bytes.length), ...headers }).end(bytes);
  return true;
}

/** Sends the headers for all of `bytes`, and the first `length` of them; then the connection is cut. */
export function cut(
  response: ServerResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  bytes: Uint8Array,
  length: number,
): true {
  response.writeHead(status, { "content-length": String(bytes.length), ...headers });
  response.write(bytes.subarray(0, length), () => response.destroy());
  return true;
}

/** The two ends of the range that was asked for, or null. */
export function rangeOf({ headers }: Asked): { first: number; last: number } | null {
  const match = /^bytes=(\d+)-(\d+)$/.exec(String(headers.range ?? ""));
  return match && { first: Number(match[1]), last: Number(match[2]) };
}

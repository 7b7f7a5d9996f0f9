/**
 * One HTTP exchange, for Deno and Node.
 *
 * Not by `fetch`: it cannot be given a certificate authority for one host in Node, and it undoes `Content-Encoding`, with
 * which some stores label blobs that are merely gzip-compressed layers; their digest is that of the bytes as they are.
 * `node:https` has neither fault in both runtimes.
 *
 * @module
 */
import http from "node:http";
import https from "node:https";
import type { Clock } from "./clock.ts";
import { SourceError } from "../errors.ts";
import { shownUrl, Transient } from "./failure.ts";

/** How to meet a host over TLS. */
export interface TlsSettings {
  /** Certificate authorities in PEM, beside the system's. */
  readonly ca: readonly string[];
  /** Certificate and key in PEM that the client shows. */
  readonly client: { readonly cert: string; readonly key: string } | null;
  /** Whether to take any certificate. */
  readonly insecure: boolean;
}

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** User and password in it are not sent. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly tls: TlsSettings;
  readonly signal: AbortSignal;
}

export interface HttpResponse {
  readonly status: number;
  /** The value of a header (name in lower case), several joined by a comma; null without one. */
  header(name: string): string | null;
  /** The body as it came, undecoded. Ending the iteration early closes the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Nothing of the body is wanted. */
  discard(): void;
}

/**
 * Redirects are answers like any other.
 * @throws {Transient} `registry-unreachable`, `registry-timeout`, also while the body is read
 */
export type Transport = (request: HttpRequest) => Promise<HttpResponse>;

export interface TimeLimits {
  /** Milliseconds until connection and headers are there. */
  readonly answer: number;
  /** Milliseconds without a byte of the body. */
  readonly stall: number;
}

export const DEFAULT_TIME_LIMITS: TimeLimits = { answer: 30_000, stall: 30_000 };

/** Bytes of an unwanted body that are read to keep its connection. */
const DRAIN_LIMIT = 64 * 1024;

/** Connections are kept between requests. Call `close` at the end, or they keep the process alive for some seconds. */
export class NodeTransport {
  readonly #clock: Clock;
  readonly #limits: TimeLimits;
  readonly #plain = new http.Agent({ keepAlive: true });
  readonly #secure = new Map<TlsSettings, https.Agent>();

  constructor(clock: Clock, limits: TimeLimits = DEFAULT_TIME_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  readonly send: Transport = (request) => {
    const { url, method, headers, body, tls, signal } = request;
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const secure = url.protocol === "https:";
      let outgoing: http.ClientRequest;
      try {
        outgoing = (secure ? https : http).request({
          method,
          host: url.hostname.replace(/^\[|\]$/g, ""),
          port: url.port || (secure ? 443 : 80),
          path: url.pathname + url.search,
          headers: { host: url.host, ...headers },
          agent: secure ? this.#agent(tls) : this.#plain,
        });
      } catch (cause) {
        // Deno without permission; a certificate or key that is none.
        return reject(unreachable(url, cause));
      }
      const failed = (error: unknown): void => {
        stopTimer();
        signal.removeEventListener("abort", abort);
        reject(error);
        outgoing.destroy();
      };
      const abort = (): void => failed(signal.reason);
      const stopTimer = this.#clock.after(this.#limits.answer, () =>
        failed(
          new Transient("registry-timeout", `${shownUrl(url)} did not answer in ${this.#limits.answer} ms`),
        ), "time limit");
      signal.addEventListener("abort", abort, { once: true });
      outgoing.on("error", (cause) => failed(unreachable(url, cause)));
      outgoing.on("response", (incoming) => {
        stopTimer();
        signal.removeEventListener("abort", abort);
        resolve(this.#response(incoming, url, signal));
      });
      outgoing.end(body);
    });
  };

  close(): void {
    this.#plain.destroy();
    for (const agent of this.#secure.values()) agent.destroy();
    this.#secure.clear();
  }

  #agent(tls: TlsSettings): https.Agent {
    const known = this.#secure.get(tls);
    if (known) return known;
    const agent = new https.Agent({
      keepAlive: true,
      rejectUnauthorized: !tls.insecure,
      ...(tls.ca.length > 0 && { ca: [...tls.ca] }),
      ...tls.client,
    });
    this.#secure.set(tls, agent);
    return agent;
  }

  #response(incoming: http.IncomingMessage, url: URL, signal: AbortSignal): HttpResponse {
    // Until somebody reads, a lost connection is nobody's error.
    incoming.on("error", () => {});
    return {
      status: incoming.statusCode ?? 0,
      header(name) {
        const value = incoming.headers[name];
        return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
      },
      body: this.#body(incoming, url, signal),
      discard() {
        const length = Number(incoming.headers["content-length"] ?? Infinity);
        if (length <= DRAIN_LIMIT) incoming.resume();
        else incoming.destroy();
      },
    };
  }

  async *#body(
    incoming: http.IncomingMessage,
    url: URL,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, void> {
    const pieces = incoming[Symbol.asyncIterator]();
    let done = false;
    try {
      while (true) {
        const next = await this.#inTime(pieces.next(), url, signal);
        if (next.done) break;
        yield next.value as Uint8Array;
      }
      done = true;
    } finally {
      // Not `pieces.return()`: it may wait for the read that is being given up.
      if (!done) incoming.destroy();
    }
  }

  #inTime<T>(work: Promise<T>, url: URL, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const abort = (): void => settle(() => reject(signal.reason));
      const stopTimer = this.#clock.after(this.#limits.stall, () =>
        settle(() =>
          reject(
            new Transient("registry-timeout", `${shownUrl(url)} sent nothing for ${this.#limits.stall} ms`),
          )
        ), "time limit");
      const settle = (how: () => void): void => {
        stopTimer();
        signal.removeEventListener("abort", abort);
        how();
      };
      if (signal.aborted) abort();
      signal.addEventListener("abort", abort, { once: true });
      work.then(
        (value) => settle(() => resolve(value)),
        (cause) => settle(() => reject(unreachable(url, cause))),
      );
    });
  }
}

/** A connection that cannot be made or is lost. What another attempt would meet again is no `Transient`. */
function unreachable(url: URL, cause: unknown): SourceError {
  const { message, code } = cause as Error & { code?: string };
  const text = [code, message].filter((part) => part).join(": ").split("\n")[0]!;
  const what = `No answer from ${shownUrl(url)}: ${text}`;
  const details = { source: shownUrl(url), cause };
  if (/CERT|certificate|self.signed|ALTNAME/i.test(text)) {
    return new SourceError("registry-certificate", what, {
      ...details,
      advice: `Put the authority's certificate into /etc/containers/certs.d/${url.host}/ca.crt`,
    });
  }
  if ((cause as Error).name === "NotCapable") {
    return new SourceError("registry-no-permission", `Deno was not allowed to reach ${url.host}`, {
      ...details,
      advice: `Add --allow-net and --allow-sys behind "deno run".`,
    });
  }
  const advice = "Check the name, the network and the registry.";
  if (code === "ENOTFOUND") return new SourceError("registry-unreachable", what, { ...details, advice });
  return new Transient("registry-unreachable", what, { ...details, advice });
}

/**
 * What all requests of a program share: connections, certificates, limits, and what was learnt about hosts.
 *
 * @module
 */
import { type Clock, SYSTEM_CLOCK } from "./clock.ts";
import { type Environment, readTls } from "./config-files.ts";
import { Gate } from "./limit.ts";
import { type Answer, follow } from "./redirects.ts";
import { Attempts, DEFAULT_RETRIES, type RetryPolicy } from "./retry.ts";
import {
  DEFAULT_TIME_LIMITS,
  type HttpRequest,
  type HttpResponse,
  NodeTransport,
  type TimeLimits,
  type TlsSettings,
} from "./transport.ts";

export interface NetworkOptions {
  /** Where configuration is found: HOME, REGISTRY_AUTH_FILE and so on. The process's own by default. */
  readonly env?: Environment;
  /** Ends all work. */
  readonly signal?: AbortSignal;
  readonly retries?: RetryPolicy;
  readonly timeLimits?: TimeLimits;
  /** Requests to one host that are under way at once. */
  readonly perHost?: number;
  readonly clock?: Clock;
}

const PER_HOST = 8;

export class Network {
  readonly env: Environment;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly #retries: RetryPolicy;
  readonly #transport: NodeTransport;
  readonly #perHost: number;
  readonly #gates = new Map<string, Gate>();
  readonly #tls = new Map<string, Promise<TlsSettings>>();
  readonly #withoutRanges = new Set<string>();
  readonly #firstRanges = new Map<string, Promise<unknown>>();

  constructor(options: NetworkOptions = {}) {
    const { env = processEnv, signal = new AbortController().signal, clock = SYSTEM_CLOCK } = options;
    this.env = env;
    this.signal = signal;
    this.clock = clock;
    this.#retries = options.retries ?? DEFAULT_RETRIES;
    this.#perHost = options.perHost ?? PER_HOST;
    this.#transport = new NodeTransport(clock, options.timeLimits ?? DEFAULT_TIME_LIMITS);
  }

  /** @param most fewer attempts than usual, where there is something else to try */
  attempts(most = Infinity): Attempts {
    const attempts = Math.min(most, this.#retries.attempts);
    return new Attempts({ ...this.#retries, attempts }, this.clock, this.signal);
  }

  /** A GET, redirects followed. @param insecure whether this host's certificate is not looked at */
  get(url: URL, headers: Readonly<Record<string, string>>, insecure: boolean): Promise<Answer> {
    const { signal } = this;
    return follow(
      this.#transport.send,
      { url, headers, signal },
      // What is said about one host is not said about where it leads.
      (target) => this.#tlsFor(target, insecure && target.host === url.host),
    );
  }

  /** A POST whose redirects are answers. */
  async post(url: URL, form: URLSearchParams): Promise<HttpResponse> {
    const request: HttpRequest = {
      method: "POST",
      url,
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: form.toString(),
      tls: await this.#tlsFor(url, false),
      signal: this.signal,
    };
    return await this.#transport.send(request);
  }

  /** Lets as many callers through at once as one host is asked to bear. */
  gate(host: string): Gate {
    let gate = this.#gates.get(host);
    if (!gate) this.#gates.set(host, gate = new Gate(this.#perHost));
    return gate;
  }

  /** Reads a range; the first of a host alone, so that not many learn at once that it gives none. */
  async afterFirstRange<T>(host: string, read: () => Promise<T>): Promise<T> {
    const first = this.#firstRanges.get(host);
    if (first) {
      await first;
      return await read();
    }
    const reading = read();
    this.#firstRanges.set(host, reading.catch(() => {}));
    return await reading;
  }

  /** Whether this host answered a range with something else. */
  lacksRanges(host: string): boolean {
    return this.#withoutRanges.has(host);
  }

  rememberNoRanges(host: string): void {
    this.#withoutRanges.add(host);
  }

  /** Closes the connections that are kept. */
  close(): void {
    this.#transport.close();
  }

  #tlsFor(url: URL, insecure: boolean): Promise<TlsSettings> {
    if (url.protocol !== "https:") return Promise.resolve({ ca: [], client: null, insecure });
    const key = `${insecure} ${url.host}`;
    let settings = this.#tls.get(key);
    if (!settings) this.#tls.set(key, settings = this.#readTls(url.host, insecure));
    return settings;
  }

  async #readTls(host: string, insecure: boolean): Promise<TlsSettings> {
    const { ca, client } = await readTls(host, this.env);
    if (ca.length === 0) return { ca, client, insecure };
    // A list of one's own replaces the system's.
    const { rootCertificates, getCACertificates } = await import("node:tls");
    return { ca: [...getCACertificates?.() ?? rootCertificates, ...ca], client, insecure };
  }
}

function processEnv(name: string): string | undefined {
  const { process } = globalThis as { process?: { env: Record<string, string | undefined> } };
  return process?.env[name];
}

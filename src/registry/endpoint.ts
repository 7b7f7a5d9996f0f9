/**
 * One repository at one registry or mirror: requests with authorization, retries, and errors that say what is wrong.
 *
 * Distribution-spec 1.1, "Pull".
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import type { Credential } from "./auth-file.ts";
import { Authorization } from "./authorization.ts";
import { shownUrl, Transient } from "./failure.ts";
import type { Network } from "./network.ts";
import type { Answer } from "./redirects.ts";
import type { PullSource } from "./registries-conf.ts";
import { parseRetryAfter } from "./retry.ts";
import type { HttpResponse } from "./transport.ts";

/** Statuses after which another attempt may succeed. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Answers of a place that a redirect led to, which may only mean that the redirect has expired. */
const EXPIRED: ReadonlySet<number> = new Set([401, 403, 404, 410]);
/** Of an old redirect; some stores say it with a status that others refuse ranges with. */
const STALE: ReadonlySet<number> = new Set([...EXPIRED, 400]);

export class Endpoint {
  readonly network: Network;
  /** Of the registry, with its port. */
  readonly host: string;
  readonly repository: string;
  readonly #base: string;
  readonly #insecure: boolean;
  readonly #authorization: Authorization;

  private constructor(
    network: Network,
    { host, repository }: PullSource,
    base: string,
    insecure: boolean,
    credential: () => Promise<Credential | null>,
  ) {
    this.network = network;
    this.host = host;
    this.repository = repository;
    this.#base = base;
    this.#insecure = insecure;
    const requests = {
      get: (url: URL, headers: Readonly<Record<string, string>>) =>
        this.#token(
          url,
          async () => (await network.get(url, headers, insecure && url.host === host)).response,
        ),
      post: (url: URL, form: URLSearchParams) => this.#token(url, () => network.post(url, form)),
    };
    const secure = base.startsWith("https:");
    this.#authorization = new Authorization(repository, secure, credential, requests, network.clock);
  }

  /**
   * Finds out how the registry is met.
   *
   * HTTPS, and nothing else, unless registries.conf says `insecure = true`: then any certificate is taken, and plain HTTP
   * where there is no HTTPS. Where it says nothing, 127.0.0.0/8, ::1 and localhost may be plain too, as Docker has it
   * (podman does not): nobody can listen in between.
   * @param attempts at most
   * @throws {SourceError} `registry-unreachable`, `registry-timeout`
   */
  static async connect(
    network: Network,
    source: PullSource,
    credential: () => Promise<Credential | null>,
    attempts = Infinity,
  ): Promise<Endpoint> {
    const host = source.host === "docker.io" ? "registry-1.docker.io" : source.host;
    const insecure = source.insecure === true;
    const mayBePlain = insecure || (source.insecure === null && isLoopback(host));
    const secure = !mayBePlain ||
      await network.attempts(attempts).run(() => answersTls(network, host, insecure));
    const base = `${secure ? "https" : "http"}://${host}`;
    return new Endpoint(network, { ...source, host }, base, insecure, credential);
  }

  /** The URL of something in the repository, e.g. `manifests/latest`. */
  url(path: string): URL {
    return new URL(`${this.#base}/v2/${this.repository}/${path}`);
  }

  /**
   * One GET, without another attempt but for authorization. The statuses in `expected` are given back; the rest throws.
   * @param via a place that an earlier request was redirected to; it is asked without authorization
   * @throws {Transient} for what may pass
   * @throws {SourceError} `registry-not-found`, `registry-denied`, `registry-status`, `registry-redirect`
   */
  async get(
    path: string,
    headers: Readonly<Record<string, string>>,
    expected: ReadonlySet<number>,
    via: URL | null = null,
  ): Promise<Answer> {
    const { network } = this;
    const all = { "accept-encoding": "identity", "user-agent": "layerproof", ...headers };
    if (via) {
      const { response, url } = await network.get(via, all, false);
      if (expected.has(response.status) && !STALE.has(response.status)) {
        return { response, url, elsewhere: true };
      }
      response.discard();
      return await this.get(path, headers, expected);
    }
    const url = this.url(path);
    const answer = await this.#authorized(url, all);
    if (expected.has(answer.response.status) && !(answer.elsewhere && EXPIRED.has(answer.response.status))) {
      return answer;
    }
    throw failureOf(answer);
  }

  /** Sends a request; when it is refused, once more with a new token. A second refusal is final. */
  async #authorized(url: URL, headers: Readonly<Record<string, string>>): Promise<Answer> {
    const send = async (used: string | null): Promise<Answer> =>
      await this.network.get(
        url,
        used === null ? headers : { ...headers, authorization: used },
        this.#insecure,
      );
    const used = await this.#authorization.value();
    const answer = await send(used);
    const { response, elsewhere } = answer;
    // A challenge from elsewhere would have us send credentials to whom it likes.
    if (response.status !== 401 || elsewhere) return answer;
    if (!await this.#authorization.refused(response.header("www-authenticate"), used)) return answer;
    response.discard();
    return await send(await this.#authorization.value());
  }

  /** A token server's answer. */
  async #token(url: URL, send: () => Promise<HttpResponse>): Promise<HttpResponse> {
    return await this.network.attempts().run(async () => {
      const response = await send();
      if (response.status === 200) return response;
      response.discard();
      throw statusError(response, url, "token");
    });
  }
}

function failureOf({ response, url, elsewhere }: Answer): SourceError {
  response.discard();
  if (!elsewhere || !EXPIRED.has(response.status)) return statusError(response, url, "registry");
  // The next attempt is redirected anew.
  return new Transient("registry-status", `${shownUrl(url)} answered ${response.status}`, {
    source: shownUrl(url),
    advice: "The registry redirects to it: see whether its storage can be reached.",
  });
}

/** Whether the host speaks TLS; false: plain HTTP. */
async function answersTls(network: Network, host: string, insecure: boolean): Promise<boolean> {
  const ping = async (scheme: string): Promise<void> => {
    const { response } = await network.get(new URL(`${scheme}://${host}/v2/`), {}, insecure);
    response.discard();
  };
  try {
    await ping("https");
    return true;
  } catch (overTls) {
    network.signal.throwIfAborted();
    try {
      await ping("http");
      return false;
    } catch {
      throw overTls;
    }
  }
}

function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  return name === "localhost" || name === "[::1]" || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function statusError(response: HttpResponse, url: URL, who: "registry" | "token"): SourceError {
  const { status } = response;
  const source = shownUrl(url);
  const details = { source, actual: String(status) };
  if (PASSING.has(status)) {
    const wait = parseRetryAfter(response.header("retry-after"));
    const advice = status === 429
      ? "The registry limits how much is fetched: log in, or wait."
      : "Try again later.";
    return new Transient("registry-status", `${source} answered ${status}`, { ...details, advice }, wait);
  }
  if (who === "registry" && status === 404) {
    return new SourceError("registry-not-found", `${source} does not exist`, {
      ...details,
      advice: "Check repository, tag and digest.",
    });
  }
  if (status === 401 || status === 403) {
    return new SourceError("registry-denied", `${source} refuses access (${status})`, {
      ...details,
      advice:
        'Log in with "podman login" or "docker login"; a repository that does not exist looks the same.',
    });
  }
  return new SourceError("registry-status", `${source} answered ${status}`, {
    ...details,
    advice: "This is not what a registry answers: check its address.",
  });
}

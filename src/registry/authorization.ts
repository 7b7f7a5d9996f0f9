/**
 * The `Authorization` header for one repository: basic, or a token that is fetched when the registry asks for one,
 * renewed before it expires, and renewed once by all requests together when the registry refuses it.
 *
 * Distribution's "Token Authentication Specification" and "OAuth2 Token Authentication".
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { SourceError } from "../errors.ts";
import type { Credential } from "./auth-file.ts";
import { readBody } from "./body.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Clock } from "./clock.ts";
import { shownUrl } from "./failure.ts";
import type { HttpResponse } from "./transport.ts";

/** How tokens are fetched. Both retry what may pass. */
export interface TokenRequests {
  /** Redirects are followed. */
  get(url: URL, headers: Readonly<Record<string, string>>): Promise<HttpResponse>;
  /** Redirects are not followed: the form holds a secret. */
  post(url: URL, form: URLSearchParams): Promise<HttpResponse>;
}

type Bearer = Extract<Challenge, { scheme: "bearer" }>;

const TOKEN_LIMIT = 2 ** 20;
/** Seconds that a token is good for when the server does not say (the specification's default). */
const DEFAULT_EXPIRY = 60;
/** A token is not used in the last part of its life: the request has to arrive too. */
const EARLY = 0.1;

export class Authorization {
  readonly #repository: string;
  readonly #secure: boolean;
  readonly #credential: () => Promise<Credential | null>;
  readonly #requests: TokenRequests;
  readonly #clock: Clock;
  /** What the registry asked for; null until it did. */
  #challenge: Challenge | null = null;
  #value: string | null = null;
  #expires = Infinity;
  #renewal: Promise<void> | null = null;

  /**
   * @param repository without the registry
   * @param secure whether the registry is met over HTTPS: then its tokens must be too
   */
  constructor(
    repository: string,
    secure: boolean,
    credential: () => Promise<Credential | null>,
    requests: TokenRequests,
    clock: Clock,
  ) {
    this.#repository = repository;
    this.#secure = secure;
    this.#credential = credential;
    this.#requests = requests;
    this.#clock = clock;
  }

  /** The header's value, renewed if it is about to expire; null as long as the registry asked for none. */
  async value(): Promise<string | null> {
    if (this.#renewal || this.#clock.now() >= this.#expires) await this.#renew();
    return this.#value;
  }

  /**
   * After a 401.
   * @param header `WWW-Authenticate`
   * @param used what the refused request was sent with
   * @returns whether there is something else to try
   */
  async refused(header: string | null, used: string | null): Promise<boolean> {
    // Somebody else was quicker.
    if (this.#value !== used) return true;
    const challenges = parseChallenges(header);
    const challenge = challenges.find(({ scheme }) => scheme === "bearer") ?? challenges[0];
    if (!challenge) return false;
    this.#challenge = challenge;
    await this.#renew();
    return this.#value !== null && this.#value !== used;
  }

  #renew(): Promise<void> {
    return this.#renewal ??= this.#fetch().finally(() => this.#renewal = null);
  }

  async #fetch(): Promise<void> {
    const challenge = this.#challenge;
    if (!challenge) return;
    const credential = await this.#credential();
    if (challenge.scheme === "basic") {
      this.#value = credential && credential.username !== "" ? basic(credential) : null;
      return;
    }
    const realm = this.#realm(challenge);
    const scope = challenge.scope || `repository:${this.#repository}:pull`;
    const response = credential?.identityToken
      ? await this.#requests.post(realm, refreshForm(challenge.service, scope, credential.identityToken))
      : await this.#getToken(realm, challenge.service, scope, credential);
    const { token, lifetime } = tokenOf(await readBody(response, TOKEN_LIMIT, shownUrl(realm)), realm);
    this.#value = `Bearer ${token}`;
    this.#expires = this.#clock.now() + lifetime * 1000 * (1 - EARLY);
  }

  #getToken(
    realm: URL,
    service: string,
    scope: string,
    credential: Credential | null,
  ): Promise<HttpResponse> {
    const url = new URL(realm);
    if (service !== "") url.searchParams.set("service", service);
    for (const one of scope.split(" ")) url.searchParams.append("scope", one);
    if (!credential || credential.username === "") return this.#requests.get(url, {});
    url.searchParams.set("account", credential.username);
    return this.#requests.get(url, { authorization: basic(credential) });
  }

  #realm({ realm }: Bearer): URL {
    let url: URL | null = null;
    try {
      url = new URL(realm);
    } catch {
      // Refused below.
    }
    if (url && (url.protocol === "https:" || (url.protocol === "http:" && !this.#secure))) return url;
    throw new SourceError(
      "registry-token",
      `The registry asks for a token from ${url ? shownUrl(url) : "what is no URL"}, which is not HTTPS`,
      { advice: "Credentials are not sent there: the registry is set up wrongly, or is not what it says." },
    );
  }
}

function basic({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`, "utf8").toString("base64")}`;
}

function refreshForm(service: string, scope: string, token: string): URLSearchParams {
  return new URLSearchParams({
    grant_type: "refresh_token",
    service,
    client_id: "layerproof",
    scope,
    refresh_token: token,
  });
}

/** Tokens are written into a header: nothing but printable ASCII. */
const TOKEN = /^[\x21-\x7e]{1,65536}$/;

function tokenOf(bytes: Uint8Array, realm: URL): { readonly token: string; readonly lifetime: number } {
  let fields: Readonly<Record<string, unknown>> | null = null;
  try {
    fields = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    // Refused below; the parser's message could quote the token.
  }
  const token = fields?.["token"] || fields?.["access_token"];
  if (typeof token !== "string" || !TOKEN.test(token)) {
    throw new SourceError("registry-token", `${shownUrl(realm)} answered without a token`, {
      source: shownUrl(realm),
      advice: "The registry's token server is set up wrongly.",
    });
  }
  const seconds = fields?.["expires_in"];
  const given = typeof seconds === "number" && seconds > 0 ? seconds : DEFAULT_EXPIRY;
  return { token, lifetime: Math.max(given, DEFAULT_EXPIRY) };
}

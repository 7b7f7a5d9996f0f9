/**
 * Redirects, followed by hand: no credential goes to another origin, and none leads from HTTPS to plain HTTP.
 *
 * @module
 */
import { SourceError } from "../errors.ts";
import { shownUrl } from "./failure.ts";
import type { HttpRequest, HttpResponse, TlsSettings, Transport } from "./transport.ts";

const MAX_REDIRECTS = 5;
const STATUSES: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** An answer, and who gave it. */
export interface Answer {
  readonly response: HttpResponse;
  readonly url: URL;
  /** Whether another origin (scheme, host or port) than the one that was asked has answered. */
  readonly elsewhere: boolean;
}

/**
 * Sends a GET and follows where it leads.
 * @param tlsFor the settings for a URL
 * @throws {SourceError} `registry-redirect`, and as `Transport`
 */
export async function follow(
  transport: Transport,
  request: Omit<HttpRequest, "tls" | "method">,
  tlsFor: (url: URL) => Promise<TlsSettings>,
): Promise<Answer> {
  let { url, headers } = request;
  let elsewhere = false;
  for (let redirects = 0;; redirects++) {
    const tls = await tlsFor(url);
    const response = await transport({ ...request, method: "GET", url, headers, tls });
    if (!STATUSES.has(response.status)) return { response, url, elsewhere };
    response.discard();
    if (redirects === MAX_REDIRECTS) throw refused(request.url, `there are more than ${MAX_REDIRECTS}`);
    const target = targetOf(response.header("location"), url);
    if (target === null) throw refused(url, "it names no address");
    if (url.protocol === "https:" && target.protocol !== "https:") {
      throw refused(url, `it leads from HTTPS to ${shownUrl(target)}`);
    }
    if (target.origin !== url.origin) {
      elsewhere = true;
      // Not given back either should a later redirect lead home.
      headers = Object.fromEntries(
        Object.entries(headers).filter(([name]) => name.toLowerCase() !== "authorization"),
      );
    }
    url = target;
  }
}

function targetOf(location: string | null, base: URL): URL | null {
  if (location === null) return null;
  try {
    const target = new URL(location, base);
    return target.protocol === "https:" || target.protocol === "http:" ? target : null;
  } catch {
    return null;
  }
}

function refused(url: URL, why: string): SourceError {
  return new SourceError("registry-redirect", `Cannot follow the redirect of ${shownUrl(url)}: ${why}`, {
    source: shownUrl(url),
    advice: "The registry or its storage is set up wrongly.",
  });
}

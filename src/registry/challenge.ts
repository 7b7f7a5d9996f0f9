/**
 * `WWW-Authenticate` (RFC 9110, 11.6.1), as registries use it (distribution, "Token Authentication Specification").
 *
 * @module
 */

export type Challenge =
  | { readonly scheme: "bearer"; readonly realm: string; readonly service: string; readonly scope: string }
  | { readonly scheme: "basic" };

/** Characters of a header that are looked at. */
const LIMIT = 8192;

/** The challenges of a header that this client can meet, in order. */
export function parseChallenges(header: string | null): readonly Challenge[] {
  const challenges: Challenge[] = [];
  const text = (header ?? "").slice(0, LIMIT);
  // A scheme is a word that is followed by a parameter or by nothing, and not by an equals sign.
  const token = /\s*,?\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/y;
  let scheme = "", parameters: Record<string, string> = {};
  const end = (): void => {
    if (scheme === "basic") challenges.push({ scheme });
    if (scheme === "bearer" && parameters["realm"]) {
      const { realm, service = "", scope = "" } = parameters;
      challenges.push({ scheme, realm: realm!, service, scope });
    }
  };
  for (let match = token.exec(text); match; match = token.exec(text)) {
    const [, word, quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) {
      end();
      scheme = word!.toLowerCase();
      parameters = {};
    } else parameters[word!.toLowerCase()] = value;
  }
  end();
  return challenges;
}

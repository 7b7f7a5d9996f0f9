/**
 * Names of images as people write them, and as containers/image and Docker print them: `x` is
 * `docker.io/library/x:latest`.
 *
 * Grammar and normalisation of github.com/distribution/reference (`regexp.go`, `normalize.go`), which containers/image
 * has its own copy of (`docker/reference`); digests by github.com/opencontainers/go-digest. A registry may be in capitals,
 * which copies from before 2023 refuse. `a_b.c/x`, which those programs take for a name without any registry, is refused:
 * nothing can be fetched by it.
 *
 * @module
 */
import { UsageError } from "../errors.ts";

/** A name in full. */
export interface DockerReference {
  /** Registry with its port, e.g. `docker.io`. */
  readonly domain: string;
  /** Repository in the registry, e.g. `library/alpine`. */
  readonly path: string;
  /** `latest` where neither tag nor digest was given; null where only a digest was. */
  readonly tag: string | null;
  readonly digest: string | null;
  /** `domain/path[:tag][@digest]`, as containers/image prints it. */
  readonly normalised: string;
}

const DEFAULT_DOMAIN = "docker.io";
const LEGACY_DEFAULT_DOMAIN = "index.docker.io";

/** Characters of domain and path together. */
const NAME_LIMIT = 255;
/** More than the longest name, tag and digest have together. Bounds the work of the expressions. */
const TEXT_LIMIT = 600;

// No expression here can backtrack over more than one component: separators and letters have nothing in common.
const LABEL = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_COMPONENT = /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
/** The algorithms that go-digest knows, each with its number of hex digits; upper case is none. */
const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})$/;
const IDENTIFIER = /^[0-9a-f]{64}$/;

/**
 * The image that `text` names.
 * @throws {UsageError} `reference-invalid`
 */
export function parseDockerReference(text: string): DockerReference {
  if (text.length > TEXT_LIMIT) throw invalid(text, `it is longer than ${TEXT_LIMIT} characters`);
  if (IDENTIFIER.test(text)) throw invalid(text, "64 hex digits are an image's id, not its name");
  const at = text.indexOf("@");
  const digest = at < 0 ? null : text.slice(at + 1);
  if (digest !== null && !DIGEST.test(digest)) throw invalid(text, "what follows the @ is no digest");
  const { domain, rest } = splitDomain(at < 0 ? text : text.slice(0, at));
  const colon = rest.indexOf(":");
  const tag = colon < 0 ? null : rest.slice(colon + 1);
  if (tag !== null && !TAG.test(tag)) throw invalid(text, "what follows the colon is no tag");
  const repository = colon < 0 ? rest : rest.slice(0, colon);
  const isOfficial = domain === DEFAULT_DOMAIN && !repository.includes("/");
  const path = isOfficial ? `library/${repository}` : repository;
  checkName(domain, path, text);
  const shownTag = tag ?? (digest === null ? "latest" : null);
  return {
    domain,
    path,
    tag: shownTag,
    digest,
    normalised: `${domain}/${path}${shownTag === null ? "" : `:${shownTag}`}${
      digest === null ? "" : `@${digest}`
    }`,
  };
}

/** What stands before the first slash is a registry if it cannot be a part of a path, or is `localhost`. */
function splitDomain(name: string): { readonly domain: string; readonly rest: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  const isDomain = /[.:A-Z]/.test(first) || first === "localhost";
  if (!isDomain) return { domain: DEFAULT_DOMAIN, rest: name };
  const domain = first === LEGACY_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : first;
  return { domain, rest: name.slice(slash + 1) };
}

function checkName(domain: string, path: string, text: string): void {
  if (!DOMAIN.test(domain)) throw invalid(text, "what stands before the first slash is no registry");
  if (/[A-Z]/.test(path)) throw invalid(text, "the repository must be in lower case");
  for (const component of path.split("/")) {
    if (!PATH_COMPONENT.test(component)) {
      throw invalid(text, `${shown(component)} cannot be a part of a repository`);
    }
  }
  if (domain.length + 1 + path.length > NAME_LIMIT) {
    throw invalid(text, `registry and repository have more than ${NAME_LIMIT} characters`);
  }
}

function invalid(text: string, why: string): UsageError {
  return new UsageError("reference-invalid", `Cannot use ${shown(text)} as the name of an image: ${why}`, {
    actual: text.slice(0, TEXT_LIMIT),
    advice: "Write it as [REGISTRY[:PORT]/]REPOSITORY[:TAG][@DIGEST], e.g. docker.io/library/alpine:3.",
  });
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
}

/**
 * From claims to the one word that counts.
 *
 * @module
 */
import type { ClaimInput } from "./claims.ts";
import type { Claim, ClaimName, ReportError, Result } from "./report.ts";

/**
 * Fails closed: what was expected and could not be checked is not verified. Of a layer of which only the metadata was
 * read, nothing but a TOC digest proves anything, and digests of what was not read are not asked for.
 */
export function conclude(
  claims: readonly Claim[],
  input: ClaimInput,
  error: ReportError | null,
): { readonly error: ReportError | null; readonly result: Result } {
  const { toc, badAnnotation } = input.expecting;
  const [digest, diffID] = input.read ? [input.expecting.digest, input.expecting.diffID] : [null, null];
  if (badAnnotation || claims.some(({ status }) => status === "mismatch")) {
    return { error, result: "mismatch" };
  }
  if (error) return { error, result: "error" };
  const byTocOnly = digest === null && diffID === null && toc.length > 0;
  const unmet = claims.find(({ claim, status }) =>
    status === "not checked" &&
    (mustBeChecked(claim, input) ||
      (byTocOnly && (claim === "chunks" ? !filesProve(input) : TREE.has(claim))))
  );
  if (unmet) {
    const message = `The ${unmet.claim} that was expected could not be checked: ${unmet.where}`;
    return {
      error: { code: "expectation-not-checked", message, advice: null, kind: "format" },
      result: "error",
    };
  }
  const given = digest !== null || diffID !== null || toc.length > 0;
  return { error: null, result: given ? "verified" : "consistent" };
}

/** Claims that a layer's TOC digest proves, if that is all that is known of it. */
const TREE: ReadonlySet<string> = new Set(["toc", "files", "tocMatchesTar"]);

/** Whether each content has a digest of its own, so that no chunk's is needed. */
function filesProve({ toc, check }: ClaimInput): boolean {
  const named = toc?.toc?.files.every(({ kind, size, digest }) =>
    kind !== "file" || size === 0 || digest !== null
  );
  return named === true && check.files.matched === check.files.total;
}

function mustBeChecked(claim: ClaimName, { read }: ClaimInput): boolean {
  return OUTSIDE.has(claim) && (read || (claim !== "digest" && claim !== "diffID"));
}

/** Claims that compare with a digest or number from outside. */
const OUTSIDE: ReadonlySet<string> = new Set(["digest", "size", "diffID", "uncompressedSize", "tocDigest"]);

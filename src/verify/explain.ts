/**
 * What claims mean for the person who reads the report.
 *
 * @module
 */
import type { ClaimInput } from "./claims.ts";
import type { Findings } from "./findings.ts";
import type { Claim } from "./report.ts";

/**
 * Adds findings that say in words what some claims say in digests.
 * @param tocGiven whether the caller gave an external TOC
 */
export function explain(
  claims: readonly Claim[],
  { expecting, toc, pass, tarSplit }: ClaimInput,
  findings: Findings,
  tocGiven: boolean,
): void {
  const add = findings.add.bind(findings);
  const annotated = expecting.annotations?.compressedDigest ?? expecting.annotations?.jsonDigest ??
    expecting.annotations?.tocPosition;
  const wrong = claims.some(({ claim, status }) =>
    (claim === "tocDigest" || claim === "tocPosition") && status === "mismatch"
  );
  if (annotated && (wrong || !toc)) {
    const what = toc
      ? "do not match the TOC in the blob"
      : `announce a TOC that the blob (${pass.container}) does not have`;
    add(
      "stale-annotations",
      "error",
      `the annotations of the descriptor ${what}: they belong to another blob`,
    );
  }
  if (tocGiven && toc?.form !== "external") {
    add(
      "external-toc-unused",
      "warning",
      "a TOC was given, but the blob does not say that its TOC is elsewhere",
    );
  }
  if (expecting.badAnnotation) add(expecting.badAnnotation.code, "error", expecting.badAnnotation.message);
  for (const { claim, status, expected, actual, where } of claims) {
    if (status !== "mismatch") continue;
    if (claim === "mediaType") {
      add(
        "media-type-mismatch",
        "warning",
        `the descriptor calls the layer ${expected}, the content is ${actual}`,
      );
    }
    if (claim === "tarSplitMatchesTar") {
      const what =
        `the tar-split describes another tar than the blob holds: ${where}; podman cannot export the layer`;
      add("tar-split-tar-mismatch", "error", what);
    }
    if (claim === "uncompressedSize") {
      add("uncompressed-size-wrong", "error", `${expected} bytes are announced, ${actual} were counted`);
    }
  }
  for (const error of [pass.codecError, pass.tarError, tarSplit?.problem]) {
    if (error) {
      findings.addEscaped(
        error.code,
        "error",
        error.message,
        error.details.entry ?? null,
        error.details.blobOffset ?? error.details.tarOffset ?? null,
      );
    }
  }
  const unnamed = toc?.toc && !toc.toc.tarSplitDigest && toc.tarSplit;
  if (unnamed) {
    add(
      "tar-split-not-authenticated",
      "warning",
      "the TOC does not name the digest of the tar-split: it must not be trusted",
    );
  }
  if (toc?.toc?.files.some((file) => file.chunks.some((chunk) => !chunk.digest && !chunk.zeros))) {
    add(
      "chunks-without-digest",
      "warning",
      "the TOC has chunks without a digest: a lazy reader cannot check them one by one",
    );
  }
}

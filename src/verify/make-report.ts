/**
 * From all that is known of a layer to its report.
 *
 * @module
 */
import { type ClaimInput, makeClaims, type StreamFacts } from "./claims.ts";
import { conclude } from "./conclude.ts";
import { explain } from "./explain.ts";
import { describeError } from "./failed.ts";
import type { Findings } from "./findings.ts";
import { mediaTypeOf } from "./media-type.ts";
import type { LayerFormat, LayerReport } from "./report.ts";
import type { TocFacts } from "./toc-facts.ts";

/** @param tocGiven whether the caller gave an external TOC */
export function makeReport(
  layer: string,
  input: ClaimInput,
  findings: Findings,
  tocGiven: boolean,
): LayerReport {
  const { pass, toc, check } = input;
  const claims = makeClaims(input);
  explain(claims, input, findings, tocGiven);
  const failure = pass.codecError ?? pass.tarError;
  const error = failure && describeError(failure);
  return {
    layer,
    format: formatOf(pass, toc),
    dialect: toc?.dialect ?? (pass.flavours.size > 0 ? [...pass.flavours].sort().join(", ") : null),
    mediaType: mediaTypeOf(pass.container),
    size: pass.size,
    digest: pass.digest,
    diffID: pass.diffID,
    uncompressedSize: pass.uncompressedSize,
    tocDigest: toc?.tocDigest ?? null,
    tarSplitDigest: input.tarSplitDigest,
    entries: error || (!input.read && !input.tarSplit?.shape) ? null : pass.entries,
    chunks: { total: toc?.toc?.chunks ?? 0, verified: check.chunks.matched },
    claims,
    findings: findings.finish(),
    ...conclude(claims, input, error),
  };
}

function formatOf({ container }: StreamFacts, toc: TocFacts | null): LayerFormat | null {
  if (toc) return toc.family;
  switch (container) {
    case "empty":
      return "tar";
    case "tar":
    case "gzip":
    case "zstd":
      return container;
    default:
      return null;
  }
}

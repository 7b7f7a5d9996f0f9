/**
 * Reports of layers that could not be read at all.
 *
 * @module
 */
import { type LayerproofError, SourceError, UnsupportedError, WorkerFailed } from "../errors.ts";
import type { LayerReport, ReportError } from "./report.ts";

/** What a report says of an error. */
export function describeError(error: LayerproofError, kind?: ReportError["kind"]): ReportError {
  const own = error instanceof SourceError
    ? "source"
    : error instanceof UnsupportedError
    ? "refused"
    : error instanceof WorkerFailed
    ? "internal"
    : "format";
  return {
    code: error.code,
    message: error.message,
    advice: error.details.advice ?? null,
    kind: kind ?? own,
  };
}

/** The report of a layer of which nothing is known but the error. */
export function failedReport(layer: string, error: LayerproofError, kind?: ReportError["kind"]): LayerReport {
  return {
    layer,
    format: null,
    dialect: null,
    mediaType: null,
    size: null,
    digest: null,
    diffID: null,
    uncompressedSize: null,
    tocDigest: null,
    tarSplitDigest: null,
    entries: null,
    chunks: { total: 0, verified: 0 },
    claims: [],
    findings: [],
    error: describeError(error, kind),
    result: "error",
  };
}

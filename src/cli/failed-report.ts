/**
 * The report of a layer that never reached the engine: its file cannot be opened, its manifest is wrong.
 *
 * @module
 */
import { DigestMismatch, type LayerproofError } from "../errors.ts";
import { failedReport } from "../verify/failed.ts";
import type { LayerReport } from "../verify/report.ts";

/** A mismatch if a document of the image is not the one that was expected, an error otherwise. */
export function reportOfFailure(layer: string, error: LayerproofError): LayerReport {
  const report = failedReport(layer, error);
  if (!(error instanceof DigestMismatch)) return report;
  const { expected = null, actual = null, source = null } = error.details;
  const claim = error.code === "oci-blob-size" ? "size" : "digest";
  return {
    ...report,
    claims: [{ claim, status: "mismatch", expected, actual, where: source, chain: [] }],
    result: "mismatch",
  };
}

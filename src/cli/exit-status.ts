/**
 * Exit statuses: the only thing that many scripts look at.
 *
 * @module
 */
import {
  DigestMismatch,
  type LayerproofError,
  OutputError,
  SourceError,
  UsageError,
  WorkerFailed,
} from "../errors.ts";
import type { LayerReport, ReportError, Severity } from "../verify/report.ts";

export const EXIT = {
  /** Every layer is verified or consistent. */
  ok: 0,
  /** Something contradicts, or a finding reaches `--fail-on`. */
  mismatch: 1,
  /** Wrong usage; nothing was read. */
  usage: 2,
  /** Not readable as a layer, or refused as ambiguous or unsupported. */
  unreadable: 3,
  /** The bytes could not be had, or could not be put where they belong. */
  source: 4,
  /** This program itself failed: a bug, or a thread that died. */
  internal: 70,
  /** Ctrl-C: 128 and the number of SIGINT, as shells have it. */
  interrupted: 130,
  /** Nobody reads standard output any more: 128 and the number of SIGPIPE. */
  brokenPipe: 141,
} as const;

const RANK: Readonly<Record<Severity, number>> = { info: 0, warning: 1, error: 2 };

const STATUS: Readonly<Record<ReportError["kind"], number>> = {
  source: EXIT.source,
  format: EXIT.unreadable,
  refused: EXIT.unreadable,
  internal: EXIT.internal,
};

/** The status of an error that ends a command; those about layers that `verify` reads are in reports. */
export function statusOf(error: LayerproofError): number {
  if (error instanceof UsageError || error.code === "digest-algorithm") return EXIT.usage;
  if (error instanceof DigestMismatch) return EXIT.mismatch;
  if (error instanceof SourceError || error instanceof OutputError) return EXIT.source;
  return error instanceof WorkerFailed ? EXIT.internal : EXIT.unreadable;
}

/**
 * The status of one report.
 * @param failOn findings of this severity or a higher one count as failures; null: findings do not matter
 */
export function exitStatus(report: LayerReport, failOn: Severity | null): number {
  switch (report.result) {
    case "mismatch":
      return EXIT.mismatch;
    case "error":
      return report.error ? STATUS[report.error.kind] : EXIT.unreadable;
    case "verified":
    case "consistent": {
      const failed = failOn !== null &&
        report.findings.some(({ severity }) => RANK[severity] >= RANK[failOn]);
      return failed ? EXIT.mismatch : EXIT.ok;
    }
  }
}

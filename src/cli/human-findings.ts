/**
 * Findings for people: errors and warnings one by one, the merely notable ones counted.
 *
 * @module
 */
import type { Finding, Severity } from "../verify/report.ts";
import { printable } from "./printable.ts";
import type { Style } from "./style.ts";
import { counted, grouped } from "./units.ts";

/** Findings of one severity that are printed. */
const SHOWN = 20;

/** The lines about findings, by severity; none if there are no findings. */
export function findingLines(findings: readonly Finding[], style: Style): string[] {
  if (findings.length === 0) return [];
  const of = (severity: Severity): Finding[] => findings.filter((finding) => finding.severity === severity);
  const errors = of("error"), warnings = of("warning"), infos = of("info");
  const counts = [
    errors.length > 0 ? counted(errors.length, "error") : "",
    warnings.length > 0 ? counted(warnings.length, "warning") : "",
    infos.length > 0 ? counted(infos.length, "note") : "",
  ].filter((text) => text !== "");
  return [
    "",
    `${style.bold("Findings")} (${counts.join(", ")})`,
    ...listed(errors, style.red("error".padEnd(9))),
    ...listed(warnings, style.yellow("warning".padEnd(9))),
    ...collapsed(infos, style.dim("note".padEnd(9))),
  ];
}

function listed(findings: readonly Finding[], label: string): string[] {
  const lines = findings.slice(0, SHOWN).map((finding) => `  ${label}${describe(finding)}`);
  const more = findings.length - SHOWN;
  if (more > 0) lines.push(`  ${label}... and ${grouped(more)} more (use --json)`);
  return lines;
}

function collapsed(findings: readonly Finding[], label: string): string[] {
  const byCode = new Map<string, Finding[]>();
  for (const finding of findings) {
    const same = byCode.get(finding.code);
    if (same) same.push(finding);
    else byCode.set(finding.code, [finding]);
  }
  return [...byCode.values()].map((same) => {
    const times = same.length === 1 ? "" : ` (${grouped(same.length)} times, for example)`;
    return `  ${label}${describe(same[0]!, times)}`;
  });
}

function describe({ code, entry, offset, message }: Finding, times = ""): string {
  const at = offset === null ? "" : ` at byte ${offset}`;
  const where = entry === null ? at : ` ${printable(entry)}${at}`;
  return `${printable(code)}${times}${where}: ${printable(message)}`;
}

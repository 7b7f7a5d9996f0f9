/**
 * The report for people: the verdict first, then what the layer is, what was proved and how, and what is odd about it.
 *
 * @module
 */
import type { Claim, ClaimName, ClaimStatus, LayerReport, Result } from "../verify/report.ts";
import { findingLines } from "./human-findings.ts";
import { printable } from "./printable.ts";
import type { Style } from "./style.ts";
import { counted, fullBytes, grouped } from "./units.ts";

/** The report of one layer, with a line feed at its end. */
export function humanReport(report: LayerReport, style: Style): string {
  const lines = [
    ...verdictLines(report, style),
    ...factLines(report),
    ...claimLines(report.claims, style),
    ...findingLines(report.findings, style),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** One line about several layers. */
export function summaryLine(reports: readonly LayerReport[], style: Style): string {
  const order: readonly Result[] = ["verified", "consistent", "mismatch", "error"];
  const parts = order
    .map((result) => ({ result, count: reports.filter((report) => report.result === result).length }))
    .filter(({ count }) => count > 0)
    .map(({ result, count }) => `${count} ${result}`);
  return `${style.bold(`${counted(reports.length, "layer")}:`)} ${parts.join(", ")}\n`;
}

function verdictLines(report: LayerReport, style: Style): string[] {
  const { layer, result, error } = report;
  const name = printable(layer);
  const lines: string[] = [];
  switch (result) {
    case "verified":
      lines.push(`${style.green(style.bold("VERIFIED"))}  ${name}`);
      break;
    case "consistent":
      lines.push(`${style.yellow(style.bold("CONSISTENT"))}  ${name}`);
      lines.push("  No outside digest was given: nothing contradicts, but nothing is proved.");
      break;
    case "mismatch":
      lines.push(`${style.red(style.bold("MISMATCH"))}  ${name}`);
      break;
    case "error":
      lines.push(`${style.red(style.bold("ERROR"))}  ${name}`);
      break;
  }
  if (!error && report.size !== null && report.digest === null) {
    lines.push("  Only TOC and tar-split were read: nothing is said of contents, of digest and diffID.");
  }
  if (error) {
    lines.push(`  ${printable(error.message)} [${error.code}]`);
    if (error.advice) lines.push(`  ${printable(error.advice)}`);
  }
  return lines;
}

function factLines(report: LayerReport): string[] {
  const { format, dialect, mediaType, size, uncompressedSize, entries, chunks } = report;
  const facts: [label: string, value: string | null][] = [
    ["format", format && (dialect ? `${format}, ${printable(dialect)}` : format)],
    ["media type", mediaType],
    ["size", size === null ? null : fullBytes(size)],
    ["unpacked", uncompressedSize === null ? null : fullBytes(uncompressedSize)],
    ["contents", entries === null ? null : contents(entries, chunks)],
    ["digest", report.digest],
    ["diffID", report.diffID],
    ["TOC digest", report.tocDigest],
    ["tar-split", report.tarSplitDigest],
  ];
  return facts.filter(([, value]) => value !== null).map(([label, value]) => `  ${label.padEnd(12)}${value}`);
}

function contents(entries: number, { total, verified }: LayerReport["chunks"]): string {
  const counts = counted(entries, "entry", "entries");
  return total === 0 ? counts : `${counts}; ${grouped(verified)} of ${counted(total, "chunk")} checked`;
}

const ORDER: readonly ClaimStatus[] = ["mismatch", "not checked", "verified", "consistent", "absent"];

function claimLines(claims: readonly Claim[], style: Style): string[] {
  const sorted = ORDER.flatMap((status) => claims.filter((claim) => claim.status === status));
  const lines = sorted.flatMap((claim) => oneClaim(claim, style));
  return lines.length > 0 ? ["", style.bold("Claims"), ...lines] : [];
}

/** What turns an absent claim into a proved one. */
const TO_PROVE: Partial<Record<ClaimName, string>> = {
  digest: "give --digest (layers[].digest in the manifest)",
  diffID: "give --diff-id (rootfs.diff_ids in the config) or --config",
  tocDigest: "give --toc-digest or --descriptor (annotations in the manifest)",
};

function oneClaim({ claim, status, expected, actual, where, chain }: Claim, style: Style): string[] {
  const line = (label: string, paint: (text: string) => string, detail: string): string =>
    `  ${paint(label.padEnd(12))}${claim.padEnd(21)}${detail}`.trimEnd();
  const by = chain.length > 0 ? `by ${chainText(chain)}` : "";
  switch (status) {
    case "mismatch":
      return [
        line("MISMATCH", (text) => style.red(style.bold(text)), by),
        `      expected  ${printable(expected ?? "nothing")}`,
        `      actual    ${printable(actual ?? "nothing")}`,
        ...(where === null ? [] : [`      where     ${printable(where)}`]),
      ];
    case "not checked":
      return [line("not checked", style.yellow, printable(where ?? "") || by)];
    case "verified":
      return [line("verified", style.green, by)];
    case "consistent":
      return [line("consistent", style.dim, printable(shortDigests(actual ?? "")))];
    case "absent": {
      const advice = TO_PROVE[claim];
      return advice === undefined ? [] : [line("not proved", style.dim, advice)];
    }
  }
}

/** The chain with digests that are told apart at a glance; `--json` has them whole. */
function chainText(chain: readonly string[]): string {
  return printable(shortDigests(chain.join(" > ")));
}

function shortDigests(text: string): string {
  return text.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}/g, "$1...");
}

/**
 * Gathers findings, bounded: a hostile layer must not fill memory or drown a report.
 *
 * @module
 */
import { escapeName } from "../tar/names.ts";
import type { Finding, Severity } from "./report.ts";

const SEVERITIES: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

/** Findings of one code that are listed; the rest are counted. */
const LISTED_PER_CODE = 100;

export class Findings {
  readonly #list: Finding[] = [];
  readonly #counts = new Map<string, { count: number; severity: Severity }>();

  /** @param entry unescaped name, or null */
  add(
    code: string,
    severity: Severity,
    message: string,
    entry: string | null = null,
    offset: number | null = null,
  ): void {
    this.addEscaped(code, severity, message, entry === null ? null : escapeName(entry), offset);
  }

  /** As `add`, for an entry name that an error already carries in escaped form. */
  addEscaped(
    code: string,
    severity: Severity,
    message: string,
    entry: string | null,
    offset: number | null,
  ): void {
    const seen = this.#counts.get(code);
    const count = (seen?.count ?? 0) + 1;
    this.#counts.set(code, { count, severity });
    if (count > LISTED_PER_CODE) return;
    this.#list.push({ code, severity, entry, offset, message });
  }

  /**
   * All findings, with one `findings-omitted` for each code that had more than are listed. The most severe come first,
   * those of one code in the order of the layer: the same, however many threads shared the work.
   */
  finish(): readonly Finding[] {
    for (const [code, { count, severity }] of this.#counts) {
      if (count <= LISTED_PER_CODE) continue;
      const message = `${count - LISTED_PER_CODE} more findings of the code ${code} are not listed`;
      this.#list.push({ code: "findings-omitted", severity, entry: null, offset: null, message });
    }
    return this.#list.sort((a, b) =>
      SEVERITIES[a.severity] - SEVERITIES[b.severity] || compare(a.code, b.code)
    );
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

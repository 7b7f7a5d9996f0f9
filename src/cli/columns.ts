/**
 * Aligned columns, for people; programs ask for JSON.
 *
 * @module
 */
import { printable } from "./printable.ts";

/**
 * Lines of cells, two spaces apart, without spaces at the end.
 * @param right which columns hold numbers, and are aligned to the right
 */
export function columns(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const cells = rows.map((row) => row.map(printable));
  const widths: number[] = [];
  for (const row of cells) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  const pad = (cell: string, i: number): string =>
    right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
  return cells.map((row) => `${row.map(pad).join("  ").trimEnd()}\n`).join("");
}

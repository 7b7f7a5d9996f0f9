/**
 * What could not be set in an extracted layer, for people.
 *
 * @module
 */
import type { NotSetRecord } from "../store/record.ts";
import { printable } from "./printable.ts";
import { counted } from "./units.ts";

/** e.g. `owner of 112 entries, e.g. bin/busybox` */
export function notSetText({ what, count, example, detail }: NotSetRecord): string {
  const named = detail === null ? what : `${what} ${printable(detail)}`;
  const where = `of ${counted(count, "entry", "entries")}`;
  return `${named} ${where}, ${count === 1 ? "" : "e.g. "}${printable(example)}`;
}

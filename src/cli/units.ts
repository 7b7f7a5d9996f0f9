/**
 * Sizes and times as people write and read them.
 *
 * @module
 */
import { UsageError } from "../errors.ts";

const UNITS = ["bytes", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.2 MiB`; below 1 KiB `17 bytes`. */
export function shortBytes(bytes: number): string {
  let value = bytes, unit = 0;
  // 1023.95 would print as 1024.0.
  while (unit < UNITS.length - 1 && value >= (unit === 0 ? 1024 : 1023.95)) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${value.toFixed(1)} ${UNITS[unit]}`;
}

/** `1.2 MiB (1,234,567 bytes)` */
export function fullBytes(bytes: number): string {
  return bytes < 1024 ? shortBytes(bytes) : `${shortBytes(bytes)} (${grouped(bytes)} bytes)`;
}

/** A whole number with commas: the same on every machine, whatever its locale. */
export function grouped(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 layer`, `2 layers` */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : plural}`;
}

/** `0:07`, `12:34`, `1:02:03` */
export function clock(seconds: number): string {
  const whole = Math.ceil(seconds);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const tail = String(whole % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/**
 * A size in bytes, with or without KiB, MiB, GiB or TiB.
 * @throws {UsageError} `option-not-a-size`
 */
export function parseBytes(text: string, option: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB|TiB|B)?$/i.exec(text);
  const unit = match ? ["b", "kib", "mib", "gib", "tib"].indexOf((match[2] ?? "B").toLowerCase()) : -1;
  const bytes = match ? Number(match[1]) * 1024 ** unit : NaN;
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(
    "option-not-a-size",
    `${option}: received ${JSON.stringify(text)}, expected a size in bytes or with KiB, MiB, GiB or TiB`,
    { advice: `For example ${option} 64MiB` },
  );
}

/**
 * A whole number of 0 or more.
 * @throws {UsageError} `option-not-a-number`
 */
export function parseCount(text: string, option: string): number {
  const number = /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new UsageError(
    "option-not-a-number",
    `${option}: received ${JSON.stringify(text)}, expected a whole number`,
  );
}

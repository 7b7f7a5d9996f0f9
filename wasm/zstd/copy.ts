/** Copies of literals and matches that are not the common case of up to 16 bytes from far enough away. */
import { PATTERNS, STEPS } from "./memory";

/** Fills the rows by which `copyNear` repeats the last 1 to 15 bytes. */
export function initPatterns(): void {
  for (let offset: u32 = 1; offset < 16; offset++) {
    for (let i: u32 = 0; i < 16; i++) store<u8>(PATTERNS + (offset << 4) + i, i % offset);
    store<u8>(STEPS + offset, 16 / offset * offset);
  }
}

/** Copies to [to, end) in steps of 16 bytes, so that up to 15 bytes behind are overwritten; `from` is 16 or more apart. */
// @ts-ignore: decorator
@inline
export function copyLong(to: usize, from: usize, end: usize): void {
  do {
    v128.store(to, v128.load(from));
    to += 16;
    from += 16;
  } while (to < end);
}

/**
 * A match at `offset` 1 to 15: the last `offset` bytes repeat until `end`. One vector holds as many repetitions as fit,
 * and each step writes it whole and goes on behind them; up to 15 bytes behind are overwritten.
 */
// @ts-ignore: decorator
@inline
export function copyNear(to: usize, offset: u32, end: usize): void {
  const pattern = i8x16.swizzle(v128.load(to - offset), v128.load(PATTERNS + (offset << 4)));
  const step = <usize>load<u8>(STEPS + offset);
  do {
    v128.store(to, pattern);
    to += step;
  } while (to < end);
}

/**
 * A match that may start in the lap before: there it is copied up to `lapEnd`, and goes on at `base`. What it needs of
 * that lap lies behind the room of the block, so that the copies never write what they read later.
 */
// @ts-ignore: decorator
@inline
export function copyWrapped(to: usize, offset: u32, end: usize, base: usize, lapEnd: usize): void {
  const before = <u32>(to - base);
  if (offset > before) {
    const from = lapEnd - (offset - before);
    const stop = min(end, to + (lapEnd - from));
    copyLong(to, from, stop);
    if (stop == end) return;
    // The rest repeats what is there from `base` on.
    to = stop;
    offset = <u32>(to - base);
  }
  if (offset >= 16) copyLong(to, to - offset, end);
  else copyNear(to, offset, end);
}

/**
 * Ranges that are asked for together and lie close to each other, fetched as one: a request costs as much as some tens
 * of kilobytes.
 *
 * @module
 */

/** Exactly `length` bytes from `offset`. */
export type ReadRange = (offset: number, length: number) => Promise<Uint8Array>;

export interface CoalesceOptions {
  /** Bytes between two ranges that are worth less than a request. */
  readonly gap: number;
  /** Bytes of one request; a longer range goes alone. */
  readonly most: number;
}

const DEFAULTS: CoalesceOptions = { gap: 32 * 1024, most: 4 * 2 ** 20 };

interface Waiting {
  readonly offset: number;
  readonly length: number;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** `read` for neighbours: what is asked for before the current task ends is sorted, joined and fetched. */
export function coalesced(read: ReadRange, { gap, most }: CoalesceOptions = DEFAULTS): ReadRange {
  let waiting: Waiting[] = [];
  const flush = (): void => {
    const all = waiting.sort((a, b) => a.offset - b.offset);
    waiting = [];
    for (let from = 0; from < all.length;) {
      const start = all[from]!.offset;
      let end = start + all[from]!.length;
      let to = from + 1;
      for (; to < all.length; to++) {
        const { offset, length } = all[to]!;
        const further = Math.max(end, offset + length);
        if (offset > end + gap || further - start > most) break;
        end = further;
      }
      void fetchGroup(read, all.slice(from, to), start, end);
      from = to;
    }
  };
  return (offset, length) =>
    new Promise((resolve, reject) => {
      if (waiting.push({ offset, length, resolve, reject }) === 1) queueMicrotask(flush);
    });
}

async function fetchGroup(
  read: ReadRange,
  group: readonly Waiting[],
  start: number,
  end: number,
): Promise<void> {
  try {
    const bytes = await read(start, end - start);
    for (const { offset, length, resolve } of group) {
      // A copy, so that one small range does not hold the memory of all.
      resolve(group.length === 1 ? bytes : bytes.slice(offset - start, offset - start + length));
    }
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

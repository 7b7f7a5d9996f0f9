/** How a file's payload is cut into chunks. */

/** One chunk of a payload. */
export interface Chunk {
  readonly offset: number;
  readonly size: number;
  /** The chunk is a run of zeros (`chunkType` "zeros" in zstd:chunked). */
  readonly zeros: boolean;
}

/** Chunks of `size` bytes, the last one shorter. */
export function fixedChunks(length: number, size: number): Chunk[] {
  const out: Chunk[] = [];
  for (let offset = 0; offset < length; offset += size) {
    out.push({ offset, size: Math.min(size, length - offset), zeros: false });
  }
  return out;
}

/** Chunks of at most `size` bytes, but every run of at least `minRun` zeros is a chunk of its own. */
export function zeroRunChunks(data: Uint8Array, size: number, minRun: number): Chunk[] {
  const out: Chunk[] = [];
  let start = 0;
  const plain = (end: number): void => {
    for (const chunk of fixedChunks(end - start, size)) out.push({ ...chunk, offset: chunk.offset + start });
  };
  for (let at = 0; at < data.length;) {
    if (data[at] !== 0) {
      at++;
      continue;
    }
    let end = at;
    while (end < data.length && data[end] === 0) end++;
    if (end - at >= minRun) {
      plain(at);
      out.push({ offset: at, size: end - at, zeros: true });
      start = end;
    }
    at = end;
  }
  plain(data.length);
  return out;
}

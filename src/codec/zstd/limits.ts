/**
 * Numbers of the Zstandard format that more than one file needs.
 *
 * @module
 */

/** No block may hold or regenerate more than this, whatever its window (RFC 8878, 3.1.1.2.4). */
export const MAX_BLOCK_SIZE = 131072;

/**
 * Bytes that the decoding loops may read in front of a bit stream, and write behind the end of an output, before the
 * check that follows them. One sequence takes at most 31 + 16 + 16 + 26 bits = 12 bytes, one copy step is 4 bytes.
 */
export const PADDING = 16;

/**
 * Largest window that can be allowed: positions in the history then stay below 2^31, where V8 keeps them as
 * machine integers.
 */
export const MAX_WINDOW_LIMIT = 2 ** 30;

/**
 * Where each kernel keeps its tables, so that any of them can live in one memory.
 *
 * Addresses are fixed and the tables are filled by code: data segments would write every zero into the file. The host
 * puts its buffers at `IO_BASE` and above and passes their addresses.
 */

/** Nothing lives below: an address of 0 that slipped through meets no table. */
export const SHA256_BASE: usize = 0x0400;
export const XXH64_BASE: usize = 0x1000;
export const CRC32_BASE: usize = 0x2000;
export const CRC64_BASE: usize = 0x8000;
export const INFLATE_BASE: usize = 0x10000;
export const ZSTD_BASE: usize = 0x20000;
/** First address that belongs to the host: 512 KiB. */
export const IO_BASE: usize = 0x80000;

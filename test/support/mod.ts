/**
 * Builders for tests and benchmarks: any tar, gzip, zstd, eStargz and zstd:chunked layer, right or wrong.
 *
 * They import nothing from `src/`, and `support.test.ts` checks what they make against the real programs and against
 * the fixtures.
 *
 * ```ts
 * const layer = zstdChunked([{ name: "etc/" }, { name: "etc/motd", data: "hello\n" }], { dialect: "cs-1.50" });
 * ```
 */
export * from "./attributes.ts";
export * from "./bytes.ts";
export * from "./chunks.ts";
export * from "./crc64.ts";
export * from "./descriptor.ts";
export * from "./estargz.ts";
export * from "./go-json.ts";
export * from "./gzip.ts";
export * from "./random.ts";
export * from "./stargz-body.ts";
export * from "./tar.ts";
export * from "./tar-sparse.ts";
export * from "./tar-split.ts";
export * from "./toc.ts";
export * from "./xxh64.ts";
export * from "./zstd.ts";
export * from "./zstdchunked.ts";
export * from "./zstdchunked-footer.ts";

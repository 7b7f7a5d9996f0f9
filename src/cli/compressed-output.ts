/**
 * Moved: see `src/output/compressed.ts`.
 *
 * @module
 */
export * from "../output/compressed.ts";

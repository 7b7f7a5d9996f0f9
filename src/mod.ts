/**
 * layerproof: proves what a container layer is.
 *
 * This entry point uses Web APIs only; `layerproof/node` adds files and the platform's hashes.
 *
 * @module
 */
export { verifyLayer } from "./verify/verify.ts";
export {
  type ByteSink,
  DEFAULT_LIMITS,
  type Descriptor,
  type Expectations,
  type Expected,
  type Limits,
  type Progress,
  type ReportedEntry,
  type TarSplitSink,
  type VerifyOptions,
} from "./verify/options.ts";
export type {
  Claim,
  ClaimName,
  ClaimStatus,
  Finding,
  LayerFormat,
  LayerReport,
  ReportError,
  Result,
  Severity,
} from "./verify/report.ts";
export {
  type AssembledTar,
  type AssembleOptions,
  assembleTar,
  type FileContent,
  type GetFile,
} from "./tarsplit/assemble.ts";
export { readTarSplit, type TarSplitReadOptions, type TarSplitRecord } from "./tarsplit/read.ts";
export { chunkFiles, type ChunkFilesOptions } from "./export/chunks.ts";
export { type ChunkedLayerOptions, type ChunkedParts, openChunkedLayer } from "./export/chunked-layer.ts";
export { openLayer, type OpenLayerOptions } from "./chunk/open-layer.ts";
export { Layer, type LayerFacts, type LayerFile } from "./chunk/layer.ts";
export { type DirectoryEntry, type NodeKind, type NodeStat } from "./chunk/tree.ts";
export { type ChunkCache, MemoryChunkCache } from "./chunk/cache.ts";
export { tarStream, type TarStreamOptions } from "./export/tar-stream.ts";
export { blobSource, type LayerSource, memorySource, streamSource } from "./source/source.ts";
export {
  type BatchHasher,
  type Crc32,
  type HashBackend,
  type Hasher,
  portableHashes,
} from "./digest/hasher.ts";
export { kernelHashes } from "./digest/kernel.ts";
export type { WorkerPool } from "./workers/pool.ts";
export { isDigest, parseDigest } from "./digest/digest.ts";
export type { EntryKind, SparseExtent, SparseInfo, TarEntry, TarFormat, Timestamp } from "./tar/entry.ts";
export { decodeName, encodeName, escapeName } from "./tar/names.ts";
export {
  DigestMismatch,
  type ErrorDetails,
  FormatError,
  LayerproofError,
  LimitExceeded,
  OutputError,
  type Place,
  SourceError,
  UnsupportedError,
  UsageError,
} from "./errors.ts";

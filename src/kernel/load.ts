/**
 * Loads the WebAssembly kernels: compiled once in a process, instantiated on a memory that the caller gives.
 *
 * The bytes are in generated modules, as base64: files and `import "….wasm"` do not work alike in Deno, Node and
 * browsers, and decoding base64 costs less than 0.1 ms.
 *
 * @module
 */

/** The kernels of `wasm/`. */
export type KernelName = "inflate" | "zstd" | "sha256" | "sha256x4" | "crc32" | "crc64" | "xxh64" | "move";

/** First address of a kernel's memory that belongs to its host, in bytes; what lies below are tables (`wasm/layout.ts`). */
export const IO_BASE = 0x80000;

export const PAGE = 65536;

/** A generated module. */
interface Source {
  readonly base64: string;
  /** Offset of the byte that says whether the imported memory is shared. */
  readonly sharedFlag: number;
}

/** Each behind an import of its own, so that only those that are used are loaded. */
const SOURCES: Record<KernelName, () => Promise<Source>> = {
  inflate: () => import("./wasm/inflate.ts"),
  zstd: () => import("./wasm/zstd.ts"),
  sha256: () => import("./wasm/sha256.ts"),
  sha256x4: () => import("./wasm/sha256x4.ts"),
  crc32: () => import("./wasm/crc32.ts"),
  crc64: () => import("./wasm/crc64.ts"),
  xxh64: () => import("./wasm/xxh64.ts"),
  move: () => import("./wasm/move.ts"),
};

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** Most pages that a memory can have, 4 GiB: the kernels' imports say so. */
const MAX_PAGES = 65536;

/** A memory for kernels whose host needs `bytes` above `IO_BASE`. It can grow. */
export function kernelMemory(bytes: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pagesOf(bytes), maximum: MAX_PAGES });
}

/**
 * A memory that threads share, for kernels whose host needs `bytes` above `IO_BASE`. It can grow: what was its buffer
 * before then goes on being its beginning.
 * @throws {ReferenceError | TypeError | RangeError} where there is no shared memory
 */
export function sharedKernelMemory(bytes: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pagesOf(bytes), maximum: MAX_PAGES, shared: true });
}

function pagesOf(bytes: number): number {
  return Math.ceil((IO_BASE + bytes) / PAGE);
}

/**
 * The exports of a new instance of a kernel, on `memory`, which may be a shared one.
 * @throws {WebAssembly.CompileError} where the engine lacks what the kernel needs: ask `kernelsRun` first
 */
export async function loadKernel(name: KernelName, memory: WebAssembly.Memory): Promise<WebAssembly.Exports> {
  const shared = !(memory.buffer instanceof ArrayBuffer);
  const key = `${name} ${shared}`;
  let module = compiled.get(key);
  if (!module) {
    module = SOURCES[name]().then((source) => WebAssembly.compile(bytesOf(source, shared)));
    compiled.set(key, module);
  }
  return (await WebAssembly.instantiate(await module, { env: { memory } })).exports;
}

/** A module is made for one kind of memory; the code is the same, so that only the import's flag is changed. */
function bytesOf({ base64, sharedFlag }: Source, shared: boolean): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64(base64);
  bytes[sharedFlag] = shared ? SHARED : UNSHARED;
  return bytes;
}

/** Flags of a memory's limits: it has a maximum, and is shared or not. */
const SHARED = 3, UNSHARED = 1;

/** A module with one function that makes a vector: `i8x16.splat (i32.const 0)`. */
const SIMD_PROBE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11],
);

/** Whether this engine runs the kernels: it has WebAssembly, with 128-bit vectors (since 2021 in all browsers). */
export const kernelsRun: boolean = typeof WebAssembly === "object" && WebAssembly.validate(SIMD_PROBE);

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

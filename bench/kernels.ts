/**
 * The kernels on one core, each beside its peers in the same run, on the bench layers.
 *
 *     node bench/kernels.ts [DIR]
 *     deno run -A --node-modules-dir=manual bench/kernels.ts [DIR]
 *
 * MB/s of uncompressed data (of hashed data for hashes), best of 5.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { cpus } from "node:os";
import process from "node:process";
import { crc32, gunzipSync, inflateRawSync } from "node:zlib";
import { Decompress } from "fzstd";
import { createSHA256, createXXHash64 } from "hash-wasm";
import { PakoInflater } from "../src/codec/inflate-pako.ts";
import { loadTools } from "../src/codec/open.ts";
import { zstdStream } from "../src/codec/zstd-stream.ts";
import { kernelHashes } from "../src/digest/kernel.ts";
import { nativeHashes } from "../src/digest/native.ts";
import { kernelCrc64 } from "../src/kernel/crc64.ts";
import { InflateKernel } from "../src/kernel/inflate.ts";
import { NO_EVENTS } from "../src/verify/toc-facts.ts";
import { benchFolder, benchLayers } from "./layers.ts";

const RUNS = 5;
/** Bytes of the tar that are used. */
const SIZE = 256 * 2 ** 20;
const PIECE = 2 ** 20;

const dir = benchFolder(process.argv.slice(2));
const layers = await benchLayers(dir);
const tar = head(layers.tar, SIZE);
const runtime = "Deno" in globalThis ? "Deno" : `Node ${process.versions.node}`;
console.log(`${runtime}, ${cpus()[0]?.model}; first ${tar.length} bytes of the tar; best of ${RUNS}`);

/** By commands: Deno 2.9 takes minutes to deflate that much at once. */
const compressed = (command: string): Uint8Array =>
  new Uint8Array(
    execFileSync("sh", ["-c", `head -c ${SIZE} "$0" | ${command}`, layers.tar], { maxBuffer: 2 * SIZE }),
  );
const gzip = compressed("gzip -6 -n -c");
/** Without the header, which has no fields with -n, and the trailer. */
const raw = gzip.subarray(10, gzip.length - 8);
const zst = compressed("zstd -3 -c -q --no-check");
const checked = compressed("zstd -3 -c -q");

const inflate = await InflateKernel.create();
await group("inflate", "node:zlib gunzip", {
  "kernel": () => {
    inflate.reset();
    for (let at = 0; at < raw.length;) at += inflate.inflate(raw.subarray(at, at + PIECE), 0, ignore);
  },
  "node:zlib gunzip": () => void gunzipSync(gzip),
  "node:zlib inflateRaw (no CRC)": () => void inflateRawSync(raw),
  "pako": () => {
    const pako = new PakoInflater();
    pako.reset();
    for (let at = 0; at < raw.length;) at += pako.inflate(raw.subarray(at, at + PIECE), 0, ignore);
  },
});

const kernelTools = await zstdTools(true);
const portableTools = await zstdTools(false);
await group("zstd", "fzstd", {
  "kernel": () => unzstd(zst, kernelTools),
  "kernel, with XXH64": () => unzstd(checked, kernelTools),
  "our portable decoder": () => unzstd(zst, portableTools),
  "fzstd": () => {
    const decoder = new Decompress(ignore);
    for (let at = 0; at < zst.length; at += PIECE) {
      decoder.push(zst.subarray(at, at + PIECE), at + PIECE >= zst.length);
    }
  },
  "zstd command, with XXH64 and start-up": () =>
    void execFileSync("zstd", ["-dc"], { input: checked, stdio: ["pipe", "ignore", "inherit"] }),
});

const hashWasm = await createSHA256();
const kernelSha = await kernelHashes.sha256();
const lanes = await kernelHashes.batch();
const nativeBatch = await nativeHashes.batch();
const sample = tar.subarray(0, 64 * 2 ** 20);
await group("SHA-256", "hash-wasm", {
  "kernel, four lanes, 64 KiB messages": () => void lanes.digestAll(messages(sample, 65536)),
  "kernel, one message": () => {
    for (const piece of messages(sample, PIECE)) kernelSha.update(piece);
    kernelSha.finish();
  },
  "hash-wasm": () => {
    hashWasm.init();
    for (const piece of messages(sample, PIECE)) hashWasm.update(piece);
    hashWasm.digest();
  },
  "node:crypto": () => void createHash("sha256").update(sample).digest(),
}, sample.length);

const tiny = tar.subarray(0, 8 * 2 ** 20);
await group("SHA-256 of 512-byte messages", "node:crypto", {
  "kernel, four lanes": () => void lanes.digestAll(messages(tiny, 512)),
  "node:crypto": () => void nativeBatch.digestAll(messages(tiny, 512)),
}, tiny.length);

const crc = await kernelHashes.crc32();
await group("CRC-32", "node:zlib crc32", {
  "kernel": () => {
    crc.update(sample);
    crc.finish();
  },
  "node:zlib crc32": () => void crc32(sample),
}, sample.length);

const crc64 = await kernelCrc64();
const xxh64 = await kernelHashes.xxh64();
const hashWasmXxh64 = await createXXHash64();
await group("CRC-64 and XXH64", "XXH64, hash-wasm", {
  "CRC-64, kernel": () => {
    crc64.update(sample);
    crc64.finish();
  },
  "XXH64, kernel": () => {
    xxh64.init();
    xxh64.update(sample);
    xxh64.digestLow32();
  },
  "XXH64, hash-wasm": () => {
    hashWasmXxh64.init();
    hashWasmXxh64.update(sample);
    hashWasmXxh64.digest();
  },
}, sample.length);

/** Measures each in turn, so that what else the machine does meets all of them. */
async function group(
  title: string,
  peer: string,
  contenders: Record<string, () => void>,
  size = tar.length,
): Promise<void> {
  const best = new Map<string, number>();
  for (let run = 0; run < RUNS; run++) {
    for (const [name, work] of Object.entries(contenders)) {
      const start = performance.now();
      work();
      const rate = size / 1e3 / (performance.now() - start);
      best.set(name, Math.max(best.get(name) ?? 0, rate));
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
  console.log(`\n${title}`);
  for (const [name, rate] of best) {
    const ratio = `${(rate / best.get(peer)!).toFixed(2)}x`;
    console.log(`  ${name.padEnd(40)}${String(Math.round(rate)).padStart(7)} MB/s${ratio.padStart(9)}`);
  }
}

async function zstdTools(kernels: boolean) {
  const tools = await loadTools("zstd", kernelHashes, { kernels });
  if (tools.kind !== "zstd") throw new Error("no zstd tools");
  return tools;
}

function unzstd(blob: Uint8Array, { engine, xxh64 }: Awaited<ReturnType<typeof zstdTools>>): void {
  const decoder = zstdStream(NO_EVENTS, { engine, xxh64 });
  for (let at = 0; at < blob.length; at += PIECE) decoder.push(blob.subarray(at, at + PIECE));
  decoder.end();
}

function messages(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: bytes.length / size }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

function ignore(): void {}

function head(path: string, size: number): Uint8Array {
  const file = openSync(path, "r");
  const bytes = new Uint8Array(size);
  const read = readSync(file, bytes, 0, size, 0);
  closeSync(file);
  return bytes.subarray(0, read);
}

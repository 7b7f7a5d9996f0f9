/**
 * Opens a layer of 200,000 entries by its TOC, and tells how long that takes and how much memory the tree has.
 *
 *     node --expose-gc bench/lazy-open.ts [ENTRIES] [tar-split]
 *     deno run -A --v8-flags=--expose-gc --node-modules-dir=manual bench/lazy-open.ts [ENTRIES] [tar-split]
 *
 * The blob is made of a TOC and a footer (with `tar-split`, of a tar-split too); there is nothing in front of them, as
 * nothing of it would be read. Best of 5; "kept" is the memory that an open layer has, by what is freed with it.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { cpus } from "node:os";
import process from "node:process";
import { zstdCompressSync } from "node:zlib";
import { nativeHashes } from "../src/digest/native.ts";
import { type Layer, memorySource, openLayer } from "../src/mod.ts";

const RUNS = 5;
/** Behind the payload of the entry before. */
let padding = Buffer.alloc(0);
/** As in a distribution's packages. */
const FILES_PER_DIRECTORY = 9;

const [count = "200000", withTarSplit] = process.argv.slice(2);
const { blob, tocDigest, json } = make(Number(count), withTarSplit === "tar-split");
const runtime = "Deno" in globalThis ? "Deno" : `Node ${process.versions.node}`;
console.log(
  `${runtime}, ${cpus()[0]?.model}; ${count} entries, TOC ${json} bytes, blob ${blob.length} bytes`,
);

let best = Infinity;
let kept = Infinity;
let cpu = Infinity;
const before = used();
let peak = 0;
for (let run = 0; run < RUNS; run++) {
  const busy = process.cpuUsage();
  const start = performance.now();
  const opened: Layer[] = [await openLayer(memorySource(blob), { tocDigest, hashes: nativeHashes })];
  best = Math.min(best, performance.now() - start);
  const { user, system } = process.cpuUsage(busy);
  cpu = Math.min(cpu, (user + system) / 1000);
  peak = Math.max(peak, process.memoryUsage().rss);
  kept = Math.min(kept, used() - before);
  if (opened[0]!.nodes < Number(count)) throw new Error("Not all entries are there");
  opened.length = 0;
}
console.log(
  `open ${best.toFixed(0)} ms (${cpu.toFixed(0)} ms of processors), kept ${
    (kept / 1e6).toFixed(1)
  } MB, peak RSS ${(peak / 1e6).toFixed(0)} MB`,
);

/** Bytes of the heap and of array buffers, garbage not counted. */
function used(): number {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error("Run it with --expose-gc");
  gc();
  gc();
  const { heapUsed, arrayBuffers, external } = process.memoryUsage();
  return heapUsed + Math.max(arrayBuffers, external);
}

function make(entries: number, tarSplit: boolean): { blob: Uint8Array; tocDigest: string; json: number } {
  const list: Record<string, unknown>[] = [];
  const lines: string[] = [];
  const digest = (text: string) => `sha256:${createHash("sha256").update(text).digest("hex")}`;
  let offset = 100;
  for (let at = 0; list.length < entries; at++) {
    const directory = `usr/lib/python3/dist-packages/package${at}`;
    list.push({ type: "dir", name: `${directory}/`, mode: 0o755, modtime: time(at) });
    lines.push(...linesOf(`${directory}/`, "5", 0, at, lines.length));
    for (let file = 0; file < FILES_PER_DIRECTORY && list.length < entries; file++) {
      const name = `${directory}/module_${file}.py`;
      const size = 1000 + 37 * file;
      list.push({
        type: "reg",
        name,
        mode: 0o644,
        size,
        modtime: time(at),
        digest: digest(name),
        offset,
        endOffset: offset += 400,
      });
      lines.push(...linesOf(name, "0", size, at, lines.length));
    }
  }
  lines.push(`{"type":2,"payload":"${Buffer.alloc(1024).toString("base64")}","position":${lines.length}}`);
  const split = Buffer.from(lines.join("\n") + "\n");
  const splitCompressed = zstdCompressSync(split);
  const toc = {
    version: 1,
    entries: list,
    ...tarSplit
      ? { tarSplitDigest: `sha256:${createHash("sha256").update(splitCompressed).digest("hex")}` }
      : {},
  };
  const json = Buffer.from(JSON.stringify(toc));
  const compressed = zstdCompressSync(json);
  const footer = Buffer.alloc(64);
  const numbers = [16, compressed.length, json.length, 1];
  if (tarSplit) numbers.push(16 + compressed.length + 8, splitCompressed.length, split.length);
  numbers.forEach((value, index) => footer.writeBigUInt64LE(BigInt(value), 8 * index));
  footer.write("GNUlInUx", 56);
  // A blob begins with a frame; this one is skippable, and empty.
  const parts = [
    frame(Buffer.alloc(0)),
    frame(compressed),
    ...tarSplit ? [frame(splitCompressed)] : [],
    frame(footer),
  ];
  const tocDigest = `sha256:${createHash("sha256").update(compressed).digest("hex")}`;
  return { blob: new Uint8Array(Buffer.concat(parts)), tocDigest, json: json.length };
}

function time(at: number): string {
  return new Date(1_700_000_000_000 + 60_000 * (at % 500)).toISOString().replace(".000", "");
}

/** An entry of a tar-split: its header, and its place. */
function linesOf(name: string, type: string, size: number, at: number, position: number): string[] {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  const octal = (value: number, from: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, "0"), from);
  octal(type === "5" ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(1_700_000_000 + 60 * (at % 500), 136, 12);
  header.write("        ", 148);
  header.write(type, 156);
  header.write("ustar\x0000", 257);
  octal(header.reduce((sum, byte) => sum + byte, 0), 148, 7);
  const before = position === 0 ? Buffer.alloc(0) : padding;
  padding = Buffer.alloc((512 - size % 512) % 512);
  const payload = Buffer.concat([before, header]).toString("base64");
  const crc = size > 0 ? `,"size":${size},"payload":"AAAAAAAAAAE="` : `,"payload":null`;
  return [
    `{"type":2,"payload":"${payload}","position":${position}}`,
    `{"type":1,"name":"${name}"${crc},"position":${position + 1}}`,
  ];
}

/** A skippable frame (RFC 8878 section 3.1.2). */
function frame(payload: Buffer): Buffer {
  const header = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  header.writeUInt32LE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

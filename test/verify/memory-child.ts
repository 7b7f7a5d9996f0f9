/** Verifies a generated layer of several GiB and prints what came out, what should have, and the peak of memory. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { nativeHashes } from "../../src/digest/native.ts";
import { verifyLayer } from "../../src/mod.ts";
import {
  concat,
  entryParts,
  gzipMemberStream,
  type GzipPiece,
  padding,
  randomText,
  rleFrameStream,
  tar,
  zstdFrame,
} from "../support/mod.ts";

interface Generated {
  readonly blob: Iterable<Uint8Array>;
  /** The uncompressed bytes, as pieces that are repeated. */
  readonly content: readonly { readonly data: Uint8Array; readonly times: number }[];
}

const MIB = 2 ** 20;
const END = new Uint8Array(1024);

/** One member of so many GiB and ten bytes in one gzip member; of 4 GiB it is more than its trailer can count. */
function largeGzip(gib: number): Generated {
  const size = 2 ** 30 * gib + 10;
  const { header } = entryParts({ name: "large", size });
  const piece = concat(randomText(4096), new Uint8Array(MIB - 4096));
  const content = [
    { data: header, times: 1 },
    { data: piece, times: 1024 * gib },
    { data: concat(new Uint8Array(10).fill(0x78), padding(size), END), times: 1 },
  ];
  return { blob: gzipMemberStream(content satisfies GzipPiece[]), content };
}

/** A small archive with gigabytes of zeros behind its end, in one frame of RLE blocks (A41). */
function zerosBehindTheEnd(): Generated {
  const archive = tar([{ name: "a", data: "small" }]);
  const zeros = 3 * 1024;
  function* blob() {
    yield zstdFrame(archive);
    yield* rleFrameStream(0, zeros * MIB);
  }
  return {
    blob: blob(),
    content: [{ data: archive, times: 1 }, { data: new Uint8Array(MIB), times: zeros }],
  };
}

/** Peak of resident memory in bytes: the kernel's where it tells, else the runtime's. */
function peak(): number {
  try {
    return 1024 * Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  } catch {
    return 1024 * process.resourceUsage().maxRSS;
  }
}

const { blob, content } = process.argv[2] === "gzip"
  ? largeGzip(Number(process.argv[3]))
  : zerosBehindTheEnd();
const report = await verifyLayer({
  name: "generated",
  size: null,
  async *stream() {
    for (const piece of blob) yield await Promise.resolve(piece);
  },
}, { hashes: nativeHashes });
const memory = peak();

const hash = createHash("sha256");
let size = 0;
for (const { data, times } of content) {
  for (let count = 0; count < times; count++) hash.update(data);
  size += data.length * times;
}
const { result, entries, diffID, uncompressedSize, claims, error } = report;
const checksums = claims.find(({ claim }) => claim === "compressionChecksums")?.status;
console.log(JSON.stringify({
  memory,
  got: { result, error, entries, diffID, uncompressedSize, checksums },
  want: { diffID: `sha256:${hash.digest("hex")}`, uncompressedSize: size },
}));

/** Small layers of every format, and what a verification of them says in short. */
import { nativeHashes } from "../../src/digest/native.ts";
import { memorySource, streamSource, verifyLayer, type VerifyOptions } from "../../src/mod.ts";
import type { LayerReport } from "../../src/mod.ts";
import {
  type Entry,
  estargz,
  gzipMember,
  gzipMembers,
  randomBytes,
  sha256,
  slices,
  tar,
  zstdChunked,
  zstdFrame,
} from "../support/mod.ts";

export interface SmallLayer {
  readonly name: string;
  readonly blob: Uint8Array;
  /** The decompressed bytes. */
  readonly tar: Uint8Array;
}

const ITEMS: readonly Entry[] = [
  { name: "etc/" },
  { name: "etc/motd", data: "hello, layer\n" },
  { name: "bin", linkname: "usr/bin" },
  { name: "data", data: randomBytes(40) },
];

/** For formats whose TOC repeats all that the tar says. */
const FEW = ITEMS.slice(0, 2);

function compressed(name: string, blob: Uint8Array, content: Uint8Array): SmallLayer {
  return { name, blob, tar: content };
}

const plain = tar(ITEMS);

/** One layer of each format, 0.2 to 4 KB. */
export const LAYERS: readonly SmallLayer[] = [
  compressed("tar", plain, plain),
  compressed("gzip", gzipMember(plain, { name: "layer.tar" }), plain),
  compressed("gzip of two members", gzipMembers([plain.subarray(0, 1100), plain.subarray(1100)]), plain),
  compressed("zstd", zstdFrame(plain), plain),
  compressed("estargz", ...pair(estargz(FEW))),
  compressed("legacy estargz", ...pair(estargz(FEW, { footer: "legacy" }))),
  compressed("zstd:chunked", ...pair(zstdChunked(FEW))),
  compressed("zstd:chunked of stargz-snapshotter", ...pair(zstdChunked(FEW, { dialect: "stargz" }))),
];

function pair(layer: { blob: Uint8Array; tar: Uint8Array }): [Uint8Array, Uint8Array] {
  return [layer.blob, layer.tar];
}

/** Verifies bytes from memory, with the platform's hashes: they are made in no time. */
export function verifyBytes(blob: Uint8Array, options: VerifyOptions = {}): Promise<LayerReport> {
  return verifyLayer(memorySource(blob), { hashes: nativeHashes, ...options });
}

/** Verifies bytes from a pipe, in pieces. */
export function verifyPiped(
  blob: Uint8Array,
  options: VerifyOptions = {},
  piece = 1000,
): Promise<LayerReport> {
  const iterator = slices(blob, piece);
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
  return verifyLayer(streamSource(stream), { hashes: nativeHashes, ...options });
}

/** The digests from outside that are right for a layer. */
export function rightly(layer: SmallLayer): VerifyOptions {
  return {
    expect: {
      digest: { value: sha256(layer.blob), from: ["--digest"] },
      diffID: { value: sha256(layer.tar), from: ["--diff-id"] },
    },
  };
}

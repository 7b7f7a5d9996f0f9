/** Layers for tests of lazy reads, and sources that tell what was read of them. */
import { nativeHashes } from "../../src/digest/native.ts";
import { LayerproofError } from "../../src/errors.ts";
import {
  type Layer,
  type LayerSource,
  memorySource,
  openLayer,
  type OpenLayerOptions,
} from "../../src/mod.ts";
import { concat, type Entry, estargz, randomBytes, randomText, sha256, zstdChunked } from "../support/mod.ts";

export const HOLES = concat(randomBytes(3000, 5), new Uint8Array(5000), randomText(3000));

/** Entries with content of several chunks (of 4000 bytes), shared content, and none. */
export const ITEMS: readonly Entry[] = [
  { name: "etc/" },
  { name: "etc/empty" },
  { name: "etc/motd", data: randomText(900) },
  { name: "big", data: concat(randomBytes(5000), randomText(9000)) },
  { name: "holes", data: HOLES },
  { name: "link", linkname: "etc/motd" },
  { name: "same", data: randomText(900) },
  { name: "last", data: randomBytes(1500, 9) },
];

/** Content by path. */
export const CONTENT: ReadonlyMap<string, Uint8Array> = new Map(
  ITEMS.filter(({ data }) => data instanceof Uint8Array).map(({ name, data }) =>
    [name as string, data as Uint8Array] as const
  ),
);

/** A small layer of one format, with what vouches for it. */
export interface Sample {
  readonly name: string;
  readonly blob: Uint8Array;
  readonly annotations: Readonly<Record<string, string>>;
  readonly tocDigest: string;
  readonly toc?: Uint8Array;
}

const chunkSize = 4000;
const gz = (name: string, layer: ReturnType<typeof estargz>): Sample => ({
  ...sample(name, layer),
  ...layer.externalTocBlob ? { toc: layer.externalTocBlob } : {},
});

/** A layer of each format and each layout. */
export const SAMPLES: readonly Sample[] = [
  gz("eStargz", estargz(ITEMS, { chunkSize })),
  gz(
    "legacy stargz, digests of files only",
    estargz(ITEMS, { chunkSize, footer: "legacy", digests: "file" }),
  ),
  gz("shared members", estargz(ITEMS, { chunkSize, minChunkSize: 3000 })),
  gz("external TOC", estargz(ITEMS, { chunkSize, footer: "external" })),
  ...(["cs-1.43", "cs-1.44", "cs-1.47", "cs-1.50", "cs-1.54", "cs-1.55", "stargz"] as const).map((dialect) =>
    sample(`zstd:chunked ${dialect}`, zstdChunked(ITEMS, { dialect, chunkSize }))
  ),
];

function sample(name: string, { blob, annotations, tocDigest }: Omit<Sample, "name" | "toc">): Sample {
  return { name, blob, annotations, tocDigest };
}

/** A source that tells what was read of it. */
export interface Watched {
  readonly source: LayerSource;
  readonly reads: [offset: number, length: number][];
}

export function watched(blob: Uint8Array, delay = false): Watched {
  const reads: [number, number][] = [];
  const source = memorySource(blob);
  return {
    reads,
    source: {
      ...source,
      stream: () => {
        throw new Error("Not the whole");
      },
      async read(offset, length) {
        reads.push([offset, length]);
        if (delay) await new Promise((resolve) => setTimeout(resolve));
        return await source.read!(offset, length);
      },
    },
  };
}

/** Opens a layer by its TOC digest, with the platform's hashes. */
export function open(
  blob: Uint8Array | LayerSource,
  sample: { readonly tocDigest?: string; readonly toc?: Uint8Array },
  options: OpenLayerOptions = {},
): Promise<Layer> {
  return openLayer(blob instanceof Uint8Array ? memorySource(blob) : blob, {
    hashes: nativeHashes,
    ...sample.tocDigest === undefined ? {} : { tocDigest: sample.tocDigest },
    ...sample.toc ? { toc: sample.toc } : {},
    ...options,
  });
}

/** Each file's digest, or the code of the error with which reading it failed. */
export async function readAll(layer: Layer): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const waiting = [layer.root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    for (const { node: child, kind } of layer.readdir(node)) {
      if (kind === "dir") waiting.push(child);
      if (kind === "file") found.set(layer.path(child), await outcome(() => contentOf(layer, child)));
    }
  }
  return found;
}

export async function contentOf(layer: Layer, node: number): Promise<string> {
  const file = layer.open(node);
  return sha256(await file.read(0, file.size));
}

/** What `work` gives, or the code of its typed error; any other error fails the test. */
export async function outcome(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof LayerproofError) return error.code;
    throw error;
  }
}

/** What `readAll` must give of a sound layer of `ITEMS`. */
export const RIGHT: ReadonlyMap<string, string> = new Map([
  ...[...CONTENT].map(([path, bytes]) => [path, sha256(bytes)] as const),
  ["etc/empty", sha256(new Uint8Array(0))],
]);

/** A typed error that must come. */
export async function errorOf(work: Promise<unknown>): Promise<LayerproofError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof LayerproofError) return error;
    throw error;
  }
  throw new Error("Expected an error, there was none");
}

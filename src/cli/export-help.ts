/**
 * The words of `layerproof export --help`.
 *
 * @module
 */

export const EXPORT_HELP = {
  purpose:
    `Hands a layer's bytes on, and verifies the layer as "layerproof verify" does while they flow. A file appears
only when all that is expected holds and nothing contradicts; a pipe ends with a status that is not zero otherwise.`,

  group: `
layerproof export tar --help and layerproof export blob --help explain more.
`,

  tar:
    `Writes the exact tar stream of a layer (tar, gzip, zstd, eStargz, zstd:chunked), whose digest is the diffID.`,

  tarRest: `
--from chunks reads TOC and tar-split of a zstd:chunked file (containers/storage since 1.48), and each file's chunks by
their ranges; the frames between are not read, and no byte of a chunk is written before its digest is checked. The tar
is proved by --diff-id; or by a TOC digest (--toc-digest, --descriptor) where the TOC names the tar-split (since 1.54).

With --tar-split, <layer> is the directory that it was extracted to: as layerproof tarsplit assemble does it. Only
--diff-id or --config proves that tar.

Examples
  layerproof export tar blob --config config.json --layer-index 0 -o layer.tar
  curl -fsSL "$URL" | layerproof export tar - --diff-id sha256:9c1e... | tar -tv
  layerproof export tar blob --from chunks --descriptor descriptor.json -o layer.tar
  layerproof export tar rootfs --tar-split layer.tar-split.gz --diff-id sha256:9c1e... -o layer.tar
`,

  blob: `Writes the blob as it is, byte for byte.`,

  blobRest: `
Examples
  curl -fsSL "$URL" | layerproof export blob - --digest sha256:4f2d... -o blob
  layerproof export blob blob --descriptor descriptor.json > copy
`,
} as const;

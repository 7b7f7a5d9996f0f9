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
A tar from a directory and its tar-split: layerproof tarsplit assemble
`,

  tar:
    `Writes the exact tar stream of a layer (tar, gzip, zstd, eStargz, zstd:chunked), whose digest is the diffID.`,

  tarRest: `
Examples
  layerproof export tar blob --config config.json --layer-index 0 -o layer.tar
  curl -fsSL "$URL" | layerproof export tar - --diff-id sha256:9c1e... | tar -tv
`,

  blob: `Writes the blob as it is, byte for byte.`,

  blobRest: `
Examples
  curl -fsSL "$URL" | layerproof export blob - --digest sha256:4f2d... -o blob
  layerproof export blob blob --descriptor descriptor.json > copy
`,
} as const;

/**
 * The words of `layerproof export oci --help`.
 *
 * @module
 */

export const EXPORT_OCI_HELP = {
  purpose:
    `Writes an image of a store as an OCI image layout. Manifest and config are as they were while the blobs are what they
were. A blob that is lost or damaged is made again from the extracted files and the tar-split, checked against the
diffID, compressed, read back and verified; the manifest is then a new one, config and diffIDs are the same.`,

  rest: `
Examples
  layerproof export oci docker.io/library/debian:12 /var/lib/layers -o debian
  skopeo copy oci:debian docker://registry.example/debian:12
`,
} as const;

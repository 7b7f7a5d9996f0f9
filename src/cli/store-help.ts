/**
 * The words of `layerproof store --help`.
 *
 * @module
 */

const STORE_ARGUMENT = `The store is the last argument, or LAYERPROOF_STORE.`;

export const STORE_HELP = {
  purpose:
    `Keeps an Additional Layer Store: a directory from which podman, CRI-O, buildah and skopeo take layers without
downloading or extracting them, and from which they can save and push them again.`,

  group: `
layerproof store <command> --help explains a command. ${STORE_ARGUMENT}

The clients' storage.conf:
  [storage.options]
  additionallayerstores = ["/var/lib/layers:ref"]
`,

  create:
    `Verifies all layers of an image, extracts them, and puts them where clients ask for them: by the digest of the
blob (podman 4) and that of the TOC (podman 5). Every value in "info" is computed from the bytes. Clients find a layer only
when all layers of the image are proved; what was proved before an interruption is not read again.`,

  createRest: `
Layouts
  reference  STORE/base64(reference)/DIGEST, for a store that is listed as STORE:ref
  digest     STORE/DIGEST, for a store that is listed as STORE
  keys       STORE/base64(reference=REF)/base64(layerdigest=DIGEST), in every order

Examples
  skopeo copy docker://docker.io/library/debian:12 oci:debian:12
  layerproof store create oci:debian:12 /var/lib/layers --reference docker.io/library/debian:12
  layerproof store create docker-archive:image.tar /var/lib/layers
  layerproof store create docker://quay.io/fedora/fedora:41 /var/lib/layers --platform linux/amd64
  layerproof store create layer.tar.gz /var/lib/layers --digest sha256:4f2d... --config config.json

As root, owners, devices, whiteouts and all attributes are set; anyone else gets what the system allows, and is told the
rest. Needs GNU tar.
`,

  ls: `Lists the images and layers of a store. ${STORE_ARGUMENT}`,
  info:
    `Tells what the store knows of an image (by its reference) or of a layer (by the digest of its blob, TOC or tar).`,
  lookUp:
    `Tells what a client gets that asks for this layer: where it lies, by which identity it was found, and what "info"
says. Ends with 1 if nobody would take it from here.`,
  lookUpRest: `
A client that knows two digests of a layer must not be given one that matches only one of them:
  layerproof store look-up REF sha256:BLOB... --toc-digest sha256:TOC...
finds a layer only if both were computed from its bytes.
`,
  check:
    `Reads every layer again: the blob against its digests, the extracted files by rebuilding the tar from them, their
modes, owners, times, links and attributes against its headers, and every "info". Ends with 1 if anything was changed.`,
  rm:
    `Takes an image (by its reference) or a layer (by its digest) away from where clients find it. The layers themselves stay
until "store gc". Containers that use them now lose their files then: remove them first.`,
  gc: `Removes layers that no client can find, and what interrupted work left.`,
} as const;

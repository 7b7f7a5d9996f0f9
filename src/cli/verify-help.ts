/**
 * The words of `layerproof verify --help`.
 *
 * @module
 */

/** Also shown by `layerproof --help`. */
export const EXIT_HELP = `Exit status
  0    every layer is verified or consistent
  1    a mismatch, or a finding as severe as --fail-on says
  2    wrong usage, unusable option files, unknown tag: no layer was read
  3    not readable as a layer (damaged, unsupported, ambiguous, over a limit)
  4    the source failed (missing, no permission, read error)
  130  interrupted by Ctrl-C; 141 when nobody reads the output any more; 70 when layerproof itself failed
  With several layers: the highest of their statuses.
`;

/** After an error in the arguments. */
export const SHORT_USAGE = `
Usage: layerproof verify [options] <layer...>
  a layer is a file, - for standard input, or an image:
  oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:NAME], docker://REFERENCE
  layerproof verify --help explains everything, with examples
`;

export const VERIFY_HELP = {
  purpose: `Reads container layers once, from start to end, and says what they are (tar, gzip, zstd, eStargz,
zstd:chunked, told by their content) and whether they are what their digests say: the blob's digest,
the diffID of the tar stream inside, the TOC and every chunk that it lists, checksums, sizes, names.
Memory does not grow with the layer.`,

  rest: `
Verdicts
  verified     An outside digest was given and all that was expected holds. Outside means: not taken
               from the layer itself, but from the options above or from an image's manifest and config.
  consistent   No outside digest was given. The layer agrees with what it says about itself (checksums,
               its own TOC), which anyone can forge: nothing is proved.
  mismatch     Something contradicts. Expected and actual value are shown under each other.
  error        The layer cannot be had or cannot be read.
  With --metadata-only, verified speaks of the TOC (and what hangs on it: tar-split and size), and the
  claims about digest and diffID are "not checked".
  Every claim in the report has one of these statuses too, and the chain by which it was proved:
  "by --descriptor d.json" or "by oci:img index.json > manifest sha256:... > config sha256:...".

Examples
  What is this file, and is it intact?
    layerproof verify layer.tar.gz
  Is it the layer that the manifest names?
    layerproof verify --digest sha256:4f2d... layer.tar.gz
    layerproof verify --descriptor <(jq '.layers[2]' manifest.json) layer.tar.gz
  Does it unpack to what the config says?
    layerproof verify --config config.json --layer-index 2 layer.tar.gz
  While it comes out of a pipe (it is not kept):
    curl -fsSL "$URL" | layerproof verify --digest sha256:4f2d... -
  A whole image, against its own manifest and config:
    skopeo copy docker://docker.io/library/alpine:3 oci:img:alpine
    layerproof verify oci:img:alpine
  The same without a copy, straight from the registry, with podman's and docker's logins and registries.conf:
    layerproof verify --platform linux/amd64 docker://docker.io/library/alpine:3
  An eStargz layer whose TOC lies in another image:
    layerproof verify --toc toc-layer.tar.gz --toc-digest sha256:9c1e... layer.tar.gz
  How large is a zstd:chunked layer unpacked, proved by its TOC digest, without reading it?
    layerproof verify --metadata-only --descriptor descriptor.json layer.zst
  For programs:
    layerproof verify --json oci:img | jq -r 'select(.result != "verified") | .layer'
    layerproof verify --json layer.tar.gz | jq '{diffID, uncompressedSize}'
  In CI, where warnings count too:
    layerproof verify --fail-on warning oci:img

${EXIT_HELP}
With Deno, from source
  deno run --allow-read=layer.tar.gz verify.ts layer.tar.gz
    Nothing but the layer needs to be readable: no network, no environment, no writing.
    docker://REFERENCE needs --allow-net --allow-sys, and --allow-read --allow-env for its configuration.
    Add the files of --descriptor, --config and --toc; for oci:DIR, --allow-read=DIR.
    Standard input needs no permission at all: deno run verify.ts - < layer.tar.gz
    To use all cores for large layers, let it read its own files too: --allow-read=layer.tar.gz,src
`,
} as const;

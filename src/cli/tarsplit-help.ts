/**
 * The words of `layerproof tarsplit --help`.
 *
 * @module
 */

export const TARSPLIT_HELP = {
  purpose:
    `A tar-split is what has to be kept of a layer's tar, apart from the contents of its files, to make the same
bytes again from the extracted files: headers, padding, and a CRC-64 of each content. The format is that
of vbatts/tar-split, which podman, CRI-O and docker keep beside each layer: JSON lines.`,

  group: `
layerproof tarsplit disassemble --help and layerproof tarsplit assemble --help explain more.
`,

  disassemble:
    `Verifies a layer as "layerproof verify" does, and writes its tar-split in the same pass. If anything
contradicts, or the layer cannot be read to its end, there is no tar-split: the file appears only when all is well.
What has gone to standard output cannot be taken back: then the exit status tells.`,

  disassembleRest: `
The lines are byte for byte those of "tar-split disasm", but for sparse members, from whose lines no
program could make the tar again: their stored bytes stay in the tar-split, which any reader takes.

Exit status: 0 written, 1 the layer contradicts what is expected, 2 wrong usage, 3 not readable as a layer or no
tar-split can be made of it (two entries with one path), 4 the layer cannot be had or the file cannot be written

Examples
  layerproof tarsplit disassemble layer.tar.gz -o layer.tar-split.zst
  layerproof tarsplit disassemble --digest sha256:4f2d... blob -o blob.tar-split.gz
`,

  assemble:
    `Makes a layer's tar again, from its tar-split (plain, gzip or zstd, told by content) and the directory that
it was extracted to. Each file's size and CRC-64 are checked as it flows, and the digest of the whole where one is
given. A file that was changed, is too short, too long or missing is named, and no tar is left.`,

  assembleRest: `
A CRC-64 finds accidents, not attacks: only --diff-id proves that the tar is the right one.
Names are taken as the bytes that they are; no symbolic link is followed, and nothing outside of <dir> is read.

Exit status: 0 written, 1 a file or the whole is not what was expected, 2 wrong usage, 3 the tar-split cannot be
read, 4 a file is missing, cut or too long, or the output cannot be written

Examples
  layerproof tarsplit assemble layer.tar-split.gz rootfs -o layer.tar --diff-id sha256:9c1e...
  layerproof tarsplit assemble layer.tar-split.zst rootfs | sha256sum
`,
} as const;

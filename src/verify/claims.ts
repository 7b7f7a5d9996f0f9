/**
 * From what was computed and what was expected to claims: the trust rules, in one place.
 *
 * Verified means compared with a digest from outside the blob, directly or through a chain that starts at one. A number
 * from outside (a size) proves nothing by itself: it counts as verified only when the bytes it measures are.
 *
 * @module
 */
import { escapeName } from "../tar/names.ts";
import type { Expecting, TocExpectation } from "./expect.ts";
import type { PositionClaim } from "./locate.ts";
import type { Expected } from "./options.ts";
import type { PassResult } from "./pass.ts";
import type { Claim, ClaimName, ClaimStatus } from "./report.ts";
import type { Tally, TocCheck } from "./toc-check.ts";
import { tarSplitClaims } from "./tar-split-claims.ts";
import type { TarSplitFacts } from "./tar-split.ts";
import type { TocFacts } from "./toc-facts.ts";
import { mediaTypeMatches, mediaTypeOf } from "./media-type.ts";

/** What is known of blob and stream; of one that was not read, no digest. */
export type StreamFacts = Omit<PassResult, "digest"> & { readonly digest: string | null };

/** All that the claims are made from. */
export interface ClaimInput {
  readonly expecting: Expecting;
  readonly pass: StreamFacts;
  /** Whether the whole blob was read; else only its TOC and tar-split were. */
  readonly read: boolean;
  readonly toc: TocFacts | null;
  /** Whether the TOC's bytes were among those that the blob's digest is of. */
  readonly tocInBlob: boolean;
  readonly check: TocCheck;
  readonly positions: PositionClaim | null;
  /** SHA-256 of the tar-split in the blob, or null if it has none where the TOC or footer says. */
  readonly tarSplitDigest: string | null;
  /** What that tar-split says, or null where it was not read. */
  readonly tarSplit: TarSplitFacts | null;
}

type Chain = readonly string[];

interface Comparison {
  readonly claim: ClaimName;
  readonly expected: string | number | null;
  readonly actual: string | number | null;
  readonly where?: string | null;
  readonly chain?: Chain;
  readonly status?: ClaimStatus;
}

export function makeClaims(input: ClaimInput): Claim[] {
  const { expecting, pass, read } = input;
  const blob = compareDigest("digest", expecting.digest, pass.digest, read ? "the whole blob" : NOT_READ);
  const blobChain: Chain = blob.status === "verified" ? [...blob.chain, "blob"] : [];
  const diff = diffClaim(input);
  const streamChain = diff.status === "verified"
    ? diff.chain
    : read
    ? blobChain
    : tarSplitChain(input, blobChain);
  // What was not read is only worth a word where somebody asked for it.
  const asked = ({ status }: Claim) => read || status !== "absent";
  return [
    ...[blob].filter(asked),
    compareNumber("size", expecting.size, pass.size, blobChain),
    ...mediaTypeClaim(input),
    ...[diff].filter(asked),
    uncompressedSizeClaim(input, streamChain),
    ...tocClaims(input, blobChain),
    ...read ? [checksumClaim(input), tarClaim(input)] : [],
  ];
}

const NOT_READ = "the layer was not read, only its TOC and tar-split (--metadata-only)";

/** What vouches for the size that a tar-split gives, where nothing contradicts it. */
function tarSplitChain(input: ClaimInput, blobChain: Chain): Chain {
  const chain = tocChainOf(input, blobChain);
  const { toc, tarSplit } = input;
  const sound = tarSplit?.shape && tarSplit.check.entries.mismatched === 0;
  const named = sound && toc?.toc?.tarSplitDigest === tarSplit.digest;
  return named && chain.length > 0 ? [...chain, "tar-split"] : [];
}

export function makeClaim({ claim, expected, actual, where = null, chain = [], status }: Comparison): Claim {
  const [a, b] = [expected, actual].map((value) => (value === null ? null : String(value)));
  const compared = a === null
    ? "absent"
    : a !== b
    ? "mismatch"
    : chain.length > 0
    ? "verified"
    : "consistent";
  return {
    claim,
    status: status ?? compared,
    expected: a!,
    actual: b!,
    where,
    chain,
  };
}

function compareDigest(
  claim: ClaimName,
  expected: Expected<string> | null,
  actual: string | null,
  where: string,
): Claim {
  if (!expected) return makeClaim({ claim, expected: null, actual, where });
  const { value, from: chain } = expected;
  const status = actual === null ? "not checked" : actual === value ? "verified" : "mismatch";
  return makeClaim({ claim, expected: value, actual, where, chain, status });
}

function compareNumber(
  claim: ClaimName,
  expected: Expected<number> | null,
  actual: number | null,
  bytesChain: Chain,
): Claim {
  if (!expected) return makeClaim({ claim, expected: null, actual });
  if (actual === null) return makeClaim({ claim, expected: expected.value, actual, status: "not checked" });
  const chain = bytesChain.length > 0 ? joinChains(expected.from, bytesChain) : [];
  const where = chain.length === 0
    ? `${expected.from.join(" > ")}; a number alone proves nothing about the bytes`
    : null;
  return makeClaim({ claim, expected: expected.value, actual, where, chain });
}

/** The way of a number and that of the bytes it measures, without saying twice what both begin with. */
function joinChains(number: Chain, bytes: Chain): Chain {
  let shared = 0;
  while (shared < number.length && number[shared] === bytes[shared]) shared++;
  return [...number, ...bytes.slice(shared)];
}

function mediaTypeClaim({ expecting, pass, toc }: ClaimInput): Claim[] {
  if (!expecting.mediaType) return [];
  const { value, from } = expecting.mediaType;
  const actual = mediaTypeOf(pass.container);
  const matches = mediaTypeMatches(value, pass.container);
  const where = toc ? `content: ${toc.family}` : `content: ${pass.container}`;
  if (matches === null) {
    return [makeClaim({ claim: "mediaType", expected: value, actual, where, status: "not checked" })];
  }
  return [
    makeClaim({
      claim: "mediaType",
      expected: value,
      actual,
      where: `${where}; said by ${from.join(" > ")}`,
      status: matches ? "consistent" : "mismatch",
    }),
  ];
}

function diffClaim({ expecting, pass, read }: ClaimInput): Claim {
  const where = !read
    ? NOT_READ
    : pass.diffID === null
    ? "the blob could not be decompressed to its end"
    : "the whole tar stream";
  return compareDigest("diffID", expecting.diffID, pass.diffID, where);
}

function uncompressedSizeClaim({ expecting, pass, read }: ClaimInput, streamChain: Chain): Claim {
  if (!read && !expecting.uncompressedSize && pass.uncompressedSize !== null && streamChain.length > 0) {
    // Nobody names the number, but what it is the sum of is what the digests name.
    const where = "the sum of what the tar-split lists";
    const actual = pass.uncompressedSize;
    return makeClaim({
      claim: "uncompressedSize",
      expected: null,
      actual,
      where,
      chain: streamChain,
      status: "verified",
    });
  }
  return compareNumber("uncompressedSize", expecting.uncompressedSize, pass.uncompressedSize, streamChain);
}

/** How far the TOC is trusted: through its own outside digest, else as part of a verified blob. */
function tocChainOf({ expecting, toc, tocInBlob }: ClaimInput, blobChain: Chain): Chain {
  if (!toc) return [];
  const matched = expecting.toc.find((expectation) => matchesToc(expectation, toc));
  if (matched) return [...matched.from, "TOC"];
  return blobChain.length > 0 && tocInBlob ? [...blobChain, "TOC"] : [];
}

/** The bytes that an outside TOC digest may be of. stargz-snapshotter's zstd:chunked has two digests, one of each kind. */
function matchesToc({ digest, of }: TocExpectation, toc: TocFacts): boolean {
  if (of === "json") return toc.jsonDigest === digest;
  if (of === "compressed") return toc.compressedDigest === digest;
  return toc.tocDigest === digest || (toc.tocDigest === toc.jsonDigest && toc.compressedDigest === digest);
}

function tocClaims(input: ClaimInput, blobChain: Chain): Claim[] {
  const { toc, positions, check } = input;
  const digests = tocDigestClaims(input, blobChain);
  if (!toc) return digests;
  const chain = tocChainOf(input, blobChain);
  const trusted = { chain, status: chain.length > 0 ? "verified" : "consistent" } as const;
  const claims = [...digests, ...positionClaim(positions), tocClaim(toc, check.duplicates, trusted)];
  if (!toc.toc) return claims;
  return [
    ...claims,
    ...tarSplitClaims(input, trusted),
    ...input.read ? contentClaims(input, toc, trusted) : [],
  ];
}

/** How far something is trusted. */
export interface Trust {
  readonly chain: Chain;
  readonly status: "verified" | "consistent";
}

function tocDigestClaims({ expecting, toc, tocInBlob }: ClaimInput, blobChain: Chain): Claim[] {
  if (expecting.toc.length === 0) {
    if (!toc) return [];
    const chain = tocInBlob ? blobChain : [];
    return [
      makeClaim({ claim: "tocDigest", expected: null, actual: toc.tocDigest, where: toc.where, chain }),
    ];
  }
  return expecting.toc.map((expectation) => {
    const { digest: expected, from: chain } = expectation;
    if (!toc) {
      return makeClaim({
        claim: "tocDigest",
        expected,
        actual: null,
        where: "the blob has no TOC where it should be",
        chain,
        status: "mismatch",
      });
    }
    const actual = expectation.of === "json"
      ? toc.jsonDigest
      : expectation.of === "compressed"
      ? toc.compressedDigest
      : toc.tocDigest;
    if (matchesToc(expectation, toc)) {
      return makeClaim({
        claim: "tocDigest",
        expected,
        actual: expected,
        where: toc.where,
        chain,
        status: "verified",
      });
    }
    const unread = actual === null && toc.problem !== null && toc.compressedDigest === null &&
      toc.jsonDigest === null;
    const status = unread ? "not checked" : "mismatch";
    return makeClaim({
      claim: "tocDigest",
      expected,
      actual,
      where: unread ? toc.problem!.message : `${toc.where}${hint(expected, toc)}`,
      chain,
      status,
    });
  });
}

/** The usual confusion: the digest of the other bytes (JSON text or compressed). */
function hint(expected: string, toc: TocFacts): string {
  if (expected === toc.jsonDigest) {
    return "; the expected digest is that of the JSON text, but this dialect's is of the compressed bytes";
  }
  if (expected === toc.compressedDigest) {
    return "; the expected digest is that of the compressed bytes, but this dialect's is of the JSON text";
  }
  return "";
}

function positionClaim(positions: PositionClaim | null): Claim[] {
  if (!positions) return [];
  const [expected, actual] = [positions.annotated, positions.footer].map((range) =>
    `${range.offset}:${range.length}:${range.uncompressedLength}`
  );
  const status = expected === actual ? "consistent" : "mismatch";
  return [
    makeClaim({
      claim: "tocPosition",
      expected: expected!,
      actual: actual!,
      where: "annotation against footer",
      status,
    }),
  ];
}

function tocClaim(toc: TocFacts, duplicates: number, trusted: Trust): Claim {
  if (toc.toc && duplicates > 0) {
    // One reader takes the first entry, another the last, the reference refuses.
    const actual = `${duplicates} paths with more than one entry`;
    const { chain } = trusted;
    return makeClaim({
      claim: "toc",
      expected: "one entry a path",
      actual,
      where: toc.where,
      chain,
      status: "mismatch",
    });
  }
  if (toc.toc) {
    return makeClaim({
      claim: "toc",
      expected: "well-formed",
      actual: "well-formed",
      where: toc.where,
      ...trusted,
    });
  }
  const problem = toc.problem!;
  const unread = ["toc-limit", "external-toc-missing", "entries-limit"].includes(problem.code);
  return makeClaim({
    claim: "toc",
    expected: "well-formed",
    actual: null,
    where: problem.message,
    status: unread ? "not checked" : "mismatch",
  });
}

function contentClaims({ pass, check }: ClaimInput, toc: TocFacts, trusted: Trust): Claim[] {
  const whole = !pass.codecError && !pass.tarError;
  const claims = [
    tallyClaim("chunks", check.chunks, trusted, whole),
    tallyClaim("files", check.files, trusted, whole),
    tallyClaim("chunkPositions", check.positions, trusted, whole),
  ];
  const { entries } = check;
  const contradicted = entries.mismatched > 0;
  claims.push(makeClaim({
    claim: "tocMatchesTar",
    expected: `${toc.toc!.files.length} entries`,
    actual: contradicted ? `${entries.mismatched} differences` : `${entries.matched} entries agree`,
    where: contradicted && entries.first
      ? `${escapeName(entries.first.where)}: ${entries.first.expected}, ${entries.first.actual}`
      : null,
    chain: trusted.chain,
    status: contradicted ? "mismatch" : whole ? trusted.status : "not checked",
  }));
  return claims;
}

/** Counts in, one status out: a contradiction wins, then what could not be checked. */
function tallyClaim(claim: ClaimName, tally: Tally, trusted: Trust, whole: boolean): Claim {
  const { total, matched, mismatched, first } = tally;
  if (mismatched > 0) {
    const where = `${mismatched} of ${total}; first: ${escapeName(first!.where)}`;
    return makeClaim({
      claim,
      expected: first!.expected,
      actual: first!.actual,
      where,
      chain: trusted.chain,
      status: "mismatch",
    });
  }
  const text = `${matched} of ${total}`;
  if (!whole) {
    return makeClaim({
      claim,
      expected: `${total}`,
      actual: text,
      where: "the layer could not be read to its end",
      status: "not checked",
    });
  }
  if (total === 0) return makeClaim({ claim, expected: null, actual: null, where: "the TOC has none" });
  if (matched < total) {
    const where = `${total - matched} have no digest in the TOC, or begin where a pipe cannot show it`;
    return makeClaim({ claim, expected: `${total}`, actual: text, where, status: "not checked" });
  }
  return makeClaim({ claim, expected: `${total}`, actual: text, ...trusted });
}

function checksumClaim({ pass }: ClaimInput): Claim {
  const { total, withChecksum, mismatched, first } = pass.units;
  const claim = "compressionChecksums";
  if (first) {
    const where = `${mismatched} of ${total}; first: ${first.where}`;
    return makeClaim({ claim, expected: first.expected, actual: first.actual, where, status: "mismatch" });
  }
  if (withChecksum === 0) {
    return makeClaim({ claim, expected: null, actual: null, where: "the compression has no checksums" });
  }
  return makeClaim({
    claim,
    expected: `${withChecksum}`,
    actual: `${withChecksum}`,
    where: `${withChecksum} of ${total} members or frames carry one`,
    status: "consistent",
  });
}

function tarClaim({ pass }: ClaimInput): Claim {
  const error = pass.codecError ?? pass.tarError;
  if (error) {
    return makeClaim({
      claim: "tar",
      expected: "well-formed",
      actual: null,
      where: error.message,
      status: "not checked",
    });
  }
  return makeClaim({
    claim: "tar",
    expected: "well-formed",
    actual: "well-formed",
    where: `${pass.entries} headers`,
    status: "consistent",
  });
}

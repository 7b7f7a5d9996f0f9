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
import type { TocFacts } from "./toc-facts.ts";
import { mediaTypeMatches, mediaTypeOf } from "./media-type.ts";

/** All that the claims are made from. */
export interface ClaimInput {
  readonly expecting: Expecting;
  readonly pass: PassResult;
  readonly toc: TocFacts | null;
  /** Whether the TOC's bytes were among those that the blob's digest is of. */
  readonly tocInBlob: boolean;
  readonly check: TocCheck;
  readonly positions: PositionClaim | null;
  /** SHA-256 of the tar-split in the blob, or null if it has none where the TOC or footer says. */
  readonly tarSplitDigest: string | null;
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
  const { expecting, pass } = input;
  const blob = compareDigest("digest", expecting.digest, pass.digest, "the whole blob");
  const blobChain: Chain = blob.status === "verified" ? [...blob.chain, "blob"] : [];
  const diff = diffClaim(input);
  const streamChain = diff.status === "verified" ? diff.chain : blobChain;
  const claims = [
    blob,
    compareNumber("size", expecting.size, pass.size, blobChain),
    ...mediaTypeClaim(input),
    diff,
    uncompressedSizeClaim(input, streamChain),
    ...tocClaims(input, blobChain),
    checksumClaim(input),
    tarClaim(input),
  ];
  return claims;
}

function make({ claim, expected, actual, where = null, chain = [], status }: Comparison): Claim {
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
  if (!expected) return make({ claim, expected: null, actual, where });
  const { value, from: chain } = expected;
  const status = actual === null ? "not checked" : actual === value ? "verified" : "mismatch";
  return make({ claim, expected: value, actual, where, chain, status });
}

function compareNumber(
  claim: ClaimName,
  expected: Expected<number> | null,
  actual: number | null,
  bytesChain: Chain,
): Claim {
  if (!expected) return make({ claim, expected: null, actual });
  if (actual === null) return make({ claim, expected: expected.value, actual, status: "not checked" });
  const chain = bytesChain.length > 0 ? joinChains(expected.from, bytesChain) : [];
  const where = chain.length === 0
    ? `${expected.from.join(" > ")}; a number alone proves nothing about the bytes`
    : null;
  return make({ claim, expected: expected.value, actual, where, chain });
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
    return [make({ claim: "mediaType", expected: value, actual, where, status: "not checked" })];
  }
  return [
    make({
      claim: "mediaType",
      expected: value,
      actual,
      where: `${where}; said by ${from.join(" > ")}`,
      status: matches ? "consistent" : "mismatch",
    }),
  ];
}

function diffClaim({ expecting, pass }: ClaimInput): Claim {
  const where = pass.diffID === null
    ? "the blob could not be decompressed to its end"
    : "the whole tar stream";
  return compareDigest("diffID", expecting.diffID, pass.diffID, where);
}

function uncompressedSizeClaim({ expecting, pass }: ClaimInput, streamChain: Chain): Claim {
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
  return [...claims, ...tarSplitClaim(input, trusted), ...contentClaims(input, toc, trusted)];
}

interface Trust {
  readonly chain: Chain;
  readonly status: "verified" | "consistent";
}

function tocDigestClaims({ expecting, toc, tocInBlob }: ClaimInput, blobChain: Chain): Claim[] {
  if (expecting.toc.length === 0) {
    if (!toc) return [];
    const chain = tocInBlob ? blobChain : [];
    return [make({ claim: "tocDigest", expected: null, actual: toc.tocDigest, where: toc.where, chain })];
  }
  return expecting.toc.map((expectation) => {
    const { digest: expected, from: chain } = expectation;
    if (!toc) {
      return make({
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
      return make({
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
    return make({
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
    make({
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
    return make({
      claim: "toc",
      expected: "one entry a path",
      actual,
      where: toc.where,
      chain,
      status: "mismatch",
    });
  }
  if (toc.toc) {
    return make({
      claim: "toc",
      expected: "well-formed",
      actual: "well-formed",
      where: toc.where,
      ...trusted,
    });
  }
  const problem = toc.problem!;
  const unread = ["toc-limit", "external-toc-missing", "entries-limit"].includes(problem.code);
  return make({
    claim: "toc",
    expected: "well-formed",
    actual: null,
    where: problem.message,
    status: unread ? "not checked" : "mismatch",
  });
}

function tarSplitClaim({ toc, tarSplitDigest }: ClaimInput, trusted: Trust): Claim[] {
  const expected = toc!.toc!.tarSplitDigest;
  if (expected === null && tarSplitDigest === null) return [];
  if (expected === null) {
    const where = "the TOC does not name it, so nothing vouches for it";
    return [make({ claim: "tarSplitDigest", expected, actual: tarSplitDigest, where, status: "absent" })];
  }
  const matches = tarSplitDigest === expected;
  return [
    make({
      claim: "tarSplitDigest",
      expected,
      actual: tarSplitDigest,
      where: "the digest; its content is not compared",
      chain: trusted.chain,
      status: matches ? trusted.status : "mismatch",
    }),
  ];
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
  claims.push(make({
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
    return make({
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
    return make({
      claim,
      expected: `${total}`,
      actual: text,
      where: "the layer could not be read to its end",
      status: "not checked",
    });
  }
  if (total === 0) return make({ claim, expected: null, actual: null, where: "the TOC has none" });
  if (matched < total) {
    const where = `${total - matched} have no digest in the TOC, or begin where a pipe cannot show it`;
    return make({ claim, expected: `${total}`, actual: text, where, status: "not checked" });
  }
  return make({ claim, expected: `${total}`, actual: text, ...trusted });
}

function checksumClaim({ pass }: ClaimInput): Claim {
  const { total, withChecksum, mismatched, first } = pass.units;
  const claim = "compressionChecksums";
  if (first) {
    const where = `${mismatched} of ${total}; first: ${first.where}`;
    return make({ claim, expected: first.expected, actual: first.actual, where, status: "mismatch" });
  }
  if (withChecksum === 0) {
    return make({ claim, expected: null, actual: null, where: "the compression has no checksums" });
  }
  return make({
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
    return make({
      claim: "tar",
      expected: "well-formed",
      actual: null,
      where: error.message,
      status: "not checked",
    });
  }
  return make({
    claim: "tar",
    expected: "well-formed",
    actual: "well-formed",
    where: `${pass.entries} headers`,
    status: "consistent",
  });
}

/**
 * What is claimed of a tar-split: that it is the one which the TOC names, and that TOC, tar-split and tar tell the same.
 *
 * @module
 */
import { LimitExceeded } from "../errors.ts";
import { escapeName } from "../tar/names.ts";
import { type ClaimInput, makeClaim, type Trust } from "./claims.ts";
import type { Claim } from "./report.ts";
import type { TarSplitFacts } from "./tar-split.ts";

/** @param trusted how far the TOC is */
export function tarSplitClaims(input: ClaimInput, trusted: Trust): Claim[] {
  const { toc, tarSplitDigest, tarSplit } = input;
  const expected = toc!.toc!.tarSplitDigest;
  if (expected === null && tarSplitDigest === null) return [];
  const claim = "tarSplitDigest";
  if (!tarSplit) {
    const where = "the blob has no such tar-split where it should be";
    return [
      makeClaim({ claim, expected, actual: tarSplitDigest, where, chain: trusted.chain, status: "mismatch" }),
    ];
  }
  const { offset, length } = tarSplit.range;
  const where = `bytes ${offset} to ${offset + length} of the blob`;
  if (expected === null) {
    const unnamed = `${where}; the TOC does not name it, so nothing vouches for it`;
    const digest = makeClaim({ claim, expected, actual: tarSplitDigest, where: unnamed, status: "absent" });
    return [digest, ...contentClaims(input, tarSplit, { chain: [], status: "consistent" })];
  }
  const unread = tarSplitDigest === null && isUnread(tarSplit);
  const status = unread ? "not checked" : tarSplitDigest === expected ? trusted.status : "mismatch";
  const digest = makeClaim({ claim, expected, actual: tarSplitDigest, where, chain: trusted.chain, status });
  const chain = trusted.chain.length > 0 ? [...trusted.chain, "tar-split"] : [];
  return [digest, ...contentClaims(input, tarSplit, { chain, status: trusted.status })];
}

function contentClaims(input: ClaimInput, tarSplit: TarSplitFacts, trusted: Trust): Claim[] {
  const { problem, check: { entries } } = tarSplit;
  if (problem) {
    // What was read before the limit can be wrong already.
    const unread = isUnread(tarSplit) && entries.mismatched === 0;
    const status = unread ? "not checked" : "mismatch";
    const { chain } = trusted;
    const actual = unread ? null : problem.message;
    return [
      makeClaim({
        claim: "tarSplit",
        expected: "well-formed",
        actual,
        where: problem.message,
        chain,
        status,
      }),
    ];
  }
  const { first, matched, mismatched } = entries;
  return [
    makeClaim({ claim: "tarSplit", expected: "well-formed", actual: "well-formed", ...trusted }),
    makeClaim({
      claim: "tarSplitMatchesToc",
      expected: `${input.toc!.toc!.files.length} entries`,
      actual: mismatched > 0 ? `${mismatched} differences` : `${matched} entries agree`,
      where: mismatched > 0 && first
        ? `${escapeName(first.where)}: ${first.expected}, ${first.actual}`
        : null,
      chain: trusted.chain,
      status: mismatched > 0 ? "mismatch" : trusted.status,
    }),
    ...input.read ? [matchesTar(input, tarSplit, trusted)] : [],
  ];
}

/** Whether it was left alone, which says nothing against it. */
function isUnread({ problem }: TarSplitFacts): boolean {
  return problem instanceof LimitExceeded;
}

/** Whether the tar that podman would rebuild is the one that the blob holds, byte for byte. */
function matchesTar({ pass }: ClaimInput, { shape, entries }: TarSplitFacts, trusted: Trust): Claim {
  const claim = "tarSplitMatchesTar";
  const { chain } = trusted;
  const expected = "the tar stream";
  if (!pass.shape) {
    const where = pass.codecError || pass.tarError
      ? "the layer could not be read to its end"
      : "the CRC-64 needs WebAssembly, which this platform does not have";
    return makeClaim({ claim, expected, actual: null, where, chain, status: "not checked" });
  }
  const difference = pass.shape.difference(shape!);
  if (difference) {
    return makeClaim({
      claim,
      expected,
      actual: "another tar",
      where: difference.where,
      chain,
      status: "mismatch",
    });
  }
  return makeClaim({ claim, expected, actual: expected, where: `${entries} headers`, ...trusted });
}

/**
 * Expectations from options and descriptor, brought into one form.
 *
 * @module
 */
import { parseDigest } from "../digest/digest.ts";
import { FormatError, UsageError } from "../errors.ts";
import { parseTocAnnotations, parseTocDigests, type TocAnnotations } from "../toc/annotations.ts";
import type { Expectations, Expected } from "./options.ts";

/** A TOC digest from outside. `dialect`: whichever bytes the layer's dialect hashes. */
export interface TocExpectation {
  readonly digest: string;
  readonly of: "json" | "compressed" | "dialect";
  readonly from: readonly string[];
}

/** All that is expected of a layer. */
export interface Expecting {
  readonly digest: Expected<string> | null;
  readonly size: Expected<number> | null;
  readonly diffID: Expected<string> | null;
  readonly uncompressedSize: Expected<number> | null;
  readonly mediaType: Expected<string> | null;
  readonly toc: readonly TocExpectation[];
  readonly annotations: TocAnnotations | null;
  /** An annotation that cannot be used; the layer is still read. */
  readonly badAnnotation: FormatError | null;
}

/**
 * @throws {UsageError | UnsupportedError} malformed digests, and options that contradict the descriptor
 * @throws {AmbiguousToc} a descriptor that announces two TOCs
 */
export function gatherExpectations(given: Expectations): Expecting {
  const descriptor = given.descriptor?.value ?? {};
  const from = given.descriptor?.from ?? [];
  const digest = agree("digest", given.digest, pick(descriptor.digest, from));
  const size = agree("size", given.size, pick(descriptor.size, from));
  if (digest) parseDigest(digest.value, digest.from.at(-1) ?? "digest");
  if (given.diffID) parseDigest(given.diffID.value, given.diffID.from.at(-1) ?? "diffID");
  let annotations: TocAnnotations | null = null;
  let badAnnotation: FormatError | null = null;
  try {
    annotations = parseTocAnnotations(descriptor.annotations ?? {});
  } catch (error) {
    if (!(error instanceof FormatError) || error.code === "ambiguous-toc") throw error;
    badAnnotation = error;
    // The digests are claims from outside all the same.
    annotations = {
      ...parseTocDigests(descriptor.annotations ?? {}),
      tocPosition: null,
      tarSplitPosition: null,
      uncompressedSize: null,
    };
  }
  const toc: TocExpectation[] = [];
  if (given.tocDigest) {
    const value = parseDigest(given.tocDigest.value, given.tocDigest.from.at(-1) ?? "TOC digest");
    toc.push({ digest: value, of: "dialect", from: given.tocDigest.from });
  }
  if (annotations?.compressedDigest) {
    toc.push({
      digest: annotations.compressedDigest,
      of: "compressed",
      from: [...from, "annotation manifest-checksum"],
    });
  }
  if (annotations?.jsonDigest) {
    toc.push({ digest: annotations.jsonDigest, of: "json", from: [...from, "annotation stargz/toc.digest"] });
  }
  const hint = annotations?.uncompressedSize ?? undefined;
  return {
    digest,
    size,
    diffID: given.diffID ?? null,
    uncompressedSize: agree(
      "uncompressed size",
      given.uncompressedSize,
      pick(hint, [...from, "annotation uncompressed-size"]),
    ),
    mediaType: pick(descriptor.mediaType, from) ?? null,
    toc,
    annotations,
    badAnnotation,
  };
}

function pick<T>(value: T | undefined, from: readonly string[]): Expected<T> | undefined {
  return value === undefined ? undefined : { value, from };
}

function agree<T>(what: string, a: Expected<T> | undefined, b: Expected<T> | undefined): Expected<T> | null {
  if (a && b && a.value !== b.value) {
    throw new UsageError(
      "expectations-contradict",
      `Two values are given for the ${what}: ${a.value} (${a.from.join(" > ")}) and ${b.value} (${
        b.from.join(" > ")
      })`,
    );
  }
  return a ?? b ?? null;
}

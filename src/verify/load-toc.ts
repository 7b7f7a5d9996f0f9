/**
 * From a blob that can be read at random to its TOC: found, checked, and handed to a comparison.
 *
 * @module
 */
import { type Container, DETECT_BYTES, detectContainer } from "../codec/detect.ts";
import type { LayerSource } from "../source/source.ts";
import type { SeekableSource } from "../source/tail.ts";
import type { Expecting } from "./expect.ts";
import type { Findings } from "./findings.ts";
import { type LocateContext, type Located, locateEstargz, locateZstdChunked } from "./locate.ts";
import type { TocCheck } from "./toc-check.ts";
import { examineToc, type TocFacts } from "./toc-facts.ts";

/** A layer, what is expected of it, and where findings go. */
export interface Subject extends LocateContext {
  readonly source: LayerSource;
  readonly expecting: Expecting;
  readonly findings: Findings;
}

export function isSeekable(source: LayerSource): source is SeekableSource {
  return source.read !== undefined && source.size !== null;
}

/** What the first bytes of a seekable source are. @throws {SourceError} */
export async function containerOf({ source }: Subject): Promise<Container> {
  const { read, size } = source as SeekableSource;
  return detectContainer(await read.call(source, 0, Math.min(DETECT_BYTES, size)));
}

/** Looks for the TOC of a seekable source. @throws {SourceError} */
export async function locateToc(container: Container, subject: Subject): Promise<Located> {
  const source = subject.source as SeekableSource;
  if (container === "gzip") return await locateEstargz(source, subject);
  if (container === "zstd") return await locateZstdChunked(source, subject);
  return { found: null, positions: null };
}

/** Examines a TOC that was found, tells what is wrong with it, and hands it to the comparison. */
export async function loadToc(
  { found }: Located,
  check: TocCheck,
  { source, expecting, findings, hashes, limits }: Subject,
): Promise<TocFacts | null> {
  if (!found) return null;
  const toc = await examineToc(found, { hashes, expected: expecting.toc, limits });
  if (toc.problem) {
    const { code, message, details } = toc.problem;
    const severity = code === "external-toc-missing" ? "info" : "error";
    findings.addEscaped(code, severity, message, details.entry ?? null, details.blobOffset ?? toc.offset);
  }
  if (toc.form === "56-byte") {
    const what =
      "the 56-byte footer of containers/storage 1.47 to 1.49 is broken: tools that have no annotations cannot find the tar-split";
    const offset = source.size === null ? null : source.size - 64;
    findings.add("zstd-chunked-footer-broken", "warning", what, null, offset);
  }
  check.load(toc);
  return toc;
}

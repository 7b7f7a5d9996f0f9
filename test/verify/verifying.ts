/** Verifies layers for tests: from memory, as a pipe, or both; and finds things in reports. */
import type { Claim, ClaimName, Finding, LayerReport, LayerSource, VerifyOptions } from "../../src/mod.ts";
import { memorySource, streamSource, verifyLayer } from "../../src/mod.ts";
import { nativeHashes } from "../../src/digest/native.ts";
import { random } from "../support/mod.ts";

/** A layer in memory, with the platform's hashes. */
export function verifyMemory(blob: Uint8Array, options: VerifyOptions = {}): Promise<LayerReport> {
  return verifyLayer(memorySource(blob, "layer"), { hashes: nativeHashes, ...options });
}

/** A layer as a pipe that brings `pieces`, with the platform's hashes. */
export function verifyPipe(
  blob: Uint8Array,
  options: VerifyOptions = {},
  pieces: Iterable<Uint8Array> = randomPieces(blob),
): Promise<LayerReport> {
  return verifyLayer(pipe(pieces), { hashes: nativeHashes, ...options });
}

/** The reports of both ways in, named for messages. */
export async function verifyBoth(
  blob: Uint8Array,
  options: VerifyOptions = {},
): Promise<(readonly ["memory" | "pipe", LayerReport])[]> {
  return [["memory", await verifyMemory(blob, options)], ["pipe", await verifyPipe(blob, options)]];
}

/** A source that can only be read once. */
export function pipe(pieces: Iterable<Uint8Array>): LayerSource {
  const iterator = pieces[Symbol.iterator]();
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = iterator.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
  });
  return streamSource(stream, "layer");
}

/** The bytes in pieces of 1 to 5000 bytes. */
export function* randomPieces(blob: Uint8Array, seed = 1): Generator<Uint8Array> {
  const { below } = random(seed);
  for (let at = 0; at < blob.length;) {
    const size = 1 + below(blob.length > 200_000 ? 100_000 : 5000);
    // A copy, so that nobody keeps a view of the whole.
    yield blob.slice(at, at + size);
    at += size;
  }
}

/** The only claim of that name. */
export function claimOf(report: LayerReport, name: ClaimName): Claim {
  const found = report.claims.filter(({ claim }) => claim === name);
  if (found.length !== 1) throw new Error(`${found.length} claims are called ${name}`);
  return found[0]!;
}

/** Status by claim; the worse one where a claim is made twice. */
export function statuses(report: LayerReport): Record<string, string> {
  const out: Record<string, string> = {};
  for (const { claim, status } of report.claims) if (out[claim] !== "mismatch") out[claim] = status;
  return out;
}

/** The codes of all findings, each once. */
export function codesOf(report: LayerReport): string[] {
  return [...new Set(report.findings.map(({ code }) => code))];
}

/** The first finding of that code. */
export function findingOf(report: LayerReport, code: string): Finding {
  const found = report.findings.find((finding) => finding.code === code);
  if (!found) throw new Error(`no finding ${code}, only ${codesOf(report).join(" ")}`);
  return found;
}

/** Options that expect these values, said by `given`. */
export function expecting(values: {
  readonly digest?: string;
  readonly size?: number;
  readonly diffID?: string;
  readonly uncompressedSize?: number;
  readonly tocDigest?: string;
}): VerifyOptions {
  const entries = Object.entries(values).map(([key, value]) => [key, { value, from: [`--${key}`] }]);
  return { expect: Object.fromEntries(entries) as NonNullable<VerifyOptions["expect"]> };
}

/** Options that expect what a descriptor with these annotations says, and nothing else. */
export function annotated(annotations: Readonly<Record<string, string>>): VerifyOptions {
  return { expect: { descriptor: { value: { annotations }, from: ["manifest"] } } };
}

/** The digest of nothing, with one digit changed: well-formed and wrong. */
export const WRONG = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b856";

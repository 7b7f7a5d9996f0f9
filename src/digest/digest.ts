/**
 * Digest strings (OCI image-spec, descriptor.md, "Digests"): the one place where they are validated.
 *
 * @module
 */
import { UnsupportedError, UsageError } from "../errors.ts";

const SHA256 = /^sha256:[0-9a-f]{64}$/;

/** Whether `text` is exactly `sha256:` and 64 lower-case hex digits: safe in paths and URLs. */
export function isDigest(text: unknown): text is string {
  return typeof text === "string" && text.length === 71 && SHA256.test(text);
}

/**
 * `text` itself, if it is a digest that this package computes.
 * @param what names the value in the message, e.g. `--digest`
 * @throws {UnsupportedError} `digest-algorithm` for a well-formed digest of another algorithm
 * @throws {UsageError} `digest-malformed` for everything else
 */
export function parseDigest(text: unknown, what: string): string {
  if (isDigest(text)) return text;
  const shown = JSON.stringify(String(text).slice(0, 100));
  if (typeof text === "string" && /^(sha384|sha512):[0-9a-f]{96,128}$/.test(text)) {
    throw new UnsupportedError(
      "digest-algorithm",
      `Cannot check ${what}: received ${shown}, only sha256 is supported`,
    );
  }
  throw new UsageError(
    "digest-malformed",
    `Cannot use ${what} as a digest: received ${shown}, expected sha256: and 64 lower-case hex digits`,
  );
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Lower-case hex of a short byte string. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

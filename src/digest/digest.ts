/**
 * Digest strings (OCI image-spec, descriptor.md, "Digests"): the one place where they are validated.
 *
 * @module
 */
import { UnsupportedError, UsageError } from "../errors.ts";

const PREFIX = "sha256:";

/** Whether `text` is exactly `sha256:` and 64 lower-case hex digits: safe in paths and URLs. */
export function isDigest(text: unknown): text is string {
  if (typeof text !== "string" || text.length !== 71 || !text.startsWith(PREFIX)) return false;
  // A TOC has hundreds of thousands: the platform's regular expressions take eight times as long.
  for (let at = PREFIX.length; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x30 || code > 0x66 || (code > 0x39 && code < 0x61)) return false;
  }
  return true;
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

import { describe, expect, test } from "vitest";
import { isDigest, parseDigest, toHex } from "../../src/digest/digest.ts";
import { UnsupportedError, UsageError } from "../../src/errors.ts";

const HEX = "0123456789abcdef".repeat(4);
const GOOD = `sha256:${HEX}`;

describe("digests", () => {
  test("only sha256 and 64 lower-case hex digits are one", () => {
    expect(isDigest(GOOD)).toBe(true);
    const bad: unknown[] = [
      "",
      HEX,
      `sha256:${HEX.toUpperCase()}`,
      `SHA256:${HEX}`,
      `sha256:${HEX.slice(1)}`,
      `sha256:${HEX}0`,
      `sha256:${HEX}\n`,
      `\nsha256:${HEX}`,
      ` sha256:${HEX}`,
      `sha256:${HEX.slice(0, -2)}/.`,
      `sha256:${"../".repeat(21)}a`,
      `sha256-${HEX}`,
      `sha256:${HEX.slice(0, -1)}g`,
      `sha256:${HEX.slice(0, -1)}\u0660`,
      null,
      undefined,
      7,
      [GOOD],
      { toString: () => GOOD },
    ];
    for (const value of bad) {
      expect(isDigest(value)).toBe(false);
      expect(() => parseDigest(value, "--digest")).toThrow(UsageError);
    }
    expect(parseDigest(GOOD, "--digest")).toBe(GOOD);
  });

  test("other algorithms are named as not supported, not as malformed", () => {
    expect(() => parseDigest(`sha512:${"a".repeat(128)}`, "x")).toThrow(UnsupportedError);
    expect(() => parseDigest(`sha384:${"a".repeat(96)}`, "x")).toThrow(UnsupportedError);
    expect(() => parseDigest(`sha512:${"a".repeat(12)}`, "x")).toThrow(UsageError);
  });

  test("a message does not repeat control characters, nor megabytes", () => {
    try {
      parseDigest(`\u001b[2J${"x".repeat(1e6)}`, "--digest");
    } catch (error) {
      const { message } = error as Error;
      expect(message.length).toBeLessThan(400);
      expect(message).not.toContain("\u001b");
    }
  });

  test("bytes are written as two hex digits each", () => {
    expect(toHex(Uint8Array.of(0, 1, 15, 16, 255))).toBe("00010f10ff");
  });
});

import { describe, expect, test } from "vitest";
import { DETECT_BYTES, detectContainer } from "../../src/codec/detect.ts";
import {
  bytes,
  concat,
  gzipMember,
  latin1,
  randomBytes,
  skippable,
  tar,
  tarHeader,
  zstdFrame,
} from "../support/mod.ts";

describe("the container is told by content", () => {
  test("gzip, zstd, and every skippable frame in front of it", () => {
    expect(detectContainer(gzipMember("x"))).toBe("gzip");
    expect(detectContainer(zstdFrame("x"))).toBe("zstd");
    for (let variant = 0; variant < 16; variant++) {
      expect(detectContainer(skippable("x", variant))).toBe("zstd");
    }
    expect(detectContainer(Uint8Array.of(0x60, 0x2a, 0x4d, 0x18))).toBe("unknown");
    expect(detectContainer(Uint8Array.of(0x4f, 0x2a, 0x4d, 0x18))).toBe("unknown");
  });

  test("bzip2 and xz, to be named in the refusal", () => {
    for (let level = 1; level <= 9; level++) expect(detectContainer(bytes(`BZh${level}`))).toBe("bzip2");
    expect(detectContainer(bytes("BZh0"))).toBe("unknown");
    expect(detectContainer(latin1("\xfd7zXZ\0"))).toBe("xz");
  });

  test("tar by its first header's checksum, or by a block of zeros", () => {
    for (const magic of ["ustar", "gnu", "v7"] as const) {
      expect(detectContainer(tar([{ name: "a", magic }]))).toBe("tar");
    }
    expect(detectContainer(new Uint8Array(DETECT_BYTES))).toBe("tar");
    expect(detectContainer(tarHeader({ name: "a", checksum: 1 }))).toBe("unknown");
    // A name that looks like nothing in particular, and one that begins like a text.
    expect(detectContainer(tar([{ name: latin1("\xff\xfe") }]))).toBe("tar");
  });

  test("what is shorter than a block is no tar, unless it is zeros", () => {
    expect(detectContainer(new Uint8Array(0))).toBe("empty");
    expect(detectContainer(new Uint8Array(100))).toBe("tar");
    expect(detectContainer(tar([{ name: "a" }]).subarray(0, 511))).toBe("unknown");
    for (const length of [1, 2, 3]) {
      expect(detectContainer(zstdFrame("x").subarray(0, length))).toBe("unknown");
    }
    expect(detectContainer(Uint8Array.of(0x1f))).toBe("unknown");
  });

  test("other bytes are unknown", () => {
    for (let seed = 1; seed < 200; seed++) {
      expect(detectContainer(concat(bytes("{"), randomBytes(600, seed)))).toBe("unknown");
    }
    expect(detectContainer(bytes(`{"schemaVersion":2}`.padEnd(600)))).toBe("unknown");
  });
});

import { appendFileSync, mkdtempSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openFile, readSmallFile } from "../../src/source/file.ts";

function file(content: Uint8Array): string {
  const path = join(mkdtempSync(join(tmpdir(), "layerproof-")), "layer");
  writeFileSync(path, content);
  return path;
}

/** Bytes that differ from piece to piece. */
function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 12)) & 0xff);
}

async function drain(stream: AsyncIterable<Uint8Array>, onPiece = (_: number) => {}): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of stream) {
    parts.push(piece.slice());
    onPiece(parts.length);
  }
  return new Uint8Array(Buffer.concat(parts));
}

const MIB = 2 ** 20;

describe("a layer in a file", () => {
  test.each([0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 17])(
    "of %i bytes comes whole and in order",
    async (size) => {
      const content = pattern(size);
      const source = await openFile(file(content));
      expect(source.size).toBe(size);
      expect(Buffer.compare(await drain(source.stream()), content)).toBe(0);
      await source.close();
    },
  );

  test("a piece keeps its bytes until the next one is asked for", async () => {
    const content = pattern(4 * MIB);
    const source = await openFile(file(content));
    let at = 0;
    for await (const piece of source.stream()) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(Buffer.compare(piece, content.subarray(at, at + piece.length))).toBe(0);
      at += piece.length;
    }
    await source.close();
  });

  test("is read at any place, also while it streams", async () => {
    const content = pattern(3 * MIB);
    const source = await openFile(file(content));
    for await (const _ of source.stream()) {
      expect(Buffer.from(await source.read!(2 * MIB + 5, 1000))).toEqual(
        Buffer.from(content.subarray(2 * MIB + 5, 2 * MIB + 1005)),
      );
    }
    await expect(source.read!(3 * MIB - 1, 2)).rejects.toMatchObject({ code: "source-short-read" });
    await source.close();
  });

  test("may be left in the middle, and closed twice", async () => {
    const source = await openFile(file(pattern(3 * MIB)));
    for await (const _ of source.stream()) break;
    await source.close();
    await source.close();
  });

  test("that shrinks or grows while it is read is an error", async () => {
    for (
      const change of [(path: string) => truncateSync(path, MIB), (path: string) => appendFileSync(path, "x")]
    ) {
      const path = file(pattern(4 * MIB));
      const source = await openFile(path);
      const reading = drain(source.stream(), (pieces) => pieces === 1 && change(path));
      await expect(reading).rejects.toMatchObject({ code: "source-changed" });
      await source.close();
    }
  });

  test("what cannot be read is a typed error with advice", async () => {
    await expect(openFile("no/such/file")).rejects.toMatchObject({ code: "source-not-found" });
    await expect(openFile("package.json/file")).rejects.toMatchObject({ code: "source-not-found" });
    await expect(openFile("src")).rejects.toMatchObject({
      code: "source-is-directory",
      details: { advice: expect.stringContaining("oci:src") },
    });
    await expect(openFile("a\0b")).rejects.toMatchObject({ name: "SourceError", code: "source-read-failed" });
  });

  test("a character device is a pipe without a size", async () => {
    const source = await openFile("/dev/null");
    expect(source.size).toBe(null);
    expect(source.read).toBe(undefined);
    expect(await drain(source.stream())).toHaveLength(0);
    await source.close();
  });
});

describe("a small file", () => {
  test("is read up to its limit", async () => {
    const path = file(pattern(200_000));
    expect(Buffer.compare(await readSmallFile(path, 200_000), pattern(200_000))).toBe(0);
    await expect(readSmallFile(path, 199_999)).rejects.toMatchObject({ code: "source-too-large" });
    await expect(readSmallFile("/dev/zero", 1000)).rejects.toMatchObject({ code: "source-too-large" });
    await expect(readSmallFile("src", 1000)).rejects.toMatchObject({ code: "source-is-directory" });
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { LayerproofError } from "../../src/errors.ts";
import { tarStream, type TarStreamOptions } from "../../src/export/tar-stream.ts";
import { type LayerSource, memorySource, streamSource } from "../../src/mod.ts";
import { fixture } from "../support/fixtures.ts";
import {
  collect,
  concat,
  gzipMember,
  randomBytes,
  rleFrameStream,
  sha256,
  skippable,
  storedFrame,
  tar,
  zstdFrame,
} from "../support/mod.ts";

const index = JSON.parse(readFileSync(new URL("../fixtures/index.json", import.meta.url), "utf8")) as {
  layers: { path: string; diffID: string; uncompressedSize: number; id?: string }[];
};

async function drain(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream as unknown as AsyncIterable<Uint8Array>) pieces.push(piece);
  return concat(...pieces);
}

async function codeOf(blob: Uint8Array, options?: TarStreamOptions): Promise<string> {
  try {
    await drain(tarStream(memorySource(blob), options));
  } catch (error) {
    if (error instanceof LayerproofError) return error.code;
    throw error;
  }
  return "ok";
}

describe("the tar of every fixture, whatever its format", () => {
  for (const { path, diffID, uncompressedSize } of index.layers) {
    // Those that no decoder here reads, and the largest, which the others stand for.
    if (/\.(bz2|xz)$/.test(path) || uncompressedSize > 1e6 || !path.startsWith("layers/")) continue;
    test(path, async () => {
      const content = await drain(tarStream(memorySource(fixture(path))));
      expect([content.length, sha256(content)]).toEqual([uncompressedSize, diffID]);
    });
  }
});

/** A source in pieces that tells how many were asked for and whether it was released. */
function watched(pieces: Iterable<Uint8Array>): LayerSource & { asked: number; released: boolean } {
  const source = {
    name: "watched",
    size: null,
    asked: 0,
    released: false,
    async *stream() {
      try {
        for (const piece of pieces) {
          source.asked++;
          yield await Promise.resolve(piece);
        }
      } finally {
        source.released = true;
      }
    },
  };
  return source;
}

describe("the stream", () => {
  const content = tar([{ name: "a", data: randomBytes(100_000) }]);

  test("asks for no more than it is asked for", async () => {
    const source = watched(
      Array.from({ length: 50 }, (_, at) => content.subarray(at * 1000, (at + 1) * 1000)),
    );
    const stream = tarStream(source);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(source.asked).toBe(0);
    const reader = stream.getReader();
    await reader.read();
    await reader.read();
    expect(source.asked).toBeLessThanOrEqual(3);
    await reader.cancel();
    expect(source.released).toBe(true);
  });

  test("cancelled before the first byte it does not open the source, cancelled later it releases it", async () => {
    const unopened = watched([content]);
    await tarStream(unopened).cancel();
    expect(unopened.asked).toBe(0);
    const opened = watched([content.subarray(0, 5000), content.subarray(5000)]);
    for await (const _ of tarStream(opened) as unknown as AsyncIterable<Uint8Array>) break;
    expect(opened.released).toBe(true);
  });

  test("gives pieces that are the reader's: a source that uses its buffer again changes nothing", async () => {
    const buffer = new Uint8Array(700);
    const source: LayerSource = {
      name: "buffer",
      size: null,
      async *stream() {
        for (let at = 0; at < content.length; at += buffer.length) {
          const piece = content.subarray(at, at + buffer.length);
          buffer.set(piece);
          yield await Promise.resolve(buffer.subarray(0, piece.length));
          buffer.fill(0xa5);
        }
      },
    };
    expect(sha256(await drain(tarStream(source)))).toBe(sha256(content));
  });

  test("a bomb comes out bit by bit", async () => {
    // 8 GiB of zeros in 256 KiB: whoever decodes ahead would be noticed.
    const blob = collect(rleFrameStream(0, 2 ** 33));
    const reader = tarStream(memorySource(blob)).getReader();
    let size = 0;
    for (let count = 0; count < 100; count++) size += (await reader.read()).value!.length;
    expect(size).toBeGreaterThan(2 ** 20);
    await reader.cancel();
  });

  test("nothing at all is an empty stream, and frames that hold nothing too", async () => {
    for (const blob of [new Uint8Array(0), zstdFrame(""), gzipMember(""), skippable("x")]) {
      expect((await drain(tarStream(memorySource(blob)))).length).toBe(0);
    }
  });
});

describe("faults end the stream with a typed error", () => {
  const content = tar([{ name: "a", data: "x" }]);

  test("of the blob", async () => {
    const gzip = gzipMember(content);
    expect(await codeOf(gzip.subarray(0, -1))).toBe("gzip-truncated");
    expect(await codeOf(concat(gzip, gzip.subarray(0, 20)))).toBe("gzip-truncated");
    expect(await codeOf(gzipMember(content, { badCrc: true }))).toBe("checksum-mismatch");
    expect(await codeOf(gzipMember(content, { badIsize: true }))).toBe("checksum-mismatch");
    expect(await codeOf(zstdFrame(content, { checksum: 1 }))).toMatch(/checksum/);
    expect(await codeOf(zstdFrame(content).subarray(0, -1))).toMatch(/truncated/);
    expect(await codeOf(new TextEncoder().encode("BZh9".padEnd(600)))).toBe("compression-not-supported");
    expect(await codeOf(randomBytes(600))).toBe("not-a-layer");
  });

  test("of the limits", async () => {
    for (const blob of [content, gzipMember(content), zstdFrame(content)]) {
      expect(await codeOf(blob, { limits: { total: content.length } })).toBe("ok");
      expect(await codeOf(blob, { limits: { total: content.length - 1 } })).toBe("total-limit");
    }
    const frame = storedFrame(content, { windowLog: 20 });
    expect(await codeOf(frame, { limits: { zstdWindow: 2 ** 20 - 1 } })).toBe("zstd-window-limit");
  });

  test("of the source, which is released", async () => {
    const failing = new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.error(new Error("disk on fire"));
      },
    });
    await expect(drain(tarStream(streamSource(failing)))).rejects.toMatchObject({
      name: "SourceError",
      code: "source-read-failed",
    });
    const source = watched([randomBytes(600), content]);
    await expect(drain(tarStream(source))).rejects.toMatchObject({ code: "not-a-layer" });
    expect(source.released).toBe(true);
  });
});

import { describe, expect, test } from "vitest";
import { ZstdDecoder } from "../../../src/codec/zstd/decoder.ts";
import { concat, sha256 } from "../../support/bytes.ts";
import { randomBytes, randomText } from "../../support/random.ts";
import { frameHeader, rawFrame, skippable, storedFrame, zstdFrame } from "../../support/zstd.ts";
import {
  decode,
  decodeSound,
  describeEngines,
  type Event,
  expectBytes,
  expectRefused,
  withEngine,
} from "./support.ts";

const HELLO = new TextEncoder().encode("hello");

describeEngines(() => {
  describe("frames and skippable frames", () => {
    const second = randomText(5000);
    const stream = concat(
      skippable("", 3),
      zstdFrame("first"),
      skippable(randomBytes(40), 0),
      skippable(randomBytes(300 * 1024), 15),
      zstdFrame(second, { checksum: false, contentSize: false }),
      zstdFrame(""),
      skippable("end"),
    );
    const expected = concat(new TextEncoder().encode("first"), second);

    test.each([1, 2, 7, 511, 512, 513, 65536, stream.length])(
      "decode to the same output and events in pieces of %i bytes",
      (pieceSize) => {
        const whole = decode(stream);
        const cut = decode(stream, pieceSize);
        expect(cut.error).toBeNull();
        expectBytes(cut.output, expected);
        expect(cut.events).toEqual(whole.events);
        expect(cut.pieces).toEqual(whole.pieces);
      },
    );

    test("tell where they are in the blob and in the output", () => {
      const frames = [
        zstdFrame("first"),
        skippable("note", 7),
        zstdFrame("second", { checksum: false }),
      ] as const;
      const { events } = decode(concat(...frames), 3, { blobOffset: 1000 });
      const [a, b, c] = frames.map((frame) => frame.length) as [number, number, number];
      const window = { windowSize: expect.any(Number) as number };
      expect(events).toEqual(
        [
          ["frameStart", { blobOffset: 1000, outOffset: 0, contentSize: 5, hasChecksum: true, ...window }],
          ["frameEnd", { blobOffset: 1000, endOffset: 1000 + a, outOffset: 0, outEnd: 5, checksum: "ok" }],
          ["skippableStart", { blobOffset: 1000 + a, length: 4, variant: 7 }],
          ["skippableEnd", sha256("note")],
          ["frameStart", {
            blobOffset: 1000 + a + b,
            outOffset: 5,
            contentSize: 6,
            hasChecksum: false,
            ...window,
          }],
          [
            "frameEnd",
            {
              blobOffset: 1000 + a + b,
              endOffset: 1000 + a + b + c,
              outOffset: 5,
              outEnd: 11,
              checksum: "absent",
            },
          ],
        ] satisfies Event[],
      );
    });

    test("count the output before a piece while it is handed out", () => {
      const offsets: number[] = [];
      const ignore = (): void => {};
      const decoder = new ZstdDecoder({
        frameStart: ignore,
        data: () => offsets.push(decoder.outOffset),
        frameEnd: ignore,
        skippableStart: ignore,
        skippableData: ignore,
        skippableEnd: ignore,
      }, withEngine());
      decoder.push(concat(storedFrame("one"), storedFrame("four")));
      decoder.end();
      expect(offsets).toEqual([0, 3]);
      expect(decoder.outOffset).toBe(7);
    });

    test("are independent: a match cannot reach into the frame before", () => {
      // Literals "", one match of 4 bytes at offset 1: sound only behind other bytes of the same frame.
      const match = rawFrame([{ type: "compressed", data: Uint8Array.of(0, 1, 0x54, 0, 2, 1, 0x04) }]);
      expectRefused(
        concat(storedFrame(HELLO), match),
        "zstd-corrupt",
        storedFrame(HELLO).length + 6,
        /offset 1 reaches/,
      );
    });
  });

  describe("a stream is refused as a whole", () => {
    test("when it is empty, or only empty pieces were pushed", () => {
      expectRefused(new Uint8Array(0), "zstd-empty", 0);
      expect(decode(skippable("only this")).error).toBeNull();
    });

    test("when it is cut anywhere but between frames", () => {
      const frames = [
        zstdFrame(randomText(300)),
        zstdFrame(randomText(200, 2), { checksum: false }),
      ] as const;
      const stream = concat(...frames);
      const edges = [frames[0].length, stream.length];
      for (let size = 1; size <= stream.length; size++) {
        const { error } = decode(stream.subarray(0, size), size % 5 + 1);
        expect(error?.code ?? null, `cut at ${size}`).toBe(edges.includes(size) ? null : "zstd-truncated");
      }
    });

    test("when a skippable frame is cut", () => {
      for (const size of [1, 4, 7, 8, 9]) {
        expectRefused(skippable("payload").subarray(0, size), "zstd-truncated", 0);
      }
      expectRefused(concat(storedFrame(HELLO), skippable("short", 0, 2 ** 32 - 1)), "zstd-truncated", 14);
    });

    test("when something else follows a frame", () => {
      const frame = storedFrame(HELLO);
      expectRefused(concat(frame, new Uint8Array(1)), "zstd-bad-magic", frame.length);
      expectRefused(concat(frame, new Uint8Array(512)), "zstd-bad-magic", frame.length);
      expectRefused(concat(frame, frame.subarray(0, 3)), "zstd-truncated", frame.length);
      expectRefused(concat(frame, Uint8Array.of(0x5a, 0x2a)), "zstd-truncated", frame.length);
      expectRefused(concat(frame, Uint8Array.of(0x5a, 0x2b)), "zstd-bad-magic", frame.length);
    });

    test("when it is no Zstandard at all", () => {
      expectRefused(Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0), "zstd-bad-magic", 0, /0x00088b1f/);
      // One below and one above the magic numbers of skippable frames.
      expectRefused(Uint8Array.of(0x4f, 0x2a, 0x4d, 0x18, 0, 0, 0, 0), "zstd-bad-magic", 0);
      expectRefused(Uint8Array.of(0x60, 0x2a, 0x4d, 0x18, 0, 0, 0, 0), "zstd-bad-magic", 0);
    });
  });

  describe("a frame header", () => {
    test.each([10, 23, 27])("may ask for a window of 2^%i bytes", (windowLog) => {
      expectBytes(decodeSound(storedFrame(HELLO, { windowLog })), HELLO);
    });

    test.each([[27, 1], [28, 0], [31, 7], [41, 7]])(
      "may not ask for a window of 2^%i bytes and %i eighths by default",
      (windowLog, windowMantissa) => {
        const needed = 2 ** windowLog + windowMantissa * 2 ** (windowLog - 3);
        const error = expectRefused(
          storedFrame(HELLO, { windowLog, windowMantissa }),
          "zstd-window-limit",
          0,
        );
        expect(error.name).toBe("LimitExceeded");
        expect(error.message).toContain(`${needed} bytes`);
        expect(error.message).toContain(`${2 ** 27} are allowed`);
      },
    );

    test("is held to the window limit that was set, single segments too", () => {
      const options = { windowLimit: 2 ** 16 };
      expectBytes(decodeSound(storedFrame(HELLO, { windowLog: 16 }), 1, options), HELLO);
      expectRefused(storedFrame(HELLO, { windowLog: 17 }), "zstd-window-limit", 0, undefined, options);
      expectBytes(decodeSound(storedFrame(HELLO, { windowLog: 28 }), 1, { windowLimit: 2 ** 28 }), HELLO);
      const segment = storedFrame(randomBytes(65537), { singleSegment: true, contentSize: 65537 });
      expectRefused(segment, "zstd-window-limit", 0, undefined, options);
    });

    test("may not have a reserved bit, but the unused bit is ignored", () => {
      expectRefused(storedFrame(HELLO, { reservedBit: true }), "zstd-reserved-bit", 0);
      expectBytes(decodeSound(storedFrame(HELLO, { unusedBit: true })), HELLO);
    });

    test("may name no dictionary but number 0", () => {
      for (const dictIdBytes of [1, 2, 4] as const) {
        expectBytes(decodeSound(storedFrame(HELLO, { dictId: 0, dictIdBytes }), 1), HELLO);
        const error = expectRefused(
          storedFrame(HELLO, { dictId: 77, dictIdBytes }),
          "zstd-dictionary",
          0,
          /dictionary 77/,
        );
        expect(error.name).toBe("UnsupportedError");
      }
    });

    test.each([1, 2, 4, 8] as const)("may state the content size in %i bytes", (contentSizeBytes) => {
      const content = randomBytes(contentSizeBytes === 1 ? 200 : 300);
      const options = { contentSize: content.length, contentSizeBytes, singleSegment: true };
      const { events, output } = decode(storedFrame(content, options), 1);
      expect(events[0]![1]).toMatchObject({ contentSize: content.length, windowSize: content.length });
      expectBytes(output, content);
    });

    test("may not lie about the content size", () => {
      expectRefused(
        storedFrame(HELLO, { contentSize: 6, contentSizeBytes: 4 }),
        "zstd-content-size",
        0,
        /6 bytes.*holds 5/,
      );
      expectRefused(
        storedFrame(HELLO, { contentSize: 4, contentSizeBytes: 8 }),
        "zstd-content-size",
        14,
        /4 bytes/,
      );
      expectRefused(storedFrame(HELLO, { contentSize: 2 ** 50 }), "zstd-content-size", 0);
      expectRefused(storedFrame(HELLO, { contentSize: 2n ** 53n }), "zstd-content-size", 0, /2\^53 - 1/);
      expectRefused(storedFrame(HELLO, { contentSize: 2n ** 64n - 1n }), "zstd-content-size", 0);
      expectRefused(storedFrame(HELLO, { contentSize: 2n ** 53n - 1n }), "zstd-content-size", 0, /holds 5/);
      expectRefused(zstdFrame(randomText(500), { contentSize: 499 }), "zstd-content-size", 8);
    });

    test("with a lying content size stops the block that exceeds it, and no sooner", () => {
      const blocks = [{ type: "raw", data: "12345" }, { type: "rle", data: "x", size: 3 }] as const;
      const { output, error } = decode(rawFrame(blocks, { contentSize: 7, contentSizeBytes: 4 }));
      expect(error?.code).toBe("zstd-content-size");
      expect(new TextDecoder().decode(output)).toBe("12345");
    });

    test("alone is not a frame", () => {
      expectRefused(frameHeader(), "zstd-truncated", 0);
    });
  });

  describe("a content checksum", () => {
    test("that is wrong is reported, and decoding goes on", () => {
      const bad = storedFrame(HELLO, { checksum: 0x01020304 });
      const { events, output, error } = decode(concat(bad, storedFrame(HELLO, { checksum: true })), 1);
      expect(error).toBeNull();
      expect(new TextDecoder().decode(output)).toBe("hellohello");
      const ends = events.filter(([name]) => name === "frameEnd").map(([, frame]) =>
        frame as { checksum: unknown }
      );
      expect(ends[0]!.checksum).toEqual({ expected: 0x01020304, actual: expect.any(Number) as number });
      expect(ends[1]!.checksum).toBe("ok");
    });

    test("of a frame without content is checked", () => {
      expect(decodeSound(rawFrame([{ type: "raw", data: "" }], { checksum: true })).length).toBe(0);
    });

    test("uses the hash that the caller gives", () => {
      const calls: string[] = [];
      const xxh64 = {
        init: () => void calls.push("init"),
        update: (bytes: Uint8Array) => void calls.push(`update ${bytes.length}`),
        digestLow32: () => 0xfffffff0,
      };
      const stream = concat(
        storedFrame(HELLO, { checksum: 0xfffffff0 }),
        storedFrame("", { checksum: 0xfffffff0 }),
      );
      decodeSound(stream, 4, { xxh64 });
      expect(calls).toEqual(["init", "update 5", "init"]);
    });
  });

  describe("the decoder object", () => {
    const handlers = {
      frameStart() {},
      data() {},
      frameEnd() {},
      skippableStart() {},
      skippableData() {},
      skippableEnd() {},
    };

    test("refuses window limits that it cannot keep", () => {
      for (const windowLimit of [-1, 1.5, NaN, 2 ** 30 + 1]) {
        expect(() => new ZstdDecoder(handlers, withEngine({ windowLimit }))).toThrow(/window limit/);
      }
    });

    test("takes nothing more after its end", () => {
      const decoder = new ZstdDecoder(handlers, withEngine());
      decoder.push(new Uint8Array(0));
      decoder.push(storedFrame(HELLO));
      decoder.end();
      expect(() => decoder.push(HELLO)).toThrow(/after its end/);
    });

    test("throws what a handler threw, and then again", () => {
      const failure = new Error("disk full");
      const decoder = new ZstdDecoder({
        ...handlers,
        data() {
          throw failure;
        },
      }, withEngine());
      expect(() => decoder.push(storedFrame(HELLO))).toThrow(failure);
      expect(() => decoder.push(HELLO)).toThrow(failure);
      expect(() => decoder.end()).toThrow(failure);
    });
  });
});

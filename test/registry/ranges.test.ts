/** Ranges and whole blobs from registries with the faults of bug-cases A86 to A89: one personality each. */
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { blobSetting, collect } from "./support/blob.ts";
import { cut, type Fault, rangeOf, send } from "./support/registry.ts";
import { sha256 } from "../support/bytes.ts";

/** A fault of answers to ranges; whole blobs are served rightly. */
const toRanges =
  (answer: (first: number, last: number, ...rest: Parameters<Fault>) => boolean | void): Fault =>
  (asked, response, bytes) => {
    const range = rangeOf(asked);
    return range && bytes ? answer(range.first, range.last, asked, response, bytes) : false;
  };

const part = (boundary: string, header: string, bytes: Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.from(`\r\n--${boundary}\r\ncontent-type: application/octet-stream\r\n${header}\r\n\r\n`),
    bytes,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);

describe("a registry that gives ranges", () => {
  test("sends exactly what was asked, anywhere in the blob", async () => {
    const { open, bytes, registry } = await blobSetting({ size: 3000 });
    const source = open();
    for (const [offset, length] of [[0, 1], [0, 100], [1499, 2], [2999, 1], [1000, 2000], [5, 0]] as const) {
      expect(await source.read!(offset, length)).toEqual(bytes.slice(offset, offset + length));
    }
    expect(registry.log.map(({ headers }) => headers.range)).toEqual([
      "bytes=0-0",
      "bytes=0-99",
      "bytes=1499-1500",
      "bytes=2999-2999",
      "bytes=1000-2999",
    ]);
  });

  test("is not asked for a range where the whole blob is wanted (A89)", async () => {
    const { open, bytes, registry } = await blobSetting();
    const source = open();
    expect(sha256(await source.read!(0, bytes.length))).toBe(sha256(bytes));
    expect(sha256(await collect(source))).toBe(sha256(bytes));
    expect(registry.log.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
  });

  test.each([[-1, 5], [9_999, 2], [0, 10_001], [0.5, NaN]])(
    "is not asked for %d, %d",
    async (offset, length) => {
      const { open, registry } = await blobSetting();
      await expect(open().read!(offset, length)).rejects.toMatchObject({ code: "source-short-read" });
      expect(registry.log).toEqual([]);
    },
  );

  test("may answer with multipart/byteranges of one part (A86)", async () => {
    const { open, bytes, registry } = await blobSetting();
    registry.fault = toRanges((first, last, _asked, response, whole) =>
      send(
        response,
        206,
        { "content-type": 'multipart/byteranges; boundary="b 1"' },
        part(
          "b 1",
          `Content-Range: bytes ${first}-${last}/${whole!.length}`,
          whole!.subarray(first, last + 1),
        ),
      )
    );
    const source = open();
    expect(await source.read!(5000, 700)).toEqual(bytes.slice(5000, 5700));
    expect(await source.read!(1, 1)).toEqual(bytes.slice(1, 2));
    expect(registry.log.length).toBe(2);
  });

  test("may leave the size of the blob open, and say neither length nor type (A88)", async () => {
    const { open, bytes, registry } = await blobSetting();
    registry.fault = toRanges((first, last, _asked, response, whole) => {
      response.writeHead(206, { "content-range": `bytes ${first}-${last}/*` });
      response.write(whole!.subarray(first, first + 3));
      response.end(whole!.subarray(first + 3, last + 1));
      return true;
    });
    expect(await open().read!(40, 60)).toEqual(bytes.slice(40, 100));
    expect(registry.log.length).toBe(1);
  });
});

const FAULTY: Readonly<Record<string, Fault>> = {
  "ignores Range": toRanges((_first, _last, _asked, response, bytes) => send(response, 200, {}, bytes!)),
  "answers 416": toRanges((_first, _last, _asked, response) => send(response, 416, {}, "no")),
  "answers 400": toRanges((_first, _last, _asked, response) => send(response, 400, {}, "no")),
  "answers 501": toRanges((_first, _last, _asked, response) => send(response, 501, {}, "no")),
  "answers 405": toRanges((_first, _last, _asked, response) => send(response, 405, {}, "no")),
  "sends no Content-Range": toRanges((first, last, _asked, response, bytes) =>
    send(response, 206, {}, bytes!.subarray(first, last + 1))
  ),
  "sends an empty Content-Range": toRanges((first, last, _asked, response, bytes) =>
    send(response, 206, { "content-range": "" }, bytes!.subarray(first, last + 1))
  ),
  "sends a Content-Range that is none": toRanges((first, last, _asked, response, bytes) =>
    send(response, 206, { "content-range": `${first}-${last}` }, bytes!.subarray(first, last + 1))
  ),
  "sends another range": toRanges((first, last, _asked, response, bytes) =>
    send(
      response,
      206,
      { "content-range": `bytes ${first + 1}-${last + 1}/${bytes!.length}` },
      bytes!.subarray(first + 1, last + 2),
    )
  ),
  "sends the range of another blob": toRanges((first, last, _asked, response, bytes) =>
    send(
      response,
      206,
      { "content-range": `bytes ${first}-${last}/${bytes!.length + 1}` },
      bytes!.subarray(first, last + 1),
    )
  ),
  "sends more than it says": toRanges((first, last, _asked, response, bytes) =>
    send(
      response,
      206,
      { "content-range": `bytes ${first}-${last}/${bytes!.length}` },
      bytes!.subarray(first, last + 2),
    )
  ),
  "encodes ranges": toRanges((first, last, _asked, response, bytes) =>
    send(
      response,
      206,
      { "content-range": `bytes ${first}-${last}/${bytes!.length}`, "content-encoding": "gzip" },
      gzipSync(bytes!.subarray(first, last + 1)),
    )
  ),
  "sends several parts": toRanges((_first, _last, _asked, response, bytes) =>
    send(
      response,
      206,
      { "content-type": "multipart/byteranges; boundary=b" },
      part("b", `Content-Range: bytes 0-1/${bytes!.length}`, bytes!.subarray(0, 2)),
    )
  ),
  "sends parts without a boundary": toRanges((_first, _last, _asked, response) =>
    send(response, 206, { "content-type": "multipart/byteranges" }, "nothing")
  ),
};

describe.each(Object.entries(FAULTY))("a registry that %s", (_name, fault) => {
  test("is asked for the whole blob, once, whatever is read afterwards", async () => {
    const { open, bytes, registry, network } = await blobSetting();
    registry.fault = fault;
    const source = open();
    expect(await source.read!(9_000, 500)).toEqual(bytes.slice(9_000, 9_500));
    expect(await source.read!(0, 10)).toEqual(bytes.slice(0, 10));
    expect(sha256(await collect(source))).toBe(sha256(bytes));
    expect(network.lacksRanges(registry.host)).toBe(true);
    expect(registry.log.filter(({ headers }) => headers.range !== undefined).length).toBe(1);
    // The answer to the range was the whole blob, or one more request was needed.
    expect(registry.log.length).toBeLessThanOrEqual(2);
  });

  test("is not asked for ranges of its other blobs", async () => {
    const { open, bytes, registry } = await blobSetting();
    registry.fault = fault;
    await open().read!(5, 5);
    registry.log.length = 0;
    expect(await open().read!(6, 6)).toEqual(bytes.slice(6, 12));
    expect(registry.log.map(({ headers }) => headers.range)).toEqual([undefined]);
  });

  test("gives many readers at once the right bytes from one download", async () => {
    const { open, bytes, registry } = await blobSetting();
    registry.fault = fault;
    const source = open();
    await source.read!(1, 2);
    registry.log.length = 0;
    const offsets = Array.from({ length: 40 }, (_, i) => i * 200);
    const read = await Promise.all(offsets.map((offset) => source.read!(offset, 300)));
    expect(read).toEqual(offsets.map((offset) => bytes.slice(offset, offset + 300)));
    expect(registry.log).toEqual([]);
  });
});

test("many first readers of a registry without ranges download the blob once", async () => {
  const { open, bytes, registry } = await blobSetting({ size: 1_000_000 });
  registry.fault = FAULTY["ignores Range"]!;
  const source = open();
  // Too far from each other to be asked for as one.
  const offsets = Array.from({ length: 8 }, (_, i) => i * 100_000);
  const read = await Promise.all(offsets.map((offset) => source.read!(offset, 300)));
  expect(read).toEqual(offsets.map((offset) => bytes.slice(offset, offset + 300)));
  // The first of them learns it for all, and its answer is the download.
  expect(registry.log.length).toBe(1);
});

test("a registry whose blob does not come whole either is not remembered as one without ranges", async () => {
  const { open, registry, network } = await blobSetting();
  registry.fault = (_asked, response) => send(response, 400, {}, "no");
  await expect(open().read!(5, 5)).rejects.toMatchObject({ code: "registry-status", name: "SourceError" });
  expect(network.lacksRanges(registry.host)).toBe(false);
});

describe("whole blobs", () => {
  test("a label Content-Encoding is not undone: the digest is that of the bytes as they are", async () => {
    const { open, bytes, registry } = await blobSetting();
    registry.fault = (_asked, response, whole) => send(response, 200, { "content-encoding": "gzip" }, whole!);
    expect(sha256(await collect(open()))).toBe(sha256(bytes));
  });

  test("a blob that was encoded on the way is refused", async () => {
    const { open, registry } = await blobSetting();
    registry.fault = (_asked, response, whole) =>
      send(response, 200, { "content-encoding": "gzip" }, gzipSync(whole!));
    await expect(collect(open())).rejects.toMatchObject({ code: "registry-content-encoding" });
  });

  test.each([-1, 1])("a blob whose announced size is off by %d is refused before it is read", async (by) => {
    const { open, registry } = await blobSetting();
    registry.fault = (_asked, response, whole) => {
      const other = new Uint8Array(whole!.length + by);
      return send(response, 200, {}, other);
    };
    await expect(collect(open())).rejects.toMatchObject({
      code: "registry-blob-size",
      details: { expected: "10000", actual: String(10_000 + by) },
    });
  });

  test("a longer blob without a length is refused at its first byte too many", async () => {
    const { open, registry } = await blobSetting();
    registry.fault = (_asked, response, whole) => {
      response.writeHead(200);
      response.write(whole!);
      response.end("x");
      return true;
    };
    await expect(collect(open())).rejects.toMatchObject({ code: "registry-long-body" });
  });

  test("the empty blob", async () => {
    const { open } = await blobSetting({ size: 0 });
    const source = open();
    expect(await source.read!(0, 0)).toEqual(new Uint8Array(0));
    expect(await collect(source)).toEqual(new Uint8Array(0));
  });

  test("reading may end early, and again from the start", async () => {
    const { open, bytes } = await blobSetting({ size: 300_000 });
    const source = open();
    for await (const piece of source.stream()) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(sha256(await collect(source))).toBe(sha256(bytes));
  });
});

describe("a download that breaks off", () => {
  test("goes on from its last byte, however often, as long as it comes on", async () => {
    const size = 12 * 2 ** 20;
    const { open, bytes, registry, clock } = await blobSetting({ size });
    // A little over the megabyte that counts as having come on.
    const most = 2 ** 20 + 50_000;
    registry.fault = (asked, response, whole) => {
      const range = rangeOf(asked);
      const first = range?.first ?? 0;
      const rest = whole!.subarray(first);
      const headers = range ? { "content-range": `bytes ${first}-${range.last}/${size}` } : undefined;
      return rest.length > most ? cut(response, range ? 206 : 200, headers ?? {}, rest, most) : false;
    };
    expect(sha256(await collect(open()))).toBe(sha256(bytes));
    expect(registry.log.length).toBeGreaterThan(10);
    expect(registry.log[0]!.headers.range).toBeUndefined();
    for (const { headers } of registry.log.slice(1)) expect(headers.range).toMatch(/^bytes=\d+-12582911$/);
    expect(clock.waits.length).toBe(registry.log.length - 1);
  });

  test("ends with an error when it does not come on", async () => {
    const { open, registry } = await blobSetting();
    registry.fault = (asked, response, whole) => {
      const first = rangeOf(asked)?.first ?? 0;
      const headers = first > 0 ? { "content-range": `bytes ${first}-9999/10000` } : undefined;
      return cut(response, first > 0 ? 206 : 200, headers ?? {}, whole!.subarray(first), 10);
    };
    await expect(collect(open())).rejects.toMatchObject({
      name: "SourceError",
      code: expect.stringMatching(/^registry-(unreachable|short-body)$/),
    });
    expect(registry.log.length).toBe(6);
  });

  test("is read again up to its last byte where there are no ranges", async () => {
    const { open, bytes, registry } = await blobSetting();
    let times = 0;
    registry.fault = (_asked, response, whole) =>
      times++ === 0 ? cut(response, 200, {}, whole!, 4321) : send(response, 200, {}, whole!);
    expect(sha256(await collect(open()))).toBe(sha256(bytes));
    expect(registry.log.length).toBe(2);
  });

  test("a body that ends early without a length is short, not the end", async () => {
    const { open, bytes, registry } = await blobSetting();
    let times = 0;
    registry.fault = (_asked, response, whole) => {
      if (times++ > 0) return false;
      response.writeHead(200);
      response.end(whole!.subarray(0, 77));
      return true;
    };
    expect(sha256(await collect(open()))).toBe(sha256(bytes));
    expect(registry.log[1]!.headers.range).toBe("bytes=77-9999");
  });

  test("a range that is cut is asked for again", async () => {
    const { open, bytes, registry } = await blobSetting();
    let times = 0;
    registry.fault = toRanges((first, last, _asked, response, whole) =>
      times++ > 0 ? false : cut(
        response,
        206,
        { "content-range": `bytes ${first}-${last}/${whole!.length}` },
        whole!.subarray(first, last + 1),
        5,
      )
    );
    expect(await open().read!(100, 50)).toEqual(bytes.slice(100, 150));
    expect(registry.log.length).toBe(2);
  });
});

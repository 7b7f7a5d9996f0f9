/** Back-off, limits of time, Ctrl-C: with a clock that the tests move. */
import { describe, expect, test } from "vitest";
import { parseRetryAfter } from "../../src/registry/retry.ts";
import { blobSetting, collect } from "./support/blob.ts";
import { send } from "./support/registry.ts";

describe("an answer that may pass", () => {
  test.each([408, 429, 500, 502, 503, 504])("%d is tried again", async (status) => {
    const { open, bytes, registry, clock } = await blobSetting();
    let times = 0;
    registry.fault = (_asked, response) => times++ < 3 ? send(response, status, {}, "") : false;
    expect(await open().read!(10, 10)).toEqual(bytes.slice(10, 20));
    expect(clock.waits).toEqual([500, 1000, 2000]);
  });

  test("jitter is between half of the back-off and all of it", async () => {
    const { open, registry, clock } = await blobSetting();
    clock.chance = 0;
    registry.fault = (_asked, response) => send(response, 503, {}, "");
    await expect(open().read!(10, 10)).rejects.toMatchObject({ code: "registry-status" });
    expect(clock.waits).toEqual([250, 500, 1000, 2000, 4000]);
  });

  test("the server's Retry-After is waited for", async () => {
    const { open, registry, clock } = await blobSetting();
    let times = 0;
    registry.fault = (_asked, response) =>
      times++ < 1 ? send(response, 429, { "retry-after": "17" }, "") : false;
    await open().read!(10, 10);
    expect(clock.waits).toEqual([17_000]);
  });

  test("not beyond the time for everything", async () => {
    const { open, registry, clock } = await blobSetting();
    registry.fault = (_asked, response) => send(response, 429, { "retry-after": "86400" }, "");
    await expect(open().read!(10, 10)).rejects.toMatchObject({
      code: "registry-status",
      details: { actual: "429", advice: expect.stringContaining("log in") },
    });
    expect(clock.waits).toEqual([]);
  });

  test("all attempts together end in time", async () => {
    const retries = { attempts: 1000, firstDelay: 1000, longestDelay: 10_000, total: 60_000 };
    const { open, registry, clock } = await blobSetting({ retries });
    registry.fault = (_asked, response) => send(response, 500, {}, "");
    await expect(open().read!(10, 10)).rejects.toMatchObject({ code: "registry-status" });
    expect(clock.now()).toBeLessThanOrEqual(60_000);
    expect(clock.waits).toEqual([1000, 2000, 4000, 8000, 10_000, 10_000, 10_000, 10_000]);
  });
});

test.each([[404, "registry-not-found"], [401, "registry-denied"], [403, "registry-denied"], [
  418,
  "registry-status",
]])("%d is final", async (status, code) => {
  const { open, registry, clock } = await blobSetting();
  registry.fault = (_asked, response) => send(response, status, {}, "");
  await expect(open().read!(10, 10)).rejects.toMatchObject({ name: "SourceError", code });
  expect(registry.log.length).toBe(1);
  expect(clock.waits).toEqual([]);
});

describe("a registry that says nothing", () => {
  test("is left after the time limit, and tried again", async () => {
    const setting = await blobSetting();
    const { open, bytes, registry, clock } = setting;
    let times = 0;
    registry.fault = () => {
      if (times++ > 0) return false;
      // The request is here: it is being waited for.
      clock.expire();
      return true;
    };
    expect(await open().read!(10, 10)).toEqual(bytes.slice(10, 20));
    expect(clock.waits).toEqual([500]);
  });

  test("in the middle of a blob: the download goes on in another connection", async () => {
    const { open, bytes, registry, clock } = await blobSetting({ size: 100_000 });
    let times = 0;
    registry.fault = (_asked, response, whole) => {
      if (times++ > 0) return false;
      response.writeHead(200, { "content-length": String(whole!.length) });
      response.write(whole!.subarray(0, 1000));
      return true;
    };
    const read: number[] = [];
    for await (const piece of open().stream()) {
      read.push(...piece);
      // Time passes while the next piece is waited for.
      if (read.length === 1000) setImmediate(() => clock.expire());
    }
    expect(read).toEqual([...bytes]);
    expect(registry.log.at(-1)!.headers.range).toBe("bytes=1000-99999");
  });
});

test("Ctrl-C ends waiting for an answer, a body, and the next attempt", async () => {
  for (const where of ["answer", "body", "attempt"]) {
    const abort = new AbortController();
    const { open, registry } = await blobSetting({ signal: abort.signal });
    const reason = new Error("interrupted");
    registry.fault = (_asked, response, whole) => {
      setImmediate(() => abort.abort(reason));
      if (where === "attempt") return send(response, 503, {}, "");
      if (where === "answer") return true;
      response.writeHead(200, { "content-length": String(whole!.length) });
      response.write(whole!.subarray(0, 10));
      return true;
    };
    await expect(collect(open())).rejects.toBe(reason);
  }
});

test("Retry-After is seconds or a date", () => {
  const today = Date.parse("Wed, 21 Oct 2015 07:28:00 GMT");
  expect(parseRetryAfter("120", today)).toBe(120_000);
  expect(parseRetryAfter("Wed, 21 Oct 2015 07:29:00 GMT", today)).toBe(60_000);
  expect(parseRetryAfter("Wed, 21 Oct 2015 07:00:00 GMT", today)).toBe(0);
  expect(parseRetryAfter("soon", today)).toBe(null);
  expect(parseRetryAfter(null, today)).toBe(null);
});

test("no more requests are under way at one host than allowed", async () => {
  const { open, registry, bytes } = await blobSetting({ perHost: 3, size: 3_000_000 });
  const source = open();
  // The first range of a host is asked for alone.
  await source.read!(0, 1);
  let now = 0, most = 0;
  const waiting: (() => void)[] = [];
  registry.fault = (asked, response, whole) => {
    most = Math.max(most, ++now);
    const [, first, last] = /(\d+)-(\d+)/.exec(String(asked.headers.range))!;
    const headers = { "content-range": `bytes ${first}-${last}/${whole!.length}` };
    waiting.push(() => {
      now--;
      send(response, 206, headers, whole!.subarray(Number(first), Number(last) + 1));
    });
    // Answered once as many are here as will come.
    if (now === 3 || waiting.length + answered === 30) {
      for (const answer of waiting.splice(0)) {
        answered++;
        answer();
      }
    }
    return true;
  };
  let answered = 0;
  const read = await Promise.all(Array.from({ length: 30 }, (_, i) => source.read!(i * 100_000, 100)));
  expect(read).toEqual(Array.from({ length: 30 }, (_, i) => bytes.slice(i * 100_000, i * 100_000 + 100)));
  expect(most).toBe(3);
});

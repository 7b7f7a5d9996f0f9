/** Tokens and passwords: who gets them, when they are renewed, and that nobody else sees them (A90, A91). */
import { describe, expect, test } from "vitest";
import { parseChallenges } from "../../src/registry/challenge.ts";
import { Endpoint } from "../../src/registry/endpoint.ts";
import { Network } from "../../src/registry/network.ts";
import { registryBlob } from "../../src/registry/blob-source.ts";
import { sha256 } from "../support/bytes.ts";
import { blobSetting, closeLater, collect, pattern } from "./support/blob.ts";
import { FakeClock } from "./support/clock.ts";
import { type Asked, FakeRegistry, type Fault, send } from "./support/registry.ts";

const USER = { username: "anna", password: "s3cr:et", identityToken: null };
const BASIC = `Basic ${btoa("anna:s3cr:et")}`;

/** A token server, and the fault that makes a registry ask for its tokens. */
async function tokens(options: { lifetime?: number; each?: number } = {}) {
  const server = closeLater(await FakeRegistry.start());
  let issued = 0;
  const uses = new Map<string, number>();
  server.fault = (_asked, response) => {
    const token = `token-${++issued}`;
    uses.set(`Bearer ${token}`, 0);
    const expires = options.lifetime === undefined ? {} : { expires_in: options.lifetime };
    return send(response, 200, {}, JSON.stringify({ token, ...expires }));
  };
  const fault: Fault = ({ headers }, response) => {
    const count = uses.get(String(headers.authorization));
    if (count !== undefined && count < (options.each ?? Infinity)) {
      uses.set(headers.authorization!, count + 1);
      return false;
    }
    const challenge = `Bearer realm="${server.origin}/token",service="reg",scope="repository:a/b:pull"`;
    return send(response, 401, { "www-authenticate": challenge }, "");
  };
  return { server, fault, revoke: () => uses.clear() };
}

describe("a token", () => {
  test("is fetched when the registry asks for it, with the password, and used from then on", async () => {
    const { open, registry, bytes } = await blobSetting({ credential: USER });
    const { server, fault } = await tokens();
    registry.fault = fault;
    const source = open();
    expect(await source.read!(0, 5)).toEqual(bytes.slice(0, 5));
    expect(await source.read!(5, 5)).toEqual(bytes.slice(5, 10));
    expect(server.log).toMatchObject([{ method: "GET", path: "/token", headers: { authorization: BASIC } }]);
    const query = new URLSearchParams(server.log[0]!.query);
    expect([...query]).toEqual([["service", "reg"], ["scope", "repository:a/b:pull"], ["account", "anna"]]);
    // The registry itself never sees the password.
    expect(registry.log.map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      "Bearer token-1",
      "Bearer token-1",
    ]);
  });

  test("is fetched without a password where none is known", async () => {
    const { open, registry } = await blobSetting();
    const { server, fault } = await tokens();
    registry.fault = fault;
    await open().read!(0, 5);
    expect(server.log[0]!.headers.authorization).toBeUndefined();
    expect(server.log[0]!.query).not.toContain("account");
  });

  test("is fetched with the identity token by POST (OAuth 2)", async () => {
    const credential = { username: "", password: "", identityToken: "refresh me" };
    const { open, registry } = await blobSetting({ credential });
    const { server, fault } = await tokens();
    registry.fault = fault;
    await open().read!(0, 5);
    expect(server.log[0]).toMatchObject({ method: "POST", path: "/token", query: "" });
    expect(server.log[0]!.headers.authorization).toBeUndefined();
    expect(Object.fromEntries(new URLSearchParams(server.log[0]!.body))).toEqual({
      grant_type: "refresh_token",
      service: "reg",
      client_id: "layerproof",
      scope: "repository:a/b:pull",
      refresh_token: "refresh me",
    });
  });

  test("is renewed before it expires", async () => {
    const { open, registry, clock } = await blobSetting();
    const { server, fault } = await tokens({ lifetime: 300 });
    registry.fault = fault;
    const source = open();
    await source.read!(0, 5);
    clock.pass(200_000);
    await source.read!(0, 6);
    expect(server.log.length).toBe(1);
    clock.pass(80_000);
    await source.read!(0, 7);
    expect(server.log.length).toBe(2);
    // No request was refused on the way but the first.
    expect(registry.log.length).toBe(4);
  });

  test("that was revoked while many read is renewed once, and every request sent once more", async () => {
    const { open, registry, bytes } = await blobSetting({ perHost: 64, size: 2_000_000 });
    const { server, fault, revoke } = await tokens();
    registry.fault = fault;
    const source = open();
    await source.read!(0, 5);
    revoke();
    registry.log.length = server.log.length = 0;
    // Too far from each other to be asked for as one.
    const offsets = Array.from({ length: 20 }, (_, i) => i * 100_000);
    const read = await Promise.all(offsets.map((offset) => source.read!(offset, 100)));
    expect(read).toEqual(offsets.map((offset) => bytes.slice(offset, offset + 100)));
    expect(server.log.length).toBe(1);
    expect(registry.log.length).toBeLessThanOrEqual(40);
    expect(registry.log.length).toBeGreaterThan(20);
  });

  test("that expires in the middle of a download does not end it", async () => {
    const { open, registry, bytes } = await blobSetting({ size: 50_000 });
    const { server, fault, revoke } = await tokens();
    let cut = false;
    registry.fault = (asked, response, whole) => {
      if (fault(asked, response, whole)) return true;
      if (cut) return false;
      cut = true;
      revoke();
      response.writeHead(200, { "content-length": String(whole!.length) });
      response.write(whole!.subarray(0, 20_000), () => response.destroy());
      return true;
    };
    expect(sha256(await collect(open()))).toBe(sha256(bytes));
    expect(server.log.length).toBe(2);
  });

  test("that is refused at once is final: the second 401 is an error, not a loop", async () => {
    const { open, registry } = await blobSetting({ credential: USER });
    const { server, fault } = await tokens({ each: 0 });
    registry.fault = fault;
    await expect(open().read!(0, 5)).rejects.toMatchObject({ code: "registry-denied" });
    expect([registry.log.length, server.log.length]).toEqual([2, 1]);
  });

  test.each([
    ["no token", "{}"],
    ["no JSON", "secret-looking text"],
    ["a token that would end the header", JSON.stringify({ token: "a\r\nx: y" })],
    ["null", "null"],
  ])("server that answers %s", async (_what, body) => {
    const { open, registry } = await blobSetting();
    const { server, fault } = await tokens();
    server.fault = (_asked, response) => send(response, 200, {}, body);
    registry.fault = fault;
    const error = await open().read!(0, 5).then(() => null, (error) => error);
    expect(error).toMatchObject({ name: "SourceError", code: "registry-token" });
    expect(error.message).not.toContain("secret");
  });

  test("server that refuses the password: the message has neither password nor query", async () => {
    const { open, registry } = await blobSetting({ credential: USER });
    const { server, fault } = await tokens();
    server.fault = (_asked, response) => send(response, 401, {}, "");
    registry.fault = fault;
    const error = await open().read!(0, 5).then(() => null, (error) => error);
    expect(error.code).toBe("registry-denied");
    expect(JSON.stringify([error.message, error.details])).not.toMatch(/s3cr|anna|YW5uY|scope/);
  });
});

describe("a password", () => {
  test("is sent where the registry asks for it itself", async () => {
    const { open, registry, bytes } = await blobSetting({ credential: USER });
    registry.fault = ({ headers }, response) =>
      headers.authorization === BASIC
        ? false
        : send(response, 401, { "www-authenticate": 'Basic realm="x, y"' }, "");
    expect(await open().read!(0, 5)).toEqual(bytes.slice(0, 5));
    expect(registry.log.map(({ headers }) => headers.authorization)).toEqual([undefined, BASIC]);
  });

  test("that is not known, and one that is wrong, are one error each", async () => {
    for (const credential of [null, USER]) {
      const { open, registry } = await blobSetting({ credential });
      registry.fault = (_asked, response) =>
        send(response, 401, { "www-authenticate": 'Basic realm="x"' }, "");
      await expect(open().read!(0, 5)).rejects.toMatchObject({ code: "registry-denied" });
      expect(registry.log.length).toBe(credential ? 2 : 1);
    }
  });
});

describe("a redirect", () => {
  const WITH_PASSWORD: Fault = ({ headers }, response) =>
    headers.authorization === BASIC ? false : send(response, 401, { "www-authenticate": "Basic" }, "");

  /** The registry keeps its blobs on another host. */
  async function elsewhere(credential = USER) {
    const setting = await blobSetting({ credential });
    const store = closeLater(await FakeRegistry.start());
    store.put("/blob", setting.bytes);
    setting.registry.fault = (asked, response, bytes) => {
      if (WITH_PASSWORD(asked, response, bytes)) return true;
      return send(response, 307, { location: `${store.origin}/blob?signature=abc` }, "");
    };
    return { ...setting, store };
  }

  const everyHeader = (log: readonly Asked[]): string => JSON.stringify(log.map(({ headers }) => headers));

  test("to another host carries neither password nor token", async () => {
    const { open, store, bytes, registry } = await elsewhere();
    const source = open();
    expect(await source.read!(7, 5)).toEqual(bytes.slice(7, 12));
    expect(sha256(await collect(source))).toBe(sha256(bytes));
    expect(registry.log[1]!.headers.authorization).toBe(BASIC);
    expect(store.log.length).toBe(2);
    expect(everyHeader(store.log)).not.toMatch(/authorization|YW5uY/i);
    expect(store.log[0]!.headers.range).toBe("bytes=7-11");
    expect(store.log[0]!.headers.host).toBe(store.host);
  });

  test("to another port or another name of the same machine is to another host", async () => {
    const { open, store, bytes, registry } = await elsewhere();
    const inner = registry.fault;
    const port = store.host.split(":")[1];
    registry.fault = (asked, response, whole) =>
      WITH_PASSWORD(asked, response, whole) ||
      send(response, 302, { location: `http://localhost:${port}/blob` }, "");
    void inner;
    expect(await open().read!(7, 5)).toEqual(bytes.slice(7, 12));
    expect(everyHeader(store.log)).not.toMatch(/authorization/i);
  });

  test("that leads away and back does not bring the password back", async () => {
    const { open, registry, store } = await elsewhere();
    store.fault = (_asked, response) => send(response, 307, { location: `${registry.origin}/back` }, "");
    await open().read!(7, 5).catch(() => {});
    const back = registry.log.filter(({ path }) => path === "/back");
    expect(back.length).toBeGreaterThan(0);
    expect(everyHeader(back)).not.toMatch(/authorization/i);
  });

  test("within the registry keeps it", async () => {
    const { open, registry, bytes, path } = await blobSetting({ credential: USER });
    registry.put("/other", bytes);
    registry.fault = (asked, response, whole) =>
      WITH_PASSWORD(asked, response, whole) ||
      (asked.path === path ? send(response, 307, { location: "/other" }, "") : false);
    expect(await open().read!(7, 5)).toEqual(bytes.slice(7, 12));
    expect(registry.log.at(-1)).toMatchObject({ path: "/other", headers: { authorization: BASIC } });
  });

  test("whose target asks for a password gets none", async () => {
    const { open, store } = await elsewhere();
    store.fault = (_asked, response) => send(response, 401, { "www-authenticate": "Basic" }, "");
    await expect(open().read!(7, 5)).rejects.toMatchObject({ code: "registry-status" });
    expect(everyHeader(store.log)).not.toMatch(/authorization/i);
  });

  test("with user and password in its address does not send them", async () => {
    const { open, store, registry, bytes } = await elsewhere();
    registry.fault = (asked, response, whole) =>
      WITH_PASSWORD(asked, response, whole) ||
      send(response, 302, { location: `http://u:p@${store.host}/blob` }, "");
    expect(await open().read!(7, 5)).toEqual(bytes.slice(7, 12));
    expect(everyHeader(store.log)).not.toMatch(/authorization/i);
  });

  test("is remembered for the next range, and asked for again when it has expired (A90)", async () => {
    const { open, store, registry, bytes } = await elsewhere();
    const source = open();
    await source.read!(0, 5);
    await source.read!(5, 5);
    await source.read!(10, 5);
    expect([registry.log.length, store.log.length]).toEqual([2, 3]);
    let times = 0;
    store.fault = (_asked, response) => times++ === 0 ? send(response, 403, {}, "expired") : false;
    expect(await source.read!(15, 5)).toEqual(bytes.slice(15, 20));
    expect([registry.log.length, store.log.length]).toEqual([3, 5]);
  });

  test("five times is followed, six times not", async () => {
    for (const [count, code] of [[5, null], [6, "registry-redirect"]] as const) {
      const { open, registry, bytes, path } = await blobSetting();
      for (let i = 1; i <= 6; i++) registry.put(`/${i}`, bytes);
      registry.fault = (asked, response) => {
        const number = asked.path === path ? 0 : Number(asked.path.slice(1));
        return number < count ? send(response, 302, { location: `/${number + 1}` }, "") : false;
      };
      const result = await open().read!(0, 5).then(() => null, (error) => error.code);
      expect(result).toBe(code);
    }
  });

  test.each(["", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://[", "data:text/plain,x"])(
    "to %j is refused",
    async (location) => {
      const { open, registry } = await blobSetting();
      registry.fault = (_asked, response) => send(response, 302, location === "" ? {} : { location }, "");
      await expect(open().read!(0, 5)).rejects.toMatchObject({ code: "registry-redirect" });
    },
  );
});

test("a registry cannot be asked for tokens of a URL that is none, nor of another scheme", async () => {
  for (const realm of ["", "/token", "ftp://127.0.0.1/", "javascript:1"]) {
    const { open, registry } = await blobSetting({ credential: USER });
    registry.fault = (_asked, response) =>
      send(response, 401, { "www-authenticate": `Bearer realm="${realm}"` }, "");
    const code = realm === "" ? "registry-denied" : "registry-token";
    await expect(open().read!(0, 5)).rejects.toMatchObject({ code });
  }
});

test("challenges as registries write them", () => {
  const realm = "https://auth.docker.io/token";
  const docker = `Bearer realm="${realm}",service="registry.docker.io",scope="repository:library/x:pull"`;
  const bearer = {
    scheme: "bearer",
    realm,
    service: "registry.docker.io",
    scope: "repository:library/x:pull",
  };
  expect(parseChallenges(docker)).toEqual([bearer]);
  expect(parseChallenges(`Basic realm="a", ${docker}`)).toEqual([{ scheme: "basic" }, bearer]);
  expect(parseChallenges(`bearer realm=${realm} , service="a \\"b\\""`)).toEqual([
    { scheme: "bearer", realm, service: 'a "b"', scope: "" },
  ]);
  expect(parseChallenges("Negotiate, Basic")).toEqual([{ scheme: "basic" }]);
  expect(parseChallenges("Bearer service=x")).toEqual([]);
  expect(parseChallenges(null)).toEqual([]);
  expect(parseChallenges('"'.repeat(10_000))).toEqual([]);
});

test("connections end with the network that made them", async () => {
  const registry = closeLater(await FakeRegistry.start());
  const network = new Network({ env: () => undefined, clock: new FakeClock() });
  const bytes = pattern(100);
  registry.put(`/v2/a/b/blobs/${sha256(bytes)}`, bytes);
  const source = { host: registry.host, repository: "a/b", insecure: true };
  const endpoint = await Endpoint.connect(network, source, () => Promise.resolve(null));
  const blob = registryBlob(endpoint, { digest: sha256(bytes), size: 100 }, "blob");
  expect(await blob.read!(1, 2)).toEqual(bytes.slice(1, 3));
  network.close();
});

/** Registries over TLS with an authority of the test's own; needs openssl. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { Endpoint } from "../../src/registry/endpoint.ts";
import { Network } from "../../src/registry/network.ts";
import { registryBlob } from "../../src/registry/blob-source.ts";
import { sha256 } from "../support/bytes.ts";
import { closeLater, pattern } from "./support/blob.ts";
import { FakeClock } from "./support/clock.ts";
import { FakeRegistry, send } from "./support/registry.ts";

interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority, and a certificate for 127.0.0.1 that it signed; null without openssl. */
function certificates(): Certificates | null {
  const directory = mkdtempSync(join(tmpdir(), "layerproof-ca-"));
  const script = `set -e
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=ca
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server
printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\n' > server.ext
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 30 -extfile server.ext`;
  const { status } = spawnSync("sh", ["-c", script], { cwd: directory, stdio: "ignore" });
  if (status !== 0) return null;
  const read = (name: string): string => readFileSync(join(directory, name), "utf8");
  return { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key") };
}

const made = certificates();
if (!made && process.env.CI) throw new Error("openssl is not installed");

describe.skipIf(!made)(`TLS${made ? "" : " (skipped, openssl is not installed)"}`, () => {
  const bytes = pattern(1000);
  const path = `/v2/a/b/blobs/${sha256(bytes)}`;

  async function setting(trusted: boolean, insecure: boolean | null = null) {
    const registry = closeLater(await FakeRegistry.start({ tls: made! }));
    registry.put(path, bytes);
    const home = mkdtempSync(join(tmpdir(), "layerproof-home-"));
    if (trusted) {
      const directory = join(home, ".config/containers/certs.d", registry.host);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, "ca.crt"), made!.ca);
    }
    const env = (name: string) => name === "HOME" ? home : undefined;
    const network = closeLater(new Network({ env, clock: new FakeClock() }));
    const source = { host: registry.host, repository: "a/b", insecure };
    const connect = (credential = null as { username: string; password: string } | null) =>
      Endpoint.connect(
        network,
        source,
        () => Promise.resolve(credential && { ...credential, identityToken: null }),
      );
    const open = async () =>
      registryBlob(await connect(), { digest: sha256(bytes), size: bytes.length }, "blob");
    return { registry, connect, open };
  }

  test("the authority of certs.d is trusted, for its host", async () => {
    const { open } = await setting(true);
    expect(await (await open()).read!(1, 9)).toEqual(bytes.slice(1, 10));
  });

  test("without it the registry is refused, with the place where it belongs", async () => {
    const { open, registry } = await setting(false, false);
    const error = await open().then((source) => source.read!(1, 9)).catch((error) => error);
    expect(error).toMatchObject({ name: "SourceError", code: "registry-certificate" });
    expect(error.details.advice).toContain(`/etc/containers/certs.d/${registry.host}/ca.crt`);
    expect(registry.log).toEqual([]);
  });

  test("on loopback it is not taken without TLS instead", async () => {
    const { open, registry } = await setting(false);
    await expect(open()).rejects.toMatchObject({ code: "registry-certificate" });
    expect(registry.log).toEqual([]);
  });

  test("insecure = true takes any certificate", async () => {
    const { open } = await setting(false, true);
    expect(await (await open()).read!(1, 9)).toEqual(bytes.slice(1, 10));
  });

  test("a redirect to plain HTTP is refused, and nothing is sent there", async () => {
    const { open, registry } = await setting(true);
    const plain = closeLater(await FakeRegistry.start());
    registry.fault = ({ path: asked }, response) =>
      asked === path ? send(response, 307, { location: `${plain.origin}/blob` }, "") : false;
    await expect((await open()).read!(1, 9)).rejects.toMatchObject({ code: "registry-redirect" });
    expect(plain.log).toEqual([]);
  });

  test("insecure is said of one host: where it redirects to must have a good certificate", async () => {
    const { open, registry } = await setting(false, true);
    const other = closeLater(await FakeRegistry.start({ tls: made! }));
    registry.fault = ({ path: asked }, response) =>
      asked === path ? send(response, 307, { location: `${other.origin}/blob` }, "") : false;
    await expect((await open()).read!(1, 9)).rejects.toMatchObject({ code: "registry-certificate" });
    expect(other.log).toEqual([]);
  });

  test("a token is not fetched over plain HTTP for a registry with TLS", async () => {
    const { connect, registry } = await setting(true);
    const plain = closeLater(await FakeRegistry.start());
    registry.fault = (_asked, response) =>
      send(response, 401, { "www-authenticate": `Bearer realm="${plain.origin}/token"` }, "");
    const endpoint = await connect({ username: "anna", password: "secret" });
    const blob = registryBlob(endpoint, { digest: sha256(bytes), size: bytes.length }, "blob");
    await expect(blob.read!(1, 9)).rejects.toMatchObject({ code: "registry-token" });
    expect(plain.log).toEqual([]);
  });
});

test("a registry that is not on loopback is never met without TLS", async () => {
  const registry = closeLater(await FakeRegistry.start());
  const network = closeLater(new Network({ env: () => undefined, clock: new FakeClock() }));
  const source = { host: registry.host, repository: "a/b", insecure: false };
  const endpoint = await Endpoint.connect(network, source, () => Promise.resolve(null));
  const blob = registryBlob(endpoint, { digest: sha256(new Uint8Array(3)), size: 3 }, "blob");
  await expect(blob.read!(0, 1)).rejects.toMatchObject({ name: "SourceError" });
  expect(registry.log).toEqual([]);
});

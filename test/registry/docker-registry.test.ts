/**
 * Against docker-registry, with images that skopeo pushed: open, and in its token mode, where the test is the token
 * server. Both programs have to be installed.
 */
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openImage } from "../../src/registry/images.ts";
import { fixtureLayer, type Layer, writeLayout } from "../e2e/support/image.ts";
import { keep } from "../e2e/support/keeper.ts";
import { layerproof } from "../e2e/support/layerproof.ts";
import { output, run } from "../e2e/support/run.ts";
import { sha256 } from "../support/bytes.ts";
import { closeLater, collect } from "./support/blob.ts";
import { FakeRegistry, send } from "./support/registry.ts";

const missing = ["docker-registry", "skopeo", "openssl"].filter((program) =>
  spawnSync("sh", ["-c", 'command -v "$0"', program]).status !== 0
);
if (missing.length > 0 && process.env.CI) throw new Error(`not installed: ${missing.join(", ")}`);
const reason = missing.length === 0 ? "" : ` (skipped, not installed: ${missing.join(", ")})`;

// The registry goes when its keeper's standard input ends.
const SERVE = `docker-registry serve "$1" & pid=$!
trap 'kill $pid 2>/dev/null; wait $pid' EXIT
cat >/dev/null`;

/** Starts docker-registry; `auth` is its configuration's. */
async function serve(directory: string, auth?: object): Promise<{ host: string; close(): Promise<void> }> {
  const config = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: join(directory, "data") } },
    http: { addr: "127.0.0.1:0", secret: "not one" },
    ...(auth && { auth }),
  };
  // JSON is YAML.
  const file = join(directory, auth ? "token.yml" : "open.yml");
  writeFileSync(file, JSON.stringify(config));
  const listening = /listening on 127\.0\.0\.1:([1-9]\d*)\D/;
  const keeper = await keep("sh", ["-c", SERVE, "sh", file], listening);
  return { host: `127.0.0.1:${listening.exec(keeper.stderr())![1]}`, close: () => keeper.close() };
}

const LAYERS: readonly Layer[] = [
  fixtureLayer("layers/tree.zstdchunked"),
  fixtureLayer("layers/big.esgz"),
  fixtureLayer("layers/big.tar.zst"),
];

describe.skipIf(reason !== "")(`docker-registry${reason}`, () => {
  let directory = "", layout = "";
  let registry: Awaited<ReturnType<typeof serve>>;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "layerproof-registry-"));
    mkdirSync(join(directory, "data"));
    layout = join(directory, "layout");
    writeLayout(layout, LAYERS);
    registry = await serve(directory);
    await output("skopeo", [
      "copy",
      "--preserve-digests",
      "--dest-tls-verify=false",
      `oci:${layout}:t`,
      `docker://${registry.host}/a/b:t`,
    ]);
  });
  afterAll(async () => await registry?.close());

  test("the program verifies the image that skopeo pushed", async () => {
    const { status, stdout, stderr } = await layerproof([
      "verify",
      "--json",
      `docker://${registry.host}/a/b:t`,
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    expect(reports.map(({ result, digest }) => [result, digest])).toEqual(
      LAYERS.map(({ digest }) => ["verified", digest]),
    );
  });

  test("any range of a blob is that range", async () => {
    const image = await openImage(`${registry.host}/a/b:t`, null, { env: () => undefined });
    const { blob } = LAYERS[1]!;
    const source = closeLater(await image.layers[1]!.open());
    const ends = [0, 1, 51, 4096, 65_536, blob.length - 51, blob.length - 1, blob.length];
    for (const from of ends) {
      for (const to of ends) {
        if (to < from) continue;
        expect(sha256(await source.read!(from, to - from))).toBe(sha256(blob.subarray(from, to)));
      }
    }
    expect(sha256(await collect(source))).toBe(sha256(blob));
  });

  test("a tag that does not exist ends with status 4 and the address that was asked", async () => {
    const { status, stdout } = await layerproof(["verify", `docker://${registry.host}/a/b:none`]);
    expect(status).toBe(4);
    expect(stdout).toContain(`http://${registry.host}/v2/a/b/manifests/none does not exist`);
  });

  describe("in its token mode", () => {
    let guarded: Awaited<ReturnType<typeof serve>>;
    let tokens: FakeRegistry;

    beforeAll(async () => {
      const script =
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout token.key -out token.crt -days 30 -subj /CN=t";
      expect(spawnSync("sh", ["-c", script], { cwd: directory, stdio: "ignore" }).status).toBe(0);
      const certificate = readFileSync(join(directory, "token.crt"), "utf8");
      const key = createPrivateKey(readFileSync(join(directory, "token.key")));
      tokens = await FakeRegistry.start();
      tokens.fault = ({ query, headers }, response) => {
        if (headers.authorization !== `Basic ${btoa("anna:right")}`) return send(response, 401, {}, "{}");
        const [type, name, actions] = new URLSearchParams(query).get("scope")!.split(":");
        const now = Math.floor(Date.now() / 1000);
        const claims = {
          iss: "the test",
          sub: "anna",
          aud: "layers",
          nbf: now - 60,
          iat: now - 60,
          exp: now + 600,
          jti: String(now),
          access: [{ type, name, actions: actions!.split(",") }],
        };
        const x5c = [new X509Certificate(certificate).raw.toString("base64")];
        const encoded = [{ typ: "JWT", alg: "RS256", x5c }, claims]
          .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
        const signature = sign("sha256", Buffer.from(encoded), key).toString("base64url");
        const token = `${encoded}.${signature}`;
        return send(response, 200, { "content-type": "application/json" }, JSON.stringify({ token }));
      };
      guarded = await serve(directory, {
        token: {
          realm: `${tokens.origin}/token`,
          service: "layers",
          issuer: "the test",
          rootcertbundle: join(directory, "token.crt"),
        },
      });
    });
    afterAll(async () => {
      await guarded?.close();
      await tokens?.close();
    });

    const verify = (password: string) => {
      const file = join(directory, `${password}.json`);
      writeFileSync(
        file,
        JSON.stringify({ auths: { [`${guarded.host}/a`]: { auth: btoa(`anna:${password}`) } } }),
      );
      const script = 'REGISTRY_AUTH_FILE="$1" exec "$RUNTIME" $FLAGS src/cli/main.ts verify "$2"';
      const FLAGS = "Deno" in globalThis ? "run --no-prompt --node-modules-dir=manual -A" : "";
      return run("bash", ["-c", script, "bash", file, `docker://${guarded.host}/a/b:t`], {
        env: { RUNTIME: process.execPath, FLAGS },
      });
    };

    test("the image is verified with the login of auth.json", async () => {
      const { status, stdout, stderr } = await verify("right");
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain("3 layers: 3 verified");
      expect(tokens.log.length).toBe(1);
    });

    test("a wrong password is told, and not shown", async () => {
      const { status, stdout, stderr } = await verify("wrong");
      expect(status).toBe(4);
      expect(stdout + stderr).toContain("refuses access (401)");
      expect(stdout + stderr).not.toMatch(/anna|YW5uY/);
    });
  });
});

/**
 * A real registry on 127.0.0.1, and a proxy before it that notes each request and can deny blobs: what a client shows
 * after that, it did not download.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { keep, type Keeper } from "./keeper.ts";

/** One request that a client made. */
export interface Access {
  readonly method: string;
  /** `/v2/NAME/blobs/sha256:…` and so on. */
  readonly path: string;
  readonly status: number;
}

// The registry goes when its keeper's standard input ends.
const SERVE = `docker-registry serve "$1" & pid=$!
trap 'kill $pid 2>/dev/null; wait $pid' EXIT
cat >/dev/null`;

/** A registry with its proxy. Close it. */
export class Registry {
  /** Every request since the last `forget`. */
  readonly log: Access[] = [];
  readonly #denied = new Set<string>();

  /** `127.0.0.1:PORT`, of the proxy. */
  readonly host: string;
  readonly #keeper: Keeper;
  readonly #proxy: Server;
  readonly #directory: string;

  private constructor(keeper: Keeper, proxy: Server, directory: string) {
    this.#keeper = keeper;
    this.#proxy = proxy;
    this.#directory = directory;
    this.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  }

  /** @param parent a directory for its files */
  static async start(parent: string): Promise<Registry> {
    const directory = mkdtempSync(join(parent, "registry-"));
    mkdirSync(join(directory, "data"));
    const config = {
      version: "0.1",
      storage: { filesystem: { rootdirectory: join(directory, "data") } },
      http: { addr: "127.0.0.1:0", secret: "not one" },
    };
    // JSON is YAML.
    writeFileSync(join(directory, "config.yml"), JSON.stringify(config));
    const listening = /listening on 127\.0\.0\.1:([1-9]\d*)\D/;
    const keeper = await keep("sh", ["-c", SERVE, "sh", join(directory, "config.yml")], listening);
    const port = Number(listening.exec(keeper.stderr())![1]);

    const proxy = createServer((incoming, outgoing) => {
      const { method = "GET", url: path = "/", headers } = incoming;
      const answer = (status: number) => registry.log.push({ method, path, status });
      if (registry.#denies(path)) {
        answer(404);
        incoming.resume();
        const errors = [{ code: "BLOB_UNKNOWN", message: "denied by the test" }];
        outgoing.writeHead(404, { "content-type": "application/json" }).end(JSON.stringify({ errors }));
        return;
      }
      const forwarded = request({ host: "127.0.0.1", port, method, path, headers }, (response) => {
        answer(response.statusCode!);
        outgoing.writeHead(response.statusCode!, response.headers);
        response.pipe(outgoing);
      });
      forwarded.on("error", () => outgoing.destroy());
      incoming.pipe(forwarded);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const registry = new Registry(keeper, proxy, directory);
    return registry;
  }

  /** From now on these blobs of this repository are not there. */
  deny(repository: string, digests: readonly string[]): void {
    for (const digest of digests) this.#denied.add(`/v2/${repository}/blobs/${digest}`);
  }

  /** The requests for blobs that had an answer with this status. */
  blobs(status: number): readonly string[] {
    return this.log.filter((access) => access.status === status && access.path.includes("/blobs/sha256:"))
      .map(({ path }) => path.slice(path.lastIndexOf("/") + 1));
  }

  forget(): void {
    this.log.length = 0;
  }

  /** Fetches a manifest or a blob, past no denial. */
  async fetch(path: string, accept = "*/*"): Promise<Uint8Array> {
    const response = await fetch(`http://${this.host}${path}`, { headers: { accept } });
    const body = new Uint8Array(await response.arrayBuffer());
    if (!response.ok) throw new Error(`GET ${path}: ${response.status}`);
    return body;
  }

  async close(): Promise<void> {
    this.#proxy.closeAllConnections?.();
    await new Promise((resolve) => this.#proxy.close(resolve));
    await this.#keeper.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #denies(path: string): boolean {
    return this.#denied.has(path.split("?")[0]!);
  }
}

/** `store create` is killed at any moment: what clients find afterwards is right, or nothing. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { runtimeEnv, scriptArgs, tempDir } from "../cli/support.ts";
import { fixtureLayer, fixtureRow } from "../support/fixtures.ts";
import { random, sha256, writeOciLayout } from "../support/mod.ts";

const FILES = ["gnutar-posix.zstdchunked", "tree.zstdchunked", "tree.esgz"];
const ROWS = FILES.map(fixtureRow);
/** Another runtime starts the same program: fewer will do. */
const KILLS = "Deno" in globalThis ? 40 : 200;
const AT_ONCE = 4;
/** Two identities of each layer. */
const PLACES = 2 * FILES.length;

/** A tree as GNU tar sees it: names, types, modes, owners, times, links, contents. */
function fingerprint(directory: string): string {
  const { stdout, status } = spawnSync("tar", [
    "--create",
    "--sort=name",
    "--format=posix",
    "--numeric-owner",
    "--pax-option=delete=atime,delete=ctime",
    "--xattrs",
    "-C",
    `${directory}/`,
    // Not ".": of a directory that the layer does not name, the time is that of the extraction.
    ...readdirSync(`${directory}/`),
  ], { maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`tar cannot read ${directory}`);
  return sha256(new Uint8Array(stdout));
}

/** A create in a process group of its own, so that GNU tar dies with it, as in a power cut. */
function create(layout: string, store: string) {
  const child = spawn("bash", [
    "-c",
    'exec "$RUNTIME" "$@"',
    "bash",
    ...scriptArgs("src/cli/main.ts"),
    "store",
    "create",
    `oci:${layout}`,
    store,
    "--reference",
    "x.example/y:1",
  ], { stdio: "ignore", detached: true, env: runtimeEnv });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, ended };
}

/** Every place where a client would take a layer, with what is wrong with it. */
function wrongs(store: string, trees: ReadonlyMap<string, string>): string[] {
  const found: string[] = [];
  for (const reference of existsSync(store) ? readdirSync(store) : []) {
    if (reference.startsWith(".")) continue;
    for (const digest of readdirSync(join(store, reference))) {
      const at = join(store, reference, digest);
      if (!["diff", "info", "blob"].every((name) => existsSync(join(at, name)))) continue;
      const row = ROWS.find((each) => each.digest === digest || each.tocDigest === digest);
      if (!row) {
        found.push(`${at} is asked for by nobody`);
        continue;
      }
      const info = JSON.parse(readFileSync(join(at, "info"), "utf8"));
      if (info["diff-digest"] !== row.diffID || info["diff-size"] !== row.uncompressedSize) {
        found.push(`${at}/info`);
      }
      if (info["compressed-diff-digest"] !== row.digest) found.push(`${at}/info`);
      if (sha256(new Uint8Array(readFileSync(join(at, "blob")))) !== row.digest) found.push(`${at}/blob`);
      if (fingerprint(join(at, "diff")) !== trees.get(row.digest)) found.push(`${at}/diff`);
    }
  }
  return found;
}

describe("kill -9 during store create", () => {
  test(
    `at ${KILLS} random moments: nothing that a client accepts is wrong, and a second run completes it`,
    async () => {
      const layout = tempDir();
      writeOciLayout(layout, FILES.map(fixtureLayer));
      const whole = join(tempDir(), "store");
      const begin = performance.now();
      expect(await create(layout, whole).ended).toBe(0);
      const duration = performance.now() - begin;
      const [reference] = readdirSync(whole).filter((name) => !name.startsWith("."));
      const trees = new Map(
        ROWS.map(({ digest }) => [digest, fingerprint(join(whole, reference!, digest, "diff"))]),
      );
      expect(wrongs(whole, trees)).toEqual([]);
      const seen = { nothing: 0, some: 0, all: 0 };
      /** Kills one create after the other, half of them where the kill before has left something. */
      const lane = async (seed: number): Promise<string> => {
        const numbers = random(seed);
        const next = () => numbers.next() / 2 ** 32;
        let store = join(tempDir(), "store");
        for (let kill = 0; kill < KILLS / AT_ONCE; kill++) {
          if (next() < 0.5) {
            rmSync(store, { recursive: true, force: true });
            store = join(tempDir(), "store");
          }
          const { child, ended } = create(layout, store);
          await new Promise((resolve) => setTimeout(resolve, duration * AT_ONCE / 2 * (0.2 + 0.9 * next())));
          try {
            process.kill(-child.pid!, "SIGKILL");
          } catch {
            // It had ended.
          }
          await ended;
          expect(wrongs(store, trees)).toEqual([]);
          const places = existsSync(join(store, reference!))
            ? readdirSync(join(store, reference!)).length
            : 0;
          seen[places === 0 ? "nothing" : places === PLACES ? "all" : "some"]++;
        }
        return store;
      };
      const stores = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => lane(20261125 + i)));
      // Else the moments were not spread over the work.
      expect(seen.nothing).toBeGreaterThan(KILLS / 20);
      for (const store of stores) {
        expect(await create(layout, store).ended).toBe(0);
        expect(readdirSync(join(store, reference!))).toHaveLength(PLACES);
        expect(wrongs(store, trees)).toEqual([]);
      }
    },
    600_000,
  );
});

/** A create that is asked to end cleans up before it does. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { runtimeEnv, scriptArgs, tempDir } from "../cli/support.ts";
import { gzipMember, randomBytes, tar } from "../support/mod.ts";

const DIRECTORY = tempDir();
const LAYER = join(DIRECTORY, "layer");
writeFileSync(
  LAYER,
  gzipMember(tar([{ name: "a", data: randomBytes(40_000_000) }, { name: "b", data: "end" }])),
);

/** A create that reads a pipe, which stays open behind what was given. */
function create(store: string, bytes: number) {
  const feed = `(head -c ${bytes} ${LAYER}; exec sleep 30)`;
  const main = `exec "$RUNTIME" ${scriptArgs("src/cli/main.ts").join(" ")} store create - ${store}`;
  const child = spawn("bash", ["-c", `exec 3< <(${feed}); ${main} <&3`], {
    stdio: "ignore",
    env: runtimeEnv,
  });
  const ended = new Promise<number | null>((resolve) => child.on("exit", resolve));
  return { child, ended };
}

/** Until a part of the file has been extracted. */
async function underWay(store: string): Promise<void> {
  const tmp = join(store, ".layerproof/tmp");
  while (true) {
    const [work] = existsSync(tmp) ? readdirSync(tmp) : [];
    if (work && existsSync(join(tmp, work, "layer/diff/a"))) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("store create that gets a signal while a pipe delivers nothing", () => {
  test.each([["SIGINT", 130], ["SIGTERM", 143]] as const)(
    "%s: exit status %i, and nothing is left",
    async (signal, status) => {
      const store = join(tempDir(), "store");
      const { child, ended } = create(store, 20_000_000);
      await underWay(store);
      process.kill(child.pid!, signal);
      expect(await ended).toBe(status);
      expect(readdirSync(join(store, ".layerproof/tmp"))).toEqual([]);
      expect(readdirSync(join(store, ".layerproof/layers"))).toEqual([]);
      const { stdout } = spawnSync("ps", ["-eo", "args"], { encoding: "utf8" });
      expect(stdout.split("\n").filter((line) => line.startsWith("tar ") && line.includes(store))).toEqual(
        [],
      );
    },
  );
});

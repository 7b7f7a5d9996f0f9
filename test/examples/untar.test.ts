import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, expect, test } from "vitest";
import { gzipMembers, randomBytes, tar, zstdFrame } from "../support/mod.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const EXAMPLE = join(ROOT, "examples", "untar.ts");

/** Deno itself, or the one on PATH or in node_modules. */
const deno = process.versions.deno ? process.execPath : join(ROOT, "node_modules", ".bin", "deno");

/** Why the example cannot run here, or null. Asked once, with a short time limit. */
function reasonNot(): string | null {
  const version = spawnSync(deno, ["--version"], { encoding: "utf8", timeout: 10_000 });
  if (version.error || version.status !== 0) return "Deno is not installed";
  const options = { cwd: ROOT, encoding: "utf8", timeout: 10_000 } as const;
  const { error, status } = spawnSync(deno, ["cache", "--node-modules-dir=manual", EXAMPLE], options);
  return error || status !== 0 ? "JSR cannot be reached" : null;
}

const reason = reasonNot();
const directory = mkdtempSync(join(tmpdir(), "layerproof-untar-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.skipIf(reason !== null)(
  `@std/tar lists the files of gzip and zstd layers${reason ? ` (skipped, ${reason})` : ""}`,
  () => {
    const archive = tar([
      { name: "dir/" },
      { name: "dir/file", data: randomBytes(70_000) },
      { name: "empty" },
    ]);
    const blobs = {
      gzip: gzipMembers([archive.subarray(0, 999), archive.subarray(999)]),
      zstd: zstdFrame(archive),
    };
    for (const [name, blob] of Object.entries(blobs)) {
      const path = join(directory, name);
      writeFileSync(path, blob);
      const { stdout, stderr, status } = spawnSync(deno, [
        "run",
        "-A",
        "--node-modules-dir=manual",
        EXAMPLE,
        path,
      ], {
        cwd: ROOT,
        encoding: "utf8",
        timeout: 60_000,
      });
      expect(stderr).toBe("");
      expect(status).toBe(0);
      expect(stdout).toBe("dir/\t0\ndir/file\t70000\nempty\t0\n");
    }
  },
);

/** What goes wrong outside of the layer: no GNU tar, a killed one, a full disk, a caller that gives up. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterEach, describe, expect, test } from "vitest";
import { extractLayer } from "../../src/extract/extract.ts";
import { type Entry, randomBytes, tar } from "../support/mod.ts";
import { compare, errorOf, extract, newDirectory, ROOT } from "./support.ts";

const { PATH, TAR_OPTIONS } = process.env;

afterEach(() => {
  process.env.PATH = PATH;
  if (TAR_OPTIONS === undefined) delete process.env.TAR_OPTIONS;
});

/** A directory in PATH with a program `tar` that does what the script says. */
function fakeTar(script: string): void {
  const directory = mkdtempSync(join(tmpdir(), "layerproof-tar-"));
  writeFileSync(join(directory, "tar"), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, "tar"), 0o755);
  process.env.PATH = `${directory}:${PATH}`;
}

const REAL = spawnSync("sh", ["-c", "command -v tar"], { encoding: "utf8" }).stdout.trim();
const archive = tar([{ name: "f", data: randomBytes(3_000_000) }]);

describe("GNU tar is missing", () => {
  test("there is no tar", async () => {
    process.env.PATH = "/nonexistent";
    const error = await errorOf(() => extract(archive, newDirectory()));
    expect(error.code).toBe("gnu-tar-missing");
    expect(error.details.advice).toContain("GNU tar");
    expect((await errorOf(() => compare(newDirectory(), archive))).code).toBe("gnu-tar-missing");
  });

  test("it is another tar", async () => {
    fakeTar("echo 'bsdtar 3.7.4 - libarchive 3.7.4'");
    const error = await errorOf(() => extract(archive, newDirectory()));
    expect(error.code).toBe("gnu-tar-other");
    expect(error.details.actual).toContain("bsdtar");
  });
});

test("options of the user's environment do not reach it", async () => {
  process.env.TAR_OPTIONS = "--exclude=*";
  const directory = newDirectory();
  await extract(archive, directory);
  expect(readFileSync(join(directory, "f")).length).toBe(3_000_000);
});

describe("it ends before its time", () => {
  /** Answers for its version and the probe, then does as it is told. */
  const afterProbe = (then: string) =>
    fakeTar(`case "$*" in *--directory=*.layerproof-*|--version) exec ${REAL} "$@";; esac; ${then}`);

  test("killed", async () => {
    afterProbe("kill -9 $$");
    const error = await errorOf(() => extract(archive, newDirectory()));
    expect(error.code).toBe("output-failed");
    expect(error.message).toContain("SIGKILL");
  });

  test("killed in the middle", async () => {
    afterProbe("head -c 100000 > /dev/null; kill -9 $$");
    expect((await errorOf(() => extract(archive, newDirectory()))).code).toBe("output-failed");
  });

  test("as if all were well", async () => {
    afterProbe("exit 0");
    expect((await errorOf(() => extract(archive, newDirectory()))).code).toBe("output-failed");
  });

  test("with a message, which is shown on one line", async () => {
    afterProbe(
      "printf 'tar: ./\\033[2J: Cannot write: No space left on device\\n' >&2; cat > /dev/null; exit 2",
    );
    const error = await errorOf(() => extract(archive, newDirectory()));
    expect(error.code).toBe("output-no-space");
    expect(error.message).toContain("./\\x1B[2J: Cannot write: No space left on device");
  });

  test("with a status alone", async () => {
    afterProbe("cat > /dev/null; exit 2");
    expect((await errorOf(() => extract(archive, newDirectory()))).message).toContain("status 2");
  });
});

describe("the directory", () => {
  test("is not empty", async () => {
    const directory = newDirectory();
    writeFileSync(join(directory, "x"), "");
    expect((await errorOf(() => extractLayer(directory))).code).toBe("output-not-empty");
  });

  test("is not there", async () => {
    expect((await errorOf(() => extractLayer("/nonexistent/layerproof"))).code).toBe("output-no-directory");
  });

  test("cannot hold a name", async () => {
    const name = "n".repeat(300);
    const error = await errorOf(() => extract(tar([{ name, data: "" }]), newDirectory()));
    expect(error.code).toBe("extract-name-too-long");
  });

  test("is empty again after the probe", async () => {
    const directory = newDirectory();
    const extraction = await extractLayer(directory);
    expect(readdirSync(directory)).toEqual([]);
    await extraction.abort();
  });
});

test.skipIf(!ROOT)("a full disk (needs the right to mount a small tmpfs)", async ({ skip }) => {
  const directory = mkdtempSync(join(tmpdir(), "layerproof-full-"));
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]);
  if (mount.status !== 0) skip("no right to mount");
  try {
    const diff = join(directory, "diff");
    mkdirSync(diff);
    const error = await errorOf(() => extract(archive, diff));
    expect(error.code).toBe("output-no-space");
    expect(error.message).toMatch(/No space left on device|Wrote only/);
  } finally {
    spawnSync("umount", ["--lazy", directory]);
  }
});

describe("the caller gives up", () => {
  const half = archive.subarray(0, 1_500_000);

  test("abort ends the process and never throws", async () => {
    const directory = newDirectory();
    const extraction = await extractLayer(directory);
    extraction.write(half);
    await extraction.abort();
    await extraction.abort();
    expect(running(directory)).toBe(false);
    await expect(extraction.finish()).rejects.toMatchObject({ code: "output-failed" });
  });

  test("so does the signal, whose reason comes out", async () => {
    const directory = newDirectory();
    const controller = new AbortController();
    const extraction = await extractLayer(directory, { signal: controller.signal });
    extraction.write(half);
    const reason = new Error("enough");
    controller.abort(reason);
    await expect(extraction.finish()).rejects.toBe(reason);
    await extraction.abort();
    expect(running(directory)).toBe(false);
  });

  test("a refused layer leaves no process", async () => {
    const directory = newDirectory();
    const hostile: Entry[] = [{ name: "ok", data: "x" }, { name: "../out", data: "x" }];
    expect((await errorOf(() => extract(tar(hostile), directory))).code).toBe("extract-escapes");
    expect(running(directory)).toBe(false);
    expect(existsSync(join(directory, "../out"))).toBe(false);
  });

  test("an archive that is cut short", async () => {
    expect((await errorOf(() => extract(half, newDirectory()))).code).toBe("tar-truncated");
  });
});

/** Whether a process has the directory in its arguments. */
function running(directory: string): boolean {
  return readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name)).some((id) => {
    try {
      return readFileSync(`/proc/${id}/cmdline`, "utf8").includes(`--directory=${directory}`);
    } catch {
      return false;
    }
  });
}

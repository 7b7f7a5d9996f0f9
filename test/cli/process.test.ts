/** The program as a process of its own, under the runtime that runs the tests. */
import { spawnSync } from "node:child_process";
import { chmodSync, createReadStream, createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { gzipMember, randomBytes } from "../support/mod.ts";
import { scriptArgs, shell, start, startShell, tempDir } from "./support.ts";

const LAYER = "test/fixtures/layers/tree.zstdchunked";
const LAYER_DIGEST = "sha256:36dbea3c9c9a096cc560bbbe56f7c1c61e38575cd87bc22ea6646782be465533";
const isDeno = "Deno" in globalThis;

describe("as a process", () => {
  test("verifies a file and exits with 0", async () => {
    const { status, stdout, stderr } = await start(["--digest", LAYER_DIGEST, LAYER]).outcome;
    expect(stdout).toMatch(/^VERIFIED {2}test\/fixtures/);
    expect(stderr).toBe("");
    expect(status).toBe(0);
  });

  test("verifies standard input", async () => {
    const { child, outcome } = start(["--json", "--digest", LAYER_DIGEST, "-"]);
    createReadStream(LAYER).pipe(child.stdin!);
    const { status, stdout } = await outcome;
    expect(JSON.parse(stdout)).toMatchObject({ layer: "-", result: "verified", size: 82776 });
    expect(status).toBe(0);
  });

  test("prints no escape sequences when it does not write to a terminal", async () => {
    const { stdout, stderr } = await start([LAYER]).outcome;
    expect(stdout + stderr).not.toContain("\x1b");
  });

  test("a missing file, a directory: exit status 4, and the next layer is still read", async () => {
    const directory = tempDir();
    const { status, stdout } = await start(["--json", "no/such/file", directory, LAYER]).outcome;
    const codes = stdout.trimEnd().split("\n").map((line) => JSON.parse(line).error?.code ?? null);
    expect(codes).toEqual(["source-not-found", "source-is-directory", null]);
    expect(status).toBe(4);
  });

  test.skipIf(!isDeno)("without --allow-read says which permission is missing (Deno)", async () => {
    const { status, stdout } = await start([LAYER], []).outcome;
    expect(stdout).toContain(`Add --allow-read=${LAYER}`);
    expect(status).toBe(4);
  });

  test.skipIf(!isDeno)("needs --allow-read for the layer and nothing else (Deno)", async () => {
    const { status, stdout } = await start([LAYER], [`--allow-read=${LAYER}`]).outcome;
    expect(stdout).toContain("CONSISTENT");
    expect(status).toBe(0);
  });

  test("Ctrl-C while a pipe delivers nothing ends it with 130 and a message", async () => {
    const { child, outcome } = start(["-"]);
    // More than a pipe holds: when it is written, the program is up and reads.
    await new Promise((resolve) => child.stdin!.write(new Uint8Array(1 << 20), resolve));
    // Not `child.kill`: under Deno that closes the child's standard input as well.
    process.kill(child.pid!, "SIGINT");
    const { status, stdout, stderr } = await outcome;
    expect(stdout).toBe("");
    expect(stderr).toContain("interrupted");
    expect(status).toBe(130);
  });

  test("Ctrl-C while threads share the work ends it with 130", async () => {
    const { child, outcome } = start(["--jobs", "3", "-"]);
    // A part of a layer, so long that threads have begun on it; it goes on for ever.
    const blob = gzipMember(randomBytes(14_000_000, 1)).subarray(0, 13_000_000);
    await new Promise((resolve) => child.stdin!.write(blob, resolve));
    process.kill(child.pid!, "SIGINT");
    const { status, stdout, stderr } = await outcome;
    expect({ status, stdout }).toEqual({ status: 130, stdout: "" });
    expect(stderr).toContain("interrupted");
  });

  test("what nobody catches is a bug of the program, not a mismatch", () => {
    // The script's own end of the FIFO keeps it open: the program waits for a layer that never comes.
    const fifo = join(tempDir(), "fifo");
    const child = scriptArgs("test/cli/crash-child.ts").join(" ");
    const { status, stderr } = shell(`mkfifo ${fifo}; exec 3<>${fifo}; "$RUNTIME" ${child} < ${fifo}`);
    expect(stderr).toContain("this is a bug");
    expect(stderr).toContain("in a listener");
    expect(status).toBe(70);
  });

  test("a reader that goes away ends it quietly", () => {
    // So many reports that they do not fit into the buffer of a pipe.
    const layers = Array(100).fill(LAYER).join(" ");
    const { stdout, stderr } = shell(
      `layerproof_verify --json ${layers} | head -c 1; echo " \${PIPESTATUS[0]}"`,
    );
    expect(stdout).toBe("{ 141\n");
    expect(stderr).toBe("");
  });

  test("a FIFO is read as a pipe", () => {
    const fifo = join(tempDir(), "fifo");
    const { stdout, status } = shell(
      `mkfifo ${fifo}; cat ${LAYER} > ${fifo} & layerproof_verify --json ${fifo}`,
    );
    expect(JSON.parse(stdout)).toMatchObject({ result: "consistent", digest: LAYER_DIGEST });
    expect(status).toBe(0);
  });

  const terminal = spawnSync("script", ["--version"]).status === 0;
  test.skipIf(!terminal)(
    "on a terminal, work over a second has a progress bar, which is gone before the report",
    async () => {
      const fifo = join(tempDir(), "fifo");
      spawnSync("mkfifo", [fifo]);
      const { child, shown, outcome } = startShell(
        `export -f layerproof_verify; script -qec 'layerproof_verify ${fifo}' /dev/null < /dev/null`,
      );
      const feed = createWriteStream(fifo);
      const layer = readFileSync(LAYER);
      // Byte by byte until the bar is there, however slow the machine: only then may the layer end.
      let fed = 0;
      while (!shown().includes("bytes/s") && child.exitCode === null && fed < layer.length - 1) {
        feed.write(layer.subarray(fed, ++fed));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      feed.end(layer.subarray(fed));
      const [before, report] = (await outcome).stdout.split("CONSISTENT");
      expect(before!.lastIndexOf("\x1b[2K")).toBeGreaterThan(before!.lastIndexOf("bytes/s"));
      expect(before).toContain("bytes/s");
      expect(report).not.toContain("bytes/s");
    },
  );

  test.skipIf(!terminal)("on a terminal, a layer that is done at once has no progress bar", () => {
    const { stdout } = shell(
      `export -f layerproof_verify; script -qec 'layerproof_verify ${LAYER}' /dev/null < /dev/null`,
    );
    expect(stdout).toContain("CONSISTENT");
    expect(stdout).not.toContain("bytes/s");
  });

  test("a file without permission: exit status 4 and advice", () => {
    const file = join(tempDir(), "layer");
    writeFileSync(file, "");
    chmodSync(file, 0);
    // Root may read everything, unless it gives its capabilities up.
    const asOthers = process.getuid?.() === 0 ? "setpriv --bounding-set=-all" : "";
    const { status, stdout } = shell(
      `export -f layerproof_verify; ${asOthers} bash -c 'layerproof_verify ${file}'`,
    );
    expect(stdout).toContain("source-no-permission");
    expect(status).toBe(4);
  });
});

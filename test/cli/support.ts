/** What the tests of the command line share. */
import { Buffer } from "node:buffer";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { CliDeps } from "../../src/cli/context.ts";
import type { CliIo, Output } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/program.ts";
import type { LayerReport } from "../../src/verify/report.ts";

export const DIGEST = `sha256:${"a".repeat(64)}`;
export const OTHER_DIGEST = `sha256:${"b".repeat(64)}`;

/** A report made by hand: a verified gzip layer, with changes. */
export function report(changes: Partial<LayerReport>): LayerReport {
  return {
    layer: "layer.tar.gz",
    format: "gzip",
    dialect: null,
    mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
    size: 82776,
    digest: DIGEST,
    diffID: OTHER_DIGEST,
    uncompressedSize: 356352,
    tocDigest: null,
    tarSplitDigest: null,
    entries: 119,
    chunks: { total: 0, verified: 0 },
    claims: [{
      claim: "digest",
      status: "verified",
      expected: DIGEST,
      actual: DIGEST,
      where: "the whole blob",
      chain: ["--digest"],
    }],
    findings: [],
    error: null,
    result: "verified",
    ...changes,
  };
}

/** What a command did. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** An outside that keeps what is written; bytes as one character each. */
export function fakeIo(
  { terminal = false, env = {}, signal = new AbortController().signal }: {
    terminal?: boolean;
    env?: Readonly<Record<string, string>>;
    signal?: AbortSignal;
  } = {},
): { io: CliIo; written: () => { stdout: string; stderr: string } } {
  const texts = { stdout: "", stderr: "" };
  const output = (name: "stdout" | "stderr"): Output => ({
    isTerminal: terminal,
    write: (data) => {
      texts[name] += typeof data === "string" ? data : Buffer.from(data).toString("latin1");
      return Promise.resolve();
    },
  });
  const io = {
    stdout: output("stdout"),
    stderr: output("stderr"),
    env: (name: string) => env[name],
    signal,
  };
  return { io, written: () => texts };
}

/** Runs the program in this process. */
export async function cli(args: readonly string[], deps?: CliDeps, options = {}): Promise<Outcome> {
  const { io, written } = fakeIo(options);
  const status = await runCli(args, io, deps);
  return { status, ...written() };
}

/** A new empty directory. */
export function tempDir(): string {
  return mkdtempSync(join(tmpdir(), "layerproof-"));
}

const isDeno = "Deno" in globalThis;

/** The arguments that make this runtime run a script of the repository. */
export function scriptArgs(script: string, permissions: readonly string[] = ["-A"]): string[] {
  return isDeno ? ["run", "--no-prompt", "--node-modules-dir=manual", ...permissions, script] : [script];
}

/**
 * `RUNTIME` is this runtime. Named directly, Deno's `spawn` would recognise itself and rewrite its arguments: all
 * permissions, and a process in between that signals do not pass. What the caller's terminal is like must not matter.
 */
export const runtimeEnv = { ...process.env, TERM: "xterm", NO_COLOR: "", RUNTIME: process.execPath };

// `script` starts the caller's shell, of which a bare environment names none; only bash takes exported functions.
const withVerify = (script: string) => {
  const command = `"$RUNTIME" ${scriptArgs("verify.ts").join(" ")} "$@"`;
  return `export SHELL=$BASH; layerproof_verify() { ${command}; }; ${script}`;
};

/** Runs a shell script in which `layerproof_verify` is verify.ts under this runtime. */
export function shell(script: string): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync("bash", ["-c", withVerify(script)], {
    encoding: "utf8",
    env: runtimeEnv,
  });
  return { status, stdout, stderr };
}

/** The same, going on; `shown` is what it has written to standard output so far. */
export function startShell(script: string): Started & { shown: () => string } {
  const child = spawn("bash", ["-c", withVerify(script)], {
    stdio: ["pipe", "pipe", "pipe"],
    env: runtimeEnv,
  });
  return watch(child);
}

interface Started {
  child: ReturnType<typeof spawn>;
  outcome: Promise<Outcome & { signal: string | null }>;
}

/** A running program; its standard input is a pipe. */
export function start(args: readonly string[], permissions?: readonly string[]): Started {
  return watch(spawn("bash", [
    "-c",
    'exec "$RUNTIME" "$@"',
    "bash",
    ...scriptArgs("verify.ts", permissions),
    ...args,
  ], {
    stdio: ["pipe", "pipe", "pipe"],
    env: runtimeEnv,
  }));
}

function watch(child: ReturnType<typeof spawn>): Started & { shown: () => string } {
  let stdout = "", stderr = "";
  child.stdout!.setEncoding("utf8").on("data", (text: string) => stdout += text);
  child.stderr!.setEncoding("utf8").on("data", (text: string) => stderr += text);
  const outcome = new Promise<Outcome & { signal: string | null }>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status: status ?? -1, stdout, stderr, signal }));
  });
  return { child, shown: () => stdout, outcome };
}

/** Runs programs with a time limit. The tests' own servers answer meanwhile: nothing in here blocks. */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import process from "node:process";

/** What a program did; `status` 124 or 137: it ran into its time limit. */
export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is started with. */
export interface RunOptions {
  readonly seconds?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** `latin1` keeps names that are not UTF-8. */
  readonly encoding?: "utf8" | "latin1";
  readonly cwd?: string;
  /** Its standard input; empty by default. */
  readonly input?: Uint8Array;
}

/**
 * Runs a program to its end, or for `seconds` at most (default 60): then it is ended together with its children.
 * @throws if it cannot be started
 */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const { seconds = 60, env = {}, encoding = "utf8", cwd, input } = options;
  return new Promise((resolve, reject) => {
    const child = spawn("timeout", ["--kill-after=5", String(seconds), program, ...args], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC", ...env },
      ...(cwd === undefined ? {} : { cwd }),
    });
    // It may end without having read it all.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    const stdout: Buffer[] = [], stderr: Buffer[] = [];
    child.stdout.on("data", (data: Buffer) => stdout.push(data));
    child.stderr.on("data", (data: Buffer) => stderr.push(data));
    child.on("error", reject);
    child.on("close", (status) =>
      resolve({
        status: status ?? 137,
        stdout: Buffer.concat(stdout).toString(encoding),
        stderr: Buffer.concat(stderr).toString("utf8"),
      }));
  });
}

/** The same for a program that has to succeed: gives its standard output. */
export async function output(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const outcome = await run(program, args, options);
  if (outcome.status !== 0) throw new Error(failure([program, ...args], outcome));
  return outcome.stdout;
}

/** What to say of a program that failed. */
export function failure(command: readonly string[], { status, stdout, stderr }: Outcome): string {
  return `${command.join(" ")}\nended with status ${status}:\n${stderr}${stdout}`;
}

/**
 * Tests that need a program of the machine: they run where it is installed, are skipped with the reason where it is
 * not, and fail in CI, where it has to be.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { test } from "vitest";

/** Programs, and what their `--version` must say. */
const PROGRAMS = { tar: /GNU tar/, gzip: /gzip/, zstd: /Zstandard|zstd/i } as const;

export type Program = keyof typeof PROGRAMS;

/** What a program printed; `stdout` as bytes. */
export interface Output {
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/** Runs a program and gives its output; an exit code other than 0 is an error with what it said. */
export function run(program: string, args: readonly string[], input?: Uint8Array): Output {
  const result = spawnSync(program, args, {
    maxBuffer: 2 ** 30,
    env: { ...process.env, LC_ALL: "C.UTF-8", TZ: "UTC" },
    ...(input === undefined ? {} : { input }),
  });
  if (result.error) throw result.error;
  const stderr = result.stderr.toString();
  if (result.status !== 0) {
    throw new Error(`Cannot run ${program} ${args.join(" ")}: it ended with ${result.status}: ${stderr}`);
  }
  return { stdout: new Uint8Array(result.stdout), stderr };
}

/** A test that runs these programs. */
export function testWith(programs: readonly Program[], name: string, body: () => void | Promise<void>): void {
  const missing = programs.filter((program) => !isInstalled(program));
  if (missing.length === 0) return test(name, body);
  const reason = `not installed: ${missing.join(", ")}`;
  if (process.env.CI) {
    test(name, () => {
      throw new Error(`Cannot check against the real programs: ${reason}`);
    });
  } else {
    test.skip(`${name} (skipped, ${reason})`, body);
  }
}

function isInstalled(program: Program): boolean {
  const { error, stdout } = spawnSync(program, ["--version"]);
  return error === undefined && PROGRAMS[program].test(stdout.toString());
}

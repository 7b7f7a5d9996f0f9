/** Runs a script of this folder in a process of its own, under the runtime that runs the tests. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

export const isDeno = process.versions.deno !== undefined;

/** @param denoFlags permissions; `-A` unless given */
export function runChild(
  script: string,
  args: readonly string[] = [],
  denoFlags: readonly string[] = ["-A"],
): string {
  const path = join(import.meta.dirname!, script);
  const command = isDeno ? ["run", "--no-prompt", "--node-modules-dir=manual", ...denoFlags, path] : [path];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [...command, ...args], {
    cwd: join(import.meta.dirname!, "..", ".."),
    encoding: "utf8",
    timeout: 100_000,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`Cannot run ${script}: it ended with ${status}: ${stderr}`);
  return stdout;
}

/** What the scripts share. Plain JavaScript for Node 20: some run before anything is installed. */
import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The environment in which `deno`, `node` 24 and `tsc` are the installed ones. */
export const env = {
  ...process.env,
  PATH: `${join(root, "node_modules", ".bin")}${delimiter}${process.env.PATH}`,
};

/**
 * Runs a program in the foreground; ends this process if it fails.
 * @param onEnd called after it, failed or not
 */
export function run(program, args, { onEnd, ...options } = {}) {
  const { status, signal, error } = spawnSync(program, args, {
    cwd: root,
    env,
    stdio: "inherit",
    ...options,
  });
  onEnd?.();
  if (status === 0) return;
  console.error(`\nFAILED: ${program} ${args.join(" ")}`);
  console.error(error?.message ?? (signal ? `ended by ${signal}` : `exit status ${status}`));
  process.exit(1);
}

/** Runs a program and gives status and outputs. */
export function capture(program, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: root,
    env,
    encoding: "utf8",
    maxBuffer: 1 << 28,
    ...options,
  });
  if (error) throw error;
  return { status, stdout, stderr };
}

/** Ends this process with a message unless `condition` holds. */
export function check(condition, message, seen) {
  if (condition) return;
  console.error(`FAILED: ${message}`);
  if (seen) console.error(typeof seen === "string" ? seen : `${seen.stdout}${seen.stderr}`);
  process.exit(1);
}

export function heading(text) {
  console.log(`\n=== ${text}`);
}

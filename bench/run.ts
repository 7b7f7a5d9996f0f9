/**
 * Runs a whole command and measures it: wall time, and the peak resident memory of all its processes together.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export interface Run {
  readonly seconds: number;
  /** Sum over the processes of each one's own peak (VmHWM, Linux), in bytes; 0 where /proc is missing. */
  readonly peak: number;
}

/** Runs `command` in a shell; fails if it does. */
export async function run(command: string): Promise<Run> {
  const start = performance.now();
  const child = spawn("sh", ["-c", command], { stdio: ["ignore", "ignore", "inherit"], detached: true });
  const peaks = new Map<number, number>();
  const sampler = setInterval(() => sample(child.pid!, peaks), 50);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
  clearInterval(sampler);
  if (code !== 0) throw new Error(`${command}: status ${code}`);
  return {
    seconds: (performance.now() - start) / 1000,
    peak: [...peaks.values()].reduce((a, b) => a + b, 0),
  };
}

/** The best of several runs of each command, in turn: other work on the machine only ever adds. */
export async function best(commands: readonly string[], times: number): Promise<Run[]> {
  const results: Run[] = commands.map(() => ({ seconds: Infinity, peak: 0 }));
  for (let i = 0; i < times; i++) {
    for (const [index, command] of commands.entries()) {
      const { seconds, peak } = await run(command);
      const before = results[index]!;
      results[index] = { seconds: Math.min(before.seconds, seconds), peak: Math.max(before.peak, peak) };
    }
  }
  return results;
}

/** Reads the peak of every process in the group that `spawn` with `detached` made. */
function sample(group: number, peaks: Map<number, number>): void {
  let entries: string[];
  try {
    entries = readdirSync("/proc");
  } catch {
    return;
  }
  for (const pid of entries.filter((name) => /^\d+$/.test(name)).map(Number)) {
    try {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
      if (Number(fields[2]) !== group) continue;
      const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      if (match) peaks.set(pid, Number(match[1]) * 1024);
    } catch {
      // The process has ended in between.
    }
  }
}

/**
 * A shell that holds what must not outlive the tests: a mount namespace, a server. It ends when its standard input
 * does, so also when the test process is killed.
 */
import { spawn } from "node:child_process";
import process from "node:process";

/** A keeper that has said that it is ready. */
export interface Keeper {
  readonly pid: number;
  /** What it has written to standard error so far. */
  stderr(): string;
  /** Ends it and waits until it has gone. */
  close(): Promise<void>;
}

/**
 * Starts `program args`, which must write `ready` to standard error, then hold on until its standard input ends.
 * @throws with what it wrote, if it ends or if nothing came within 30 seconds
 */
export async function keep(program: string, args: readonly string[], ready: RegExp): Promise<Keeper> {
  const child = spawn(program, args, {
    stdio: ["pipe", "ignore", "pipe"],
    env: { ...process.env, LC_ALL: "C.UTF-8", OTEL_TRACES_EXPORTER: "none" },
  });
  let stderr = "";
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  const close = async () => {
    child.stdin.destroy();
    const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
    await ended;
    clearTimeout(timer);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${program} ${args.join(" ")}\n${why}:\n${stderr}`));
      const timer = setTimeout(() => fail("is not ready after 30 seconds"), 30_000);
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text;
        if (!ready.test(stderr)) return;
        clearTimeout(timer);
        resolve();
      });
      child.on("error", reject);
      child.on("close", () => {
        clearTimeout(timer);
        fail("has ended");
      });
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { pid: child.pid!, stderr: () => stderr, close };
}

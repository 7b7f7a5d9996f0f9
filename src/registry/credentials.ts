/**
 * Which credentials a repository gets: from files, or from the helper programs that they name.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { SourceError } from "../errors.ts";
import { type Credential, mostSpecific, parseHelperOutput } from "./auth-file.ts";
import { type Environment, readAuthFiles } from "./config-files.ts";

/** Milliseconds, and bytes of output. */
const HELPER_TIME = 30_000;
const HELPER_OUTPUT = 2 ** 20;

/**
 * @param name registry and repository, e.g. `docker.io/library/alpine`
 * @returns null: none are known
 * @throws {UsageError} `auth-file-invalid`
 * @throws {SourceError} `credential-helper`
 */
export async function findCredential(name: string, env: Environment): Promise<Credential | null> {
  const registry = name.split("/")[0]!;
  for (const { auths, helpers, store } of await readAuthFiles(env)) {
    const helper = helpers.get(registry) ?? null;
    const found = helper !== null
      ? await askHelper(helper, registry)
      : mostSpecific(auths, name) ?? (store === null ? null : await askHelper(store, registry));
    if (found) return found;
  }
  return null;
}

/** Runs `docker-credential-NAME get` (docker-credential-helpers); null if it knows none. */
async function askHelper(helper: string, registry: string): Promise<Credential | null> {
  const program = `docker-credential-${helper}`;
  const server = registry === "docker.io" ? "https://index.docker.io/v1/" : registry;
  const { status, output } = await runHelper(program, server);
  if (status === 0) return parseHelperOutput(output, program);
  // What it prints may hold secrets only when it succeeds; it says so in words when it has none.
  if (/not found|no credentials/i.test(new TextDecoder().decode(output.subarray(0, 1000)))) return null;
  throw failed(program, `it ended with status ${status}`);
}

function runHelper(program: string, input: string): Promise<{ status: number | null; output: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ["get"], {
      stdio: ["pipe", "pipe", "ignore"],
      timeout: HELPER_TIME,
      killSignal: "SIGKILL",
    });
    const pieces: Uint8Array[] = [];
    let size = 0;
    child.on("error", (cause) => reject(failed(program, cause.message)));
    child.stdin.on("error", () => {});
    child.stdin.end(`${input}\n`);
    child.stdout.on("data", (piece: Uint8Array) => {
      size += piece.length;
      if (size <= HELPER_OUTPUT) pieces.push(piece);
      else child.kill("SIGKILL");
    });
    child.on("close", (status) => {
      const output = new Uint8Array(Math.min(size, HELPER_OUTPUT));
      let at = 0;
      for (const piece of pieces) {
        output.set(piece, at);
        at += piece.length;
      }
      resolve({ status, output: output.subarray(0, at) });
    });
  });
}

function failed(program: string, why: string): SourceError {
  return new SourceError("credential-helper", `Cannot get credentials from ${program}: ${why}`, {
    source: program,
    advice: "It is named by credHelpers or credsStore in auth.json or Docker's config.json.",
  });
}

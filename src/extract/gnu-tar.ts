/**
 * GNU tar as a child process. It is the hands of extraction: neither Node nor Deno can make devices or set extended
 * attributes, and Deno cannot even name a file whose name is not UTF-8.
 *
 * Its environment is ours alone (`TAR_OPTIONS` would change what it does), its messages are in English.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { OutputError, UnsupportedError } from "../errors.ts";
import { messageOf } from "../source/source.ts";
import { decodeName, escapeName } from "../tar/names.ts";

/** How it ended. */
export interface TarExit {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export interface TarChildOptions {
  /** Told of every line of standard error, as a lossless string of at most 64 KiB. */
  readonly onMessage: (line: string) => void;
  /** Whether standard output is read. */
  readonly output?: boolean;
}

/** Bytes that may wait for the child before `ready` waits. */
const WAITING = 1 << 20;
const GATHERED = 1 << 16;
const MAX_LINE = 1 << 16;

const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A running GNU tar. */
export class TarChild {
  readonly #child: ChildProcess;
  /** Settles when the process is gone and all that it wrote was read; rejects only where it could not be started. */
  readonly exit: Promise<TarExit>;
  #gone = false;
  #wake: (() => void)[] = [];
  #gathered = new Uint8Array(GATHERED);
  #gatheredLength = 0;
  #line: string[] = [];
  #lineLength = 0;

  private constructor(child: ChildProcess, { onMessage }: TarChildOptions) {
    this.#child = child;
    this.exit = new Promise((resolve, reject) => {
      child.on("error", (error) => {
        this.#ended();
        reject(cannotStart(error));
      });
      child.on("close", (code, signal) => {
        if (this.#line.length > 0) onMessage(this.#line.join(""));
        this.#ended();
        resolve({ code, signal });
      });
    });
    // Whoever waits for it later sees the error; nobody waiting must not end the program.
    this.exit.catch(() => {});
    // A broken pipe: the process has ended, and says itself why.
    child.stdin!.on("error", () => this.#ended());
    child.stdin!.on("drain", () => this.#awake());
    child.stderr!.on("data", (bytes: Buffer) => this.#messages(bytes, onMessage));
    child.stderr!.on("error", () => {});
  }

  /**
   * Starts it.
   * @throws {UnsupportedError} `gnu-tar-missing`
   * @throws {OutputError} `output-no-permission` where Deno may not run it
   */
  static start(args: readonly string[], options: TarChildOptions): TarChild {
    try {
      const child = spawn("tar", args, {
        stdio: ["pipe", options.output ? "pipe" : "ignore", "pipe"],
        env: { PATH: searchPath(), LC_ALL: "C", TZ: "UTC" },
      });
      return new TarChild(child, options);
    } catch (error) {
      throw cannotStart(error);
    }
  }

  /**
   * Small pieces, such as headers, are gathered: each write to the pipe costs more than they do.
   * @param bytes valid only during the call
   */
  write(bytes: Uint8Array): void {
    if (this.#gone) return;
    if (this.#gatheredLength + bytes.length > GATHERED) this.#flush();
    if (bytes.length > GATHERED) this.#child.stdin!.write(bytes.slice());
    else {
      this.#gathered.set(bytes, this.#gatheredLength);
      this.#gatheredLength += bytes.length;
    }
  }

  #flush(): void {
    if (this.#gatheredLength === 0) return;
    this.#child.stdin!.write(this.#gathered.subarray(0, this.#gatheredLength));
    this.#gathered = new Uint8Array(GATHERED);
    this.#gatheredLength = 0;
  }

  /** Whether the process took all that was written, to the end. */
  get tookAll(): boolean {
    return this.#child.stdin!.writableFinished;
  }

  /** Null when more can be written; else a promise of that. It also comes when the process is gone. */
  ready(): Promise<void> | null {
    if (this.#gone || this.#child.stdin!.writableLength <= WAITING) return null;
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  /** Standard input ends. */
  end(): void {
    if (this.#gone) return;
    this.#flush();
    this.#child.stdin!.end();
  }

  /** Standard output, piece by piece; leaving early kills the process. */
  async *output(): AsyncGenerator<Uint8Array, void, void> {
    let whole = false;
    try {
      for await (const bytes of this.#child.stdout!) yield bytes as Buffer;
      whole = true;
    } finally {
      if (!whole) this.kill();
    }
  }

  /** Ends the process at once. */
  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #ended(): void {
    this.#gone = true;
    this.#awake();
  }

  #awake(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }

  #messages(bytes: Uint8Array, onMessage: (line: string) => void): void {
    for (let at = 0; at < bytes.length;) {
      const newline = bytes.indexOf(0x0a, at);
      const end = newline < 0 ? bytes.length : newline;
      if (this.#lineLength < MAX_LINE) {
        const part = bytes.subarray(at, Math.min(end, at + MAX_LINE - this.#lineLength));
        this.#line.push(decodeName(part));
        this.#lineLength += part.length;
      }
      if (newline >= 0) {
        onMessage(this.#line.join(""));
        this.#line = [];
        this.#lineLength = 0;
      }
      at = end + 1;
    }
  }
}

/** What a short run gave. */
export interface TarRun extends TarExit {
  readonly output: Uint8Array;
  readonly messages: readonly string[];
}

/** Runs it to its end over a few bytes. @throws as `TarChild.start` */
export async function runTar(args: readonly string[], input: Uint8Array): Promise<TarRun> {
  const messages: string[] = [];
  const child = TarChild.start(args, { onMessage: (line) => messages.push(line), output: true });
  child.write(input);
  child.end();
  const pieces: Uint8Array[] = [];
  // Where it cannot be started, `exit` says why and the output is merely empty.
  await Promise.all([
    child.exit,
    (async () => {
      for await (const piece of child.output()) pieces.push(piece);
    })().catch(() => {}),
  ]);
  return {
    ...await child.exit,
    output: new Uint8Array(await new Blob(pieces as BlobPart[]).arrayBuffer()),
    messages,
  };
}

/**
 * Makes sure that `tar` is GNU tar: others have other options.
 * @throws {UnsupportedError} `gnu-tar-missing`, `gnu-tar-other`
 */
export async function requireGnuTar(): Promise<void> {
  const { output } = await runTar(["--version"], new Uint8Array(0));
  const first = decodeName(output).split("\n", 1)[0]!;
  if (/\(GNU tar\)/.test(first)) return;
  throw new UnsupportedError("gnu-tar-other", "Cannot use tar: it is not GNU tar", {
    expected: "tar (GNU tar)",
    actual: escapeName(first.slice(0, 100)),
    advice: ADVICE,
  });
}

const ADVICE = "Install GNU tar (Alpine: apk add tar) and put it first in PATH.";

function cannotStart(cause: unknown): UnsupportedError | OutputError {
  if (cause instanceof Error && cause.name === "NotCapable") {
    return new OutputError("output-no-permission", "Cannot run tar: Deno was not allowed to", {
      cause,
      advice: 'Add --allow-run=tar --allow-env=PATH behind "deno run".',
    });
  }
  const code = (cause as { readonly code?: unknown })?.code;
  const what = code === "ENOENT" ? "there is none in PATH" : messageOf(cause);
  return new UnsupportedError("gnu-tar-missing", `Cannot run tar: ${what}`, { cause, advice: ADVICE });
}

/** Where programs are looked for; the system's places where that is not to be known. */
function searchPath(): string {
  try {
    return process.env.PATH ?? SYSTEM_PATH;
  } catch {
    return SYSTEM_PATH;
  }
}

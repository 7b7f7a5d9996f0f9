/**
 * The part of a store that clients do not see: layers, documents and work under way.
 *
 * Everything appears by one `rename`, and goes by one: whoever is killed, or runs at the same time, leaves or finds a
 * layer that is whole, or none. There are no locks.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, readFile, readlink, rename, rm, stat } from "node:fs/promises";
import process from "node:process";
import { AtomicFile, writing } from "../output/file.ts";
import { FormatError, SourceError } from "../errors.ts";
import { messageOf } from "../source/source.ts";
import { readSmallFile, requireRegularFile } from "../source/file.ts";
import { imagePath, layerPath, POOL } from "./paths.ts";
import {
  encodeRecord,
  type ImageRecord,
  type LayerRecord,
  parseImageRecord,
  parseLayerRecord,
} from "./record.ts";
import { run } from "./programs.ts";

/** Counts changes of the layout of the pool. */
const FORMAT = 1;
const FORMAT_FILE = `${POOL}/format`;
const TEMPORARY = `${POOL}/tmp`;
const RECORD_LIMIT = 64 << 20;

/** Files of a layer in the pool. */
export const DIFF = "diff";
export const BLOB = "blob";
export const TAR_SPLIT = "tar-split.zst";
export const RECORD = "layer.json";

/** Work under way: `<PID namespace>.<pid>.<start>.<random>`, or what is being removed. */
const WORK = /^(?:(\d+)\.(\d+)\.(\d+)|trash)\.[0-9a-f]{16}$/;
/** Work of another PID namespace (a container's) cannot be asked whether it lives; nothing takes so long. */
const FOREIGN_WORK_MS = 24 * 3600_000;
/** What `AtomicFile` left. */
const UNFINISHED = /^\.layerproof-\d+-\d+\.tmp$/;

/** A store on disk. */
export class Pool {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** The store in this directory, which is made if it is not there. @throws {OutputError | FormatError} */
  static async create(directory: string): Promise<Pool> {
    await writing(directory, async () => {
      await mkdir(directory, { recursive: true });
      // Extracted layers hold setuid programs, which are nobody else's to run.
      await mkdir(`${directory}/${POOL}`, { mode: 0o700 }).catch(unlessThere);
    });
    await requireSafe(directory);
    await writing(directory, async () => {
      for (const name of PARTS) await mkdir(`${directory}/${POOL}/${name}`).catch(unlessThere);
    });
    const pool = new Pool(directory);
    if (await exists(pool.path(FORMAT_FILE))) await pool.#checkFormat();
    else await pool.writeFile(FORMAT_FILE, `${FORMAT}\n`);
    return pool;
  }

  /** The store that is there. @throws {SourceError} `store-not-found` @throws {FormatError} `store-format` */
  static async open(directory: string): Promise<Pool> {
    const pool = new Pool(directory);
    await requireSafe(directory);
    if (!await exists(pool.path(FORMAT_FILE))) {
      throw new SourceError("store-not-found", `${directory} is not a store that layerproof made`, {
        source: directory,
        advice: "Make one with: layerproof store create <image> <store>",
      });
    }
    await pool.#checkFormat();
    return pool;
  }

  async #checkFormat(): Promise<void> {
    const text = new TextDecoder().decode(await readStoreFile(this.path(FORMAT_FILE), 100)).trim();
    if (text === `${FORMAT}`) return;
    throw new FormatError("store-format", `${this.directory} has the format ${JSON.stringify(text)}`, {
      source: this.directory,
      expected: `${FORMAT}`,
      actual: text,
      advice: "Use the version of layerproof that made the store.",
    });
  }

  /** @param relative a path of `paths.ts` */
  path(relative: string): string {
    return `${this.directory}/${relative}`;
  }

  /** A file that appears whole. */
  async writeFile(relative: string, content: string | Uint8Array): Promise<void> {
    const file = await AtomicFile.create(this.path(relative), 0o644);
    try {
      await file.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
    } catch (error) {
      await file.abort();
      throw error;
    }
    await file.commit();
  }

  /** The layer with this blob digest, or null. @throws {FormatError} `store-record` @throws {SourceError} */
  async layer(digest: string): Promise<LayerRecord | null> {
    const record = await this.#record(`${layerPath(digest)}/${RECORD}`, parseLayerRecord);
    if (!record || record.digest === digest) return record;
    throw new FormatError("store-record", `The record of ${digest} is that of ${record.digest}`, {
      source: this.path(layerPath(digest)),
      expected: digest,
      actual: record.digest,
      advice: "It was changed: run layerproof store create again.",
    });
  }

  /** Blob digests of all layers. */
  async layers(): Promise<string[]> {
    return (await names(this.path(`${POOL}/layers`))).filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => `sha256:${name}`);
  }

  /** The images with this reference; empty where there is none. @throws {FormatError | SourceError} */
  async images(reference: string): Promise<readonly ImageRecord[]> {
    const directory = imagePath(reference);
    const found: ImageRecord[] = [];
    for (const name of await names(this.path(directory))) {
      if (!name.endsWith(IMAGE_ENDING)) continue;
      const image = await this.#record(`${directory}/${name}`, parseImageRecord);
      if (image) found.push(image);
    }
    return found;
  }

  /** An image takes the place of that of the same platform. A file for each: creates may run at the same time. */
  async putImage(reference: string, image: ImageRecord): Promise<void> {
    const directory = imagePath(reference);
    await writing(this.path(directory), () => mkdir(this.path(directory), { recursive: true }));
    const name = Buffer.from(image.platform ?? "").toString("base64url");
    await this.writeFile(`${directory}/${name}${IMAGE_ENDING}`, encodeRecord(image));
  }

  async #record<T>(relative: string, parse: (bytes: Uint8Array, path: string) => T): Promise<T | null> {
    const path = this.path(relative);
    let bytes: Uint8Array;
    try {
      bytes = await readStoreFile(path, RECORD_LIMIT);
    } catch (error) {
      if (error instanceof SourceError && error.code === "source-not-found") return null;
      throw error;
    }
    return parse(bytes, path);
  }

  /** A new directory for work under way, by its full path. It tells who made it, see `abandoned`. */
  async temporary(): Promise<string> {
    const start = await startOf(process.pid) ?? 0;
    const name = `${await pidNamespace()}.${process.pid}.${start}.${randomBytes(8).toString("hex")}`;
    const path = this.path(`${TEMPORARY}/${name}`);
    await writing(path, () => mkdir(path, { mode: 0o700 }));
    return path;
  }

  /** Work whose process is gone: what a kill or a power cut left. Full paths. */
  async abandoned(): Promise<string[]> {
    const found: string[] = [];
    const here = await pidNamespace();
    for (const name of await names(this.path(TEMPORARY))) {
      const match = WORK.exec(name);
      if (!match) continue;
      const path = this.path(`${TEMPORARY}/${name}`);
      const [, namespace, pid, start] = match;
      if (pid === undefined) found.push(path);
      else if (namespace === here) {
        if (await startOf(Number(pid)) !== start) found.push(path);
      } else if (await ageOf(path) > FOREIGN_WORK_MS) found.push(path);
    }
    for (const part of ["", ...PARTS]) {
      for (const name of await names(this.path(`${POOL}/${part}`))) {
        const path = this.path(part === "" ? `${POOL}/${name}` : `${POOL}/${part}/${name}`);
        if (UNFINISHED.test(name) && await ageOf(path) > FOREIGN_WORK_MS) found.push(path);
      }
    }
    return found;
  }

  /** Takes a directory or file out of the store at once, and then removes it. @returns false if it was not there */
  async discard(path: string): Promise<boolean> {
    const trash = this.path(`${TEMPORARY}/trash.${randomBytes(8).toString("hex")}`);
    try {
      await rename(path, trash);
    } catch (cause) {
      if ((cause as { code?: unknown }).code === "ENOENT") return false;
      return await writing(path, () => Promise.reject(cause));
    }
    await removeTree(trash);
    return true;
  }
}

function unlessThere(error: Error & { code?: unknown }): void {
  if (error.code !== "EEXIST") throw error;
}

/**
 * Removes a tree, also one with directories that nobody may write to and names that are not UTF-8.
 * @throws {OutputError}
 */
export async function removeTree(path: string): Promise<void> {
  await writing(path, async () => {
    for (let attempt = 1;; attempt++) {
      try {
        return await rm(path, { recursive: true, force: true });
      } catch (cause) {
        // Whoever still writes into it has lost its name, and ends soon.
        if (attempt === ATTEMPTS) throw cause;
        // An unprivileged user owns directories without write permission, as the layer has them.
        await run("chmod", ["-R", "u+rwX", "--", path]).catch(() => {});
        await run("rm", ["-rf", "--", path]).catch(() => {});
      }
    }
  });
}

/** Makes sure that all that was written near `path` is on disk before it gets its name. */
export async function flush(path: string): Promise<void> {
  await writing(path, async () => {
    try {
      // One call for the whole file system: a file at a time takes seconds for 10,000 files.
      await run("sync", ["-f", "--", path]);
    } catch (cause) {
      // Only where there is no such program: a disk that fails has said so.
      if ((cause as { code?: unknown }).code !== "ENOENT") throw cause;
      const directory = await open(path);
      await directory.sync().finally(() => directory.close());
    }
  });
}

export async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(() => true, () => false);
}

export async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then((found) => found.isDirectory(), () => false);
}

/** Names of the directories in a directory, sorted. Links are none: they may lead out of the store. */
export async function directories(path: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await names(path)) {
    if (await lstat(`${path}/${name}`).then((each) => each.isDirectory(), () => false)) found.push(name);
  }
  return found;
}

/** Names in a directory, sorted; none where it is not there. @throws {SourceError} `store-unreadable` */
export async function names(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw new SourceError("store-unreadable", `Cannot read ${path}: ${messageOf(cause)}`, {
      source: path,
      cause,
      advice: "Run the command as the user who made the store.",
    });
  }
}

/** The parts of the pool. */
const PARTS = ["layers", "images", "documents", "tmp"] as const;
const IMAGE_ENDING = ".json";
const ATTEMPTS = 5;

/**
 * What lies at these paths is written to and removed: a link there would lead to somebody else's files.
 * @throws {SourceError} `store-unsafe`, `store-unreadable`
 */
async function requireSafe(directory: string): Promise<void> {
  for (const part of ["", ...PARTS.map((name) => `/${name}`)]) {
    const path = `${directory}/${POOL}${part}`;
    const found = await lstat(path).catch((cause) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return null;
      throw new SourceError("store-unreadable", `Cannot read ${path}: ${messageOf(cause)}`, {
        source: path,
        cause,
        advice: "Run the command as the user who made the store.",
      });
    });
    if (!found) continue;
    const user = process.getuid?.();
    const mine = user === undefined || user === 0 || found.uid === user || found.uid === 0;
    if (found.isDirectory() && mine && (found.mode & 0o002) === 0) continue;
    throw new SourceError(
      "store-unsafe",
      `${path} is no directory of the store's own, or anybody may write to it`,
      {
        source: path,
        advice: "Somebody could make this program remove or believe other files: do not use the store.",
      },
    );
  }
}

/**
 * A small file of the store. Never waits, as it would for a FIFO.
 * @throws {SourceError} `source-not-found`, `source-not-a-file` and as `readSmallFile`
 */
export async function readStoreFile(path: string, limit: number): Promise<Uint8Array> {
  await requireRegularFile(path);
  return await readSmallFile(path, limit);
}

/** Milliseconds since the entry was last changed. */
async function ageOf(path: string): Promise<number> {
  return await lstat(path).then(({ ctimeMs }) => Date.now() - ctimeMs, () => 0);
}

/** The number of this process's PID namespace; 0 where there is none to be seen. */
async function pidNamespace(): Promise<string> {
  const link = await readlink("/proc/self/ns/pid").catch(() => "");
  return /\d+/.exec(link)?.[0] ?? "0";
}

/** When a process began, in ticks since the machine began (proc(5), stat); undefined where there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold spaces.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    // One that was killed and that nobody has waited for.
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

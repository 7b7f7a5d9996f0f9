/**
 * The part of a store that clients do not see: layers, documents and work under way.
 *
 * Everything appears by one `rename`, and goes by one: whoever is killed, or runs at the same time, leaves or finds a
 * layer that is whole, or none. There are no locks.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import process from "node:process";
import { AtomicFile, writing } from "../output/file.ts";
import { FormatError, SourceError } from "../errors.ts";
import { messageOf } from "../source/source.ts";
import { readSmallFile } from "../source/file.ts";
import { imagePath, layerPath, POOL } from "./paths.ts";
import {
  encodeRecord,
  type ImageRecord,
  type LayerRecord,
  parseImageRecords,
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
      for (const name of ["layers", "images", "documents", "tmp"]) {
        await mkdir(`${directory}/${POOL}/${name}`, { recursive: true });
      }
    });
    const pool = new Pool(directory);
    if (await exists(pool.path(FORMAT_FILE))) await pool.#checkFormat();
    else await pool.writeFile(FORMAT_FILE, `${FORMAT}\n`);
    return pool;
  }

  /** The store that is there. @throws {SourceError} `store-not-found` @throws {FormatError} `store-format` */
  static async open(directory: string): Promise<Pool> {
    const pool = new Pool(directory);
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
    const text = new TextDecoder().decode(await readSmallFile(this.path(FORMAT_FILE), 100)).trim();
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

  /** The layer with this blob digest, or null. @throws {FormatError | SourceError} */
  async layer(digest: string): Promise<LayerRecord | null> {
    return await this.#record(`${layerPath(digest)}/${RECORD}`, parseLayerRecord);
  }

  /** Blob digests of all layers. */
  async layers(): Promise<string[]> {
    return (await names(this.path(`${POOL}/layers`))).filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((name) => `sha256:${name}`);
  }

  /** The images with this reference; empty where there is none. @throws {FormatError | SourceError} */
  async images(reference: string): Promise<readonly ImageRecord[]> {
    return await this.#record(imagePath(reference), parseImageRecords) ?? [];
  }

  async putImages(reference: string, images: readonly ImageRecord[]): Promise<void> {
    await this.writeFile(imagePath(reference), encodeRecord(images));
  }

  async #record<T>(relative: string, parse: (bytes: Uint8Array, path: string) => T): Promise<T | null> {
    const path = this.path(relative);
    let bytes: Uint8Array;
    try {
      bytes = await readSmallFile(path, RECORD_LIMIT);
    } catch (error) {
      if (error instanceof SourceError && error.code === "source-not-found") return null;
      throw error;
    }
    return parse(bytes, path);
  }

  /** A new directory for work under way, by its full path. It tells who made it, see `abandoned`. */
  async temporary(): Promise<string> {
    const name = `${process.pid}.${await startOf(process.pid) ?? 0}.${randomBytes(8).toString("hex")}`;
    const path = this.path(`${TEMPORARY}/${name}`);
    await writing(path, () => mkdir(path, { mode: 0o700 }));
    return path;
  }

  /** Work whose process is gone: what a kill or a power cut left. Full paths. */
  async abandoned(): Promise<string[]> {
    const found: string[] = [];
    for (const name of await names(this.path(TEMPORARY))) {
      const [pid, start] = name.split(".");
      if (pid !== "trash" && await startOf(Number(pid)) === start) continue;
      found.push(this.path(`${TEMPORARY}/${name}`));
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
    try {
      await rm(path, { recursive: true, force: true });
    } catch {
      // An unprivileged user owns directories without write permission, as the layer has them.
      await run("chmod", ["-R", "u+rwX", "--", path]).catch(() => {});
      await run("rm", ["-rf", "--", path]);
    }
  });
}

/** Makes sure that all that was written near `path` is on disk before it gets its name. */
export async function flush(path: string): Promise<void> {
  await writing(path, async () => {
    try {
      // One call for the whole file system: a file at a time takes seconds for 10,000 files.
      await run("sync", ["-f", "--", path]);
    } catch {
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

/** When a process began, in ticks since the machine began (proc(5), stat); undefined where there is none. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    // The name of the program, in parentheses, may hold spaces.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

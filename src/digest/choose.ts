/**
 * Which hashes to use, by a short measurement. Platform code, for Deno and Node: it loads `node:crypto` where there is one.
 *
 * @module
 */
import { kernelsRun } from "../kernel/load.ts";
import { defaultHashes } from "./default.ts";
import type { BatchHasher, HashBackend, Hasher } from "./hasher.ts";
import { kernelHashes } from "./kernel.ts";

/** `wasm` and `native` are what they say where they can run; `auto` measures. */
export type HashMode = "wasm" | "native" | "auto";

/** What there is to choose from; null for what cannot run here. */
export interface HashCandidates {
  readonly native: HashBackend | null;
  readonly kernel: HashBackend | null;
}

/** The hashes that were chosen. */
export interface ChosenHashes extends HashBackend {
  /** Whose SHA-256 it is, for long messages. */
  readonly long: "native" | "wasm";
  /** Messages of a batch that have fewer bytes go to the kernel's lanes. */
  readonly laneLimit: number;
}

/** A time in milliseconds, of which only differences count. */
export type Clock = () => number;

/** Bytes of the long message: 20 microseconds for SHA instructions, 120 to 300 for WebAssembly. */
const LONG = 32_768;
/** Bytes of a tiny message, and how many of them make a batch. */
const TINY = 64;
const TINIES = 32;
/** The lanes are full with that many. */
const LANES = 4;
/** A message in a lane takes this part of the time that it takes alone, */
const LANE_TIME = 1 / 2.4;
/** and as much more as that number of bytes takes alone: copying, padding and the digest's text. */
const LANE_OVERHEAD = 100;
/** Where the native hash is the faster one for long messages, no limit is above, however the measurement was disturbed. */
const MAX_LIMIT = 1024;

/**
 * The hashes for `mode`. In `auto` the faster one for long messages, whose batches give messages to the kernel's lanes
 * up to the size at which they are the faster ones.
 *
 * Never fails for want of a platform: without `node:crypto` it is the kernel, without vectors the platform or, where
 * there is neither, the hash-wasm package.
 *
 * @param now milliseconds; the measurement takes about one, and what it loads some more
 * @param candidates what runs on this platform
 */
export async function chooseHashes(
  mode: HashMode,
  now: Clock = () => performance.now(),
  candidates?: HashCandidates,
): Promise<ChosenHashes> {
  if (mode === "wasm" && !candidates) return { ...defaultHashes(), long: "wasm", laneLimit: Infinity };
  const { native, kernel } = candidates ?? await hashCandidates();
  if (!native) return { ...(kernel ?? defaultHashes()), long: "wasm", laneLimit: Infinity };
  if (!kernel) return { ...native, long: "native", laneLimit: 0 };
  if (mode !== "auto") return combined(native, kernel, mode, mode === "wasm" ? Infinity : 0);
  const nativeTime = await timePerByte(native, now);
  const kernelTime = await timePerByte(kernel, now);
  const limit = laneLimit(nativeTime, kernelTime, await timePerTinyMessage(native, now));
  return combined(native, kernel, nativeTime <= kernelTime ? "native" : "wasm", limit);
}

/** What another thread has chosen. */
export async function hashesChosen(
  { long, laneLimit }: Pick<ChosenHashes, "long" | "laneLimit">,
): Promise<HashBackend> {
  const { native, kernel } = await hashCandidates();
  return native && kernel ? combined(native, kernel, long, laneLimit) : native ?? kernel ?? defaultHashes();
}

function combined(
  native: HashBackend,
  kernel: HashBackend,
  long: "native" | "wasm",
  limit: number,
): ChosenHashes {
  const backend = long === "native" ? native : kernel;
  const batch = limit === 0
    ? native.batch
    : limit === Infinity
    ? kernel.batch
    : async () => splitBatch(await kernel.batch(), await native.batch(), limit);
  return { ...backend, long, laneLimit: limit, batch };
}

async function hashCandidates(): Promise<HashCandidates> {
  const native = await import("./native.ts").then((module) => module.nativeHashes, () => null);
  return { native, kernel: kernelsRun ? kernelHashes : null };
}

/** Milliseconds for a byte of one long message, after a warm-up. */
async function timePerByte(backend: HashBackend, now: Clock): Promise<number> {
  const hasher = await backend.sha256();
  const message = new Uint8Array(LONG);
  digest(hasher, message);
  const start = now();
  digest(hasher, message);
  return (now() - start) / LONG;
}

function digest(hasher: Hasher, message: Uint8Array): void {
  hasher.update(message);
  hasher.finish();
}

/** Milliseconds for a tiny message of a batch, after a warm-up. */
async function timePerTinyMessage(backend: HashBackend, now: Clock): Promise<number> {
  const batch = await backend.batch();
  const messages = Array.from({ length: TINIES }, () => new Uint8Array(TINY));
  batch.digestAll(messages);
  const start = now();
  batch.digestAll(messages);
  return (now() - start) / TINIES;
}

/**
 * The size in bytes of the messages from which on the native hash is faster than the lanes; 0 and Infinity where one of
 * them always is.
 *
 * A message's time is a constant and a part in proportion to its size. For the native hash both are measured: a call of
 * `node:crypto` costs 0.4 microseconds in Node and 1.2 in Deno. For the lanes they are derived from the kernel's time for
 * long messages: to measure them would take longer than the engine's compiler, which at this time has hardly begun. Until
 * it is done the kernel seems two to three times as slow as it is, and the limit comes out too low rather than too high.
 * With SHA instructions and compiled kernels it is about 80 bytes in Node and 900 in Deno.
 *
 * @param nativeTime per byte of a long message, as is `kernelTime`; in any unit
 * @param tinyTime of the native hash for a tiny message of a batch
 */
export function laneLimit(nativeTime: number, kernelTime: number, tinyTime: number): number {
  const nativeOverhead = Math.max(0, tinyTime - TINY * nativeTime);
  const saved = nativeOverhead - LANE_OVERHEAD * kernelTime;
  const lost = LANE_TIME * kernelTime - nativeTime;
  // Parallel or apart: the one that is faster for tiny messages is so for all that matter.
  if (lost <= 0) return saved >= 0 ? Infinity : 0;
  return Math.min(Math.max(0, saved / lost), MAX_LIMIT);
}

/** Messages of less than `limit` bytes by `lanes`, where there are enough of them, and the others by `native`. */
function splitBatch(lanes: BatchHasher, native: BatchHasher, limit: number): BatchHasher {
  return {
    name: `${lanes.name} below ${Math.round(limit)} bytes, ${native.name}`,
    digestAll(messages) {
      const short = messages.filter(({ length }) => length < limit);
      if (short.length < LANES) return native.digestAll(messages);
      if (short.length === messages.length) return lanes.digestAll(messages);
      const shortDigests = lanes.digestAll(short).values();
      const longDigests = native.digestAll(messages.filter(({ length }) => length >= limit)).values();
      return messages.map(({ length }) => (length < limit ? shortDigests : longDigests).next().value!);
    },
  };
}

/** A blob in a fake registry, opened by the client that is tested. */
import { afterEach } from "vitest";
import { registryBlob } from "../../../src/registry/blob-source.ts";
import { Endpoint } from "../../../src/registry/endpoint.ts";
import { Network, type NetworkOptions } from "../../../src/registry/network.ts";
import type { Credential } from "../../../src/registry/auth-file.ts";
import type { ClosableSource } from "../../../src/source/file.ts";
import { sha256 } from "../../support/bytes.ts";
import { FakeClock } from "./clock.ts";
import { FakeRegistry } from "./registry.ts";

const closing: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Closes it after the test. */
export function closeLater<T extends { close(): Promise<void> | void }>(thing: T): T {
  closing.push(() => thing.close());
  return thing;
}

/** Bytes that differ everywhere, so that a shifted range is never the right one. */
export function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 12345;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export interface Setting {
  readonly registry: FakeRegistry;
  readonly clock: FakeClock;
  readonly network: Network;
  readonly endpoint: Endpoint;
  readonly bytes: Uint8Array;
  readonly path: string;
  open(): ClosableSource;
}

/** A registry with one blob, and a client. */
export async function blobSetting(
  options: NetworkOptions & {
    readonly size?: number;
    readonly credential?: Credential | null;
    readonly registry?: FakeRegistry;
  } = {},
): Promise<Setting> {
  const registry = options.registry ?? closeLater(await FakeRegistry.start());
  const clock = new FakeClock();
  const network = closeLater(new Network({ env: () => undefined, clock, ...options }));
  const bytes = pattern(options.size ?? 10_000);
  const digest = sha256(bytes);
  const path = `/v2/a/b/blobs/${digest}`;
  registry.put(path, bytes);
  const endpoint = await Endpoint.connect(
    network,
    { host: registry.host, repository: "a/b", insecure: null },
    () => Promise.resolve(options.credential ?? null),
  );
  registry.log.length = 0;
  const open = () => closeLater(registryBlob(endpoint, { digest, size: bytes.length }, "the blob"));
  return { registry, clock, network, endpoint, bytes, path, open };
}

export async function collect(source: ClosableSource): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source.stream()) pieces.push(piece.slice());
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { BATCH_STAGING_BYTES, type HashPlace, STAGING_BYTES } from "../../src/kernel/staging.ts";
import { kernelCrc32 } from "../../src/kernel/crc32.ts";
import { kernelCrc64 } from "../../src/kernel/crc64.ts";
import { IO_BASE, kernelMemory, PAGE } from "../../src/kernel/load.ts";
import { kernelSha256 } from "../../src/kernel/sha256.ts";
import { kernelBatch } from "../../src/kernel/sha256x4.ts";
import { kernelXxh64 } from "../../src/kernel/xxh64.ts";
import { randomPieces } from "./pieces.ts";
import { random, randomBytes } from "../support/random.ts";

/** Where each kernel's tables may be: `wasm/layout.ts`. */
const SHA256 = [0x400, 0x1000] as const;
const CRC32 = [0x2000, 0x8000] as const;
const CRC64 = [0x8000, 0x10000] as const;

const data = randomBytes(200_000);

const uses: [string, readonly [number, number], number, (place: HashPlace) => Promise<void>][] = [
  ["sha256", SHA256, STAGING_BYTES, async (place) => stream(await kernelSha256(place))],
  ["crc32", CRC32, STAGING_BYTES, async (place) => stream(await kernelCrc32(place))],
  ["crc64", CRC64, STAGING_BYTES, async (place) => stream(await kernelCrc64(place))],
  ["xxh64", [0, 0], STAGING_BYTES, async (place) => {
    const hash = await kernelXxh64(place);
    stream({ update: hash.update, finish: () => hash.digest() });
  }],
  ["sha256x4", SHA256, BATCH_STAGING_BYTES, async (place) => {
    const batch = await kernelBatch(place);
    const { below } = random(6);
    batch.digestAll(Array.from({ length: 2000 }, () => data.subarray(0, below(300))));
    batch.digestAll(Array.from({ length: 9 }, () => data.subarray(0, below(data.length))));
  }],
];

/** Small and large pieces, so that everything is held, staged and taken directly. */
function stream(hash: { update(bytes: Uint8Array): void; finish(): unknown }): void {
  const source = random(7);
  for (const most of [1, 63, 1000, 100_000]) {
    for (const piece of randomPieces(data.subarray(0, most < 100 ? 5000 : data.length), most, source)) {
      hash.update(piece);
    }
    hash.finish();
  }
  hash.update(data);
  hash.finish();
}

describe("a place for hashes in a memory that others use", () => {
  test.each(uses)("%s writes to its tables and the staging area only", async (_, tables, staged, use) => {
    const memory = kernelMemory(STAGING_BYTES + BATCH_STAGING_BYTES + 2 * PAGE);
    const bytes = new Uint8Array(memory.buffer).fill(0xa5);
    const staging = IO_BASE + PAGE;
    await use({ memory, staging });
    const changed = (from: number, to: number): boolean =>
      bytes.subarray(from, to).some((byte) => byte !== 0xa5);
    expect(changed(0, tables[0] || IO_BASE)).toBe(false);
    expect(changed(tables[1], staging)).toBe(false);
    expect(changed(staging, staging + staged)).toBe(true);
    expect(changed(staging + staged, bytes.length)).toBe(false);
  });

  test("all kinds of hash in one place, in turn, do not disturb one another", async () => {
    const place = { memory: kernelMemory(BATCH_STAGING_BYTES), staging: IO_BASE };
    const [sha256, crc, crc64, xxh64, batch] = [
      await kernelSha256(place),
      await kernelCrc32(place),
      await kernelCrc64(place),
      await kernelXxh64(place),
      await kernelBatch(place),
    ];
    const alone = [await kernelCrc64(), await kernelXxh64()] as const;
    for (const piece of randomPieces(data, 9000, random(2))) {
      sha256.update(piece);
      crc.update(piece);
      crc64.update(piece);
      xxh64.update(piece);
      const digest = createHash("sha256").update(piece).digest("hex");
      expect(batch.digestAll([piece, piece])).toEqual([digest, digest]);
    }
    alone[0].update(data);
    alone[1].update(data);
    expect(sha256.finish()).toBe(createHash("sha256").update(data).digest("hex"));
    expect(crc.finish()).toBe(crc32(data));
    expect(crc64.finish()).toBe(alone[0].finish());
    expect(xxh64.digest()).toBe(alone[1].digest());
  });
});

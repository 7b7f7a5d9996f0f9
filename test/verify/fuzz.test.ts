/** Seeded damage to layers with a TOC: whatever happens, it is a report, and damage is never verified. */
import { describe, expect, test } from "vitest";
import type { Expectations, LayerReport } from "../../src/mod.ts";
import {
  concat,
  type Dialect,
  type Entry,
  estargz,
  type EstargzFooter,
  gzipMember,
  type Random,
  random,
  randomText,
  sha256,
  skippable,
  type Toc,
  zstdChunked,
  zstdFrame,
} from "../support/mod.ts";
import { verifyBytes, verifyPiped } from "./layers.ts";

const ITEMS: readonly Entry[] = [
  { name: "etc/", mtime: 5 },
  { name: "etc/hosts", data: randomText(700), xattrs: { "user.x": "y" } },
  { name: "zeros", data: new Uint8Array(3000) },
  { name: "link", linkname: "etc/hosts" },
  { name: "hard", linkname: "etc/hosts", typeflag: "1" },
];

interface Seed {
  readonly name: string;
  readonly blob: Uint8Array;
  readonly diffID: string;
  readonly tocDigest: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** The same layer with another TOC. */
  readonly remake: (mutate: (json: string) => string) => Uint8Array;
}

const SEEDS: readonly Seed[] = [
  ...(["estargz", "legacy"] as const satisfies EstargzFooter[]).map((footer) => {
    const options = { footer, chunkSize: 512 };
    const layer = estargz(ITEMS, options);
    return {
      ...layer,
      name: footer,
      remake: (mutateTocJson: (json: string) => string) => estargz(ITEMS, { ...options, mutateTocJson }).blob,
    };
  }),
  ...(["cs-1.43", "cs-1.47", "cs-1.55", "stargz"] as const satisfies Dialect[]).map((dialect) => {
    const options = { dialect, chunkSize: 512 };
    const layer = zstdChunked(ITEMS, options);
    return {
      ...layer,
      name: `zstd:chunked ${dialect}`,
      remake: (mutateTocJson: (json: string) => string) =>
        zstdChunked(ITEMS, { ...options, mutateTocJson }).blob,
    };
  }),
];

/** Replaces, doubles or removes a piece of JSON text, or puts something hostile in place of a value. */
function mutateJson(json: string, { below, pick }: Random): string {
  const hostile = [
    ...["null", "-1", "1e999", "9007199254740993", "[]", "{}", "true", '""', '"\\u0000"', '"../../x"', "0"],
    ...[
      "[".repeat(5000),
      '{"a":'.repeat(2000),
      '"\\ud800"',
      '"__proto__"',
      "1.5",
      '"sha256:' + "0".repeat(64) + '"',
    ],
  ];
  const at = below(json.length);
  switch (below(6)) {
    case 0:
      return json.slice(0, at) + json.slice(at + 1 + below(30));
    case 1:
      return json.slice(0, at + below(40)) + json.slice(at);
    case 2: {
      const values = [...json.matchAll(/:\s*("(?:[^"\\]|\\.)*"|-?\d+)/g)];
      const value = pick(values);
      const start = value.index + value[0].length - value[1]!.length;
      return json.slice(0, start) + pick(hostile) + json.slice(start + value[1]!.length);
    }
    case 3: {
      const toc = JSON.parse(json) as Toc;
      const [a, b] = [below(toc.entries.length), below(toc.entries.length)];
      const one = toc.entries[a]!;
      toc.entries[a] = toc.entries[b]!;
      if (below(2)) toc.entries[b] = one;
      return JSON.stringify(toc);
    }
    case 4: {
      const toc = JSON.parse(json) as Toc;
      const entry = pick(toc.entries);
      const key = pick(Object.keys(entry));
      if (below(2)) delete entry[key];
      else {entry[key] = JSON.parse(pick(hostile.filter((text) =>
          text !== "1e999" && isJson(text)
        ))) as unknown;}
      return JSON.stringify(toc);
    }
    default:
      return pick([
        json.slice(0, at),
        `${json}x`,
        `[${json}]`,
        json.replaceAll('"', "'"),
        "",
        "null",
        "\ufeff" + json,
      ]);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Damage to the bytes: bits, runs, cuts, members and frames added, the footer above all. */
function mutateBlob(seed: Uint8Array, { below, pick }: Random): Uint8Array {
  const blob = seed.slice();
  const at = below(3) === 0 ? blob.length - 1 - below(Math.min(70, blob.length)) : below(blob.length);
  switch (below(7)) {
    case 0:
      blob[at]! ^= 1 << below(8);
      return blob;
    case 1:
      blob.fill(pick([0, 0xff, 0x20, 0x30]), at, at + 1 + below(16));
      return blob;
    case 2:
      return blob.subarray(0, at);
    case 3:
      return concat(blob.subarray(0, at), blob.subarray(at + 1 + below(40)));
    case 4:
      return concat(blob.subarray(0, at), blob.subarray(Math.max(0, at - below(200))));
    case 5:
      return concat(blob, pick([gzipMember("x"), zstdFrame("x"), skippable("x"), new Uint8Array(9), seed]));
    default:
      return concat(pick([gzipMember("x"), zstdFrame("x"), skippable("x")]), blob);
  }
}

async function check(seed: Seed, blob: Uint8Array, round: number): Promise<void> {
  const changed = sha256(blob) !== sha256(seed.blob);
  const from = ["test"];
  const descriptor = { digest: sha256(seed.blob), size: seed.blob.length, annotations: seed.annotations };
  const verify = round % 2 ? verifyBytes : verifyPiped;
  const where = `${seed.name}, round ${round}`;
  const run = async (expect: Expectations): Promise<LayerReport> => await verify(blob, { expect });

  const right = await run({ descriptor: { value: descriptor, from } });
  if (changed) expect(right.result, where).toMatch(/^(mismatch|error)$/);
  expect(right.digest, where).toBe(sha256(blob));

  const wrong = await run({ digest: { value: `sha256:${"0".repeat(64)}`, from } });
  expect(wrong.result, where).toMatch(/^(mismatch|error)$/);

  // A digest of the content, or of the TOC, vouches for nothing else.
  const content = await run({ diffID: { value: seed.diffID, from } });
  if (content.result === "verified") expect(content.diffID, where).toBe(seed.diffID);
  const toc = await run({ tocDigest: { value: seed.tocDigest, from } });
  if (toc.result === "verified") expect(toc.tocDigest, where).toBe(seed.tocDigest);

  for (const { findings } of [right, content]) {
    for (const { code } of findings) expect(code).toMatch(/^[a-z0-9-]+$/);
  }
}

for (const [index, seed] of SEEDS.entries()) {
  describe(seed.name, () => {
    test("the seed itself is verified by each of its digests", async () => {
      const from = ["test"];
      const descriptor = { digest: sha256(seed.blob), size: seed.blob.length, annotations: seed.annotations };
      for (const verify of [verifyBytes, verifyPiped]) {
        for (
          const expecting of [
            { descriptor: { value: descriptor, from } },
            { diffID: { value: seed.diffID, from } },
            { tocDigest: { value: seed.tocDigest, from } },
          ] satisfies Expectations[]
        ) expect(await verify(seed.blob, { expect: expecting })).toMatchObject({ result: "verified" });
      }
    });

    test("damaged bytes", async () => {
      const source = random(100 + index);
      for (let round = 0; round < 60; round++) await check(seed, mutateBlob(seed.blob, source), round);
    });

    test("TOCs that say something else, or nothing that can be read", async () => {
      const source = random(200 + index);
      for (let round = 0; round < 40; round++) {
        await check(seed, seed.remake((json) => mutateJson(json, source)), round);
      }
    });
  });
}

/** What a verification hands on besides its report: blob, tar, tar-split. */
import { afterAll, describe, expect, test } from "vitest";
import { FormatError, OutputError, SourceError } from "../../src/errors.ts";
import type { ByteSink, LayerproofError, TarSplitSink } from "../../src/mod.ts";
import { fixture, text, unzstd } from "../support/fixtures.ts";
import { gzipMember, join, randomBytes, sha256, tar, zstdFrame } from "../support/mod.ts";
import { eagerPool } from "../workers/pools.ts";
import { verifyMemory, verifyPipe } from "./verifying.ts";

const ARCHIVE = tar([{ name: "a", data: randomBytes(3_000_000) }, {
  name: "b",
  data: new Uint8Array(9_000_000),
}]);
const BLOBS = { tar: ARCHIVE, gzip: gzipMember(ARCHIVE), zstd: zstdFrame(ARCHIVE) };
const workers = eagerPool({ decoders: 2 });
afterAll(() => workers.close());

/** A sink that keeps what comes, and takes its time. */
function keeping(): ByteSink & { readonly bytes: () => Uint8Array } {
  const pieces: Uint8Array[] = [];
  return {
    write: (bytes) => void pieces.push(bytes.slice()),
    ready: () => pieces.length % 64 === 0 ? new Promise((resolve) => setTimeout(resolve)) : undefined,
    bytes: () => join(pieces),
  };
}

describe.each(["one thread", "several threads"])("with %s", (threads) => {
  const options = threads === "one thread" ? {} : { workers };

  test.each(Object.entries(BLOBS))("%s: tar and blob, byte for byte", async (_, blob) => {
    for (const verify of [verifyMemory, verifyPipe]) {
      const [tarSink, blobSink] = [keeping(), keeping()];
      const report = await verify(blob, { ...options, tar: tarSink, blob: blobSink });
      expect(report.result).toBe("consistent");
      expect(sha256(tarSink.bytes())).toBe(sha256(ARCHIVE));
      expect(sha256(blobSink.bytes())).toBe(sha256(blob));
    }
  });

  test.each(Object.entries(BLOBS))(
    "%s: what a sink throws is its own error, not the layer's",
    async (_, blob) => {
      const errors = [
        new OutputError("output-no-space", "full"),
        new FormatError("x", "y"),
        new SourceError("x", "y"),
        new Error("z"),
      ];
      for (const error of errors) {
        const fail = () => {
          throw error;
        };
        for (const sink of ["tar", "blob", "tarSplit"] as const) {
          const late = {
            write() {},
            ready: () => Promise.reject(error),
            failed: () => expect.fail("called"),
          };
          const early = { write: fail, failed: () => expect.fail("called") };
          for (const failing of [late, early]) {
            await expect(verifyMemory(blob, { ...options, [sink]: failing })).rejects.toBe(error);
          }
        }
      }
    },
  );

  test("tar-splits are what the reference writes", async () => {
    const golden = text(unzstd(fixture("src/tree.tar-split.json.zst")));
    for (const name of ["tree.tar.gz", "tree.tar.zst", "tree.zstdchunked", "tree.pgzip.tar.gz"]) {
      const sink = keeping();
      const failed = (error: LayerproofError) => expect.fail(error.message);
      await verifyPipe(fixture(`layers/${name}`), { ...options, tarSplit: { ...sink, failed } });
      expect(text(sink.bytes()) === golden, name).toBe(true);
    }
  });
});

test("a layer of which there is no tar-split has the same report", async () => {
  const blob = gzipMember(tar([{ name: "a", data: "1" }, { name: "./a", data: "2" }]));
  const errors: LayerproofError[] = [];
  const sink: TarSplitSink = { write() {}, failed: (error) => void errors.push(error) };
  expect(await verifyMemory(blob, { tarSplit: sink })).toEqual(await verifyMemory(blob));
  expect(errors.map(({ code }) => code)).toEqual(["tarsplit-duplicate-path"]);
});

/** Sparse members of every form: to be rebuilt, or as the reference writes them. */
import { describe, expect, test } from "vitest";
import {
  crc64,
  expanded,
  paxHeader,
  randomBytes,
  sha256,
  sparse,
  type SparseFile,
  type SparseFormat,
  tar,
} from "../support/mod.ts";
import {
  assemble,
  base64,
  cutsOf,
  disassemble,
  disassembledLines,
  errorOf,
  lengths,
  recordsOf,
} from "./splitting.ts";

describe("sparse members", () => {
  const MIB = 2 ** 20;
  const data = randomBytes(2 * MIB + 100, 7);
  const file: SparseFile = {
    name: "s",
    realSize: 3 * MIB,
    regions: [{ offset: 4096, data: data.subarray(0, 700) }, { offset: 8192, data: data.subarray(700) }],
  };
  const FORMS: readonly SparseFormat[] = ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"];
  for (const form of FORMS) {
    const stored = data.length + (form === "pax-1.0" ? 512 : 0);
    const member = sparse(file, form);
    const archive = tar([member, { name: "f", data: "x" }]);
    const padding = (512 - stored % 512) % 512;
    const header = member.length - stored - padding;

    test(`${form}: stored bytes stay in segments of at most 1 MiB, behind a line of size 0`, async () => {
      const expected = [header, "s", MIB, MIB, stored - 2 * MIB, padding + 512, "f", 511 + 1024];
      for (const cuts of [65_536, 512, archive.length]) {
        expect(lengths(await disassembledLines(archive, {}, cuts))).toEqual(expected);
      }
      const records = await recordsOf(await disassemble(archive));
      // Nobody is asked for the sparse file.
      const getFile = (name: string) => name === "f" ? [Buffer.from("x")] : null;
      expect(sha256(await assemble(records, getFile))).toBe(sha256(archive));
    });

    test(`${form}: as the reference: size and checksum of the expanded file`, async () => {
      const lines = await disassembledLines(archive, { sparse: "reference" }, [100, 5000]);
      expect(lengths(lines)).toEqual([header, "s", padding + 512, "f", 511 + 1024]);
      expect(lines[1]).toMatchObject({ size: file.realSize, payload: base64(crc64(expanded(file))) });
    });
  }

  test("all hole, and empty", async () => {
    const hole = sparse({ name: "hole", realSize: 1000, regions: [] });
    const none = sparse({ name: "none", realSize: 0, regions: [] });
    const lines = await disassembledLines(tar([hole, none]), { sparse: "reference" });
    expect(lines[1]).toMatchObject({
      name: "hole",
      size: 1000,
      payload: base64(crc64(new Uint8Array(1000))),
    });
    expect(lines[3]).toEqual({ type: 1, name: "none", payload: null, position: 3 });
    expect(await cutsOf([hole, none])).toEqual([512, "hole", 512, "none", 1024]);
  });

  test("a global header behind one", async () => {
    const header = paxHeader({ comment: "x" }, { global: true });
    expect(await cutsOf([sparse(file), header])).toEqual([
      512,
      "s",
      MIB,
      MIB,
      100,
      412 + 512 + 13,
      "pax_global_header",
      499 + 1024,
    ]);
  });

  test("a hole of 8 GiB costs nothing, or is refused", async () => {
    const huge = tar([sparse({ name: "huge", realSize: 2 ** 33 - 1, regions: [] })]);
    expect((await disassembledLines(huge))[1]).toMatchObject({ name: "huge" });
    const error = await errorOf(() => disassemble(huge, { sparse: "reference", maxExpanded: 2 ** 33 - 2 }));
    expect(error.name).toBe("LimitExceeded");
    expect(error.code).toBe("tarsplit-sparse-limit");
  });
});

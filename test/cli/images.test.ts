/** `layerproof verify` of images in archives. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { imageConfig, writeOciLayout } from "../support/descriptor.ts";
import { run, testWith } from "../support/programs.ts";
import { tar } from "../support/tar.ts";
import { cli, OTHER_DIGEST, tempDir } from "./support.ts";

const LAYER = "test/fixtures/layers/tree.tar.gz";
const { layers: FIXTURES } = JSON.parse(readFileSync("test/fixtures/index.json", "utf8"));
const FIXTURE = FIXTURES.find(({ path }: { path: string }) => LAYER.endsWith(path));

test("docker-archive: verifies every layer by the diffIDs of the config", async () => {
  const file = join(tempDir(), "img.tar");
  const item = { Config: "config.json", RepoTags: ["x:1"], Layers: ["a/layer.tar", "a/layer.tar"] };
  writeFileSync(
    file,
    tar([
      { name: "a/layer.tar", data: new Uint8Array(readFileSync(LAYER)) },
      { name: "config.json", data: imageConfig([FIXTURE.diffID, OTHER_DIGEST]) },
      { name: "manifest.json", data: JSON.stringify([item]) },
    ]),
  );
  const { stdout, status } = await cli(["verify", `docker-archive:${file}:x:1`]);
  expect(stdout).toContain(`VERIFIED  docker-archive:${file}:x:1 linux/amd64 layer 1 of 2`);
  expect(stdout).toContain(
    `verified    diffID               by docker-archive:${file} manifest.json > config sha256:`,
  );
  expect(stdout).toContain(`MISMATCH  docker-archive:${file}:x:1 linux/amd64 layer 2 of 2`);
  expect(status).toBe(1);
});

testWith(["tar"], "oci-archive: verifies every layer through manifest and config", async () => {
  const directory = tempDir();
  writeOciLayout(directory, [{ blob: new Uint8Array(readFileSync(LAYER)), diffID: FIXTURE.diffID }]);
  const file = join(tempDir(), "img.tar");
  run("tar", ["-C", directory, "-cf", file, "."]);
  const { stdout, status } = await cli(["verify", `oci-archive:${file}`]);
  expect(stdout).toContain(`VERIFIED  oci-archive:${file} linux/amd64 layer 1 of 1`);
  expect(stdout).toMatch(/verified +digest +by oci-archive:.* index\.json > manifest sha256:/);
  expect(status).toBe(0);
});

test("an archive that cannot be read is one failed layer, an image that is not in it wrong usage", async () => {
  const file = join(tempDir(), "img.tar.gz");
  writeFileSync(file, readFileSync(LAYER));
  const { stdout, status } = await cli(["verify", "--json", `docker-archive:${file}`, LAYER]);
  const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  expect(reports.map(({ result }) => result)).toEqual(["error", "consistent"]);
  expect(reports[0].error).toMatchObject({
    code: "archive-compressed",
    advice: expect.stringContaining("gunzip"),
  });
  expect(status).toBe(3);
  writeFileSync(file, tar([{ name: "manifest.json", data: "[]" }]));
  expect((await cli(["verify", `docker-archive:${file}:x`])).status).toBe(2);
});

test("what is expected of one layer is not forgotten over an image", async () => {
  const file = join(tempDir(), "img.tar");
  writeFileSync(file, tar([{ name: "manifest.json", data: "[]" }]));
  for (const option of [["--digest", OTHER_DIGEST], ["--size", "5"], ["--toc-digest", OTHER_DIGEST]]) {
    for (const kind of ["docker-archive", "oci-archive"]) {
      expect((await cli(["verify", ...option, `${kind}:${file}`])).status).toBe(2);
    }
  }
});

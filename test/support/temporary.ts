/** Before all tests and after them: their temporary directories lie in one, which goes away. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export default function setup(): () => void {
  const directory = mkdtempSync(join(tmpdir(), "layerproof-tests-"));
  process.env.TMPDIR = directory;
  return () => rmSync(directory, { recursive: true, force: true });
}

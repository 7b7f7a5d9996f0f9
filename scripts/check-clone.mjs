/**
 * What a person with Deno alone does: clone, run. The copy has no node_modules and no Deno cache; the permissions are
 * the narrowest ones.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { capture, check, env, root } from "./lib.mjs";

const temp = mkdtempSync(join(tmpdir(), "layerproof-clone-"));
process.on("exit", () => rmSync(temp, { recursive: true, force: true }));
const clone = join(temp, "clone");

// What a clone of this state of the tree would hold.
const listed = capture("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
check(listed.status === 0, "git ls-files", listed);
for (const file of listed.stdout.split("\0")) {
  if (file === "" || file.startsWith("test/") && !file.startsWith("test/fixtures/layers/tree.")) continue;
  try {
    cpSync(join(root, file), join(clone, file), { recursive: true });
  } catch (error) {
    if (error.code !== "ENOENT") throw error; // deleted, and not yet committed
  }
}

const layer = "test/fixtures/layers/tree.zstdchunked";
const options = { cwd: clone, env: { ...env, DENO_DIR: join(temp, "deno") } };
const verify = (permissions, args, more = {}) =>
  capture("deno", ["run", "--no-prompt", ...permissions, "verify.ts", ...args], { ...options, ...more });

const all = verify(["-A"], [layer]);
check(all.status === 0 && all.stdout.startsWith("CONSISTENT"), "deno run -A verify.ts LAYER", all);
console.log("deno run -A verify.ts LAYER");

const narrow = verify([`--allow-read=${layer}`], [layer]);
check(narrow.status === 0 && narrow.stdout === all.stdout, "--allow-read=LAYER is not enough", narrow);
console.log("deno run --allow-read=LAYER verify.ts LAYER");

const piped = verify([], ["-"], { input: readFileSync(join(root, layer)), encoding: "utf8" });
check(
  piped.status === 0 && piped.stdout.startsWith("CONSISTENT"),
  "standard input needs a permission",
  piped,
);
console.log("deno run verify.ts - < LAYER");

const denied = verify([`--allow-read=${dirname(layer)}/other`], [layer]);
check(denied.status === 4 && denied.stdout.includes("--allow-read"), "no advice without permission", denied);
console.log("without permission: exit status 4, and advice");

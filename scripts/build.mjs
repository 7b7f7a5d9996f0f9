/**
 * Makes dist/ anew, for npm: JavaScript and types of the library, file by file, and in dist/bin/ the program, bundled.
 * Node needs 40 ms to find a hundred modules, of 160 that the program takes for a small layer.
 */
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "rolldown";
import { check, root, run } from "./lib.mjs";

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"]);
await build({
  // The program starts its workers by the name of their file, from beside it.
  input: { layerproof: join(dist, "cli/main.js"), "node-worker": join(dist, "workers/node-worker.js") },
  platform: "node",
  // Packages stay what npm installs.
  external: /^[^./]/,
  output: { dir: join(dist, "bin"), entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" },
});
const program = join(dist, "bin/layerproof.js");
check(
  readFileSync(program, "utf8").startsWith("#!/usr/bin/env node\n"),
  "dist/bin/layerproof.js does not begin with #!/usr/bin/env node",
);
chmodSync(program, 0o755);

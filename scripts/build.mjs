/** Makes dist/ anew: JavaScript and types, for npm. */
import { chmodSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { check, root, run } from "./lib.mjs";

const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });
run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"]);
const main = join(dist, "cli/main.js");
check(
  readFileSync(main, "utf8").startsWith("#!/usr/bin/env node\n"),
  "dist/cli/main.js does not begin with #!/usr/bin/env node",
);
chmodSync(main, 0o755);

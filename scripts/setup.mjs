/**
 * Installs the packages if node_modules is missing or is not what package-lock.json says. Needs only npm and Node 20.
 * Says nothing when there is nothing to do.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./lib.mjs";

if (!isInstalled()) {
  console.error("Installing packages (npm ci) ...");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: root, encoding: "utf8" });
  if (npm.status !== 0) {
    console.error(npm.error?.message ?? `${npm.stdout}${npm.stderr}`);
    console.error(
      "npm ci failed: see above. It needs a registry that has the packages of package-lock.json.",
    );
    process.exit(1);
  }
}
for (const program of ["deno", "node"]) {
  if (existsSync(join(root, "node_modules/.bin", program))) continue;
  console.error(`node_modules/.bin/${program} is missing: its install script did not run.`);
  console.error("Allow install scripts (npm config get ignore-scripts), remove node_modules and try again.");
  process.exit(1);
}

/** npm notes in node_modules/.package-lock.json, at the end of an installation, what it has installed. */
function isInstalled() {
  const wanted = packages("package-lock.json");
  const installed = packages("node_modules/.package-lock.json");
  if (!wanted || !installed) return false;
  for (const [path, { version }] of Object.entries(installed)) {
    if (wanted[path]?.version !== version) return false;
  }
  // Optional packages are those of other platforms.
  return Object.entries(wanted).every(([path, { optional, devOptional }]) =>
    path === "" || optional || devOptional || installed[path]
  );
}

function packages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), "utf8")).packages;
  } catch {
    return null;
  }
}

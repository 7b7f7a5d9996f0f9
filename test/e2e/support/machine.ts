/**
 * Whether this machine can run the end-to-end tests: root, the programs of `scripts/e2e-install.sh`, the Debian 13 root
 * of `scripts/e2e-chroot.sh`. In CI as root, what is missing is a failure; elsewhere the tests are skipped with the
 * reason.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, expect, test } from "vitest";

/** Where the Debian 13 root is looked for. */
const CHROOT = process.env.LAYERPROOF_E2E_CHROOT || "/var/cache/layerproof/debian13";

/** A podman with its skopeo. */
export interface Podman {
  readonly name: string;
  readonly major: 4 | 5;
  /** The root directory that it lives in. */
  readonly root: string;
}

export const PODMAN_4: Podman = { name: "podman 4", major: 4, root: "/" };
export const PODMAN_5: Podman = { name: "podman 5", major: 5, root: CHROOT };

const PROGRAMS = [
  "podman",
  "skopeo",
  "docker-registry",
  "zstd",
  "gzip",
  "tar",
  "getfattr",
  "unshare",
  "nsenter",
];

/** A group of tests that need all of this. */
export function describeEndToEnd(name: string, body: () => void): void {
  const reason = whyNot();
  if (reason === null) {
    describe(name, body);
  } else if (process.env.CI && isRoot()) {
    test(name, () => {
      expect.fail(`Cannot test with real clients: ${reason}`);
    });
  } else {
    console.warn(`Skipped: ${name}: ${reason}`);
    test.skip(`${name} (skipped, ${reason})`, () => {});
  }
}

function whyNot(): string | null {
  if (!isRoot()) return "not root";
  const script = 'for p; do command -v "$p" >/dev/null || printf " %s" "$p"; done';
  const missing = spawnSync("sh", ["-c", script, "sh", ...PROGRAMS], { encoding: "utf8" }).stdout.trim();
  if (missing !== "") return `not installed: ${missing} (scripts/e2e-install.sh)`;
  const { stdout: version } = spawnSync("podman", ["--version"], { encoding: "utf8" });
  if (!version.startsWith("podman version 4.")) return `not podman 4: ${version.trim()}`;
  if (!existsSync(join(CHROOT, ".layerproof-e2e"))) {
    return `no Debian 13 root (scripts/e2e-chroot.sh ${CHROOT})`;
  }
  if (spawnSync("unshare", ["--mount", "true"]).status !== 0) return "mount namespaces are not allowed";
  return null;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

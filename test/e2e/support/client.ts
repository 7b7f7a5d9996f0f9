/**
 * podman and skopeo as a client of an Additional Layer Store: the machine's own (podman 4) or those of another root
 * directory (podman 5).
 *
 * Each client lives in a mount namespace of its own, in an overlay over its root directory whose upper layer is in
 * memory: nothing that it mounts or writes outside of its work directory is seen by anyone else, or stays. The work
 * directory (storage, Additional Layer Store, exports) has the same path inside and outside.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keep, type Keeper } from "./keeper.ts";
import { failure, type Outcome, output, run, type RunOptions } from "./run.ts";

// $1 the root directory, $2 the work directory. A root that is no mount point breaks pulls with podman 5.
const HOLD = `set -e
mount -t tmpfs tmpfs "$2/ns"
cd "$2/ns"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=$1,upperdir=upper,workdir=work" root
mount -t proc proc root/proc
mount -t sysfs sysfs root/sys
mount -t cgroup2 none root/sys/fs/cgroup
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
mkdir -p "root$2"
mount --bind "$2" "root$2"
mkdir -p root/var/lib/containers
mount -t tmpfs tmpfs root/var/lib/containers
echo ready >&2
exec cat >/dev/null`;

/** One client with its own storage, empty at first. Close it. */
export class Client {
  /** Seen by the client under the same path. */
  readonly work: string;
  readonly #keeper: Keeper;

  private constructor(keeper: Keeper, work: string) {
    this.#keeper = keeper;
    this.work = work;
  }

  /**
   * @param parent a directory for its files
   * @param root the root directory whose podman it is, `/` for this machine's
   * @param registry `host:port` of a registry without TLS
   */
  static async open(parent: string, root: string, registry: string): Promise<Client> {
    const work = realpathSync(mkdtempSync(join(parent, "client-")));
    for (const name of ["ns", "tmp", "home", "store", "graph", "run"]) mkdirSync(join(work, name));
    writeFileSync(
      join(work, "storage.conf"),
      `[storage]
driver = "overlay"
runroot = "${work}/run"
graphroot = "${work}/graph"
[storage.options]
additionallayerstores = ["${work}/store:ref"]
`,
    );
    writeFileSync(
      join(work, "registries.conf"),
      `[[registry]]
location = "${registry}"
insecure = true
`,
    );
    writeFileSync(join(work, "policy.json"), `{"default":[{"type":"insecureAcceptAnything"}]}`);
    const hold = ["--mount", "--propagation", "private", "sh", "-c", HOLD, "sh", root, work];
    const keeper = await keep("unshare", hold, /^ready$/m);
    return new Client(keeper, work);
  }

  /** The Additional Layer Store: `storage.conf` has it with `:ref`. */
  get store(): string {
    return join(this.work, "store");
  }

  podman(args: readonly string[], seconds = 60): Promise<Outcome> {
    return this.#run(["podman", "--cgroup-manager=cgroupfs", ...args], { seconds });
  }

  skopeo(args: readonly string[], seconds = 60): Promise<Outcome> {
    return this.#run(["skopeo", "--policy", join(this.work, "policy.json"), ...args], { seconds });
  }

  /** podman has to succeed: its standard output, without the last line's end. */
  async ok(...args: readonly string[]): Promise<string> {
    const outcome = await this.podman(args);
    if (outcome.status !== 0) throw new Error(failure(["podman", ...args], outcome));
    return outcome.stdout.trimEnd();
  }

  /**
   * Forgets which blobs lie in which registry: with it, a push can name a blob that is there without reading the
   * layer that it should send.
   */
  async forgetBlobs(): Promise<void> {
    await this.#run(["rm", "-rf", "/var/lib/containers/cache"], {});
  }

  /** Runs a program of this machine that sees what the client has mounted, in a directory as the client names it. */
  look(directory: string, program: string, args: readonly string[]): Promise<string> {
    const inside = join(this.work, "ns", "root", directory);
    const script = 'cd "$1" && shift && exec "$@"';
    return output("nsenter", [...this.#namespace(), "sh", "-c", script, "sh", inside, program, ...args], {
      encoding: "latin1",
    });
  }

  /** Ends the namespace, and with it each mount in it; removes the work directory. */
  async close(): Promise<void> {
    await this.#keeper.close();
    rmSync(this.work, { recursive: true, force: true });
  }

  #namespace(): string[] {
    return [`--mount=/proc/${this.#keeper.pid}/ns/mnt`, "--"];
  }

  #run(command: readonly string[], options: RunOptions): Promise<Outcome> {
    const env = Object.entries({
      PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
      HOME: join(this.work, "home"),
      TMPDIR: join(this.work, "tmp"),
      CONTAINERS_STORAGE_CONF: join(this.work, "storage.conf"),
      CONTAINERS_REGISTRIES_CONF: join(this.work, "registries.conf"),
      PODMAN_IGNORE_CGROUPSV1_WARNING: "1",
    }).map(([name, value]) => `${name}=${value}`);
    const root = join(this.work, "ns", "root");
    const args = [...this.#namespace(), "chroot", root, "env", "-i", ...env, ...command];
    return run("nsenter", args, options);
  }
}

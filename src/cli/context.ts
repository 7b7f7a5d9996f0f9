/**
 * What every command is given.
 *
 * @module
 */
import type { HashBackend } from "../digest/hasher.ts";
import type { LayerSource } from "../source/source.ts";
import type { VerifyOptions } from "../verify/options.ts";
import type { LayerReport } from "../verify/report.ts";
import type { CliIo } from "./io.ts";

/** The engine, as a command calls it. */
export interface Engine {
  verifyLayer(source: LayerSource, options: VerifyOptions): Promise<LayerReport>;
  readonly hashes: HashBackend;
}

/** What is loaded only when it is used, and replaced in tests. */
export interface CliDeps {
  engine(): Promise<Engine>;
}

/** Handed to each command when it is added to the program. */
export interface CommandContext {
  readonly io: CliIo;
  readonly deps: CliDeps;
  /** Ends the command with this exit status. */
  finish(status: number): void;
}

/** The real engine, loaded on the first layer: `--help` and wrong usage do without it. */
export const realDeps: CliDeps = {
  async engine() {
    const [{ verifyLayer }, { nativeHashes }] = await Promise.all([
      import("../verify/verify.ts"),
      import("../digest/native.ts"),
    ]);
    return { verifyLayer, hashes: nativeHashes };
  },
};

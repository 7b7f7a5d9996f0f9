/**
 * What every command is given.
 *
 * @module
 */
import type { Engine, EngineSettings } from "./engine.ts";
import type { CliIo } from "./io.ts";

/** What is loaded only when it is used, and replaced in tests. */
export interface CliDeps {
  engine(settings: EngineSettings): Promise<Engine>;
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
  engine: async (settings) => (await import("./engine.ts")).realEngine(settings),
};

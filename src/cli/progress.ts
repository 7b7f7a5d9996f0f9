/**
 * A progress bar for work over a second, on a terminal.
 *
 * @module
 */
import type { SingleBar } from "cli-progress";
import type { Progress } from "../verify/options.ts";
import { clock, shortBytes } from "./units.ts";

const PATIENCE_MS = 1000;
const REDRAW_MS = 200;

/** Shows how far one layer is. */
export interface ProgressBar {
  update(progress: Progress): void;
  /** Clears the line. Nothing is drawn afterwards. */
  stop(): void;
}

/** For `--no-progress`, and where standard error is not a terminal. */
export const NO_PROGRESS: ProgressBar = { update() {}, stop() {} };

/**
 * A bar on standard error for one layer. The package that draws it is loaded when a second has gone by; where that
 * fails (Deno without the permissions it wants), there is no bar.
 */
export function progressBar(now: () => number = () => performance.now()): ProgressBar {
  const start = now();
  let bar: SingleBar | null = null;
  let loading = false;
  let stopped = false;
  let drawn = 0;
  let latest: Progress | null = null;

  const load = async (total: number | null): Promise<void> => {
    try {
      const { default: cliProgress } = await import("cli-progress");
      if (stopped) return;
      bar = new cliProgress.SingleBar({
        format: total === null
          ? "  {done}  {rate}/s"
          : "  [{bar}] {percentage}%  {done} of {whole}  {rate}/s  {left} left",
        barsize: 24,
        clearOnComplete: true,
        hideCursor: true,
        etaBuffer: 2,
        gracefulExit: false,
      });
      bar.start(total ?? 0, latest?.bytes ?? 0, latest ? describe(latest, now() - start) : {});
    } catch {
      bar = null;
    }
  };

  return {
    update(progress) {
      latest = progress;
      const time = now();
      if (time - start < PATIENCE_MS) return;
      if (!loading) {
        loading = true;
        void load(progress.total);
      }
      if (!bar || time - drawn < REDRAW_MS) return;
      drawn = time;
      bar.update(progress.bytes, describe(progress, time - start));
    },
    stop() {
      stopped = true;
      bar?.stop();
      bar = null;
    },
  };
}

/** The words of the bar. @param elapsed milliseconds */
export function describe(
  { bytes, total }: Progress,
  elapsed: number,
): { done: string; whole: string; rate: string; left: string } {
  const rate = elapsed > 0 ? bytes / (elapsed / 1000) : 0;
  return {
    done: shortBytes(bytes),
    whole: total === null ? "?" : shortBytes(total),
    rate: shortBytes(Math.round(rate)),
    left: total === null || rate === 0 ? "?" : clock(Math.max(0, total - bytes) / rate),
  };
}

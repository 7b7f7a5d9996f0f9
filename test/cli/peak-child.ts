/** The program, which says at its end how much memory it took at most. */
import process from "node:process";
import { runProcess } from "../../src/cli/run.ts";

process.on("exit", () => console.error(`peak ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`));
await runProcess(process.argv.slice(2));

/** The program, while something fails where nobody can catch it. */
import { runProcess } from "../../src/cli/run.ts";

setTimeout(() => {
  throw new RangeError("in a listener");
});
await runProcess(["verify", "-"]);

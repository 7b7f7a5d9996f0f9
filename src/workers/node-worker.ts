/**
 * The file that a worker of Deno or Node runs.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { hashesChosen } from "../digest/choose.ts";
import { serve } from "./serve.ts";

const port = parentPort!;
port.on("message", serve(hashesChosen(workerData), (reply) => port.postMessage(reply)));

/**
 * The file that a worker of Deno or Node runs.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { chooseHashes } from "../digest/choose.ts";
import { serve } from "./serve.ts";

const port = parentPort!;
const { hash } = workerData as { readonly hash: "native" | "wasm" };
port.on("message", serve(chooseHashes(hash), (reply) => port.postMessage(reply)));

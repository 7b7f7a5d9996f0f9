/**
 * The file that a worker of Deno or Node runs.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { hashesChosen } from "../digest/choose.ts";
import { serve } from "./serve.ts";

const port = parentPort!;
const reply = (message: unknown) => port.postMessage(message);
// Deno's port has no `close`, but its worker has.
const { close = () => port.close() } = globalThis as { close?: () => void };
port.on("message", serve(hashesChosen(workerData), reply, close));

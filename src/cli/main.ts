#!/usr/bin/env node
/**
 * The program `layerproof`.
 *
 * @module
 */
import process from "node:process";
import { runProcess } from "./run.ts";

await runProcess(process.argv.slice(2));

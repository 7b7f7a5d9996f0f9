/**
 * Programs of the system that do what neither runtime can.
 *
 * @module
 */
import { execFile } from "node:child_process";

/** Runs a program to its end. @throws what the runtime throws where it is missing, or ends with another status than 0 */
export async function run(program: string, args: readonly string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    execFile(program, args, (error) => error ? reject(error) : resolve());
  });
}

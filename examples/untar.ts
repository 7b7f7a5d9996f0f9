/**
 * Lists the files of a layer with Deno's standard tar reader: the tar streams of this package are Web streams.
 *
 *     deno run -A examples/untar.ts layer.tar.zst
 *
 * `UntarStream` reads ustar headers only; `verifyLayer` with `onEntry` reads PAX, GNU and sparse members too.
 */
// deno-lint-ignore no-import-prefix -- an example is one file
import { UntarStream } from "jsr:@std/tar@^0.1/untar-stream";
import { tarStream } from "../src/export/tar-stream.ts";
import { streamSource } from "../src/mod.ts";

const [path] = Deno.args;
if (path === undefined) throw new Error("Usage: untar.ts LAYER");
const file = await Deno.open(path);
for await (const entry of tarStream(streamSource(file.readable, path)).pipeThrough(new UntarStream())) {
  let size = 0;
  for await (const piece of entry.readable ?? []) size += piece.length;
  console.log(`${entry.path}\t${size}`);
}

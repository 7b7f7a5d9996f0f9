/** Verifies layers with the core alone: no `node:` module can be resolved, and the platform's globals are gone. */
const blobs = process.argv.slice(2).map((text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)));

const { isBuiltin, registerHooks } = await import("node:module");
registerHooks?.({
  resolve(specifier, context, next) {
    if (isBuiltin(specifier)) throw new Error(`The core asked for ${specifier}, by ${context.parentURL}`);
    return next(specifier, context);
  },
});
for (const name of ["Deno", "process", "Buffer", "require", "setImmediate", "global"]) {
  Reflect.deleteProperty(globalThis, name);
}

const { memorySource, openLayer, streamSource, verifyLayer } = await import("../../src/mod.ts");
const results: string[] = [];
for (const blob of blobs) {
  results.push((await verifyLayer(memorySource(blob))).result);
  const stream = new Blob([blob]).stream() as ReadableStream<Uint8Array>;
  results.push((await verifyLayer(streamSource(stream))).result);
}
// The last two have a TOC.
const contents: string[] = [];
for (const blob of blobs.slice(-2)) {
  const layer = await openLayer(memorySource(blob), { untrusted: true });
  const file = layer.open(layer.lookup("d/f")!);
  contents.push(new TextDecoder().decode(await file.read(0, file.size)));
}
console.log(JSON.stringify({ results, contents }));

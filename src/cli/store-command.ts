/**
 * `layerproof store`: an Additional Layer Store in a directory. What the commands do is loaded when they run.
 *
 * @module
 */
import { type Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import type { StoreLayout } from "../store/paths.ts";
import type { CommandContext } from "./context.ts";
import { addExpectations } from "./expectation-options.ts";
import type { RawCreateOptions } from "./store-create.ts";
import { storeDirectory } from "./store-directory.ts";
import { STORE_HELP } from "./store-help.ts";
import type { RawKeepOptions } from "./store-keep.ts";
import type { RawShowOptions } from "./store-show.ts";

const STORE = ["[store]", "directory (default: LAYERPROOF_STORE)"] as const;

/** Adds the command and its subcommands to the program. */
export function addStoreCommand(program: Command, context: CommandContext): void {
  const group = program.command("store")
    .summary("keep layers where podman, CRI-O, buildah and skopeo use them in place")
    .description(STORE_HELP.purpose)
    .addHelpText("after", STORE_HELP.group);
  addCreate(group, context);
  addShow(group, context);
  addKeep(group, context);
}

function addCreate(group: Command, context: CommandContext): void {
  const command = group.command("create")
    .summary("verify and extract an image, for podman and its kin to use in place")
    .description(STORE_HELP.create)
    .argument(
      "<image>",
      "oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE[:REF], docker://REF, one layer's file, or -",
    )
    .argument("[store]", "directory; it is made if it is not there (default: LAYERPROOF_STORE)")
    .option("--reference <ref>", "as clients will ask: docker.io/library/x:1 (may be repeated)", gather, [])
    .addOption(
      new Option(
        "--layout <layout>",
        "path of the layers (may be repeated; default: reference, digest if there is none)",
      )
        .argParser(layoutOf),
    )
    .option("--platform <os/arch[/variant]>", "which images of a multi-platform image (default: all)")
    .option("--copy", "copy blobs, never link to those of the image");
  addExpectations(command, "What is expected of the layer, where it is given alone:")
    .optionsGroup("Other options:")
    .option("--json", "one JSON object a layer, and one for each image")
    .option("--jobs <n>", "threads that share the work on large layers (default: one for each core)")
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .addHelpText("after", STORE_HELP.createRest)
    .action(async (image: string, store: string | undefined, options: RawCreateOptions) => {
      const { storeCreate } = await import("./store-create.ts");
      context.finish(await storeCreate(image, storeDirectory(store, context.io), options, context));
    });
}

function gather(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}

const LAYOUTS: ReadonlySet<string> = new Set(["reference", "digest", "keys"] satisfies StoreLayout[]);

function layoutOf(value: string, previous: readonly StoreLayout[] = []): readonly StoreLayout[] {
  if (LAYOUTS.has(value)) return [...new Set([...previous, value as StoreLayout])];
  throw new UsageError("store-layout-unknown", `--layout: received ${JSON.stringify(value)}`, {
    advice: `Layouts: ${[...LAYOUTS].join(", ")}`,
  });
}

function addShow(group: Command, context: CommandContext): void {
  const { io, finish } = context;
  group.command("ls")
    .summary("list images and layers")
    .description(STORE_HELP.ls)
    .argument(...STORE)
    .option("--json", "one JSON object a layer and reference")
    .action(async (store: string | undefined, options: RawShowOptions) => {
      const { storeLs } = await import("./store-show.ts");
      finish(await storeLs(storeDirectory(store, io), options, context));
    });
  group.command("info")
    .summary("what is known of an image or a layer")
    .description(STORE_HELP.info)
    .argument("<what>", "reference, or digest of blob, TOC or tar")
    .argument(...STORE)
    .option("--json", "one JSON object")
    .action(async (what: string, store: string | undefined, options: RawShowOptions) => {
      const { storeInfo } = await import("./store-show.ts");
      finish(await storeInfo(what, storeDirectory(store, io), options, context));
    });
  group.command("look-up")
    .summary("what a client would get")
    .description(STORE_HELP.lookUp)
    .argument("<ref>", 'reference as the client has it; "" for a store without references')
    .argument("<digest>", "of the blob (podman 4) or the TOC (podman 5)")
    .argument(...STORE)
    .option("--toc-digest <digest>", "a TOC digest that the same layer must have")
    .option("--json", "one JSON object for each place")
    .addHelpText("after", STORE_HELP.lookUpRest)
    .action(async (reference: string, digest: string, store: string | undefined, options: RawShowOptions) => {
      const { storeLookUp } = await import("./store-show.ts");
      finish(await storeLookUp(reference, digest, storeDirectory(store, io), options, context));
    });
}

function addKeep(group: Command, context: CommandContext): void {
  const { io, finish } = context;
  group.command("check")
    .summary("read every layer again")
    .description(STORE_HELP.check)
    .argument(...STORE)
    .option("--json", "one JSON object a layer and place")
    .option("--jobs <n>", "threads that share the work on large layers (default: one for each core)")
    .option("--no-progress", "no progress bar (it is only shown on a terminal, for work over a second)")
    .action(async (store: string | undefined, options: RawKeepOptions) => {
      const { storeCheck } = await import("./store-keep.ts");
      finish(await storeCheck(storeDirectory(store, io), options, context));
    });
  group.command("rm")
    .summary("take an image or a layer away from clients")
    .description(STORE_HELP.rm)
    .argument("<what>", "reference or digest")
    .argument(...STORE)
    .action(async (what: string, store: string | undefined) => {
      const { storeRm } = await import("./store-keep.ts");
      finish(await storeRm(what, storeDirectory(store, io), context));
    });
  group.command("gc")
    .summary("remove what nobody can find")
    .description(STORE_HELP.gc)
    .argument(...STORE)
    .option("--dry-run", "say only what would be removed")
    .option("--all", "also what is less than ten minutes old, which a running create may be about to use")
    .option("--json", "one JSON object")
    .action(async (store: string | undefined, options: RawKeepOptions) => {
      const { storeGc } = await import("./store-keep.ts");
      finish(await storeGc(storeDirectory(store, io), options, context));
    });
}

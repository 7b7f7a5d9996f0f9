/**
 * Which arguments stand for images, by how they begin.
 *
 * @module
 */

/** Named as containers/image names its transports (containers-transports(5)). */
export type ImageKind = "oci" | "oci-archive" | "docker-archive" | "docker";

const KINDS: readonly ImageKind[] = ["oci", "oci-archive", "docker-archive", "docker"];

/** The kind of `oci:…`, `oci-archive:…`, `docker-archive:…` or `docker://…`; null for every other argument. */
export function imageKind(argument: string): ImageKind | null {
  return KINDS.find((kind) => argument.startsWith(kind === "docker" ? "docker://" : `${kind}:`)) ?? null;
}

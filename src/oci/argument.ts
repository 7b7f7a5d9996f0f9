/**
 * Which arguments stand for images, by how they begin.
 *
 * @module
 */

/** Named as containers/image names its transports (containers-transports(5)). */
export type ImageKind = "oci" | "oci-archive" | "docker-archive";

const KINDS: readonly ImageKind[] = ["oci", "oci-archive", "docker-archive"];

/** The kind of `oci:…`, `oci-archive:…` or `docker-archive:…`; null for every other argument. */
export function imageKind(argument: string): ImageKind | null {
  return KINDS.find((kind) => argument.startsWith(`${kind}:`)) ?? null;
}

/**
 * Media types of layers (OCI image-spec, layer.md; Docker image manifest v2.2) and the content they promise.
 *
 * @module
 */
import type { Container } from "../codec/detect.ts";

const OCI = "application/vnd.oci.image.layer.v1.tar";

/** The OCI media type for what the content is, or null where there is none. */
export function mediaTypeOf(container: Container): string | null {
  switch (container) {
    case "gzip":
    case "zstd":
    case "bzip2":
    case "xz":
      return `${OCI}+${container}`;
    case "tar":
    case "empty":
      return OCI;
    case "unknown":
      return null;
  }
}

/** Whether a label promises this content; null if the label promises nothing (a generic type). */
export function mediaTypeMatches(label: string, container: Container): boolean | null {
  const match =
    /^application\/vnd\.(?:oci\.image\.layer(?:\.nondistributable)?\.v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[+.](\w+))?$/
      .exec(label);
  if (!match) return null;
  const promised = match[1] ?? "tar";
  return promised === (container === "empty" ? "tar" : container);
}

/**
 * `--platform` while images are being looked for, and what to say when none was found.
 *
 * @module
 */
import { FormatError, type LayerproofError, UsageError } from "../errors.ts";
import { formatPlatform, type Platform, platformMatches } from "./platform.ts";

export class PlatformChoice {
  readonly #wanted: Platform | null;
  readonly #others = new Set<string>();

  /** @param wanted null for all */
  constructor(wanted: Platform | null) {
    this.#wanted = wanted;
  }

  /** Whether images for `platform` are wanted. Those that are not are remembered for the advice. */
  wants(platform: Platform): boolean {
    if (!this.#wanted || platformMatches(platform, this.#wanted)) return true;
    this.#others.add(formatPlatform(platform));
    return false;
  }

  /**
   * The error for a search that found nothing.
   * @param name the image as it was asked for
   * @param file what lists the images
   * @returns `oci-platform-unknown` or `oci-no-image`
   */
  nothing(name: string, file: string): LayerproofError {
    if (this.#wanted && this.#others.size > 0) {
      return new UsageError(
        "oci-platform-unknown",
        `There is no image for ${formatPlatform(this.#wanted)} in ${name}`,
        { source: name, advice: `Its platforms: ${[...this.#others].slice(0, 50).join(", ")}` },
      );
    }
    return new FormatError("oci-no-image", `${file} names no image with layers`, {
      source: name,
      advice: "Artifacts and attestations are passed over; see whether the image was copied completely.",
    });
  }
}

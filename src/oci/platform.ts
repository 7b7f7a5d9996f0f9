/**
 * Platforms of images: `os/architecture[/variant]`.
 *
 * @module
 */
import { UsageError } from "../errors.ts";
import { asObject, asString, CONFIG_KEYS, optional } from "./json.ts";

/** What an image runs on, in the words of Go (`GOOS`, `GOARCH`). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string | null;
}

/**
 * A platform as a person writes it, e.g. `linux/arm64` or `linux/arm/v7`.
 * @throws {UsageError} `platform-malformed`
 */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9_.-]+)\/([a-z0-9_.-]+)(?:\/([a-z0-9_.-]+))?$/i.exec(text);
  if (!match) {
    throw new UsageError(
      "platform-malformed",
      `Cannot use ${JSON.stringify(text)} as a platform: expected os/architecture or os/architecture/variant`,
      { advice: "For example linux/amd64 or linux/arm/v7." },
    );
  }
  return { os: match[1]!, architecture: match[2]!, variant: match[3] ?? null };
}

/** The platform object of a descriptor or a config. @throws {FormatError} `json-type` */
export function parsePlatformObject(value: unknown, what: string): Platform {
  const object = asObject(value, what, CONFIG_KEYS);
  return {
    os: asString(object["os"], `os of ${what}`),
    architecture: asString(object["architecture"], `architecture of ${what}`),
    variant: optional(object["variant"], asString, `variant of ${what}`) ?? null,
  };
}

/** Whether an image for `platform` is wanted; without a variant in `wanted`, any will do. */
export function platformMatches(platform: Platform, wanted: Platform): boolean {
  return platform.os === wanted.os && platform.architecture === wanted.architecture &&
    (wanted.variant === null || platform.variant === wanted.variant);
}

/** `os/architecture[/variant]` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === null ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

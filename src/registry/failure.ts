/**
 * What goes wrong between a registry and us. Messages name hosts and paths, never queries (they hold signatures) and
 * never credentials.
 *
 * @module
 */
import { type ErrorDetails, SourceError } from "../errors.ts";

/** A failure that another attempt may not meet again. */
export class Transient extends SourceError {
  /** Milliseconds that the server asks us to wait, or null. */
  readonly retryAfter: number | null;

  constructor(code: string, message: string, details: ErrorDetails = {}, retryAfter: number | null = null) {
    super(code, message, details);
    this.retryAfter = retryAfter;
  }
}

/** The server does not give ranges of this blob, or gives wrong ones. */
export class RangesFail extends SourceError {}

/** A URL as messages show it. */
export function shownUrl({ protocol, host, pathname }: URL): string {
  return `${protocol}//${host}${pathname}`;
}

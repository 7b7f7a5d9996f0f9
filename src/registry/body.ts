/**
 * Small bodies: documents and tokens, bounded before they are kept.
 *
 * @module
 */
import { LimitExceeded } from "../errors.ts";
import { Transient } from "./failure.ts";
import type { HttpResponse } from "./transport.ts";

/**
 * A whole body of at most `limit` bytes.
 * @param what names it in messages
 * @throws {LimitExceeded} `oci-document-too-large`
 * @throws {Transient} `registry-short-body`, and as the transport
 */
export async function readBody(
  { body, header }: HttpResponse,
  limit: number,
  what: string,
): Promise<Uint8Array> {
  const length = header("content-length");
  const announced = length === null ? null : Number(length);
  const pieces: Uint8Array[] = [];
  let size = 0;
  if (announced !== null && announced > limit) throw tooLarge(what, limit);
  for await (const piece of body) {
    size += piece.length;
    if (size > limit) throw tooLarge(what, limit);
    pieces.push(piece);
  }
  if (announced !== null && size < announced) {
    throw new Transient("registry-short-body", `${what} ended after ${size} of ${announced} bytes`, {
      source: what,
      expected: String(announced),
      actual: String(size),
    });
  }
  return joined(pieces, size);
}

/** @param size of all pieces together */
export function joined(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function tooLarge(what: string, limit: number): LimitExceeded {
  return new LimitExceeded("oci-document-too-large", `${what} has more than ${limit} bytes`, {
    source: what,
    advice: "Documents of this kind are small.",
  });
}

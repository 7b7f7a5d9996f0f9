/** Content that compresses in many ways, and damage to what it was compressed to. */
import { concat } from "./bytes.ts";
import { type Random, randomBytes, randomText } from "./random.ts";

/** Content of many kinds, so that blocks of all kinds come out. */
export function sample({ below, next }: Random): Uint8Array {
  const length = below([8, 300, 3000, 20_000, 200_000][below(5)]!);
  switch (below(6)) {
    case 0:
      return randomText(length, next());
    case 1:
      return randomBytes(length, next()).map((byte) => byte & (byte >>> 3));
    case 2:
      return new Uint8Array(length).map((_, at) => at % 7 + (below(40) === 0 ? 1 : 0));
    case 3:
      return new Uint8Array(length).map(() => 97 + below(4));
    case 4:
      return randomBytes(length, next()).map((byte, at) => at % 100 < 60 ? byte : 0);
    default:
      return concat(
        randomText(length, next()),
        new Uint8Array(length % 500),
        randomBytes(length % 700, next()),
      );
  }
}

/** One to three changes: a bit, a byte, a byte less, a byte more, a byte from elsewhere; half of them near the start. */
export function mutate(frame: Uint8Array, { below }: Random): Uint8Array {
  let out: Uint8Array = frame.slice();
  for (let changes = 1 + (below(3) === 0 ? below(3) : 0); changes > 0 && out.length > 0; changes--) {
    const at = below(2) === 0 ? below(Math.min(out.length, 60)) : below(out.length);
    const what = below(6);
    if (what < 2) out[at]! ^= 1 << below(8);
    else if (what === 2) out[at] = below(256);
    else if (what === 3) out = concat(out.subarray(0, at), out.subarray(at + 1));
    else if (what === 4) out = concat(out.subarray(0, at), Uint8Array.of(below(256)), out.subarray(at));
    else out[at] = out[below(out.length)]!;
  }
  return out;
}

/**
 * A long differential fuzz of the decoding kernels: valid and damaged streams, against zlib and the portable decoders.
 *
 *     node test/kernel/fuzz.ts [CASES [FIRST_SEED]]      # 200,000 of each kernel, from the time of day on
 *
 * A difference is printed with its seed, with which the suite's own test can be made to repeat it.
 */
import process from "node:process";
import { inflateCase } from "./inflate-differential.ts";
import { zstdCase } from "./zstd-differential.ts";

const cases = Number(process.argv[2] ?? 200_000);
const first = Number(process.argv[3] ?? Date.now() % 2 ** 30);
if (!Number.isSafeInteger(cases) || !Number.isSafeInteger(first)) {
  console.error("Usage: npm run fuzz -- [CASES [FIRST_SEED]]");
  process.exit(2);
}

let differences = 0;
for (const [name, check] of [["inflate", inflateCase], ["zstd", zstdCase]] as const) {
  const start = performance.now();
  for (let i = 0; i < cases; i++) {
    try {
      check(first + i);
    } catch (error) {
      differences++;
      console.error(`${name}, seed ${first + i}: ${error instanceof Error ? error.message : error}`);
    }
    if ((i + 1) % 10_000 === 0) {
      const rate = (i + 1) / ((performance.now() - start) / 1000);
      console.log(`${name}: ${i + 1} of ${cases}, ${Math.round(rate)} a second, ${differences} differences`);
    }
  }
}
console.log(`${cases} streams for each kernel from seed ${first} on: ${differences} differences`);
process.exit(differences === 0 ? 0 : 1);

/** Compares the exponential of the core's variables with one in fixed point with 200 binary digits. */
import { describe, expect, it } from "vitest";
import type { CoreBuild } from "../../src/core/index.js";
import { createMemory, instantiateCore } from "../../src/core/instance.js";
import { nodeHost } from "../../src/core/node-host.js";
import { builds, randomNumbers } from "../core/support.js";

const digits = 200n;
const one = 1n << digits;

/** log 2 = sum of 1 / (k 2^k) */
const ln2 = (() => {
  let sum = 0n;
  for (let k = 1n; k <= digits; k++) sum += (one >> k) / k;
  return sum;
})();

/** Returns x in fixed point, exact if its last bit is at least 2^-200. */
function fixed(x: number): bigint {
  const exponent = x === 0 ? 0 : Math.floor(Math.log2(Math.abs(x)));
  const mantissa = BigInt(x * 2 ** (60 - exponent));
  const shift = digits - 60n + BigInt(exponent);
  return shift >= 0n ? mantissa << shift : mantissa >> -shift;
}

/** Returns exp(x) for x at most 0, as a mantissa in fixed point, which is at most 1, and a power of two. */
function exponential(x: number): { mantissa: bigint; power: number } {
  const number = fixed(x);
  const power = -Number(-number / ln2);
  const rest = number - BigInt(power) * ln2;
  let [term, sum] = [one, one];
  for (let k = 1n; term !== 0n; k++) {
    term = (term * rest) / (k * one);
    sum += term;
  }
  return { mantissa: sum, power };
}

/** Returns the error of `found` for exp(x), in units in its last place. */
function error(found: number, x: number): number {
  const { mantissa, power } = exponential(x);
  const scaled = found * 2 ** -power;
  const unit = 2 ** (Math.floor(Math.log2(scaled)) - 52);
  return Math.abs(Number(fixed(scaled) - mantissa) / 2 ** Number(digits) / unit);
}

async function evaluate(build: CoreBuild, numbers: readonly number[]): Promise<number[]> {
  expect(nodeHost.acceptsRelaxed()).toBe(true);
  const memory = createMemory();
  const core = instantiateCore(await nodeHost.compile(build), memory);
  const pairs = Math.ceil(numbers.length / 2);
  const [x, out] = [core.heapBase(), core.heapBase() + 16 * pairs];
  memory.grow(Math.ceil((out + 16 * pairs) / 65536));
  new Float64Array(memory.buffer, x, numbers.length).set(numbers);
  core.exponentials2(out, x, pairs);
  return Array.from(new Float64Array(memory.buffer, out, numbers.length));
}

describe.each(builds)("exponentials of the build %s", (build) => {
  it("are within one unit in the last place from -708 to 0", async () => {
    const random = randomNumbers(7);
    const numbers = Array.from({ length: 4000 }, (_, i) => -random() * [0.4, 2, 40, 708][i % 4]!);
    const found = await evaluate(build, numbers);
    const worst = found.reduce((most, e, i) => Math.max(most, error(e, numbers[i]!)), 0);
    expect(worst <= 1, `the error is ${worst} units`).toBe(true);
  });

  it("are exact at 0, zero below -708, and NaN for NaN", async () => {
    const found = await evaluate(build, [0, -0, -708.5, Number.NEGATIVE_INFINITY, -1000, Number.NaN]);
    expect(found).toEqual([1, 1, 0, 0, 0, Number.NaN]);
  });
});

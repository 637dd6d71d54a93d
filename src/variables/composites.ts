/**
 * Variables of variables:
 *
 *     sum         constant + sum_i weight_i V_i
 *     smoothMin   -(1/b) log mean_i exp(-b V_i)      dV/dV_i = exp(-b V_i) / sum_j exp(-b V_j)
 *     smoothMax   (1/b) log mean_i exp(b V_i)        dV/dV_i = exp(b V_i) / sum_j exp(b V_j)
 *     switch      1 / (1 + exp(-(V - centre) / width))
 */
import type { Accumulator, Evaluated } from "./accumulator.js";
import type { SwitchOptions } from "./declare.js";
import { logistic } from "./switching.js";

export function weightedSum(
  constant: number,
  terms: readonly { readonly weight: number; readonly variable: Evaluated }[],
): Evaluated {
  return {
    value: terms.reduce((sum, { weight, variable }) => sum + weight * variable.value, constant),
    pull(outer: number, into: Accumulator) {
      for (const { weight, variable } of terms) variable.pull(outer * weight, into);
    },
  };
}

/** @param sharpness b; that of a minimum with a minus */
export function softExtremum(variables: readonly Evaluated[], sharpness: number): Evaluated {
  const exponents = variables.map(({ value }) => sharpness * value);
  // Relative to the largest, no exponential overflows.
  const largest = Math.max(...exponents);
  const terms = exponents.map((exponent) => Math.exp(exponent - largest));
  const sum = terms.reduce((a, b) => a + b);
  return {
    value: (largest + Math.log(sum / terms.length)) / sharpness,
    pull(outer: number, into: Accumulator) {
      variables.forEach((variable, index) => {
        variable.pull((outer * terms[index]!) / sum, into);
      });
    },
  };
}

export function switched(variable: Evaluated, options: SwitchOptions): Evaluated {
  const { value, slope } = logistic(variable.value, options);
  return {
    value,
    pull(outer: number, into: Accumulator) {
      variable.pull(outer * slope, into);
    },
  };
}

/** The two smooth steps of docs/variables.md. */
import type { SwitchOptions } from "./declare.js";

/** A value and its slope. */
export interface Step {
  value: number;
  slope: number;
}

/** f(q) = 1 / (1 + exp(-(q - centre) / width)) and f'(q). */
export function logistic(q: number, { centre, width }: SwitchOptions): Step {
  const x = (q - centre) / width;
  // From the exponential that cannot overflow, so that neither tail loses its digits.
  const small = Math.exp(-Math.abs(x));
  const sum = 1 + small;
  return { value: (x >= 0 ? 1 : small) / sum, slope: small / (sum * sum) / width };
}

/** S(x) = x^3 (10 - 15 x + 6 x^2) between 0 and 1, constant outside, and S'(x). */
export function quintic(x: number): Step {
  if (x <= 0) return { value: 0, slope: 0 };
  if (x >= 1) return { value: 1, slope: 0 };
  const rest = 1 - x;
  return { value: x * x * x * (10 - 15 * x + 6 * x * x), slope: 30 * x * x * rest * rest };
}

/**
 * The quantities q_a of which variables are means, and their derivatives by the logits.
 *
 * | kind | q_a | dq_a/dl_ac |
 * |---|---|---|
 * | fraction | sum of p_ak over the classes k | p_ac ([c is one of them] - q_a) |
 * | meanLogit | l_ak | delta_kc |
 * | logitDifference | l_ak - l_am | delta_kc - delta_mc |
 * | distance | a0 s sqrt(2 h(u)), u = l0_k - l'_ak, h(u) = u^3 / (u^2 + 1/16) for u > 0, else 0 | -a0 s h'(u) / sqrt(2 h(u)) delta_kc |
 * | logDensity | log sum_c exp l_ac | p_ac |
 *
 * N atoms, C classes; arrays are N x C, row-major. Symbols of docs/maths.md; l holds the log-weights of the prior, l' does not.
 */
import type { VariableFrame } from "./frame.js";

/** Which quantity, by the numbers of its classes. */
export type QuantityKey =
  | { readonly kind: "fraction"; readonly classes: readonly number[] }
  | { readonly kind: "meanLogit" | "distance"; readonly class: number }
  | { readonly kind: "logitDifference"; readonly class: number; readonly minus: number }
  | { readonly kind: "logDensity" };

/** A quantity of each atom. */
export interface Quantity {
  /** N, q_a. */
  readonly values: Float64Array;
  /** seed_ac += factor_a dq_a/dl_ac, for N factors. */
  addSeed(seed: Float64Array, factors: Float64Array): void;
  /** Whether q_a grows in proportion to a0 at fixed logits. */
  readonly isLength: boolean;
}

export function quantity(key: QuantityKey, frame: VariableFrame): Quantity {
  switch (key.kind) {
    case "fraction":
      return fraction(key.classes, frame);
    case "meanLogit":
      return combination([[key.class, 1]], frame);
    case "logitDifference":
      return combination(
        [
          [key.class, 1],
          [key.minus, -1],
        ],
        frame,
      );
    case "distance":
      return distance(key.class, frame);
    case "logDensity":
      return logDensity(frame);
  }
}

function fraction(classes: readonly number[], { tables, atomCount, classCount }: VariableFrame): Quantity {
  const { probabilities } = tables;
  const values = new Float64Array(atomCount);
  for (const k of classes) {
    for (let atom = 0; atom < atomCount; atom++) values[atom]! += probabilities[atom * classCount + k]!;
  }
  return {
    values,
    isLength: false,
    addSeed(seed, factors) {
      for (let atom = 0, row = 0; atom < atomCount; atom++, row += classCount) {
        const factor = factors[atom]!;
        if (factor === 0) continue;
        const outside = -factor * values[atom]!;
        for (let c = 0; c < classCount; c++) seed[row + c]! += outside * probabilities[row + c]!;
        for (const k of classes) seed[row + k]! += factor * probabilities[row + k]!;
      }
    },
  };
}

/** A weighted sum of some logits. */
function combination(
  parts: readonly (readonly [column: number, weight: number])[],
  { logits, atomCount, classCount }: VariableFrame,
): Quantity {
  const values = new Float64Array(atomCount);
  for (const [column, weight] of parts) {
    for (let atom = 0; atom < atomCount; atom++) {
      values[atom]! += weight * logits[atom * classCount + column]!;
    }
  }
  return {
    values,
    isLength: false,
    addSeed(seed, factors) {
      for (const [column, weight] of parts) {
        for (let atom = 0; atom < atomCount; atom++) {
          seed[atom * classCount + column]! += weight * factors[atom]!;
        }
      }
    },
  };
}

/** u below which the corner of the distance is rounded off, squared. */
const corner = 1 / 16;

function distance(k: number, frame: VariableFrame): Quantity {
  const { logits, logWeights, idealLogits, logitLength, lengthScale, atomCount, classCount } = frame;
  const unit = lengthScale * logitLength;
  const ideal = idealLogits[k]! + (logWeights?.[k] ?? 0);
  const values = new Float64Array(atomCount);
  const slopes = new Float64Array(atomCount);
  for (let atom = 0; atom < atomCount; atom++) {
    const u = ideal - logits[atom * classCount + k]!;
    // Its slope goes to 0 with u, though written so it would be 0 / 0.
    if (!(u > 0)) continue;
    const square = u * u + corner;
    const root = Math.sqrt((2 * u) / square);
    values[atom] = unit * u * root;
    slopes[atom] = (-unit * (u * (u * u + 3 * corner))) / (square * square * root);
  }
  return {
    values,
    isLength: true,
    addSeed(seed, factors) {
      for (let atom = 0; atom < atomCount; atom++) {
        seed[atom * classCount + k]! += factors[atom]! * slopes[atom]!;
      }
    },
  };
}

function logDensity({ tables, atomCount, classCount }: VariableFrame): Quantity {
  const { probabilities, logDensities } = tables;
  return {
    values: logDensities,
    isLength: false,
    addSeed(seed, factors) {
      for (let atom = 0, row = 0; atom < atomCount; atom++, row += classCount) {
        for (let c = 0; c < classCount; c++) seed[row + c]! += factors[atom]! * probabilities[row + c]!;
      }
    },
  };
}

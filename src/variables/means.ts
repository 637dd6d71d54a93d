/**
 * Variables that are a mean or a sum over atoms:
 *
 *     mean   V = sum_a w_a f(q_a) / W, W = sum_a w_a    dV/dq_a = w_a f'(q_a) / W    dV/dw_a = (f(q_a) - V) / W
 *     sum    V = sum_a w_a f(q_a)                       dV/dq_a = w_a f'(q_a)        dV/dw_a = f(q_a)
 */
import { PhasewireError } from "../errors/index.js";
import type { Accumulator, Evaluated } from "./accumulator.js";
import type { Selection, SwitchOptions } from "./declare.js";
import type { VariableFrame } from "./frame.js";
import { type QuantityKey, quantity } from "./quantities.js";
import { selectionWeights } from "./selection.js";
import { logistic } from "./switching.js";

/** Sums of weights below it hold too few atoms for a mean. */
const leastWeight = 1e-6;

/** A mean by the numbers of its classes. */
export interface Mean {
  readonly key: QuantityKey;
  readonly reduce: "mean" | "sum";
  readonly switch: SwitchOptions | undefined;
  readonly select: Selection | undefined;
  /** Of the variable, for errors. */
  readonly field: string;
}

/** @throws PhasewireError `EMPTY_SELECTION`, and what `selectionWeights` throws */
export function evaluateMean(mean: Mean, frame: VariableFrame): Evaluated {
  const { weights, pull: pullWeights } = selectionWeights(mean.select, frame, `${mean.field}.select`);
  const { values, addSeed, isLength } = quantity(mean.key, frame);
  const { atomCount } = frame;
  const counted = new Float64Array(atomCount);
  const slopes = new Float64Array(atomCount);
  let [sum, total] = [0, 0];
  for (let atom = 0; atom < atomCount; atom++) {
    const q = values[atom]!;
    const { value, slope } = mean.switch === undefined ? { value: q, slope: 1 } : logistic(q, mean.switch);
    counted[atom] = value;
    slopes[atom] = slope;
    sum += weights[atom]! * value;
    total += weights[atom]!;
  }
  const isMean = mean.reduce === "mean";
  if (isMean && !(total >= leastWeight)) throw nothingSelected(mean.field, total);
  const divisor = isMean ? total : 1;
  const value = sum / divisor;
  return {
    value,
    pull(weight: number, into: Accumulator) {
      const scale = weight / divisor;
      const factors = weights.map((w, atom) => scale * w * slopes[atom]!);
      addSeed(into.seed, factors);
      if (isLength)
        into.logLengthScale += factors.reduce((part, factor, atom) => part + factor * values[atom]!, 0);
      if (pullWeights === null) return;
      const reference = isMean ? value : 0;
      pullWeights(
        counted.map((f) => scale * (f - reference)),
        into.gradient(),
        into.virial,
      );
    },
  };
}

function nothingSelected(field: string, total: number): PhasewireError {
  return new PhasewireError("EMPTY_SELECTION", {
    field: `${field}.select`,
    value: total,
    message: `${field}.select holds no atom: the weights add up to ${total}`,
    remedy: 'Widen the selection, or give `reduce: "sum"`, which is 0 where there are no atoms.',
  });
}
